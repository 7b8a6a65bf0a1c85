"""Answers: what the database returned, as columns in the words of the caller."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import duckdb
import numpy as np

from weft.backends.duckdb.queries import Wanted, bucket_sql, extents_sql, raw_sql
from weft.errors import Invalid
from weft.history.downsample import evenly, largest_triangles
from weft.history.tables import names_of
from weft.history.values import from_text
from weft.ports import HistoryQuery, HistoryTable

Columns = dict[str, Any]  # numpy arrays, masked where a value is absent


def answer(
    connection: duckdb.DuckDBPyConnection,
    query: HistoryQuery,
    wanted: list[Wanted],
    *,
    points_max: int,
) -> HistoryTable:
    """Run a query over the series that there are."""
    if not wanted:
        return _table(query, [], _nothing(query), more=False)
    if query.bucket_ns is None:
        sql, parameters = raw_sql(query, wanted)
    else:
        distinct = _is_distinct(connection, query, wanted)
        sql, parameters = bucket_sql(query, wanted, distinct=distinct)
    if query.max_points is not None:
        sql += f" LIMIT {points_max + 1}"
    found = connection.execute(sql, parameters).fetchnumpy()
    total = len(found["place"])
    more = False
    if query.max_points is not None:
        if total > points_max:
            raise Invalid(
                f"The picture would be drawn from more than {points_max} points.",
                remedy="Ask for buckets, or for a shorter time.",
            )
        found = _fewer(query, found)
    elif total > query.limit:
        more = True
        found = {name: column[: query.limit] for name, column in found.items()}
    return _table(query, wanted, found, more=more)


def _is_distinct(
    connection: duckdb.DuckDBPyConnection, query: HistoryQuery, wanted: list[Wanted]
) -> bool:
    """Return whether no moment of what is asked for can be there twice."""
    if any(one.texts is not None for one in wanted):
        return False
    sql, parameters = extents_sql(query, wanted)
    extents = sorted(connection.execute(sql, parameters).fetchall())
    return all(one[0] != two[0] or one[2] < two[1] for one, two in pairwise(extents))


def _nothing(query: HistoryQuery) -> Columns:
    empty = np.array([], np.int64)
    if query.bucket_ns is None:
        return {"place": empty, "at_ns": empty, "value": empty, "text": empty}
    found: Columns = {"place": empty, "at_ns": empty}
    for index in range(len(query.aggregates)):
        found[f"value_{index}"] = empty
    return found


def _table(
    query: HistoryQuery, wanted: list[Wanted], found: Columns, *, more: bool
) -> HistoryTable:
    places = found["place"].tolist()
    by_place = {one.place: one for one in wanted}
    columns: dict[str, Sequence[Any]] = {
        "device": [by_place[place].device for place in places],
        "key": [by_place[place].key for place in places],
        "at": found["at_ns"].tolist(),
    }
    if query.bucket_ns is None:
        columns["value"] = _values(found["value"], found["text"])
    else:
        for index, name in enumerate(names_of(query)):
            columns[name] = _values(found[f"value_{index}"], found.get(f"text_{index}"))
    last = None
    if more:
        last = (columns["at"][-1], columns["device"][-1], columns["key"][-1])
    return HistoryTable(columns, next=last)


def _values(numbers: Any, texts: Any) -> list[Any]:
    """Return the values of two columns of which one is absent in each row."""
    values: list[Any] = numbers.tolist()
    if texts is None or not len(texts) or texts.dtype != object:
        return values
    written = texts.tolist()
    return [
        value if text is None else from_text(text)
        for value, text in zip(values, written, strict=True)
    ]


def _fewer(query: HistoryQuery, found: Columns) -> Columns:
    """Return fewer points of each series with the same picture, in the same order."""
    points = query.max_points or 1
    first = "value" if query.bucket_ns is None else "value_0"
    kept: list[Any] = []
    for place in np.unique(found["place"]):
        rows = np.flatnonzero(found["place"] == place)
        values = found[first][rows]
        if np.ma.is_masked(values) or values.dtype == object:
            kept.append(rows[evenly(len(rows), points)])
            continue
        order = rows[::-1] if query.descending else rows
        numbers = np.asarray(found[first][order], np.float64)
        chosen = largest_triangles(found["at_ns"][order], numbers, points)
        kept.append(order[chosen])
    rows = np.sort(np.concatenate(kept)) if kept else np.array([], np.int64)
    return {name: column[rows] for name, column in found.items()}
