"""Seasons: what is usual at this hour of the day, or at this place in any other cycle.

A season is cut into PHASES; between the middles of two phases the usual value is drawn as a
line. A slow level under all phases follows a trend. The season is counted from 1970 in UTC:
a daily rhythm that follows a clock with summer time moves by an hour twice a year and is
learnt anew within the memory.
"""

import math
from typing import Any

from weft.rules.feeds.norms import SCORE_MAX, STEP_SIGMA, TINY, clipped_square

PHASES = 24
_LEARNING = 2  # seasons: the first tells the shape, the second how far samples are from it
_MEAN_SIGMA = math.sqrt(math.pi / 2)  # a normal spread is so many mean absolute deviations


class Seasons:
    """A level, a shape and a spread over some seasons, as a `Detector`.

    It is silent for two whole seasons and until it has `warm` samples, and at a phase that
    it has never seen.
    """

    __slots__ = (
        "_at", "_began", "_beta", "_clip", "_count", "_counts", "_grain", "_last", "_level",
        "_memory", "_per_phase", "_phases_per_ns", "_season", "_shape", "_spread_count",
        "_square", "_step_max", "_warm",
    )  # fmt: skip

    def __init__(self, season_ns: int, memory_ns: int, *, clip: float, warm: int) -> None:
        self._season = season_ns
        self._memory = memory_ns
        self._step_max = memory_ns / warm
        self._per_phase = memory_ns / PHASES
        self._phases_per_ns = PHASES / season_ns
        self._clip = clip
        self._beta = clipped_square(clip)
        self._warm = warm
        self._began = self._at = -1
        self._count = self._spread_count = 0
        self._level = self._square = self._last = self._grain = 0.0
        self._shape = [0.0] * PHASES
        self._counts = [0.0] * PHASES  # how much each phase has been seen

    def score(self, at: int, value: float) -> float | None:
        """Judge a sample by its phase, then learn from it."""
        if self._began < 0:
            self._began = self._at = at
            self._level = value
        passed: float = at - self._at
        if passed > self._step_max:
            passed = self._step_max
        elif passed < 0:
            passed = 0
        self._at = at
        step = abs(value - self._last)
        if step and (step < self._grain or not self._grain) and self._count:
            self._grain = step
        self._last = value
        self._count += 1
        place = at % self._season * self._phases_per_ns + (PHASES - 0.5)
        left = int(place)
        share = place - left
        left, right = left % PHASES, (left + 1) % PHASES
        shape, counts = self._shape, self._counts
        seen = counts[left] > 0 and counts[right] > 0
        usual = self._level + shape[left] + (shape[right] - shape[left]) * share
        off = value - usual
        spread = math.sqrt(self._square)
        spread = max(spread, self._grain * STEP_SIGMA)
        known = self._spread_count >= self._warm
        z = off / spread if spread > TINY else 0.0
        clip = self._clip
        felt = off
        if known:
            felt = (clip if z > clip else max(z, -clip)) * spread
        self._learn(left, 1 - share, felt, passed)
        self._learn(right, share, felt, passed)
        lived = at - self._began
        if lived < self._season or not seen:
            return None
        if known:
            gain = passed / (self._memory + passed)
            if gain * self._spread_count < 1.0:
                gain = 1.0 / self._spread_count
            self._level += gain * felt
            square = spread * spread
            self._square = square + gain * (felt * felt / self._beta - square)
        else:
            self._begin_spread(abs(off))
        self._spread_count += 1
        if not known or lived < _LEARNING * self._season:
            return None
        return SCORE_MAX if z > SCORE_MAX else max(z, -SCORE_MAX)

    def _learn(self, phase: int, share: float, felt: float, passed: float) -> None:
        """Move one phase: a mean at first, then by the time that was spent in it."""
        count = self._counts[phase] = self._counts[phase] + share
        time = share * passed
        gain = time / (self._per_phase + time)
        if gain * count < share:
            gain = share / count if count > 1.0 else share
        self._shape[phase] += gain * felt

    def _begin_spread(self, off: float) -> None:
        """Take the mean absolute deviation until there is a spread to clip by."""
        count = self._spread_count
        mean = math.sqrt(self._square) / _MEAN_SIGMA
        mean += (off - mean) / (count + 1)
        self._square = (mean * _MEAN_SIGMA) ** 2

    def state(self) -> list[Any]:
        """Return level, shape and spread."""
        return [
            self._began, self._at, self._count, self._spread_count, self._level, self._square,
            self._last, self._grain, list(self._shape), list(self._counts),
        ]  # fmt: skip

    def restore(self, state: list[Any]) -> None:
        """Take back what `state` gave."""
        (
            self._began, self._at, self._count, self._spread_count, self._level, self._square,
            self._last, self._grain, shape, counts,
        ) = state  # fmt: skip
        self._shape, self._counts = list(shape), list(counts)
