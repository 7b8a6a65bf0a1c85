"""Baselines: what was usual in the first hours, kept for good.

For slow wear: a norm that goes on learning would learn the wear as well. Up to KEPT_MAX
samples are kept while the baseline is learned; beyond it every second is, and so on.
"""

from typing import Any

from weft.rules.feeds.norms import MAD_SIGMA, SCORE_MAX, STEP_SIGMA, TINY, median

KEPT_MAX = 300


class Baseline:
    """Median and median absolute deviation of the first while, as a `Detector`.

    It is learned for `baseline_ns` and for `least` samples at least; then nothing moves it.
    """

    __slots__ = (
        "_baseline", "_began", "_count", "_first", "_grain", "_last", "_least", "_level",
        "_spread", "_stride",
    )  # fmt: skip

    def __init__(self, baseline_ns: int, *, least: int) -> None:
        self._baseline = baseline_ns
        self._least = least
        self._began = -1
        self._first: list[float] = []
        self._count = 0
        self._stride = 1
        self._last = self._grain = 0.0
        self._level = 0.0
        self._spread = -1.0  # still learning

    def score(self, at: int, value: float) -> float | None:
        """Judge a sample by the baseline."""
        if self._spread < 0:
            self._learn(at, value)
            return None
        off = value - self._level
        if self._spread <= TINY:  # it never varied: any change is as far as can be told
            return 0.0 if off == 0 else SCORE_MAX if off > 0 else -SCORE_MAX
        return max(-SCORE_MAX, min(SCORE_MAX, off / self._spread))

    def _learn(self, at: int, value: float) -> None:
        if self._began < 0:
            self._began = at
        step = abs(value - self._last)
        if step and self._count and (step < self._grain or not self._grain):
            self._grain = step
        self._last = value
        if self._count % self._stride == 0:
            self._first.append(value)
            if len(self._first) > KEPT_MAX:
                self._first = self._first[::2]
                self._stride *= 2
        self._count += 1
        if self._count < self._least or at - self._began < self._baseline:
            return
        self._level = level = median(sorted(self._first))
        spread = MAD_SIGMA * median(sorted(abs(one - level) for one in self._first))
        self._spread = max(spread, self._grain * STEP_SIGMA)
        self._first = []

    def state(self) -> list[Any]:
        """Return the baseline, or what it is being learned from."""
        return [
            self._began, list(self._first), self._count, self._stride, self._last, self._grain,
            self._level, self._spread,
        ]  # fmt: skip

    def restore(self, state: list[Any]) -> None:
        """Take back what `state` gave."""
        (
            self._began, first, self._count, self._stride, self._last, self._grain,
            self._level, self._spread,
        ) = state  # fmt: skip
        self._first = list(first)
