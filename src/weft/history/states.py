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


class States(Struct, frozen=True, eq=False):
    """Intervals in the order of time, which do not overlap; between them nothing is known."""

    starts: Moments
    ends: Moments
    words: list[str]  # one per interval

    def cut(self, intervals: Sequence[Interval]) -> "States":
        """Return what lies within intervals, which are in order and apart."""
        found: list[tuple[int, int, str]] = []
        for begin, end in intervals:
            first = int(np.searchsorted(self.ends, begin, "right"))
            last = int(np.searchsorted(self.starts, end, "left"))
            rows = zip(
                self.starts[first:last].tolist(),
                self.ends[first:last].tolist(),
                self.words[first:last],
                strict=True,
            )
            found.extend((max(low, begin), min(high, end), word) for low, high, word in rows)
        return _made(found)

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


def growth(trace: HistoryTrace | None, intervals: Sequence[Interval], *, total: bool) -> float:
    """Return how much was counted within intervals: by a running total, or by each sample."""
    if trace is None:
        return 0.0
    known = np.isfinite(trace.values)
    at, values = trace.at[known], trace.values[known]
    if total:
        grown = np.diff(values)
        at, grown = at[1:], np.where(grown >= 0, grown, values[1:])
    else:
        grown = values
    counted = 0.0
    for begin, end in intervals:
        counted += float(grown[(at >= begin) & (at < end)].sum())
    return counted


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
