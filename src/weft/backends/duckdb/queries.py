# ruff: noqa: S608  only numbers and names made in this folder are written into SQL
"""Queries: one SQL text for what is asked, over numbers alone where there are no texts.

Of samples of one series and moment the one with the highest position counts, wherever it
stands. Only numbers and names made here are written into the text; all that comes from a
caller goes in as a parameter.
"""

from typing import Any, Final, NamedTuple

from weft.history.aggregates import percentile_of
from weft.ports import HistoryQuery

Parameters = list[Any]


class Wanted(NamedTuple):
    """One device and key that is asked for, with its series; `place` is its order by name."""

    place: int
    device: str
    key: str
    numbers: int | None
    texts: int | None


_NUMBERS: Final = """
SELECT series, at_ns, position, value{text} FROM recent
WHERE series IN ({ids}) AND at_ns >= ? AND at_ns < ?
UNION ALL
SELECT series, at_ns, position, value{text} FROM settled
WHERE series IN ({ids}) AND at_ns >= ? AND at_ns < ?
"""
_TEXTS: Final = """
UNION ALL
SELECT series, at_ns, position, NULL AS value, value AS text FROM texts
WHERE series IN ({ids}) AND at_ns >= ? AND at_ns < ?
"""

# With numbers alone, an aggregate resolves duplicates in half the time that a window takes.
_RESOLVE_NUMBERS: Final = (
    "SELECT {place} AS place, at_ns, arg_max(value, position) AS value, NULL AS text "
    "FROM points GROUP BY ALL"
)
_RESOLVE_ALL: Final = (
    "SELECT {place} AS place, at_ns, value, text FROM points "
    "QUALIFY row_number() OVER (PARTITION BY {place}, at_ns ORDER BY position DESC) = 1"
)

# Where it is known that no two points are of one moment, nothing has to be resolved but what has
# just come: of 10 million points a chart takes a tenth of the time.
_DISTINCT: Final = """
WITH samples AS (
    SELECT {place} AS place, at_ns, value, NULL AS text FROM settled
    WHERE series IN ({ids}) AND at_ns >= ? AND at_ns < ?
    UNION ALL
    SELECT {place} AS place, at_ns, arg_max(value, position) AS value, NULL AS text FROM recent
    WHERE series IN ({ids}) AND at_ns >= ? AND at_ns < ? GROUP BY ALL
)
"""
_EXTENTS: Final = """
SELECT series, min(at_ns), max(at_ns) FROM settled
WHERE series IN ({ids}) AND at_ns >= ? AND at_ns < ? GROUP BY series, position
UNION ALL
SELECT series, min(at_ns), max(at_ns) FROM recent
WHERE series IN ({ids}) AND at_ns >= ? AND at_ns < ? GROUP BY series
"""

_GROWTH: Final = (
    "CASE WHEN value >= lag(value) OVER w THEN value - lag(value) OVER w "
    "WHEN lag(value) OVER w IS NOT NULL THEN value END AS growth"
)

_SIMPLE: Final = {
    "mean": "avg(value)",
    "min": "min(value)",
    "max": "max(value)",
    "sum": "sum(value)",
    "count": "count(*)",
    "first": "arg_min_null(value, at_ns)",
    "last": "arg_max_null(value, at_ns)",
}


def extents_sql(query: HistoryQuery, wanted: list[Wanted]) -> tuple[str, Parameters]:
    """Return the statement for where in time each sorted run of each series lies, and what is new.

    A run holds no moment twice. Where none of them overlap, no moment is there twice at all.
    """
    numbers = [one.numbers for one in wanted if one.numbers is not None]
    return _EXTENTS.format(ids=_list(numbers)), [*_bounds(query)] * 2


def samples_sql(
    query: HistoryQuery, wanted: list[Wanted], *, distinct: bool = False
) -> tuple[str, Parameters]:
    """Return common table expressions that end in `samples(place, at_ns, value, text)`.

    `distinct` says that runs do not overlap, and that there are no texts.
    """
    start, end = _bounds(query)
    numbers = [one.numbers for one in wanted if one.numbers is not None]
    if distinct:
        sql = _DISTINCT.format(ids=_list(numbers), place=_place(wanted))
        return sql, [start, end, start, end]
    texts = [one.texts for one in wanted if one.texts is not None]
    points = _NUMBERS.format(ids=_list(numbers), text=", NULL AS text" if texts else "")
    parameters: Parameters = [start, end, start, end]
    if texts:
        points += _TEXTS.format(ids=_list(texts))
        parameters += [start, end]
    resolve = _RESOLVE_ALL if texts else _RESOLVE_NUMBERS
    sql = f"WITH points AS ({points}), samples AS ({resolve.format(place=_place(wanted))})"
    return sql, parameters


def raw_sql(query: HistoryQuery, wanted: list[Wanted]) -> tuple[str, Parameters]:
    """Return the statement for raw samples, one more than a page holds."""
    sql, parameters = samples_sql(query, wanted)
    where, more = _behind(query, wanted)
    return (
        f"{sql} SELECT place, at_ns, value, text FROM samples{where}{_order(query)}{_limit(query)}",
        parameters + more,
    )


def bucket_sql(
    query: HistoryQuery, wanted: list[Wanted], *, distinct: bool = False
) -> tuple[str, Parameters]:
    """Return the statement for buckets, one more than a page holds.

    Column i holds aggregate i; text_i stands beside a first or last that may be a text.
    """
    width = int(query.bucket_ns or 1)
    sql, parameters = samples_sql(query, wanted, distinct=distinct)
    source = "samples"
    if "rate" in query.aggregates:
        sql += (
            f", numbers AS (SELECT *, {_GROWTH} FROM samples WHERE text IS NULL "
            "WINDOW w AS (PARTITION BY place ORDER BY at_ns)), "
            "grown AS (SELECT * FROM numbers UNION ALL "
            "SELECT *, NULL FROM samples WHERE text IS NOT NULL)"
        )
        source = "grown"
    columns: list[str] = []
    for index, name in enumerate(query.aggregates):
        columns.append(f"{_aggregate(name, width)} AS value_{index}")
        if name in {"first", "last"}:
            columns.append(f"{_SIMPLE[name].replace('value', 'text', 1)} AS text_{index}")
    where, more = _behind(query, wanted)
    start = f"at_ns - at_ns % {width}"
    if query.start < 0:
        # The remainder is taken twice so that moments before 1970 fall into buckets as well.
        start = f"at_ns - ((at_ns % {width}) + {width}) % {width}"
    buckets = f"SELECT place, {start} AS bucket, {', '.join(columns)} FROM {source} GROUP BY ALL"
    sql += f", buckets AS ({buckets}), named AS (SELECT *, bucket AS at_ns FROM buckets)"
    sql += f" SELECT * EXCLUDE (bucket) FROM named{where}{_order(query)}{_limit(query)}"
    return sql, parameters + more


def _aggregate(name: str, width: int) -> str:
    if name == "rate":
        return f"sum(growth) / {width / 1e9!r}"
    quantile = percentile_of(name)
    if quantile is not None:
        return f"quantile_cont(value, {quantile!r})"
    return _SIMPLE[name]


def _bounds(query: HistoryQuery) -> tuple[int, int]:
    """Return the range to read: that behind the last page where raw samples are paged."""
    start, end = query.start, query.end
    if query.after is not None and query.bucket_ns is None:
        if query.descending:
            end = min(end, query.after[0] + 1)
        else:
            start = max(start, query.after[0])
    return start, end


def _behind(query: HistoryQuery, wanted: list[Wanted]) -> tuple[str, Parameters]:
    """Return the condition for rows behind the last one seen."""
    if query.after is None:
        return "", []
    at, device, key = query.after
    sign = "<" if query.descending else ">"
    # The row's series need not be among those asked for: half a place keeps the order.
    place = sum(1 for one in wanted if (one.device, one.key) < (device, key)) - 0.5
    if any((one.device, one.key) == (device, key) for one in wanted):
        place += 0.5
    return f" WHERE at_ns {sign} ? OR (at_ns = ? AND place {sign} ?)", [at, at, place]


def _place(wanted: list[Wanted]) -> str:
    """Return the expression from a series to its place."""
    if len(wanted) == 1:
        return str(wanted[0].place)
    arms = " ".join(
        f"WHEN {number} THEN {one.place}"
        for one in wanted
        for number in (one.numbers, one.texts)
        if number is not None
    )
    return f"CASE series {arms} END"


def _list(numbers: list[int]) -> str:
    return ", ".join(map(str, numbers)) or "NULL"


def _order(query: HistoryQuery) -> str:
    way = " DESC" if query.descending else ""
    return f" ORDER BY at_ns{way}, place{way}"


def _limit(query: HistoryQuery) -> str:
    return "" if query.max_points is not None else f" LIMIT {int(query.limit) + 1}"
