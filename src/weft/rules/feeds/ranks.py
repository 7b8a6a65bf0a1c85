"""Percentiles: the samples of a window in order of size, beside their order of time.

Up to KEPT_MAX samples all are kept. Beyond it every second is, then every fourth, and so
on, until the window is quiet again: a percentile of hundreds hardly moves by that.
"""

from bisect import bisect_left, bisect_right, insort
from itertools import pairwise
from typing import Any

from msgspec import UNSET

from weft.errors import Invalid
from weft.rules.feeds.base import NEVER, Cost, Count, Feed, Origin, Settings, Span
from weft.rules.feeds.folds import SAMPLE_MAX
from weft.rules.feeds.windows import SAMPLES_MAX

KEPT_MAX = 256
_SAMPLE_BYTES = 40


class Ranks:
    """One percentile of a window."""

    __slots__ = (
        "_at_most", "_ats", "_passed", "_rank", "_sorted", "_span", "_stride", "_told",
        "_values", "due", "ignored",
    )  # fmt: skip

    def __init__(self, rank: float, span_ns: int, at_most: int) -> None:
        """`rank` is between 0 and 1; `span_ns` 0: any age."""
        self._rank = rank
        self._span = span_ns
        self._at_most = at_most or KEPT_MAX
        self._ats: list[int] = []
        self._values: list[float] = []
        self._sorted: list[float] = []
        self._stride = 1
        self._passed = 0  # samples passed over since the last one kept
        self._told: Any = UNSET
        self.due = NEVER
        self.ignored = 0

    def take(self, at: int, received: int, value: Any) -> Any:
        """Take one sample in; return the percentile."""
        if not -SAMPLE_MAX < value < SAMPLE_MAX:
            return self._told
        ats = self._ats
        if ats and received < ats[-1]:  # our clock was set back: nothing is from the future
            keep = bisect_right(ats, received)
            del ats[keep:], self._values[keep:]
            self._sorted = sorted(self._values)
            self.due = NEVER
        if ats and self._span and at <= ats[-1] - self._span:
            self.ignored += 1
            return self._told
        self._put(at, value)
        if self._span:
            due = received + self._span
            if self.due == NEVER or due > self.due:
                self.due = due
            self._leave(ats[-1] - self._span)
        return self._tell()

    def advance(self, now: int) -> Any:
        """Let samples leave by the clock."""
        if self._span and now >= self.due:
            self.due = NEVER
            self._leave(now - self._span)
        return self._tell()

    def _put(self, at: int, value: float) -> None:
        ats, values, ranked = self._ats, self._values, self._sorted
        place = len(ats) if not ats or at > ats[-1] else bisect_left(ats, at)
        if place < len(ats) and ats[place] == at:
            del ranked[bisect_left(ranked, values[place])]
            values[place] = value
            insort(ranked, value)
            return
        self._passed += 1
        if self._passed < self._stride and place == len(ats):
            return
        self._passed = 0
        ats.insert(place, at)
        values.insert(place, value)
        insort(ranked, value)
        if len(ats) > self._at_most:
            self._thin()

    def _thin(self) -> None:
        if self._span:
            self._stride *= 2
            # The newest stays: the window ends with it.
            self._ats, self._values = self._ats[::-2][::-1], self._values[::-2][::-1]
            self._sorted = sorted(self._values)
        else:
            del self._sorted[bisect_left(self._sorted, self._values[0])]
            del self._ats[0], self._values[0]

    def _leave(self, limit: int) -> None:
        ats, ranked = self._ats, self._sorted
        gone = bisect_right(ats, limit)
        if gone:
            for value in self._values[:gone]:
                del ranked[bisect_left(ranked, value)]
            del ats[:gone], self._values[:gone]
        if self._stride > 1 and len(ats) < self._at_most // 4:
            self._stride //= 2

    def _tell(self) -> Any:
        """Interpolate between the two closest ranks."""
        ranked = self._sorted
        if not ranked:
            self._told = UNSET
            return UNSET
        place = self._rank * (len(ranked) - 1)
        low = int(place)
        high = min(low + 1, len(ranked) - 1)
        self._told = ranked[low] + (ranked[high] - ranked[low]) * (place - low)
        return self._told

    def state(self) -> Any:
        """Return samples with the steps between their moments."""
        steps = [now - before for before, now in pairwise(self._ats)]
        due = None if self.due == NEVER else self.due
        return [
            [*self._ats[:1], *steps], list(self._values), self._stride, self._passed, due,
            None if self._told is UNSET else self._told, self.ignored,
        ]  # fmt: skip

    def restore(self, state: Any) -> Any:
        """Take back what `state` gave."""
        steps, values, self._stride, self._passed, due, told, self.ignored = state
        self._ats, at = [], 0
        for step in steps:
            at += step
            self._ats.append(at)
        self._values = list(values)
        self._sorted = sorted(values)
        self.due = NEVER if due is None else due
        self._told = UNSET if told is None else told
        return self._told


def make_ranks(settings: Settings, _origin: Origin) -> Feed:
    """Make a percentile; raise `Invalid` for one that does not exist."""
    percent, window = settings["percent"], settings["window"]
    if not 0 <= percent <= 100:
        raise Invalid(f"there is no percentile {percent:g}.", remedy="Write 0 to 100, as in 95.")
    match window:
        case Span(ns):
            return Ranks(percent / 100, ns, 0)
        case Count(samples) if 1 <= samples <= SAMPLES_MAX:
            return Ranks(percent / 100, 0, samples)
    raise Invalid(
        f"a window holds between 1 and {SAMPLES_MAX} samples.",
        remedy="Write a time instead, as in 5m.",
    )


def ranks_cost(settings: Settings) -> Cost:
    """Bound what is kept."""
    window = settings["window"]
    samples = window.samples if isinstance(window, Count) else KEPT_MAX
    return Cost(state_bytes=(samples + 2) * _SAMPLE_BYTES, sample_ns=3_000)
