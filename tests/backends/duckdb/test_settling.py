"""Settling: sorted, without duplicates, and newer points still win."""

from pathlib import Path

import pytest
from tests.backends.duckdb.support import add, count, opened, settled

from weft.backends.duckdb.settling import (
    Run,
    groups_to_merge,
    merge,
    recent_points,
    resolve_texts,
    runs,
    settle,
)


def test_new_points_become_one_sorted_run(tmp_path: Path) -> None:
    """Of duplicates the highest position stays."""
    connection = opened(tmp_path)
    add(connection, [(2, 5, 1, 1.0), (1, 9, 2, 2.0), (1, 3, 3, 3.0), (1, 9, 4, 4.0)])
    assert recent_points(connection) == 4

    settle(connection)

    assert recent_points(connection) == 0
    assert settled(connection) == [(1, 3, 4, 3.0), (1, 9, 4, 4.0), (2, 5, 4, 1.0)]
    assert runs(connection) == [Run(4, 3, 3, 9)]
    settle(connection)
    assert len(runs(connection)) == 1


def test_merged_runs_are_one_and_the_newer_point_wins(tmp_path: Path) -> None:
    """A correction settled in a later run than what it corrects."""
    connection = opened(tmp_path)
    add(connection, [(1, 1, 1, 1.0), (1, 2, 2, 2.0)])
    settle(connection)
    add(connection, [(1, 2, 3, 2.5), (1, 0, 4, 0.5)])
    settle(connection)

    merge(connection, runs(connection))

    assert settled(connection) == [(1, 0, 4, 0.5), (1, 1, 4, 1.0), (1, 2, 4, 2.5)]
    assert runs(connection) == [Run(4, 3, 0, 2)]


@pytest.mark.parametrize(
    ("sizes", "merged"),
    [
        ([], []),
        ([5], []),
        ([5, 5], [[5, 5]]),
        ([50, 5], []),  # rewriting 50 for 5 is not worth it
        ([50, 1, 1, 1], [[1, 1, 1]]),  # small ones wait until they are many
        ([20, 4, 1, 1], [[20, 4, 1, 1]]),
        ([60, 60], []),
        ([60, 30, 30, 60], [[30, 60], [60, 30]]),
        ([100, 20, 20], [[20, 20]]),
    ],
)
def test_neighbours_are_merged_up_to_a_size(sizes: list[int], merged: list[list[int]]) -> None:
    """At most 100 points a run; only neighbours, so that the order of positions holds."""
    found = [Run(place, size, 0, 1) for place, size in enumerate(sizes)]
    groups = groups_to_merge(found, 100)
    assert [[run.points for run in group] for group in groups] == merged


def test_a_number_that_a_later_text_replaced_is_not_raised_above_it(tmp_path: Path) -> None:
    """Neither when points are sorted nor when runs are merged."""
    connection = opened(tmp_path)
    connection.execute(
        "INSERT INTO series VALUES (1, 'm', 'd', 'k', false), (2, 'm', 'd', 'k', true)"
    )
    connection.execute("INSERT INTO texts VALUES (2, 5, 2, 'a')")
    add(connection, [(1, 5, 1, 0.0), (1, 6, 3, 0.0), (1, 7, 4, 0.0)])
    settle(connection)
    assert [at for _series, at, _position, _value in settled(connection)] == [6, 7]
    connection.execute("INSERT INTO texts VALUES (2, 6, 5, 'b')")
    add(connection, [(1, 8, 9, 0.0)])
    settle(connection)
    merge(connection, runs(connection))
    assert [at for _series, at, _position, _value in settled(connection)] == [7, 8]


def test_a_replaced_text_goes(tmp_path: Path) -> None:
    """Of two words for one moment the later one stays."""
    connection = opened(tmp_path)
    connection.execute(
        "INSERT INTO texts VALUES (1, 1, 1, 'a'), (1, 1, 2, 'b'), (1, 2, 1, 'c'), (2, 1, 1, 'd')"
    )
    resolve_texts(connection)
    assert count(connection, "texts") == 3
    assert connection.execute("SELECT value FROM texts ORDER BY ALL").fetchall() == [
        ("b",),
        ("c",),
        ("d",),
    ]
