# ruff: noqa: S608  only numbers and names made in this folder are written into SQL
"""Retention: what is too old, or too much, is forgotten, the oldest first."""

from typing import Final

import duckdb

from weft.backends.duckdb.settling import runs

_TABLES: Final = ("recent", "settled", "texts")


def delete_before(connection: duckdb.DuckDBPyConnection, at: int) -> int:
    """Forget all samples before a moment; return how many."""
    forgotten = sum(
        _count(connection.execute(f"DELETE FROM {table} WHERE at_ns < ?", [at]))
        for table in _TABLES
    )
    connection.execute("DELETE FROM runs WHERE last_at_ns < ?", [at])
    connection.execute(
        "UPDATE runs SET first_at_ns = ?, points = "
        "(SELECT count(*) FROM settled WHERE settled.position = runs.position) "
        "WHERE first_at_ns < ?",
        [at, at],
    )
    return forgotten


def delete_series(connection: duckdb.DuckDBPyConnection, ids: list[int]) -> None:
    """Forget all samples of these series, and the series."""
    within = ", ".join(map(str, ids))
    for table in _TABLES:
        connection.execute(f"DELETE FROM {table} WHERE series IN ({within})")
    connection.execute(f"DELETE FROM series WHERE id IN ({within})")


def cut_for_size(connection: duckdb.DuckDBPyConnection, used: int, max_bytes: int) -> int | None:
    """Return the moment before which to forget so that `max_bytes` are enough, or None.

    Expects all points in runs. A run's points are taken as spread evenly over its time.
    """
    found = sorted(runs(connection), key=lambda run: run.last_at_ns)
    points = sum(run.points for run in found)
    texts = connection.execute("SELECT count(*), min(at_ns), max(at_ns) FROM texts").fetchone()
    if used <= max_bytes or not (points or (texts and texts[0])):
        return None
    if not points:
        assert texts is not None
        return _part(texts[1], texts[2], (used - max_bytes) / used)
    surplus = points * (used - max_bytes) / used
    for run in found:
        if surplus < run.points:
            return _part(run.first_at_ns, run.last_at_ns, surplus / run.points)
        surplus -= run.points
    return found[-1].last_at_ns + 1


def _part(first: int, last: int, share: float) -> int:
    """Return the moment behind a share of a range, always behind its first moment."""
    return first + max(1, round((last - first + 1) * min(share, 1.0)))


def _count(result: duckdb.DuckDBPyConnection) -> int:
    row = result.fetchone()
    return int(row[0]) if row else 0
