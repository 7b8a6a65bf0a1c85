"""Reading packs: a folder of plain files in, a checked `Pack` out.

    pack.yaml           name, version, title, description, sources, expects
    types/NAME.yaml     device types, as `weft type save` takes them
    assets.yaml         assets, each behind the one it stands below
    routes/NAME.yaml    planned routes, as `weft route save` takes them; none where it has no folder
    derivations/NAME.yaml  as `weft derived save` takes them; none where it has no folder
    rules/NAME.yaml     rules, as `weft rule add` takes them
    simulation.yaml     simulated devices
    samples.ndjson      samples of those devices

Each file goes through the reader that its kind has anyway, and derivations and rules are held
against the pack's own types, so that a pack which loads can be installed. A newer version leaves
each derived key to the derivation that gave it before: two cannot give one while one is replaced
by the other. Nothing is read from outside its folder.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from weft.errors import Conflict, Damaged, Invalid, NotFound
from weft.model.device import DeviceType
from weft.model.ids import TenantId
from weft.packs.derivations import PackDerivations, levels_of
from weft.packs.model import Expected, Item, ItemKind, Pack, Sample
from weft.packs.simulation import Simulation
from weft.registry.assets import NewAsset
from weft.registry.checking import require_value
from weft.registry.documents import read_document
from weft.registry.thing_models import read_type
from weft.rules.conditions import require_conditions, require_over, require_texts
from weft.rules.derived.documents import document_of as derivation_document
from weft.rules.derived.documents import read_derivation
from weft.rules.documents import read_rule
from weft.rules.places.kinds import PlannedRoute
from weft.rules.places.routes import document_of, read_route

T = TypeVar("T")

LIBRARY = Path(__file__).parent / "library"
_NOWHERE = TenantId("pack")  # a type is read for a tenant; this one's is thrown away


class _Head(Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    version: int
    title: str
    description: str
    sources: tuple[str, ...] = ()
    expects: tuple[Expected, ...] = ()


def read_library(folder: Path = LIBRARY) -> dict[str, Pack]:
    """Return the packs that Weft brings along by their names, in the order of these."""
    return {one.name: read_pack(one) for one in sorted(folder.iterdir()) if one.is_dir()}


def read_pack(folder: Path) -> Pack:
    """Return the pack of a folder; raise `Damaged` naming the file that is wrong, and why."""
    head = _at(folder / "pack.yaml", lambda text: _struct(text, "pack", _Head))
    if head.name != folder.name:
        raise _damaged(folder / "pack.yaml", f"the pack is named {head.name!r}")
    types = _types(folder)
    simulation = _at(
        folder / "simulation.yaml", lambda text: _struct(text, "simulation", Simulation)
    )
    computed = PackDerivations(types)
    assets, routes = _assets(folder), _routes(folder)
    derivations, rules = _derivations(folder, computed), _rules(folder, types, computed)
    samples = _at(folder / "samples.ndjson", _samples)
    _require_consistent(folder, types, {one.name for one in assets}, simulation)
    _require_trips(folder, {one.name for one in routes}, simulation)
    _require_samples(folder, types, simulation, samples)
    made = [Item(ItemKind.TYPE, name, kind.document) for name, kind in types.items()]
    return Pack(
        name=head.name,
        version=head.version,
        title=head.title,
        description=head.description,
        sources=head.sources,
        items=(*made, *assets, *routes, *derivations, *rules),
        simulation=simulation,
        samples=samples,
        expects=head.expects,
    )


def _types(folder: Path) -> dict[str, DeviceType]:
    def read(path: Path) -> DeviceType:
        return _at(
            path,
            lambda text: read_type(
                _NOWHERE, path.stem, read_document(text, "device type"), version=1, at=0
            ),
        )

    return {path.stem: read(path) for path in sorted((folder / "types").glob("*.yaml"))}


def _assets(folder: Path) -> list[Item]:
    def read(text: str) -> list[Item]:
        given = read_document(text, "assets").get("assets", [])
        found = msgspec.convert(given, list[NewAsset])
        return [Item(ItemKind.ASSET, one.asset_id or "", asset_document(one)) for one in found]

    return _at(folder / "assets.yaml", read)


def _routes(folder: Path) -> list[Item]:
    def read(path: Path) -> Item:
        fields = _at(path, lambda text: read_route(read_document(text, "route")))
        route = PlannedRoute(
            tenant=_NOWHERE,
            name=path.stem,
            uid="",
            created_at=0,
            created_by="",
            updated_at=0,
            **fields,
        )
        return Item(ItemKind.ROUTE, path.stem, document_of(route))

    return [read(path) for path in sorted((folder / "routes").glob("*.yaml"))]


def _derivations(folder: Path, computed: PackDerivations) -> list[Item]:
    def read(path: Path) -> Item:
        found = _at(path, lambda text: read_derivation(read_document(text, "derivation")))
        return Item(ItemKind.DERIVATION, path.stem, derivation_document(found))

    where = {path.stem: path for path in sorted((folder / "derivations").glob("*.yaml"))}
    items = {name: read(path) for name, path in where.items()}
    levels = levels_of({name: item.document for name, item in items.items()})
    for name in sorted(items.keys() - levels.keys()):
        raise _damaged(where[name], "it would be computed from itself")
    ordered = sorted(items, key=lambda name: (levels[name], name))
    for name in ordered:
        try:
            computed.add(name, read_derivation(items[name].document))
        except (Invalid, Conflict) as error:
            raise _damaged(where[name], error.detail) from error
    return [items[name] for name in ordered]


def _rules(folder: Path, types: Mapping[str, DeviceType], computed: PackDerivations) -> list[Item]:
    def read(text: str) -> Item:
        rule, source = read_rule(text)
        kind = types.get(rule.selector.type_name or "")
        if kind is None and rule.selector.type_name is not None:
            raise Invalid(
                f"The pack has no type {rule.selector.type_name!r}.", remedy="Name one of its own."
            )
        scope = computed.scope_of(kind)
        if rule.scope is not None:
            require_over(rule, [scope])
        else:
            require_conditions(rule, scope)
            require_texts(rule, scope)
        return Item(ItemKind.RULE, rule.name, source)

    return [_at(path, read) for path in sorted((folder / "rules").glob("*.yaml"))]


def _samples(text: str) -> tuple[Sample, ...]:
    return tuple(
        msgspec.json.decode(line, type=Sample) for line in text.splitlines() if line.strip()
    )


def _require_consistent(
    folder: Path, types: Mapping[str, DeviceType], assets: set[str], simulation: Simulation
) -> None:
    """Raise unless the simulated devices are of the pack's types and at its assets."""
    for device in simulation.devices:
        if device.type not in types or (device.asset is not None and device.asset not in assets):
            raise _damaged(
                folder / "simulation.yaml", f"{device.device} names a type or asset it has not"
            )
        unknown = device.values.keys() - types[device.type].telemetry.keys()
        if unknown:
            raise _damaged(
                folder / "simulation.yaml", f"{device.device} has values for {sorted(unknown)}"
            )


def _require_trips(folder: Path, routes: set[str], simulation: Simulation) -> None:
    devices = {device.device for device in simulation.devices}
    for trip in simulation.trips:
        if trip.route not in routes or trip.device not in devices:
            raise _damaged(
                folder / "simulation.yaml", f"the trip {trip.trip} names what the pack has not"
            )


def _require_samples(
    folder: Path,
    types: Mapping[str, DeviceType],
    simulation: Simulation,
    samples: tuple[Sample, ...],
) -> None:
    known = {device.device: types[device.type].telemetry for device in simulation.devices}
    for number, sample in enumerate(samples, 1):
        fields = known.get(sample.device, {})
        for key, value in sample.values.items():
            if key not in fields:
                raise _damaged(
                    folder / "samples.ndjson", f"line {number}: {sample.device} has no {key!r}"
                )
            try:
                require_value(value, fields[key], key)
            except Invalid as error:
                raise _damaged(
                    folder / "samples.ndjson", f"line {number}: {error.detail}"
                ) from error


def asset_document(asset: NewAsset) -> dict[str, Any]:
    """Return an asset as its pack has it: what is not said is left out."""
    values: dict[str, Any] = msgspec.to_builtins(asset)
    if asset.position is not None and asset.position.altitude_m is None:
        del values["position"]["altitude_m"]
    return {key: value for key, value in values.items() if value not in (None, "", [], {})}


def _struct(text: str, what: str, kind: type[T]) -> T:
    return msgspec.convert(read_document(text, what), kind)


def _at(path: Path, read: Callable[[str], T]) -> T:
    try:
        return read(path.read_text())
    except (Invalid, NotFound) as error:
        raise _damaged(path, error.detail) from error
    except (OSError, ValueError) as error:  # msgspec's errors are ValueErrors
        raise _damaged(path, str(error)) from error


def _damaged(path: Path, problem: str) -> Damaged:
    where = "/".join(path.parts[-2:])
    return Damaged(
        f"The pack file {where} is wrong: {problem}",
        remedy="Install Weft again; for a pack of your own, correct the file.",
    )
