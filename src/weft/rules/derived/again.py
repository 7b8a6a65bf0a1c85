"""Again: what the whole of the data gives, in the order in which it was measured.

The live computing runs over history, from some time before the first late sample, and is
compared with what live has given. Where the value before that sample is not found again,
too little of the past was read (a state lasts for longer than that, a counter was not read):
nothing of that key is changed, and it is named.
"""

import asyncio
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Protocol

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from weft.errors import TooLarge
from weft.model.device import Device
from weft.model.ids import DeviceId, TenantId
from weft.model.message import Committed, Envelope, Route
from weft.model.telemetry import Reading, items_of
from weft.ports import HistoryScan, HistoryTrace
from weft.rules.derived.deriver import route_of
from weft.rules.derived.deriving import Deriving
from weft.rules.derived.model import Derivation
from weft.rules.derived.reach import reach_of
from weft.rules.surroundings import Surroundings

_AT_ONCE: Final = 500  # readings: some milliseconds of the loop
Series = dict[tuple[str, str], dict[int, Any]]  # by device and key, by moment


class Scans(Protocol):
    """What is asked of history."""

    async def scan(self, scan: HistoryScan) -> Sequence[HistoryTrace]:
        """Return raw samples in bulk."""
        ...

    async def count(self, scan: HistoryScan) -> int:
        """Return how many samples a scan would read."""
        ...


class Change(Struct, frozen=True):
    """One value that is not what it was. `old` None: there was none."""

    device_id: DeviceId
    key: str
    at: int
    old: Any
    new: Any


class Task(Struct, frozen=True):
    """What is worked out again. Moments are ns UTC; `start` is in, `end` is out."""

    tenant: TenantId
    devices: tuple[DeviceId, ...]  # whose data came late
    start: int
    end: int
    warm_up_ns: int
    samples_max: int
    rolled_up: bool = True  # whether roll-ups are worked out as well


class Outcome(Struct, frozen=True):
    """What came of it."""

    samples: int
    changes: list[Change]
    uncertain: list[str]  # keys of devices that nothing can be said of


class Again:
    """One run over the past."""

    def __init__(
        self, task: Task, around: Surroundings, derivations: Sequence[Derivation], history: Scans
    ) -> None:
        self.done = 0
        self.total = 0
        self._task = task
        self._around = around
        self._history = history
        self._derivations = [
            replace(one, effective_after=0)
            for one in derivations
            if task.rolled_up or not one.is_rolled_up
        ]
        self._deriving = Deriving(around)
        for one in self._derivations:
            self._deriving.set(one)

    @property
    def percent(self) -> float:
        """How much was computed, of what was read."""
        return 100.0 * self.done / self.total if self.total else 0.0

    async def run(self) -> Outcome:
        """Return what differs; raise `TooLarge` where it is more than may be read."""
        task = self._task
        affected, read = reach_of(task.devices, self._deriving.members(task.tenant))
        gives = {one.key for one in self._derivations}
        inputs = {key for one in self._derivations for key in one.inputs} - gives
        begin = task.start - task.warm_up_ns
        scan = HistoryScan(task.tenant, tuple(sorted(read)), tuple(sorted(inputs)), begin, task.end)
        given = HistoryScan(
            task.tenant, tuple(sorted(affected)), tuple(sorted(gives)), begin, task.end
        )
        count = await self._history.count(scan)
        total = count + await self._history.count(given)
        if total > task.samples_max:
            raise TooLarge(
                f"{total} samples would be read; at most {task.samples_max} are.",
                remedy="Raise rules.derived.samples_max, or lower warm_up_h.",
            )
        rows = await asyncio.to_thread(self._rows, await self._history.scan(scan))
        stored = await asyncio.to_thread(_series, await self._history.scan(given))
        computed = await self._compute(rows, affected)
        changes, uncertain = await asyncio.to_thread(self._compare, stored, computed)
        return Outcome(count, changes, uncertain)

    # --- what was measured ----------------------------------------------------------------

    def _rows(self, traces: Sequence[HistoryTrace]) -> list[tuple[int, str, dict[str, Any]]]:
        integers = {trace.device: self._integers(trace.device) for trace in traces}
        found: dict[tuple[int, str], dict[str, Any]] = {}
        for trace in traces:
            whole = trace.key in integers[trace.device]
            for at, value in _samples(trace):
                fits = whole and value.__class__ is float and value.is_integer()
                found.setdefault((at, trace.device), {})[trace.key] = int(value) if fits else value
        return [(at, device, values) for (at, device), values in sorted(found.items(), key=_place)]

    def _integers(self, device_id: str) -> frozenset[str]:
        device = self._around.devices.find(self._task.tenant, device_id)
        kind = self._around.types.followed_by(device) if device is not None else None
        fields: Iterable[tuple[str, Any]] = kind.telemetry.items() if kind is not None else ()
        return frozenset(key for key, field in fields if field.type == "integer")

    # --- computing ------------------------------------------------------------------------

    async def _compute(
        self, rows: Sequence[tuple[int, str, dict[str, Any]]], affected: set[str]
    ) -> Series:
        self.total = len(rows)
        routes: dict[str, Route] = {}
        found: Series = {}
        for first in range(0, len(rows), _AT_ONCE):
            some = rows[first : first + _AT_ONCE]
            envelopes = [Envelope(self._route(routes, device), at, b"") for at, device, _ in some]
            decoded = [[Reading(at, values)] for at, _device, values in some]
            batch = Committed(first + 1, envelopes, decoded)
            for one in self._deriving.take(batch, after=0):
                if one.device_id not in affected:
                    continue
                for reading in one.readings:
                    for key, value in items_of(reading.values):
                        found.setdefault((one.device_id, key), {})[reading.at] = value
            self.done = first + len(some)
            await asyncio.sleep(0)
        return found

    def _route(self, routes: dict[str, Route], device_id: str) -> Route:
        route = routes.get(device_id)
        if route is None:
            device = self._around.devices.find(self._task.tenant, device_id)
            route = routes[device_id] = route_to(self._task.tenant, device_id, device, self._around)
        return route

    # --- what differs ---------------------------------------------------------------------

    def _compare(self, stored: Series, computed: Series) -> tuple[list[Change], list[str]]:
        changes: list[Change] = []
        uncertain: list[str] = []
        saved = {one.key: one.updated_at for one in self._derivations}
        start = self._task.start
        for (device, key), values in sorted(computed.items()):
            held = stored.get((device, key), {})
            before = max((at for at in held if at < start), default=None)
            if before is not None and not (
                before in values and is_same(held[before], values[before])
            ):
                uncertain.append(f"{device}/{key}")
                continue
            begin = max(start, saved.get(key, start))
            changes += [
                Change(DeviceId(device), key, at, held.get(at), value)
                for at, value in sorted(values.items())
                if at >= begin and not (at in held and is_same(held[at], value))
            ]
        return changes, uncertain


def route_to(
    tenant: TenantId, device_id: str, device: Device | None, around: Surroundings
) -> Route:
    """Return the route of derived telemetry of a device as it is now."""
    kind = around.types.followed_by(device) if device is not None else None
    type_name = (device.type_name or "") if device is not None else ""
    return route_of(tenant, DeviceId(device_id), type_name, kind.version if kind else 0)


def is_same(one: Any, other: Any) -> bool:
    """Return whether two values are one, but for the order in which they were added up."""
    if one.__class__ is float and other.__class__ is float:
        return math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-12)
    return one.__class__ is other.__class__ and bool(one == other)


def _place(row: tuple[tuple[int, str], Mapping[str, Any]]) -> tuple[int, str]:
    return row[0]


def _samples(trace: HistoryTrace) -> Iterable[tuple[int, Any]]:
    texts = trace.texts or [None] * len(trace.at)
    for at, value, text in zip(trace.at.tolist(), trace.values.tolist(), texts, strict=True):
        yield at, value if text is None else msgspec.json.decode(text)


def _series(traces: Sequence[HistoryTrace]) -> Series:
    return {(trace.device, trace.key): dict(_samples(trace)) for trace in traces}
