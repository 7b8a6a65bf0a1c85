"""Answers: columns in the caller's words, in full or not at all."""

from pathlib import Path

import pytest
from tests.backends.duckdb.support import add, opened
from tests.history.support import T0, S, ask, points

from weft.backends.duckdb.answers import answer
from weft.backends.duckdb.queries import Wanted
from weft.errors import Invalid

WANTED = [Wanted(0, "pump-7", "t", 1, None)]
MIXED = [Wanted(0, "pump-7", "t", 1, 2)]


def test_nothing_known_is_an_empty_table_of_the_right_columns(tmp_path: Path) -> None:
    """A chart of a new device has its axes."""
    connection = opened(tmp_path)
    table = answer(connection, ask(), [], points_max=10)
    assert table.columns == {"device": [], "key": [], "at": [], "value": []}
    table = answer(connection, ask(bucket_ns=S, aggregates=("p50", "last")), [], points_max=10)
    assert table.columns == {"device": [], "key": [], "at": [], "p50": [], "last": []}


def test_numbers_and_texts_are_one_column(tmp_path: Path) -> None:
    """Each row has the one that there is."""
    connection = opened(tmp_path)
    add(connection, [(1, T0, 1, 4.0)])
    connection.execute("INSERT INTO texts VALUES (2, ?, 2, 'true')", [T0 + S])
    assert points(answer(connection, ask(), MIXED, points_max=10)) == [(0, 4.0), (1, True)]
    first = ask(bucket_ns=S, aggregates=("first", "mean"))
    table = answer(connection, first, MIXED, points_max=10)
    assert table.columns["first"] == [4.0, True]
    assert table.columns["mean"] == [4.0, None]


def test_a_picture_of_too_many_points_is_refused(tmp_path: Path) -> None:
    """With what to ask instead, before memory is gone."""
    connection = opened(tmp_path)
    add(connection, [(1, T0 + i, i, 0.0) for i in range(11)])
    with pytest.raises(Invalid, match="more than 10 points") as refused:
        answer(connection, ask(max_points=5), WANTED, points_max=10)
    assert "buckets" in refused.value.remedy
    assert len(points(answer(connection, ask(max_points=5), WANTED, points_max=11))) == 5


def test_a_picture_backwards_is_the_same_picture(tmp_path: Path) -> None:
    """Which way it is read does not change which points stay."""
    connection = opened(tmp_path)
    add(connection, [(1, T0 + i * S, i, float(i * i % 17)) for i in range(200)])
    forth = points(answer(connection, ask(max_points=20), WANTED, points_max=1000))
    back = points(answer(connection, ask(max_points=20, descending=True), WANTED, points_max=1000))
    assert back == forth[::-1]
