"""Tables: samples of many devices and keys as columns, a row for each device and moment.

Rows are in the order of (device, moment). A column knows what was sent in a row and, where
it is asked for, what was the last known there: that is how conditions see it.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from msgspec import Struct

from weft.ports import HistoryTrace

Rows = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.float64]
Truths = npt.NDArray[np.bool_]


class Column(Struct, eq=False):
    """One key. `values` is NaN where nothing was sent, or no number."""

    values: Numbers
    sent: Truths
    texts: dict[int, str]  # by row: what is no number, as JSON
    filled: Numbers | None = None  # the last known number; NaN before the first


class Table(Struct, eq=False):
    """Rows of devices (by their place) and moments (ns)."""

    device: Rows
    at: Rows
    columns: dict[str, Column]

    @property
    def first(self) -> Truths:
        """Whether a row is the first of its device."""
        return _edges(self.device)

    @property
    def last(self) -> Truths:
        """Whether a row is the last of its device."""
        return np.append(self.first[1:], True) if len(self.at) else self.first


def make_table(traces: Sequence[HistoryTrace], places: Mapping[str, int]) -> Table:
    """Put traces side by side; `places` gives each device its place."""
    by_key: dict[str, list[HistoryTrace]] = {}
    for trace in sorted(traces, key=lambda one: places[one.device]):
        if len(trace.at):
            by_key.setdefault(trace.key, []).append(trace)
    parts = {key: _joined(some, places) for key, some in by_key.items()}
    if not parts:
        empty = np.array([], np.int64)
        return Table(empty, empty, {})
    device = np.concatenate([part.device for part in parts.values()])
    at = np.concatenate([part.at for part in parts.values()])
    if len(parts) == 1:  # sorted already, and no moment comes twice
        ((key, only),) = parts.items()
        sent = np.ones(len(at), np.bool_)
        return Table(device, at, {key: Column(only.values, sent, only.texts)})
    order = np.lexsort((at, device))
    device, at = device[order], at[order]
    fresh = _edges(device)
    fresh[1:] |= at[1:] != at[:-1]
    row_of = np.empty(len(order), np.int64)
    row_of[order] = np.cumsum(fresh) - 1
    device, at = device[fresh], at[fresh]
    columns: dict[str, Column] = {}
    start = 0
    for key, part in parts.items():
        rows = row_of[start : start + len(part.at)]
        start += len(part.at)
        values = np.full(len(at), np.nan)
        values[rows] = part.values
        sent = np.zeros(len(at), np.bool_)
        sent[rows] = True
        texts = {int(rows[place]): text for place, text in part.texts.items()}
        columns[key] = Column(values, sent, texts)
    return Table(device, at, columns)


class _Joined(Struct, eq=False):
    device: Rows
    at: Rows
    values: Numbers
    texts: dict[int, str]


def _joined(traces: Sequence[HistoryTrace], places: Mapping[str, int]) -> _Joined:
    texts: dict[int, str] = {}
    start = 0
    for trace in traces:
        if trace.texts is not None:
            texts |= {
                start + place: text for place, text in enumerate(trace.texts) if text is not None
            }
        start += len(trace.at)
    lengths = [len(trace.at) for trace in traces]
    return _Joined(
        np.repeat(np.array([places[trace.device] for trace in traces], np.int64), lengths),
        np.concatenate([trace.at for trace in traces]),
        np.concatenate([trace.values for trace in traces]),
        texts,
    )


def fill(table: Table, key: str, carried: Numbers) -> Numbers:
    """Return what was last known of a key in each row; `carried` by place, from before."""
    column = table.columns.get(key)
    if column is None:
        return carried[table.device]
    first = table.first
    values = np.where(first & ~column.sent, carried[table.device], column.values)
    here = column.sent | first
    latest = np.maximum.accumulate(np.where(here, np.arange(len(here)), 0))
    column.filled = values[latest]
    return column.filled


def _edges(device: Any) -> Truths:
    edges = np.ones(len(device), np.bool_)
    edges[1:] = device[1:] != device[:-1]
    return edges
