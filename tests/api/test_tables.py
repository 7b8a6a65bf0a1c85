"""History's columns, row by row."""

import msgspec

from weft.api.tables import csv_of, rows_of
from weft.ports import HistoryTable


def test_samples_have_a_value_and_buckets_have_aggregates() -> None:
    """Never both; an absent value is null, not absent."""
    raw = HistoryTable({"device": ["d"], "key": ["k"], "at": [0], "value": [None]})
    assert msgspec.to_builtins(rows_of(raw)) == [
        {"device": "d", "key": "k", "at": "1970-01-01T00:00:00Z", "value": None}
    ]
    buckets = HistoryTable({"device": ["d"], "key": ["k"], "at": [0], "mean": [1.0], "max": [2]})
    assert rows_of(buckets)[0].aggregates == {"mean": 1.0, "max": 2}


async def test_csv_has_a_header_and_no_formulas() -> None:
    """A spreadsheet runs nothing of a device's."""
    table = HistoryTable({"device": ["d"], "key": ["k"], "at": [0], "value": ["=1+1"]})
    assert (await csv_of(table)).decode().splitlines()[1].endswith("'=1+1")
