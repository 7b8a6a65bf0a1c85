"""Export: an answer as CSV, JSON, an Arrow stream or Parquet, in pieces that need little memory.

CSV is for spreadsheets, so a text that a spreadsheet would run as a formula gets a quote in
front of it. JSON has moments as RFC 3339. Arrow keeps columns as they are, in nanoseconds; it
needs pyarrow, which is an extra.
"""

import asyncio
import csv
import io
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Awaitable,
    Callable,
    Iterator,
    Mapping,
    Sequence,
)
from types import ModuleType
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from weft.errors import Invalid
from weft.history.scalars import is_number
from weft.model.moments import to_rfc3339
from weft.ports import HistoryQuery, HistoryTable

CSV: Final = "text/csv; charset=utf-8"
JSON: Final = "application/json"
ARROW: Final = "application/vnd.apache.arrow.stream"
PARQUET: Final = "application/vnd.apache.parquet"

# OWASP, "CSV Injection": what a spreadsheet takes for a formula, tab and return included.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")

Ask = Callable[[HistoryQuery], Awaitable[HistoryTable]]


async def pages(ask: Ask, query: HistoryQuery) -> AsyncIterator[HistoryTable]:
    """Yield all of an answer, a page of `query.limit` rows at a time."""
    while True:
        table = await ask(query)
        yield table
        if table.next is None:
            return
        query = replace(query, after=table.next)


async def to_csv(tables: AsyncIterator[HistoryTable]) -> AsyncGenerator[str, None]:
    """Yield a header, then line by line all rows."""
    line = io.StringIO()
    writer = csv.writer(line)
    headed = False
    async for table in tables:
        if not headed:
            writer.writerow(list(table.columns))
            headed = True
        for row in _records(table):
            writer.writerow([_cell(value) for value in row])
            yield _taken(line)
    if rest := _taken(line):
        yield rest


def to_json(table: HistoryTable, *, cursor: str | None = None) -> bytes:
    """Return {"rows": [{device, key, at, value…}], "next": cursor}."""
    names = list(table.columns)
    rows = [dict(zip(names, row, strict=True)) for row in _records(table)]
    return msgspec.json.encode({"rows": rows, "next": cursor})


async def to_arrow(tables: AsyncIterator[HistoryTable]) -> AsyncIterator[bytes]:
    """Yield an Arrow IPC stream, one record batch a page.

    Raises `Invalid` where pyarrow is not installed. Values that are no numbers stand as JSON in
    a second column, `value_json` (or `first_json`, `last_json`).
    """
    arrow = _pyarrow()
    sink = io.BytesIO()
    stream: Any = None
    async for table in tables:
        batch = _record_batch(arrow, table.columns)
        if stream is None:
            stream = arrow.ipc.new_stream(sink, batch.schema)
        stream.write_batch(batch)
        yield sink.getvalue()
        sink.seek(0)
        sink.truncate()
    if stream is not None:
        stream.close()
        yield sink.getvalue()


async def to_parquet(tables: AsyncIterator[HistoryTable]) -> AsyncGenerator[bytes, None]:
    """Yield a Parquet file, one row group a page, its columns as those of `to_arrow`.

    Raises `Invalid` where pyarrow is not installed.
    """
    arrow = _pyarrow("Parquet")
    from pyarrow import parquet  # noqa: PLC0415  as in _pyarrow

    sink = _Sink()
    writer: Any = None
    async for table in tables:
        batch = _record_batch(arrow, table.columns)
        if writer is None:
            writer = parquet.ParquetWriter(sink, batch.schema, compression="zstd")
        await asyncio.to_thread(writer.write_batch, batch)
        yield sink.take()
    if writer is not None:
        writer.close()
        yield sink.take()


class _Sink(io.RawIOBase):
    """A file that is only ever appended to, and whose beginning may be gone already."""

    def __init__(self) -> None:
        super().__init__()
        self._pieces: list[bytes] = []
        self._length = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        piece = bytes(data)
        self._pieces.append(piece)
        self._length += len(piece)
        return len(piece)

    def tell(self) -> int:
        return self._length

    def take(self) -> bytes:
        """Return what has been written since the last time."""
        taken = b"".join(self._pieces)
        self._pieces.clear()
        return taken


def _records(table: HistoryTable) -> Iterator[tuple[Any, ...]]:
    """Yield rows, their moments as RFC 3339."""
    columns = [
        map(to_rfc3339, column) if name == "at" else column
        for name, column in table.columns.items()
    ]
    return zip(*columns, strict=True)


def _cell(value: Any) -> Any:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return value
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return f"'{text}" if text.startswith(_FORMULA) else text


def _taken(line: io.StringIO) -> str:
    text = line.getvalue()
    line.seek(0)
    line.truncate()
    return text


def _pyarrow(what: str = "Arrow") -> ModuleType:
    try:
        import pyarrow as arrow  # noqa: PLC0415  an extra, of 140 MB: loaded when asked for
        import pyarrow.ipc  # noqa: PLC0415  as above
    except ImportError as error:
        raise Invalid(
            f"{what} needs pyarrow, which is not installed here.",
            remedy="pip install weft[arrow], or ask for CSV or JSON.",
        ) from error
    return arrow  # type: ignore[no-any-return]  # pyarrow has no types


def _record_batch(arrow: ModuleType, columns: Mapping[str, Sequence[Any]]) -> Any:
    arrays: dict[str, Any] = {}
    for name, column in columns.items():
        if name in {"device", "key"}:
            arrays[name] = arrow.array(column, arrow.string()).dictionary_encode()
        elif name == "at":
            arrays[name] = arrow.array(column, arrow.timestamp("ns", tz="UTC"))
        elif name == "count":
            arrays[name] = arrow.array(column, arrow.int64())
        else:
            numbers = [value if is_number(value) else None for value in column]
            arrays[name] = arrow.array(numbers, arrow.float64())
            if name in {"value", "first", "last"}:
                texts = [
                    None
                    if value is None or is_number(value)
                    else msgspec.json.encode(value).decode()
                    for value in column
                ]
                arrays[f"{name}_json"] = arrow.array(texts, arrow.string())
    return arrow.record_batch(arrays)
