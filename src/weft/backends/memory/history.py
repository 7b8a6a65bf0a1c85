"""History in memory: the shortest statement of what `HistoryStore` means.

Every sample stands under (tenant, device, key) and its moment, with the position it came by;
a sample of a higher position takes the place of a lower one. Aggregates are computed one
bucket at a time, in plain Python.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

import numpy as np

from weft.history.aggregates import aggregate, bucket_start, increases, require_sound
from weft.history.scalars import is_absent, is_number
from weft.history.tables import Row, fewer, make_table
from weft.history.values import to_text
from weft.model.ids import DeviceId, TenantId
from weft.ports import HistoryQuery, HistoryScan, HistoryTable, HistoryTrace, Rows

Samples = dict[int, tuple[int, Any]]  # moment -> (position, value)
_BYTES_PER_SAMPLE = 16  # a moment and a number


class MemoryHistory:
    """Measurements over time, gone with the process."""

    def __init__(self) -> None:
        self._series: dict[tuple[str, str, str], Samples] = {}
        self._position = 0

    @property
    def position(self) -> int:
        """Journal position up to which everything is stored."""
        return self._position

    async def append(self, rows: Sequence[Rows], position: int) -> None:
        """Store readings and the position they reach to, all or nothing."""
        for part in rows:
            for key, column in zip(part.keys, part.columns, strict=True):
                heads = zip(part.tenants, part.devices, part.at, part.positions, strict=True)
                for (tenant, device, at, place), value in zip(heads, column, strict=True):
                    if not is_absent(value):
                        self._store((tenant, device, key), at, place, value)
        self._position = position

    def _store(self, series: tuple[str, str, str], at: int, position: int, value: Any) -> None:
        samples = self._series.setdefault(series, {})
        held = samples.get(at)
        if held is None or held[0] <= position:
            samples[at] = (position, value)

    async def query(self, query: HistoryQuery) -> HistoryTable:
        """Answer from what was appended; raise `Invalid` for an unknown aggregate."""
        require_sound(query)
        return make_table(query, self._rows(query))

    def _rows(self, query: HistoryQuery) -> Iterator[Row]:
        for device in dict.fromkeys(query.devices):
            for key in dict.fromkeys(query.keys):
                samples = self._series.get((query.tenant, device, key), {})
                moments = sorted(at for at in samples if query.start <= at < query.end)
                values = [samples[at][1] for at in moments]
                rows = _series_rows(query, (device, key), moments, values)
                yield from rows if query.max_points is None else fewer(rows, query.max_points)

    async def scan(self, scan: HistoryScan) -> Sequence[HistoryTrace]:
        """Return raw samples in bulk, duplicates resolved; what has none is left out."""
        found = [
            _trace(device, key, self._series.get((scan.tenant, device, key), {}), scan)
            for device in scan.devices
            for key in scan.keys
        ]
        return [trace for trace in found if len(trace.at)]

    async def count(self, scan: HistoryScan) -> int:
        """Return how many samples `scan` would read."""
        return sum(len(trace.at) for trace in await self.scan(scan))

    async def keys(self, tenant: TenantId, device: DeviceId) -> Sequence[str]:
        """Return the keys that the device has samples of."""
        return sorted(
            key
            for (owner, name, key), samples in self._series.items()
            if (owner, name) == (tenant, device) and samples
        )

    async def delete_device(self, tenant: TenantId, device: DeviceId) -> None:
        """Forget all samples of a device."""
        for series in [held for held in self._series if held[:2] == (tenant, device)]:
            del self._series[series]

    async def trim(self, *, before_at: int | None = None, max_bytes: int | None = None) -> int:
        """Forget old samples by age and size; return how many."""
        cut = before_at
        if max_bytes is not None:
            moments = sorted(at for samples in self._series.values() for at in samples)
            surplus = len(moments) - max_bytes // _BYTES_PER_SAMPLE
            if surplus > 0:
                cut = max(cut or 0, moments[surplus - 1] + 1)
        if cut is None:
            return 0
        forgotten = 0
        for samples in self._series.values():
            old = [at for at in samples if at < cut]
            forgotten += len(old)
            for at in old:
                del samples[at]
        return forgotten

    async def compact(self) -> None:
        """Resolve duplicates for good: here they never pile up."""

    async def close(self) -> None:
        """Let go of everything."""
        self._series.clear()


def _series_rows(
    query: HistoryQuery, series: tuple[str, str], moments: list[int], values: list[Any]
) -> list[Row]:
    """Return the rows of one device and key in the order of time."""
    device, key = series
    if query.bucket_ns is None:
        return [(at, device, key, (value,)) for at, value in zip(moments, values, strict=True)]
    width = query.bucket_ns
    samples = list(zip(moments, values, increases(values), strict=True))
    rows: list[Row] = []
    for start, group in groupby(samples, lambda sample: bucket_start(sample[0], width)):
        _at, inside, grown = zip(*group, strict=True)
        results = tuple(aggregate(name, inside, grown, width) for name in query.aggregates)
        rows.append((start, device, key, results))
    return rows


def _trace(device: str, key: str, samples: Samples, scan: HistoryScan) -> HistoryTrace:
    moments = sorted(at for at in samples if scan.start <= at < scan.end)
    values = [samples[at][1] for at in moments]
    numbers = [float(value) if is_number(value) else float("nan") for value in values]
    texts = [None if is_number(value) else to_text(value) for value in values]
    return HistoryTrace(
        device,
        key,
        np.array(moments, np.int64),
        np.array(numbers, np.float64),
        texts if any(text is not None for text in texts) else None,
    )
