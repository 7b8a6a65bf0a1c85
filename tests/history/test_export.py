"""What leaves as CSV, JSON or Arrow is what was measured, and runs in no spreadsheet."""

import csv
import io
import json
import sys
from collections.abc import AsyncIterator
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.history.support import T0, S, ask, rows

from weft.backends.memory.history import MemoryHistory
from weft.errors import Invalid
from weft.history.export import pages, to_arrow, to_csv, to_json
from weft.ports import HistoryTable


async def stored(values: list[Any]) -> MemoryHistory:
    store = MemoryHistory()
    await store.append([rows(list(enumerate(values)))], len(values))
    return store


async def joined(pieces: AsyncIterator[Any]) -> Any:
    found = [piece async for piece in pieces]
    return (b"" if found and isinstance(found[0], bytes) else "").join(found)


async def test_csv_has_a_header_and_a_line_for_each_row_of_all_pages() -> None:
    """The client asks once and gets all, the server holds a page."""
    store = await stored([1.5, True, "a,b", {"x": 1}, 3])
    text = await joined(to_csv(pages(store.query, ask(limit=2))))
    assert list(csv.reader(io.StringIO(text))) == [
        ["device", "key", "at", "value"],
        ["pump-7", "t", "2026-03-01T12:00:00Z", "1.5"],
        ["pump-7", "t", "2026-03-01T12:00:01Z", "true"],
        ["pump-7", "t", "2026-03-01T12:00:02Z", "a,b"],
        ["pump-7", "t", "2026-03-01T12:00:03Z", '{"x":1}'],
        ["pump-7", "t", "2026-03-01T12:00:04Z", "3"],
    ]


async def test_csv_comes_line_by_line() -> None:
    """A year of samples is not one string."""
    store = await stored([1, 2, 3])
    pieces = [piece async for piece in to_csv(pages(store.query, ask()))]
    assert len(pieces) == 3


async def test_an_empty_answer_has_its_header() -> None:
    """A spreadsheet knows the columns of nothing."""
    text = await joined(to_csv(pages(MemoryHistory().query, ask(bucket_ns=S))))
    assert text == "device,key,at,mean\r\n"


@given(st.text(min_size=1, max_size=6), st.booleans())
@settings(deadline=None)  # a busy machine is no fault
async def test_no_text_becomes_a_formula(text: str, as_key: bool) -> None:
    """A device that calls itself =HYPERLINK(…) stays a word; numbers stay numbers."""
    table = HistoryTable(
        {"device": ["d"], "key": [text if as_key else "k"], "at": [T0], "value": [text]}
    )

    async def one() -> AsyncIterator[HistoryTable]:
        yield table

    written = await joined(to_csv(one()))
    _header, line = csv.reader(io.StringIO(written, newline=""))
    for cell in line:
        assert not cell.startswith(("=", "+", "-", "@", "\t", "\r"))
        assert cell.removeprefix("'") in {text, text.removeprefix("'"), "d", "k", line[2]}


async def test_a_negative_number_is_no_formula() -> None:
    """-4 degrees are a number in the spreadsheet as well."""
    store = await stored([-4.5])
    assert (await joined(to_csv(pages(store.query, ask())))).endswith(",-4.5\r\n")


async def test_json_has_rows_and_a_cursor() -> None:
    """Moments are RFC 3339; absent is null."""
    store = await stored([1, "x"])
    table = await store.query(ask(bucket_ns=60 * S, aggregates=("mean", "last")))
    assert json.loads(to_json(table, cursor="abc")) == {
        "rows": [
            {
                "device": "pump-7",
                "key": "t",
                "at": "2026-03-01T12:00:00Z",
                "mean": 1.0,
                "last": "x",
            }
        ],
        "next": "abc",
    }


async def test_arrow_keeps_columns_and_nanoseconds() -> None:
    """A notebook reads the stream as it is, page by page."""
    store = await stored([1.5, True, 3])
    stream = await joined(to_arrow(pages(store.query, ask(limit=2))))
    table = pa.ipc.open_stream(stream).read_all()
    assert table.column("value").to_pylist() == [1.5, None, 3.0]
    assert table.column("value_json").to_pylist() == [None, "true", None]
    assert table.column("device").to_pylist() == ["pump-7"] * 3
    assert table.column("at").cast(pa.int64()).to_pylist() == [T0, T0 + S, T0 + 2 * S]


async def test_arrow_of_buckets_has_a_column_for_each_aggregate() -> None:
    """A count is whole."""
    store = await stored([1, 2, "x"])
    query = ask(bucket_ns=2 * S, aggregates=("count", "mean", "last"))
    table = pa.ipc.open_stream(await joined(to_arrow(pages(store.query, query)))).read_all()
    assert table.column("count").to_pylist() == [2, 1]
    assert table.column("mean").to_pylist() == [1.5, None]
    assert table.column("last_json").to_pylist() == [None, '"x"']


async def test_arrow_without_pyarrow_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """The base install is small; the extra has a name."""
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    store = await stored([1])
    with pytest.raises(Invalid) as refused:
        await joined(to_arrow(pages(store.query, ask())))
    assert "weft[arrow]" in refused.value.remedy
