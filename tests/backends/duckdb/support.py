"""What the tests of this backend share: a connection to a fresh file, and points in it."""

from collections.abc import Sequence
from pathlib import Path

import duckdb

from weft.backends.duckdb.files import FILE_NAME, open_file
from weft.history.settings import HistorySettings

Point = tuple[int, int, int, float]  # series, moment, position, value


def opened(folder: Path) -> duckdb.DuckDBPyConnection:
    """Open history.duckdb in a folder."""
    return open_file(folder / FILE_NAME, HistorySettings())


def add(connection: duckdb.DuckDBPyConnection, points: Sequence[Point]) -> None:
    """Put points where new ones go."""
    connection.executemany("INSERT INTO recent VALUES (?, ?, ?, ?)", [list(p) for p in points])


def settled(connection: duckdb.DuckDBPyConnection) -> list[Point]:
    """Return the sorted points as they lie on disk."""
    return connection.execute("SELECT * FROM settled").fetchall()


def count(connection: duckdb.DuckDBPyConnection, table: str) -> int:
    """Return how many rows a table has."""
    row = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
    assert row is not None
    return int(row[0])
