"""Tables: samples of many devices and keys side by side."""

import numpy as np

from weft.ports import HistoryTrace
from weft.rules.past.tables import fill, make_table

PLACES = {"a": 0, "b": 1}


def trace(device: str, key: str, at: list[int], values: list[float]) -> HistoryTrace:
    """A few samples."""
    return HistoryTrace(device, key, np.array(at, np.int64), np.array(values, np.float64))


def test_a_row_is_a_device_and_a_moment() -> None:
    """Whatever the order in which traces come."""
    table = make_table(
        [trace("b", "p", [5], [50.0]), trace("a", "t", [1, 3], [1.0, 3.0]),
         trace("a", "p", [3, 4], [30.0, 40.0])], PLACES
    )  # fmt: skip
    rows = list(zip(table.device.tolist(), table.at.tolist(), strict=True))
    assert rows == [(0, 1), (0, 3), (0, 4), (1, 5)]
    assert table.columns["t"].sent.tolist() == [True, True, False, False]
    assert table.columns["p"].values[1:].tolist() == [30.0, 40.0, 50.0]
    assert table.first.tolist() == [True, False, False, True]
    assert table.last.tolist() == [False, False, True, True]


def test_what_was_known_last_is_known_until_the_next() -> None:
    """Within a device, and from the table before."""
    table = make_table(
        [trace("a", "t", [1, 3], [1.0, 3.0]), trace("a", "p", [0, 4], [30.0, 40.0]),
         trace("b", "p", [5], [50.0])], PLACES
    )  # fmt: skip
    carried = np.array([7.0, 9.0])
    assert fill(table, "t", carried).tolist() == [7.0, 1.0, 3.0, 3.0, 9.0]
    assert fill(table, "gone", carried).tolist() == [7.0, 7.0, 7.0, 7.0, 9.0]


def test_nothing_is_a_table_of_nothing() -> None:
    """A part of the time in which nobody spoke."""
    table = make_table([], PLACES)
    assert len(table.at) == 0
    assert table.last.tolist() == []


def test_texts_stand_in_their_rows() -> None:
    """Beside numbers of the same key, and alone."""
    words = HistoryTrace(
        "b", "t", np.array([2, 3], np.int64), np.array([np.nan, 5.0]), ['"hot"', None]
    )
    alone = make_table([trace("a", "t", [1], [1.0]), words], PLACES)
    assert alone.columns["t"].texts == {1: '"hot"'}
    beside = make_table([words, trace("b", "p", [1], [1.0])], PLACES)
    assert beside.columns["t"].texts == {1: '"hot"'}
