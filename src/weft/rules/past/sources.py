"""Sources: the messages of a time, from the journal, and before it from history.

History has no messages: the samples of one device and moment become one, received at that
moment. What the journal still has is read from the journal alone, so no sample comes twice;
a sample that was measured before the journal begins and received later is told by history.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
from msgspec import Struct

from weft.history.values import from_text
from weft.model.device import Device, DeviceType
from weft.model.ids import DeviceId, TenantId
from weft.model.message import Committed, Envelope, Operation, Route
from weft.model.telemetry import Reading
from weft.ports import HistoryScan, HistoryTrace

BEFORE = -(2**62)  # places of samples that stand in no journal count up from here
AT_ONCE = 256  # messages in one batch


class Samples(Protocol):
    """Reads the journal again, decoded as it was when it was admitted."""

    def __call__(
        self, after: int, until: int, tenant: TenantId | None = None
    ) -> AsyncIterator[Committed]:
        """Yield the batches behind `after` up to `until`; decode what a tenant has sent."""
        ...


class Scans(Protocol):
    """What is asked of history."""

    async def scan(self, scan: HistoryScan) -> Sequence[HistoryTrace]:
        """Return raw samples in bulk."""
        ...

    async def count(self, scan: HistoryScan) -> int:
        """Return how many samples `scan` would read."""
        ...


class Watched(Struct, frozen=True):
    """A device that is replayed, and the version of its type that it follows now."""

    device: Device
    type: DeviceType | None


async def slices(
    history: Scans, whole: HistoryScan, at_once: int
) -> AsyncIterator[tuple[HistoryScan, int]]:
    """Yield parts of a time with at most so many samples each, in order, and how many."""
    waiting = [whole]
    while waiting:
        one = waiting.pop()
        held = await history.count(one)
        if held > at_once and one.end - one.start > 1:
            parts = min(-(-held // at_once) * 2, one.end - one.start)
            edges = [one.start + (one.end - one.start) * n // parts for n in range(parts + 1)]
            cut = [
                HistoryScan(one.tenant, one.devices, one.keys, start, end)
                for start, end in pairwise(edges)
            ]
            waiting += reversed(cut)
        elif held:
            yield one, held


class Messages:
    """Makes messages of what history has of some devices."""

    def __init__(self, watched: Sequence[Watched]) -> None:
        self._position = BEFORE
        self._routes = {str(one.device.device_id): _route(one) for one in watched}
        self._types = {str(one.device.device_id): one.type for one in watched}

    def batches(self, traces: Sequence[HistoryTrace]) -> "list[Committed]":
        """Return the samples as messages, in the order of their moments."""
        by_device: dict[str, list[HistoryTrace]] = {}
        for trace in traces:
            by_device.setdefault(trace.device, []).append(trace)
        names: list[str] = []
        readings: list[Reading] = []
        for device, some in by_device.items():
            made = self._readings(device, some)
            readings += made
            names += [device] * len(made)
        order = np.argsort(np.array([one.at for one in readings], np.int64), kind="stable")
        batches: list[Committed] = []
        for start in range(0, len(order), AT_ONCE):
            rows = order[start : start + AT_ONCE].tolist()
            envelopes = [Envelope(self._routes[names[row]], readings[row].at, b"") for row in rows]
            decoded = [[readings[row]] for row in rows]
            batches.append(Committed(self._position + 1, envelopes, decoded))
            self._position += len(rows)
        return batches

    def _readings(self, device: str, traces: Sequence[HistoryTrace]) -> list[Reading]:
        """Return one reading for each moment that any key has."""
        moments = np.unique(np.concatenate([trace.at for trace in traces]))
        rows: list[dict[str, Any]] = [{} for _ in range(len(moments))]
        kind = self._types[device]
        for trace in traces:
            field = kind.telemetry.get(trace.key) if kind is not None else None
            values = values_of(trace, field.type if field is not None else "")
            for row, value in zip(np.searchsorted(moments, trace.at).tolist(), values, strict=True):
                if value is not None:
                    rows[row][trace.key] = value
        return [
            Reading(at, values) for at, values in zip(moments.tolist(), rows, strict=True) if values
        ]


# What a declared type takes of what history has; None: whatever there is.
_DECLARED: Mapping[str, Callable[[Any], bool]] = {
    "number": lambda value: value.__class__ is float or value.__class__ is int,
    "integer": lambda value: value.__class__ is int,
    "string": lambda value: value.__class__ is str,
    "boolean": lambda value: value.__class__ is bool,
}


def values_of(trace: HistoryTrace, declared: str) -> list[Any]:
    """Return the values as the device sent them; None where another type was sent once."""
    values: list[Any] = trace.values.tolist()
    if declared == "integer":
        values = [int(value) if value == value and value.is_integer() else None for value in values]  # noqa: PLR0124  NaN
    if trace.texts is not None:
        values = [
            value if text is None else from_text(text)
            for value, text in zip(values, trace.texts, strict=True)
        ]
    takes = _DECLARED.get(declared)
    if takes is None or (declared in {"number", "integer"} and trace.texts is None):
        return values
    return [value if takes(value) else None for value in values]


def _route(watched: Watched) -> Route:
    device, kind = watched.device, watched.type
    return Route(
        tenant=device.tenant,
        principal_kind="device",
        principal_id=device.device_id,
        topic=f"devices/{device.device_id}/telemetry",
        operation=Operation.TELEMETRY,
        device_id=DeviceId(device.device_id),
        type_name=device.type_name or "",
        type_version=kind.version if kind is not None else 0,
    )


def without(batch: Committed, before: int) -> Committed:
    """Return a batch of the journal less what was measured before a moment."""
    decoded = [
        [one for one in some if min(one.at, envelope.received_at) >= before] or None
        if envelope.route.operation is Operation.TELEMETRY and some
        else some
        for envelope, some in zip(batch.envelopes, batch.decoded, strict=True)
    ]
    return Committed(batch.first, batch.envelopes, decoded)
