"""Norms: what is usual for one device, learned from its own samples alone.

A norm knows a level and a spread. A sample far out counts only as far as `clip` spreads
(Huber's proposal 2, Robust Statistics 1981, 6.4): an episode cannot become usual while it
lasts a small part of the memory, and what lasts is learnt in the end. Every step is plain
arithmetic and a square root, which IEEE 754 rounds exactly, so a replay finds the same bits.
"""

import math
from typing import Any, Protocol

SCORE_MAX = 1e6  # a score says no more than that: far enough for anybody
MAD_SIGMA = 1.4826  # a normal spread is so many median absolute deviations
STEP_SIGMA = 1 / math.sqrt(12)  # of what is rounded to steps of one (Sheppard 1898)
TINY = 1e-150  # its square is no zero


class Detector(Protocol):
    """How unusual a sample is: the seam of all ways to tell.

    Moments go back only when our own clock was set back. What it keeps is bounded, leaves
    as plain values and comes back as them; the same samples give the same scores.
    """

    def score(self, at: int, value: float) -> float | None:
        """Judge a sample by what came before, then learn from it; None: too little is known.

        `at` is nanoseconds; the score is signed and in spreads, at most SCORE_MAX.
        """
        ...

    def state(self) -> list[Any]:
        """Return what it knows."""
        ...

    def restore(self, state: list[Any]) -> None:
        """Take back what `state` gave."""
        ...


def clipped_square(clip: float) -> float:
    """Return the mean of min(z², clip²) for a normal z: what keeps a clipped spread honest."""
    inside = math.erf(clip / math.sqrt(2))
    density = math.exp(-clip * clip / 2) / math.sqrt(2 * math.pi)
    return inside - 2 * clip * density + clip * clip * (1 - inside)


def median(ordered: list[float]) -> float:
    """Return the middle of sorted numbers."""
    half = len(ordered) // 2
    if len(ordered) % 2:
        return ordered[half]
    return ordered[half - 1] / 2 + ordered[half] / 2


class Norm:
    """A level and a spread over a time, as a `Detector`.

    The first `warm` samples are kept, and their median and median absolute deviation begin
    it. From then on each sample counts by the time since the one before, but never less
    than it would in a plain mean of all, nor more than one in `warm` samples would: the
    memory is `memory_ns` long, the whole past until there is so much, and never fewer
    samples than `warm`. A silence is not lived through: it makes nothing forgotten.
    """

    __slots__ = (
        "_at", "_beta", "_clip", "_count", "_first", "_grain", "_last", "_level", "_memory",
        "_square", "_step_max", "_warm",
    )  # fmt: skip

    def __init__(self, memory_ns: int, *, clip: float, warm: int) -> None:
        self._memory = memory_ns
        self._clip = clip
        self._beta = clipped_square(clip)
        self._warm = warm
        self._step_max = memory_ns / warm
        self._first: list[float] = []
        self._count = 0
        self._level = 0.0
        self._square = 0.0  # the spread, squared
        self._at = 0
        self._last = 0.0
        self._grain = 0.0  # the smallest difference of neighbours: no spread is told below it

    def score(self, at: int, value: float) -> float | None:
        """Judge a sample, then learn from it."""
        step = abs(value - self._last)
        if step and (step < self._grain or not self._grain) and self._count:
            self._grain = step
        self._last = value
        self._count += 1
        if self._count <= self._warm:
            self._begin(at, value)
            return None
        passed: float = at - self._at
        self._at = at
        off = value - self._level
        spread = math.sqrt(self._square)
        spread = max(spread, self._grain * STEP_SIGMA)
        if spread <= TINY:  # it has never varied, and does not now
            return 0.0
        passed = min(passed, self._step_max)
        gain = passed / (self._memory + passed) if passed > 0 else 0.0
        if gain * self._count < 1.0:
            gain = 1.0 / self._count
        z = off / spread
        clip = self._clip
        felt = clip if z > clip else max(z, -clip)
        self._level += gain * felt * spread
        self._square = spread * spread * (1.0 + gain * (felt * felt / self._beta - 1.0))
        return SCORE_MAX if z > SCORE_MAX else max(z, -SCORE_MAX)

    def _begin(self, at: int, value: float) -> None:
        first = self._first
        first.append(value)
        self._at = at
        if len(first) < self._warm:
            return
        self._level = level = median(sorted(first))
        spread = MAD_SIGMA * median(sorted(abs(one - level) for one in first))
        self._square = spread * spread
        self._first = []

    def state(self) -> list[Any]:
        """Return level, spread and the samples of the warm-up."""
        return [
            list(self._first), self._count, self._level, self._square, self._at,
            self._last, self._grain,
        ]  # fmt: skip

    def restore(self, state: list[Any]) -> None:
        """Take back what `state` gave."""
        (
            first, self._count, self._level, self._square, self._at, self._last,
            self._grain,
        ) = state  # fmt: skip
        self._first = list(first)
