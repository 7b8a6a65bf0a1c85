# ruff: noqa: S608  only numbers and names made in this folder are written into SQL
"""Scans: raw samples in bulk, as arrays that go straight into computation.

The database sorts; duplicates are resolved on the sorted arrays, where it costs a comparison
a sample. An aggregate that resolves them takes three times as long.
"""

from itertools import pairwise
from typing import Any, NamedTuple

import duckdb
import numpy as np

from weft.backends.duckdb.series import SeriesNames
from weft.ports import HistoryScan, HistoryTrace

SERIES_AT_ONCE = 5_000  # numbers in one list of a statement


class Traced(NamedTuple):
    """One device and key that has series: its number, and whether its values are texts."""

    device: str
    key: str
    is_text: bool


def traced(names: SeriesNames, scan: HistoryScan) -> dict[int, Traced]:
    """Return the series that there are of what is asked for, by their numbers."""
    wanted: dict[int, Traced] = {}
    for device in dict.fromkeys(scan.devices):
        for key in dict.fromkeys(scan.keys):
            for is_text in (False, True):
                number = names.find(scan.tenant, device, key, is_text=is_text)
                if number is not None:
                    wanted[number] = Traced(device, key, is_text)
    return wanted


def count_points(
    connection: duckdb.DuckDBPyConnection, scan: HistoryScan, wanted: dict[int, Traced]
) -> int:
    """Return how many points the series have within the time."""
    total = 0
    for sql, parameters in _selects(scan, wanted):
        found = connection.execute(f"SELECT count(*) FROM ({sql})", parameters).fetchone()
        total += int(found[0]) if found else 0
    return total


def read_traces(
    connection: duckdb.DuckDBPyConnection, scan: HistoryScan, wanted: dict[int, Traced]
) -> list[HistoryTrace]:
    """Return the samples of each device and key, in the order in which they were asked for."""
    numbers: dict[tuple[str, str], _Part] = {}
    texts: dict[tuple[str, str], _Part] = {}
    for sql, parameters in _selects(scan, wanted):
        found = connection.execute(f"{sql} ORDER BY series, at_ns, position", parameters)
        for number, part in _split(found.fetchnumpy()):
            one = wanted[number]
            (texts if one.is_text else numbers)[one.device, one.key] = part
    places = dict.fromkeys((one.device, one.key) for one in wanted.values())
    made = (_trace(place, numbers.get(place), texts.get(place)) for place in places)
    return [trace for trace in made if trace is not None]


class _Part(NamedTuple):
    at: Any
    position: Any
    value: Any  # doubles, or texts


def _selects(scan: HistoryScan, wanted: dict[int, Traced]) -> list[tuple[str, list[Any]]]:
    """Return statements for numbers and for texts, some series each."""
    made: list[tuple[str, list[Any]]] = []
    for is_text, tables in ((False, ("recent", "settled")), (True, ("texts",))):
        ids = sorted(number for number, one in wanted.items() if one.is_text is is_text)
        for start in range(0, len(ids), SERIES_AT_ONCE):
            some = ", ".join(map(str, ids[start : start + SERIES_AT_ONCE]))
            sql = " UNION ALL ".join(
                f"SELECT series, at_ns, position, value FROM {table} "
                f"WHERE series IN ({some}) AND at_ns >= ? AND at_ns < ?"
                for table in tables
            )
            made.append((sql, [scan.start, scan.end] * len(tables)))
    return made


def _split(found: dict[str, Any]) -> list[tuple[int, _Part]]:
    """Cut sorted rows into series; of one series and moment the last row stays."""
    series, at = found["series"], found["at_ns"]
    if not len(series):
        return []
    last = np.empty(len(series), np.bool_)
    last[-1] = True
    np.not_equal(at[1:], at[:-1], out=last[:-1])
    last[:-1] |= series[1:] != series[:-1]
    columns = [np.asarray(found[name]) for name in ("at_ns", "position", "value")]
    if not last.all():
        series, columns = series[last], [column[last] for column in columns]
    cuts = np.flatnonzero(series[1:] != series[:-1]) + 1
    edges = [0, *cuts.tolist(), len(series)]
    return [
        (int(series[start]), _Part(*(column[start:end] for column in columns)))
        for start, end in pairwise(edges)
    ]


def _trace(
    place: tuple[str, str], numbers: _Part | None, texts: _Part | None
) -> HistoryTrace | None:
    device, key = place
    if texts is None:
        return None if numbers is None else HistoryTrace(device, key, numbers.at, numbers.value)
    nans = np.full(len(texts.at), np.nan)
    if numbers is None:
        return HistoryTrace(device, key, texts.at, nans, texts.value.tolist())
    at = np.concatenate([numbers.at, texts.at])
    order = np.lexsort((np.concatenate([numbers.position, texts.position]), at))
    at = at[order]
    keep = order[np.append(at[1:] != at[:-1], True)]
    values = np.concatenate([numbers.value, nans])
    words = [None] * len(numbers.at) + texts.value.tolist()
    return HistoryTrace(
        device,
        key,
        np.concatenate([numbers.at, texts.at])[keep],
        values[keep],
        [words[row] for row in keep.tolist()],
    )
