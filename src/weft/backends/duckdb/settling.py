# ruff: noqa: S608  only numbers and names made in this folder are written into SQL
"""Settling: new points become sorted runs, and small runs become large ones.

New points lie in the order in which they came, so one series is found only by reading all of
them. Sorted by series and moment, it is found in a few blocks (24 h of one key among 10M
points: 3 ms against 28 ms), duplicates are gone, and a position that is the same for the
whole run takes no space. A run's position is the highest of its points, so newer points win
over it whatever their moment.
"""

from typing import Final, NamedTuple

import duckdb

_SETTLE: Final = """
INSERT INTO settled
SELECT series, at_ns, {position}::BIGINT, arg_max(value, position)
FROM {source} GROUP BY series, at_ns ORDER BY series, at_ns
"""
_RUN: Final = """
INSERT INTO runs
SELECT {position}::BIGINT, count(*), min(at_ns), max(at_ns) FROM settled WHERE position = {position}
HAVING count(*) > 0
"""
_RESOLVE_TEXTS: Final = """
DELETE FROM texts WHERE rowid NOT IN (
    SELECT arg_max(rowid, position) FROM texts GROUP BY series, at_ns
)
"""


# Keys that have held numbers as well as texts: few devices change their mind.
_BOTH: Final = """
SELECT n.id AS number, t.id AS text
FROM series n JOIN series t ON n.tenant = t.tenant AND n.device = t.device AND n.key = t.key
WHERE NOT n.is_text AND t.is_text
"""
_OVERRULED: Final = """
DELETE FROM {table} USING texts, ({both}) AS pair
WHERE {table}.series = pair.number AND texts.series = pair.text
    AND texts.at_ns = {table}.at_ns AND texts.position > {table}.position
    AND {table}.position BETWEEN {low} AND {high}
"""


class Run(NamedTuple):
    """A sorted part of history."""

    position: int
    points: int
    first_at_ns: int
    last_at_ns: int


def recent_points(connection: duckdb.DuckDBPyConnection) -> int:
    """Return how many points are not settled yet."""
    row = connection.execute("SELECT count(*) FROM recent").fetchone()
    return int(row[0]) if row else 0


def settle(connection: duckdb.DuckDBPyConnection) -> None:
    """Move all new points into one sorted run, in one transaction."""
    row = connection.execute("SELECT max(position) FROM recent").fetchone()
    if row is None or row[0] is None:
        return
    position = int(row[0])
    _drop_overruled(connection, "recent", 0, position)
    connection.execute(_SETTLE.format(position=position, source="recent"))
    connection.execute(_RUN.format(position=position))
    connection.execute("DELETE FROM recent")


def runs(connection: duckdb.DuckDBPyConnection) -> list[Run]:
    """Return all runs, oldest position first."""
    found = connection.execute(
        "SELECT position, points, first_at_ns, last_at_ns FROM runs ORDER BY position"
    ).fetchall()
    return [Run(*row) for row in found]


def groups_to_merge(found: list[Run], run_points: int) -> list[list[Run]]:
    """Return neighbours that are worth merging, two or more, together within `run_points`.

    From the newest backwards a run joins those behind it unless it is four times as large as
    all of them: so a point is written again only as often as history grows fourfold.
    """
    groups: list[list[Run]] = []
    group: list[Run] = []
    total = 0
    for run in reversed(found):
        if group and (total + run.points > run_points or run.points > 4 * total):
            groups.append(group)
            group, total = [], 0
        group = [run, *group]
        total += run.points
    groups.append(group)
    return [group for group in groups if len(group) > 1]


def merge(connection: duckdb.DuckDBPyConnection, group: list[Run]) -> None:
    """Make one run of neighbours; they are next to each other, so the order of positions holds."""
    low, high = group[0].position, group[-1].position
    within = f"position BETWEEN {low} AND {high}"
    _drop_overruled(connection, "settled", low, high)
    connection.execute(
        f"CREATE TEMP TABLE merged AS SELECT series, at_ns, arg_max(value, position) AS value "
        f"FROM settled WHERE {within} GROUP BY series, at_ns"
    )
    connection.execute(f"DELETE FROM settled WHERE {within}")
    connection.execute(f"DELETE FROM runs WHERE {within}")
    connection.execute(
        f"INSERT INTO settled SELECT series, at_ns, {high}::BIGINT, value FROM merged "
        "ORDER BY series, at_ns"
    )
    connection.execute(_RUN.format(position=high))
    connection.execute("DROP TABLE merged")


def _drop_overruled(connection: duckdb.DuckDBPyConnection, table: str, low: int, high: int) -> None:
    """Drop numbers that a later text replaced: a run's position would raise them above it."""
    if connection.execute(f"SELECT 1 FROM ({_BOTH}) LIMIT 1").fetchone():
        connection.execute(_OVERRULED.format(table=table, both=_BOTH, low=low, high=high))


def resolve_texts(connection: duckdb.DuckDBPyConnection) -> None:
    """Drop texts that a later one of the same moment has replaced."""
    connection.execute(_RESOLVE_TEXTS)
