"""Sources: the messages of a time, from the journal, and before it from history.

History has no messages: the samples of one device and moment become one, received at that
moment. What the journal still has is read from the journal alone, so no sample comes twice;
a sample that was measured before the journal begins and received later is told by history.
"""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
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
from weft.rules.past.tables import Rows, Table
from weft.rules.worked import Told, Worked

TellIn = Callable[[Rows], Sequence[Mapping[str, Told]]]
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
        self._routes = [_route(one) for one in watched]
        self._integers = [_integers(one.type) for one in watched]

    def batches(
        self, table: Table, chosen: Rows | None = None, told: TellIn | None = None
    ) -> Iterator[Committed]:
        """Yield the rows that are chosen (None: all) as messages, in the order of their moments.

        A row that is chosen out of others tells what each key had last, where that is asked
        of the table (`filled`): what the rows between had sent is known then as well. `told`
        says what is remembered in some rows, where that was worked out.
        """
        rows = np.arange(len(table.at)) if chosen is None else chosen
        order = rows[np.argsort(table.at[rows], kind="stable")]
        for start in range(0, len(order), AT_ONCE):
            some = order[start : start + AT_ONCE]
            moments, devices = table.at[some].tolist(), table.device[some].tolist()
            values = self._values(table, some, devices, filled=chosen is not None)
            if told is not None:
                pairs = zip(values, told(some), strict=True)
                values = [Worked(sent, remembered) for sent, remembered in pairs]
            first = self._position + 1
            self._position += len(moments)
            yield Committed(
                first,
                [
                    Envelope(self._routes[device], at, b"")
                    for device, at in zip(devices, moments, strict=True)
                ],
                [[Reading(at, sent)] for at, sent in zip(moments, values, strict=True)],
            )

    def _values(
        self, table: Table, rows: Rows, devices: list[int], *, filled: bool
    ) -> list[dict[str, Any]]:
        made: list[dict[str, Any]] = [{} for _ in devices]
        for key, column in table.columns.items():
            whole = filled and column.filled is not None
            numbers = (column.filled if whole else column.values)[rows].tolist()  # type: ignore[index]  # it is not None
            sent = column.sent[rows].tolist()
            for place, (number, is_sent) in enumerate(zip(numbers, sent, strict=True)):
                if not (is_sent or (whole and number == number)):  # noqa: PLR0124  NaN
                    continue
                text = column.texts.get(int(rows[place])) if column.texts else None
                if text is not None:
                    made[place][key] = from_text(text)
                elif key in self._integers[devices[place]]:
                    made[place][key] = int(number)
                else:
                    made[place][key] = number
        return made


def _integers(kind: DeviceType | None) -> frozenset[str]:
    fields = kind.telemetry.items() if kind is not None else ()
    return frozenset(key for key, field in fields if field.type == "integer")


def cleaned(trace: HistoryTrace, kind: DeviceType | None) -> HistoryTrace:
    """Leave out what another type than the declared one was sent once, by an older version."""
    field = kind.telemetry.get(trace.key) if kind is not None else None
    declared = field.type if field is not None else ""
    numbers = ~np.isnan(trace.values)
    if declared == "number":
        fits = numbers
    elif declared == "integer":
        fits = numbers & (np.floor(trace.values) == trace.values)
    elif declared in {"string", "boolean"}:
        texts = trace.texts or [None] * len(trace.at)
        wanted = _is_text if declared == "string" else _is_truth
        fits = np.array([wanted(text) for text in texts], np.bool_)
    else:
        return trace
    if fits.all():
        return trace
    kept = None
    if trace.texts is not None:
        kept = [text for text, fit in zip(trace.texts, fits.tolist(), strict=True) if fit]
    return HistoryTrace(trace.device, trace.key, trace.at[fits], trace.values[fits], kept)


def _is_text(text: str | None) -> bool:
    return text is not None and text.startswith('"')


def _is_truth(text: str | None) -> bool:
    return text in {"true", "false"}


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
