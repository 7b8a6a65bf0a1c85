"""States over time: what one key said, as intervals, and what went on within them.

A state holds from its sample until the next, or until it has been silent for so long that
nobody knows. Moments are ns; an interval has its start and not its end. Of a counter counts how
much it grew, from sample to sample; where it begins anew, what it shows then.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt
from msgspec import Struct

from weft.history.values import Floats
from weft.ports import HistoryTrace

STATES_MAX: Final = 50  # words of one key; what comes beyond them is told as `OTHER`
OTHER: Final = "other"

Moments = npt.NDArray[np.int64]
Interval = tuple[int, int]
Intervals = Sequence[Interval] | Moments  # in order and apart; as an array: a row each


class States(Struct, frozen=True, eq=False):
    """Intervals in the order of time, which do not overlap; between them nothing is known."""

    starts: Moments
    ends: Moments
    words: list[str]  # one per interval

    def cut(self, intervals: Intervals) -> "States":
        """Return what lies within intervals."""
        begins, ends = _edges_of(intervals)
        first = np.searchsorted(self.ends, begins, "right")
        counts = np.maximum(np.searchsorted(self.starts, ends, "left") - first, 0)
        # A row for each state of each interval: where it stands among the states.
        before = np.cumsum(counts) - counts
        places = np.arange(counts.sum()) + np.repeat(first - before, counts)
        starts = np.maximum(self.starts[places], np.repeat(begins, counts))
        until = np.minimum(self.ends[places], np.repeat(ends, counts))
        kept = until > starts
        words = [self.words[place] for place in places[kept].tolist()]
        return States(starts[kept], until[kept], words)

    def durations(self) -> dict[str, int]:
        """Return how long each state held, in ns."""
        total: dict[str, int] = {}
        for took, word in zip((self.ends - self.starts).tolist(), self.words, strict=True):
            total[word] = total.get(word, 0) + took
        return total

    def drawn(self, start: int, end: int, cells: int) -> "States":
        """Return the same picture in at most `cells` intervals: of each part what held longest."""
        edges = np.linspace(start, end, cells + 1)
        names = sorted(set(self.words))
        if not names:
            return self
        held = np.array([self._within(name, edges) for name in names])
        held = np.vstack([held, np.diff(edges) - held.sum(axis=0)])  # nothing known
        best = held.argmax(axis=0)
        cuts = np.flatnonzero(np.append(True, best[1:] != best[:-1]))
        ends = np.append(cuts[1:], cells)
        return _made(
            [
                (int(edges[low]), int(edges[high]), names[best[low]])
                for low, high in zip(cuts.tolist(), ends.tolist(), strict=True)
                if best[low] < len(names)
            ]
        )

    def _within(self, word: str, edges: Floats) -> Floats:
        chosen = np.array([one == word for one in self.words])
        starts, ends = self.starts[chosen], self.ends[chosen]
        corners = np.column_stack([starts, ends]).ravel().astype(np.float64)
        so_far = np.concatenate([[0.0], np.cumsum(ends - starts)])
        heights = np.column_stack([so_far[:-1], so_far[1:]]).ravel()
        return np.diff(np.interp(edges, corners, heights, left=0.0, right=so_far[-1]))


class Growth(Struct, frozen=True, eq=False):
    """How much a counter grew, each time that it was heard; in the order of time."""

    at: Moments
    grown: Floats

    def cut(self, intervals: Intervals) -> "Growth":
        """Return what was counted within intervals."""
        begins, ends = _edges_of(intervals)
        opened = np.zeros(len(self.at) + 1, np.int64)
        np.add.at(opened, np.searchsorted(self.at, begins), 1)
        np.add.at(opened, np.searchsorted(self.at, ends), -1)
        within = np.cumsum(opened[:-1]) > 0
        return Growth(self.at[within], self.grown[within])

    def within(self, interval: Interval) -> float:
        """Return how much was counted within an interval."""
        first, last = np.searchsorted(self.at, interval)
        return float(self.grown[first:last].sum())


def states_of(trace: HistoryTrace | None, start: int, end: int, silent_ns: int) -> States:
    """Return the states from `start` to `end`; the trace may begin before."""
    if trace is None or not len(trace.at):
        return _made([])
    words = _words(trace)
    change = np.flatnonzero(
        np.concatenate(
            [
                [True],
                (np.diff(trace.at) > silent_ns)
                | np.array([one != two for one, two in pairwise(words)], bool),
            ]
        )
    )
    last = np.append(change[1:] - 1, len(words) - 1)
    following = np.append(trace.at[change[1:]], end)
    ends = np.minimum(following, trace.at[last] + silent_ns)
    rows = zip(trace.at[change].tolist(), ends.tolist(), change.tolist(), strict=True)
    return _made([(begin, until, words[place]) for begin, until, place in rows]).cut([(start, end)])


def growth_of(trace: HistoryTrace | None, *, total: bool) -> Growth:
    """Return how much was counted: by a running total, or by each sample."""
    if trace is None:
        return Growth(np.array([], np.int64), np.array([], np.float64))
    known = np.isfinite(trace.values)
    at, values = trace.at[known], trace.values[known]
    if not total:
        return Growth(at, values)
    grown = np.diff(values)
    return Growth(at[1:], np.where(grown >= 0, grown, values[1:]))


def _edges_of(intervals: Intervals) -> tuple[Moments, Moments]:
    """Return the starts of intervals, and their ends."""
    rows = np.asarray(intervals, np.int64).reshape(-1, 2)
    return rows[:, 0], rows[:, 1]


def _words(trace: HistoryTrace) -> list[str]:
    """Return a word for each sample; of too many the rarest are one."""
    numbers, texts = trace.values.tolist(), trace.texts
    words = [
        f"{number:g}" if texts is None or texts[place] is None else _word(texts[place] or "")
        for place, number in enumerate(numbers)
    ]
    counts: dict[str, int] = {}
    for word in words:
        counts[word] = counts.get(word, 0) + 1
    if len(counts) <= STATES_MAX:
        return words
    kept = _most(counts)
    return [word if word in kept else OTHER for word in words]


def _most(counts: Mapping[str, int]) -> set[str]:
    by_count = sorted(counts, key=lambda word: (-counts[word], word))
    return set(by_count[: STATES_MAX - 1])


def _word(text: str) -> str:
    value = msgspec.json.decode(text)
    return value[:64] if isinstance(value, str) else text[:64]


def _made(rows: Sequence[tuple[int, int, str]]) -> States:
    kept = [row for row in rows if row[1] > row[0]]
    return States(
        np.array([row[0] for row in kept], np.int64),
        np.array([row[1] for row in kept], np.int64),
        [row[2] for row in kept],
    )
