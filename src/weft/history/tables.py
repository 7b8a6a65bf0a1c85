"""Tables: the order, the pages and the pictures of an answer, the same for every backend.

Rows come in the order of (moment, device, key), or all of it backwards; the last row of a
page is where the next one goes on, so a page is right whatever is added meanwhile.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from weft.history.downsample import evenly, largest_triangles
from weft.history.scalars import is_number
from weft.ports import HistoryQuery, HistoryTable

# (at, device, key, values): one value of a raw sample, else one per aggregate.
Row = tuple[int, str, str, Sequence[Any]]


def names_of(query: HistoryQuery) -> tuple[str, ...]:
    """Return the names of the value columns."""
    return ("value",) if query.bucket_ns is None else query.aggregates


def make_table(query: HistoryQuery, rows: Iterable[Row]) -> HistoryTable:
    """Return one page of rows, which come in any order."""
    ordered = sorted(rows, key=lambda row: row[:3], reverse=query.descending)
    if query.after is not None:
        after = query.after
        ordered = [
            row for row in ordered if (row[:3] < after if query.descending else row[:3] > after)
        ]
    if query.max_points is not None:
        return to_table(query, ordered, more=False)
    return to_table(query, ordered[: query.limit], more=len(ordered) > query.limit)


def to_table(query: HistoryQuery, rows: Sequence[Row], *, more: bool) -> HistoryTable:
    """Return rows that are in order already as columns."""
    columns: dict[str, Sequence[Any]] = {
        "device": [row[1] for row in rows],
        "key": [row[2] for row in rows],
        "at": [row[0] for row in rows],
    }
    for place, name in enumerate(names_of(query)):
        columns[name] = [row[3][place] for row in rows]
    return HistoryTable(columns, next=rows[-1][:3] if more and rows else None)


def fewer(rows: Sequence[Row], points: int) -> list[Row]:
    """Return at most `points` rows of one device and key (in order) with the same picture."""
    if len(rows) <= points:
        return list(rows)
    if not all(is_number(row[3][0]) for row in rows):
        return [rows[index] for index in evenly(len(rows), points)]
    at = np.array([row[0] for row in rows], np.int64)
    values = np.array([row[3][0] for row in rows], np.float64)
    return [rows[index] for index in largest_triangles(at, values, points)]
