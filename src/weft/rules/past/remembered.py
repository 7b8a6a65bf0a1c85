"""What windows tell over tables: the windows themselves, filled in a loop of their own.

A window over a column is fed with every sample, in order, by its own code, so what it tells is
what live would tell to the last bit. What costs most of a replay is left out: a message, a
lookup and a condition for each sample. Between two samples of a device time passes: a silence
as long as the window empties it, at a moment that is known from the column alone.
"""

from typing import Any, Final

import numpy as np
import numpy.typing as npt
from msgspec import UNSET, Struct

from weft.model.ids import DeviceId, TenantId
from weft.rules.feeds.base import NEVER, Origin, Span
from weft.rules.feeds.folds import FOLDS, SAMPLE_MAX
from weft.rules.feeds.trends import TRENDS
from weft.rules.feeds.windows import Window, make_window
from weft.rules.language.syntax import NUMBERS, Feed, Input, Type
from weft.rules.past.pace import Pace
from weft.rules.past.tables import Numbers, Rows, Table, Truths

_NEVER: Final = np.iinfo(np.int64).max
_AT_ONCE: Final = 2_000  # samples between two looks at the clock: about a millisecond
_NOWHERE: Final = Origin(tenant=TenantId(""), device_id=DeviceId(""), began_at=0)


class Telling(Struct, eq=False):
    """What one call tells in each row of a table."""

    values: Numbers  # NaN: unknown
    dues: Rows  # when silence ends it, if no sample comes that is in the table
    matters: Truths  # rows that the rules must see, whatever they say there
    begins: Truths  # samples after a silence: what came before has no part in what is told


def is_worked(node: Feed) -> bool:
    """Whether a call is a window over a key that is a number."""
    if node.name not in FOLDS and node.name not in TRENDS:
        return False
    sample = node.samples[0]
    return (
        isinstance(sample, Input)
        and sample.path[0] == "telemetry"
        and sample.type in NUMBERS | {Type.DYN}
    )


class Remembered:
    """One call on all devices of some kinds, over the tables of a time."""

    def __init__(self, node: Feed, watched: npt.NDArray[np.bool_]) -> None:
        """`watched` says by the place of a device whether it is fed there."""
        sample = node.samples[0]
        assert isinstance(sample, Input)
        self.path = node.path
        self._whole = node.type is Type.INT
        self._key = sample.path[1]
        self._name, self._settings = node.name, dict(node.settings)
        window = self._settings["window"]
        self._span = window.ns if isinstance(window, Span) else 0
        empty = {**FOLDS, **TRENDS}[node.name].empty
        self._empty = np.nan if empty is UNSET else float(empty)
        self._watched = watched
        self._windows: dict[int, Window] = {}  # by the place of a device
        self._value = np.full(len(watched), np.nan)  # told last, by place
        self._due = np.full(len(watched), _NEVER, np.int64)

    async def read(self, table: Table, pace: Pace) -> Telling:
        """Feed the samples of a table; return what was told in each row."""
        count = len(table.at)
        fed = self._fed(table)
        rows = np.flatnonzero(fed)
        told = np.empty(len(rows))
        place = 0
        for one, some in _by_device(table.device[rows], rows):
            told[place : place + len(some)] = await self._fill(one, table, some, pace)
            place += len(some)
        values, dues = np.full(count, np.nan), np.full(count, _NEVER, np.int64)
        values[rows] = told
        first_fed, begins = np.zeros(count, np.bool_), np.zeros(count, np.bool_)
        device, at = table.device[rows], table.at[rows]
        first = np.ones(len(rows), np.bool_)
        first[1:] = device[1:] != device[:-1]
        first_fed[rows] = first
        if self._span and len(rows):
            before = np.empty_like(at)
            before[1:] = at[:-1] + self._span
            before[first] = self._due[device[first]]
            silent = at > before  # it was empty when this came, or had never been fed
            begins[rows] = silent
            dues[rows] = _ends(at + self._span, silent, first)
        return self._told(table, fed, (values, dues), (first_fed, begins))

    def _told(
        self,
        table: Table,
        fed: Truths,
        columns: tuple[Numbers, Rows],
        marks: tuple[Truths, Truths],
    ) -> Telling:
        """Carry what was told on to the rows behind it, until silence ends it."""
        values, dues = columns
        first, last, device = table.first, table.last, table.device
        start = first & ~fed
        values[start], dues[start] = self._value[device[start]], self._due[device[start]]
        latest = np.maximum.accumulate(np.where(fed | first, np.arange(len(fed)), 0))
        values, dues = values[latest], dues[latest]
        over = table.at > dues
        crosses = np.zeros(len(fed), np.bool_)  # the last row before silence ends it
        crosses[:-1] = (dues[:-1] < table.at[1:]) & ~over[:-1] & ~first[1:]
        values, dues = np.where(over, self._empty, values), np.where(over, _NEVER, dues)
        ends = device[last]
        self._value[ends], self._due[ends] = values[last], dues[last]
        first_fed, begins = marks
        return Telling(values, dues, first_fed | begins | crosses, begins)

    def _fed(self, table: Table) -> Truths:
        column = table.columns.get(self._key)
        if column is None:
            return np.zeros(len(table.at), np.bool_)
        # What is no measurement is passed over by the window as well.
        measured = (column.values > -SAMPLE_MAX) & (column.values < SAMPLE_MAX)
        return measured & column.sent & self._watched[table.device]

    def window(self, device: int) -> Window:
        """Return the window of a device, by its place."""
        window = self._windows.get(device)
        if window is None:
            made = make_window(self._name, self._settings, _NOWHERE)
            assert isinstance(made, Window)
            window = self._windows[device] = made
        return window

    def told_in(self, told: Telling, rows: Rows) -> list[tuple[Any, int]]:
        """Return what is told in some rows, and when silence ends it, as the feed would."""
        values: list[Any] = [UNSET if one != one else one for one in told.values[rows].tolist()]  # noqa: PLR0124  NaN
        if self._whole:
            values = [one if one is UNSET else int(one) for one in values]
        dues = [NEVER if one == _NEVER else one for one in told.dues[rows].tolist()]
        return list(zip(values, dues, strict=True))

    async def _fill(self, device: int, table: Table, rows: Rows, pace: Pace) -> list[float]:
        window = self.window(device)
        column = table.columns[self._key]
        told: list[float] = []
        for start in range(0, len(rows), _AT_ONCE):
            some = rows[start : start + _AT_ONCE]
            found = window.take_many(table.at[some].tolist(), column.values[some].tolist())
            told += [np.nan if one is UNSET else one for one in found]
            await pace.rest()
        return told


def _by_device(devices: Rows, rows: Rows) -> list[tuple[int, Rows]]:
    """Cut rows, which are in the order of their devices, into those of each."""
    if not len(rows):
        return []
    cuts = np.flatnonzero(devices[1:] != devices[:-1]) + 1
    starts = [0, *cuts.tolist()]
    return [
        (int(devices[start]), rows[start:end])
        for start, end in zip(starts, [*cuts.tolist(), len(rows)], strict=True)
    ]


def _ends(dues: Rows, silent: Truths, first: Truths) -> Rows:
    """Return for each sample when the run that it belongs to is over: samples without silence."""
    last = np.ones(len(dues), np.bool_)
    last[:-1] = silent[1:] | first[1:]
    numbers = np.where(last, np.arange(len(dues)), len(dues))
    end = np.minimum.accumulate(numbers[::-1])[::-1]
    ended: Rows = dues[end]
    return ended
