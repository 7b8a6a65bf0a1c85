"""Filters: an expression of the rules' language over devices or assets, evaluated in memory.

A filter matches where its expression is true. Where a value that it needs is absent, or of a
type that it cannot compare, it does not match, as a rule would not raise. It reads nothing
from disk and looks up only what its expression names.
"""

import asyncio
from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Any, Final, Generic, TypeVar

from msgspec import UNSET, Struct

from weft.errors import Invalid
from weft.groups.declared import declared_for
from weft.groups.vocabulary import ASSETS, DEVICES
from weft.model.asset import Asset
from weft.model.device import Device
from weft.model.ids import TenantId
from weft.model.twin import Twin
from weft.registry.assets import Assets
from weft.registry.attachments import Attachments
from weft.registry.device_types import DeviceTypes
from weft.registry.devices import Devices
from weft.registry.presence import Presence
from weft.rules.language.condition import Condition, compile_condition
from weft.rules.language.evaluate import FAILURES, evaluator
from weft.rules.language.scope import Names
from weft.rules.language.syntax import Path
from weft.rules.language.values import plain
from weft.twins.twins import Twins

T = TypeVar("T")

AT_ONCE: Final = 500  # records before others have their turn: about 2 ms
EXAMINED_MAX: Final = 50_000  # records of one request; the next page goes on behind them
TURN_S: Final = 0.005  # of work before others have their turn, where an expression is slow
WORK_MAX_S: Final = 1.0  # of work for one request

# Who asks by a value could read it that way, so it needs the right to read it.
_RIGHTS: dict[str, str] = {
    "telemetry": "telemetry.read",
    "reported": "twin.read",
    "asset": "asset.read",
    "asset_attributes": "asset.read",
    "": "connection.read",  # connected
}


class Filter(Struct, Generic[T], frozen=True):
    """A checked expression, ready for one record after the other."""

    text: str
    matches: Callable[[T], bool]
    rights: frozenset[str]  # actions that who asks must be allowed


class Found(Struct, Generic[T], frozen=True):
    """Some of what matches, and the name behind which the search goes on, if it does."""

    items: list[T]
    after: str | None = None


class Around(Struct, frozen=True, eq=False):
    """What filters look up and never change."""

    devices: Devices
    assets: Assets
    attachments: Attachments
    presence: Presence
    twins: Twins
    types: DeviceTypes


class _Subject:
    """One device with what belongs to it, each looked up when it is first asked for."""

    __slots__ = ("_around", "_asset", "_twin", "device")

    def __init__(self, device: Device, around: Around) -> None:
        self.device = device
        self._around = around
        self._twin: Twin | None = None
        self._asset: Asset | Any | None = UNSET

    @property
    def twin(self) -> Twin:
        if self._twin is None:
            self._twin = self._around.twins.get(self.device.tenant, self.device.device_id)
        return self._twin

    @property
    def asset(self) -> Asset | None:
        """The asset that the device observes, or the one that it steers."""
        if self._asset is UNSET:
            held = self._around.attachments.of_device(self.device.uid)
            self._asset = self._around.assets.find_uid(held[0].asset_uid) if held else None
        found: Asset | None = self._asset
        return found


_Read = Callable[[_Subject], Any]


def device_filter(text: str, around: Around, tenant: TenantId | None = None) -> Filter[Device]:
    """Compile a filter over devices; raise `Invalid` with the column and what to write.

    With a tenant, what it asks for is held against the tenant's types as well.
    """
    condition = _compiled(text, DEVICES)
    if tenant is not None:
        _hold_against_types(text, around, tenant)
    paths = sorted(condition.paths)
    reads = [_device_read(path, around) for path in paths]
    evaluate = evaluator(condition.tree, {path: place for place, path in enumerate(paths)})

    def matches(device: Device) -> bool:
        subject = _Subject(device, around)
        return _is_true(evaluate, [read(subject) for read in reads])

    return Filter(text, matches, _rights(paths))


def asset_filter(text: str, assets: Assets) -> Filter[Asset]:
    """Compile a filter over assets; raise `Invalid` with the column and what to write."""
    condition = _compiled(text, ASSETS)
    paths = sorted(condition.paths)
    evaluate = evaluator(condition.tree, {path: place for place, path in enumerate(paths)})

    def matches(asset: Asset) -> bool:
        return _is_true(evaluate, [_asset_value(path, asset, assets) for path in paths])

    return Filter(text, matches, frozenset())


async def search(
    records: Callable[[str, int], Sequence[T]],
    name: Callable[[T], str],
    matches: Callable[[T], bool],
    *,
    after: str,
    limit: int,
) -> Found[T]:
    """Return what matches among the records behind `after`, in the order of their names.

    `records(after, limit)` gives the next ones. Other work goes on between the parts of a
    long search; one that has examined enough ends early and says where to go on.
    """
    found: list[T] = []
    worked_s, began = 0.0, perf_counter()
    for _ in range(EXAMINED_MAX // AT_ONCE):
        part = records(after, AT_ONCE)
        for record in part:
            if matches(record):
                if len(found) == limit:
                    return Found(found, name(found[-1]) if found else after)
                found.append(record)
            turn_s = perf_counter() - began
            if turn_s > TURN_S:
                worked_s += turn_s
                if worked_s > WORK_MAX_S:
                    return Found(found, name(record))
                await asyncio.sleep(0)
                began = perf_counter()
        if len(part) < AT_ONCE:
            return Found(found)
        after = name(part[-1])
        worked_s += perf_counter() - began
        await asyncio.sleep(0)
        began = perf_counter()
    return Found(found, after)


def _compiled(text: str, names: Names) -> Condition:
    try:
        return compile_condition(text, names)
    except Invalid as error:
        raise _in_filter(error) from error


def _hold_against_types(text: str, around: Around, tenant: TenantId) -> None:
    """Only hold it: what is evaluated stays open, for a value may be absent or of long ago."""
    try:
        declared = declared_for(text, tenant, around.types, around.devices)
    except Invalid as error:
        raise _in_filter(error) from error
    if declared is not None:
        _compiled(text, declared)


def _in_filter(error: Invalid) -> Invalid:
    return Invalid(f"The filter: {error.detail}", remedy=error.remedy)


def _is_true(evaluate: Callable[[Sequence[Any]], Any], row: list[Any]) -> bool:
    try:
        return evaluate(row) is True
    except FAILURES:
        return False  # absent, or of another type: neither is a match


def _rights(paths: Sequence[Path]) -> frozenset[str]:
    return frozenset(_RIGHTS[source] for source, _key in paths if source in _RIGHTS)


def _device_read(path: Path, around: Around) -> _Read:
    source, key = path
    match source:
        case "attributes":
            return lambda subject: plain(subject.device.attributes.get(key, UNSET))
        case "reported":
            return lambda subject: plain(subject.twin.reported.get(key, UNSET))
        case "telemetry":
            return lambda subject: _latest(subject.twin, key)
        case "":
            return lambda subject: around.presence.is_connected(subject.device.uid)
        case "device":
            return _DEVICE_FIELDS[key] if key != "gateway" else lambda one: _gateway(one, around)
        case _:
            return lambda subject: (
                UNSET if subject.asset is None else _asset_value(path, subject.asset, around.assets)
            )


_DEVICE_FIELDS: dict[str, _Read] = {
    "id": lambda subject: subject.device.device_id,
    "type": lambda subject: subject.device.type_name or "",
    "lifecycle": lambda subject: subject.device.lifecycle.value,
    "label": lambda subject: subject.device.label,
    "tags": lambda subject: list(subject.device.tags),
}


def _gateway(subject: _Subject, around: Around) -> str:
    gateway = around.devices.find_uid(subject.device.gateway) if subject.device.gateway else None
    return gateway.device_id if gateway else ""


def _latest(twin: Twin, key: str) -> Any:
    held = twin.telemetry.get(key)
    return UNSET if held is None else plain(held.value)


def _asset_value(path: Path, asset: Asset, assets: Assets) -> Any:
    source, key = path
    if source == "asset_attributes":
        return plain(asset.attributes.get(key, UNSET))
    match key:
        case "id":
            return asset.asset_id
        case "kind":
            return asset.kind
        case "label":
            return asset.label
        case "tags":
            return list(asset.tags)
        case "parent":
            return asset.parent or ""
        case "ancestors":
            return assets.chain_of(asset)
        case _:
            return "/" + "/".join(assets.chain_of(asset))
