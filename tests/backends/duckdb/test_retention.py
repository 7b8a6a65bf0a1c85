"""Retention: the oldest goes first, and no more than must."""

from pathlib import Path

from tests.backends.duckdb.support import add, count, opened, settled

from weft.backends.duckdb.retention import cut_for_size, delete_before, delete_series
from weft.backends.duckdb.settling import runs, settle


def test_what_is_older_than_the_cut_goes_everywhere(tmp_path: Path) -> None:
    """New points, sorted ones and texts; a run that is cut knows its new size."""
    connection = opened(tmp_path)
    add(connection, [(1, at, at, 0.0) for at in range(1, 11)])
    settle(connection)
    add(connection, [(1, 2, 20, 1.0), (1, 30, 21, 1.0)])
    connection.execute("INSERT INTO texts VALUES (2, 1, 1, 'a'), (2, 9, 2, 'b')")

    assert delete_before(connection, 6) == 7

    assert [at for _series, at, _position, _value in settled(connection)] == [6, 7, 8, 9, 10]
    assert runs(connection)[0][1:] == (5, 6, 10)
    assert (count(connection, "recent"), count(connection, "texts")) == (1, 1)
    assert delete_before(connection, 11) == 6
    assert runs(connection) == []


def test_a_deleted_series_goes_everywhere(tmp_path: Path) -> None:
    """Its neighbours stay."""
    connection = opened(tmp_path)
    add(connection, [(1, 1, 1, 0.0), (2, 1, 2, 0.0)])
    settle(connection)
    add(connection, [(1, 2, 3, 0.0), (2, 2, 4, 0.0)])
    connection.execute(
        "INSERT INTO series VALUES (1, 'm', 'd', 'k', false), (2, 'm', 'e', 'k', false)"
    )

    delete_series(connection, [1])

    assert [row[0] for row in settled(connection)] == [2]
    assert (count(connection, "recent"), count(connection, "series")) == (1, 1)


def test_a_size_that_holds_all_cuts_nothing(tmp_path: Path) -> None:
    """Nor does an empty history, however small the limit."""
    connection = opened(tmp_path)
    assert cut_for_size(connection, used=100, max_bytes=0) is None
    add(connection, [(1, at, at, 0.0) for at in range(100)])
    settle(connection)
    assert cut_for_size(connection, used=100, max_bytes=100) is None


def test_the_cut_takes_the_share_that_is_too_much(tmp_path: Path) -> None:
    """A quarter too much: the oldest quarter goes, over run borders as well."""
    connection = opened(tmp_path)
    for first in (0, 50):
        add(connection, [(1, at, at + 1, 0.0) for at in range(first, first + 50)])
        settle(connection)
    assert cut_for_size(connection, used=1000, max_bytes=750) == 25
    assert cut_for_size(connection, used=1000, max_bytes=250) == 75
    assert cut_for_size(connection, used=1000, max_bytes=0) == 100


def test_texts_alone_are_cut_as_well(tmp_path: Path) -> None:
    """A device that sends words only."""
    connection = opened(tmp_path)
    connection.execute("INSERT INTO texts SELECT 1, range, range, 'a' FROM range(100)")
    assert cut_for_size(connection, used=1000, max_bytes=500) == 50
