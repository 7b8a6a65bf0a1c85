"""Derivations of a pack: held against its own types, and in the order in which they can be saved.

One that reads what another gives comes behind it, and goes before it. All are of single
devices: a pack brings no device that could stand for the members of an asset.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from msgspec.structs import replace

from weft.errors import Conflict, Invalid
from weft.model.device import Device, DeviceType
from weft.model.ids import TenantId
from weft.packs.model import Item
from weft.rules.derived.checking import Checks
from weft.rules.derived.derivations import DerivedKeysOf
from weft.rules.derived.documents import read_derivation
from weft.rules.derived.formulas import compile_value, telemetry_of
from weft.rules.derived.model import Derivation, DerivationChange, DerivationDocument
from weft.rules.derived.order import Reads, levels, require_ordered
from weft.rules.language import ANY, Scope
from weft.rules.surroundings import Surroundings

_PACK: Final = TenantId("pack")  # nobody's: what is checked for it is thrown away


class PackDerivations:
    """The derivations of one pack, as far as they are read."""

    def __init__(self, types: Mapping[str, DeviceType]) -> None:
        devices = _NoDevices()
        self._types = types
        self._known = DerivedKeysOf(devices.find)
        self._around = Surroundings(devices=devices, types=_Types(types), derived=self._known)

    def add(self, name: str, document: DerivationDocument) -> None:
        """Check one, on top of those before it; raise `Invalid` or `Conflict` saying why not."""
        type_name = document.selector.type_name
        if document.scope is not None or document.device:
            raise Invalid(
                "A derivation of a pack is of single devices.",
                remedy="Leave scope and device out: a pack brings no device for the whole.",
            )
        if type_name not in self._types:
            raise Invalid(
                f"selector.type: the pack has no type {type_name!r}.",
                remedy="Name one of its own.",
            )
        checked = Checks(self._around).check(_PACK, document)
        made = _made(name, document, checked.inputs, checked.gives)
        require_ordered(made, self._known.of(_PACK))
        self._known.put(DerivationChange(None, made, 0))

    def scope_of(self, kind: DeviceType | None) -> Scope:
        """Return what rules may say of a device of a type, what is computed of it among it."""
        return self._around.scope_of(_PACK, kind)


def levels_of(documents: Mapping[str, Mapping[str, Any]]) -> dict[str, int]:
    """Return how many of these derivations stand below each; a loop is left out."""
    found = []
    for name, values in documents.items():
        document = read_derivation(values)
        found.append(_made(name, document, _inputs(document), ""))
    return dict(levels(found))


def clashes_of(
    items: Sequence[Item], held: Sequence[Derivation], tenant: TenantId, reads: Reads
) -> dict[str, str]:
    """Return why items cannot be saved, one after the other, beside what a tenant computes.

    By the items' keys: a key that is given twice, a loop, or too many steps.
    """
    there = {one.name: one for one in held}
    found: dict[str, str] = {}
    for item in items:
        document = read_derivation(item.document)
        made = replace(_made(item.name, document, _inputs(document), ""), tenant=tenant)
        there.pop(item.name, None)
        try:
            require_ordered(made, list(there.values()), reads)
        except (Conflict, Invalid) as error:
            found[item.key] = f"{error.detail} {error.remedy}"
        there[item.name] = made
    return found


def _inputs(document: DerivationDocument) -> tuple[str, ...]:
    try:
        return telemetry_of(compile_value(document.value, ANY))
    except Invalid:  # whoever saves it is told; until then it reads nothing
        return ()


def _made(
    name: str, document: DerivationDocument, inputs: tuple[str, ...], gives: str
) -> Derivation:
    return Derivation(
        name=name,
        uid="",
        tenant=_PACK,
        version=1,
        document=document,
        gives=gives,
        inputs=inputs,
        created_at=0,
        created_by="",
        updated_at=0,
    )


class _NoDevices:
    def find(self, tenant: TenantId, device_id: str) -> Device | None:  # noqa: ARG002  none
        return None

    def behind(self, tenant: TenantId, after: str, limit: int) -> list[Device]:  # noqa: ARG002  none
        return []


class _Types:
    def __init__(self, types: Mapping[str, DeviceType]) -> None:
        self._types = types

    def find(self, tenant: TenantId, name: str, version: int | None = None) -> DeviceType | None:  # noqa: ARG002  one
        return self._types.get(name)

    def followed_by(self, device: Device) -> DeviceType | None:
        return self._types.get(device.type_name or "")
