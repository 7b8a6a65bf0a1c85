"""Pictures: charts of history as columns, one value or a few for each pixel.

A picture of a thousand pixels is as large for ten million samples as for ten thousand, and as
wide: buckets are as long as a pixel, so the lowest and the highest of each are drawn and no peak
is lost. Earlier periods are moved onto the same time, so that they lie over each other.
"""

import asyncio
from typing import Any, Final

from msgspec import Struct

from weft.history.history import History
from weft.model.ids import DeviceId, TenantId
from weft.ports import HistoryQuery, HistoryTable

NS_PER_MS: Final = 1_000_000


class Asked(Struct, frozen=True):
    """What a picture is of. Moments in ns; `start` is in, `end` is out."""

    tenant: TenantId
    devices: tuple[DeviceId, ...]
    keys: tuple[str, ...]
    start: int
    end: int
    pixels: int = 600
    bucket_ns: int | None = None  # where it is not to be as long as a pixel
    aggregates: tuple[str, ...] = ("min", "max", "mean")
    before_ns: int = 0  # how much earlier; its moments are those of the time that it is laid over

    @property
    def width_ns(self) -> int:
        """How long a bucket is."""
        if self.bucket_ns is not None:
            return self.bucket_ns
        return max(-(-(self.end - self.start) // self.pixels), NS_PER_MS)

    @property
    def buckets(self) -> int:
        """How many buckets there may be; the first and the last may be parts."""
        return (self.end - self.start) // self.width_ns + 2


class Line(Struct, frozen=True):
    """One key of one device: parallel columns in the order of time."""

    device: str
    key: str
    at_ms: list[int]  # where the bucket begins, since 1970
    values: dict[str, list[Any]]  # by aggregate; null where it has none


async def picture_of(history: History, asked: Asked) -> list[Line]:
    """Return the lines of a picture in the order of their names; none for what has no samples."""
    query = HistoryQuery(
        tenant=asked.tenant,
        devices=asked.devices,
        keys=asked.keys,
        start=asked.start - asked.before_ns,
        end=asked.end - asked.before_ns,
        bucket_ns=asked.width_ns,
        aggregates=asked.aggregates,
        limit=asked.buckets * len(asked.devices) * len(asked.keys),
    )
    table = await history.query(query)
    return await asyncio.to_thread(_lines, table, asked)


def _lines(table: HistoryTable, asked: Asked) -> list[Line]:
    columns = table.columns
    rows: dict[tuple[str, str], list[int]] = {}
    for row, place in enumerate(zip(columns["device"], columns["key"], strict=True)):
        rows.setdefault(place, []).append(row)
    moments = [(at + asked.before_ns) // NS_PER_MS for at in columns["at"]]
    return [
        Line(
            device,
            key,
            [moments[row] for row in held],
            {name: [columns[name][row] for row in held] for name in asked.aggregates},
        )
        for (device, key), held in sorted(rows.items())
    ]
