"""Tables: history's columns as JSON rows, or as whole CSV and Arrow answers."""

from collections.abc import AsyncIterator
from typing import Any

from msgspec import UNSET, Struct, UnsetType

from weft.api.views import Moment
from weft.history.export import to_arrow, to_csv
from weft.model.moments import to_rfc3339
from weft.ports import HistoryTable

_NAMES = ("device", "key", "at")


class HistoryRow(Struct, frozen=True):
    """One sample (`value`), or one bucket (`aggregates`) that begins at `at`."""

    device: str
    key: str
    at: Moment
    value: Any | UnsetType = UNSET
    aggregates: dict[str, Any] | UnsetType = UNSET


def rows_of(table: HistoryTable) -> list[HistoryRow]:
    """Return a table row by row."""
    columns = table.columns
    moments = map(to_rfc3339, columns["at"])
    places = zip(columns["device"], columns["key"], moments, strict=True)
    if "value" in columns:
        pairs = zip(places, columns["value"], strict=True)
        return [HistoryRow(*place, value=value) for place, value in pairs]
    names = [name for name in columns if name not in _NAMES]
    values = zip(*(columns[name] for name in names), strict=True)
    return [
        HistoryRow(*place, aggregates=dict(zip(names, row, strict=True)))
        for place, row in zip(places, values, strict=True)
    ]


async def csv_of(table: HistoryTable) -> bytes:
    """Write a page as CSV."""
    return "".join([line async for line in to_csv(_only(table))]).encode()


async def arrow_of(table: HistoryTable) -> bytes:
    """Write a page as an Arrow stream; raise `Invalid` where pyarrow is not installed."""
    return b"".join([piece async for piece in to_arrow(_only(table))])


async def _only(table: HistoryTable) -> AsyncIterator[HistoryTable]:
    yield table
