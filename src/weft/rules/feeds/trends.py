"""Trends: folds that look at when samples were taken. Differences, rates, slopes, counters.

A part is made of one sample and joined like any other fold, so a window over them costs
what a mean costs. Times are seconds in a trend, for that is what a rate is per.
"""

from typing import Any

from msgspec import UNSET

from weft.rules.feeds.base import NS_PER_S
from weft.rules.feeds.folds import Fold

Ends = tuple[int, float, int, float]  # the first moment and value, and the last
Counter = tuple[float, float, float, int]  # first, last, increase between, samples
Line = tuple[int, float, float, float, float]  # how many, mean time and value, squares, products


def _ends(at: int, value: float) -> Ends:
    return at, value, at, value


def _join_ends(left: Ends, right: Ends) -> Ends:
    return left[0], left[1], right[2], right[3]


def _delta(part: Ends) -> Any:
    return part[3] - part[1] if part[2] > part[0] else UNSET


def _rate(part: Ends) -> Any:
    span = part[2] - part[0]
    return (part[3] - part[1]) / (span / NS_PER_S) if span > 0 else UNSET


def _counter(_at: int, value: float) -> Counter:
    return value, value, 0.0, 1


def _join_counters(left: Counter, right: Counter) -> Counter:
    """A counter that is lower than before began anew at zero: what it says was counted since."""
    step = right[0] - left[1] if right[0] >= left[1] else right[0]
    return left[0], right[1], left[2] + step + right[2], left[3] + right[3]


def _increase(part: Counter) -> Any:
    return part[2] if part[3] > 1 else UNSET


def _line(at: int, value: float) -> Line:
    return 1, at / NS_PER_S, value, 0.0, 0.0


def _join_lines(left: Line, right: Line) -> Line:
    """Join means, squares and products (Chan, Golub and LeVeque 1979)."""
    many, other = left[0], right[0]
    count = many + other
    later, higher = right[1] - left[1], right[2] - left[2]
    weight = many * other / count
    return (
        count,
        left[1] + later * other / count,
        left[2] + higher * other / count,
        left[3] + right[3] + later * later * weight,
        left[4] + right[4] + later * higher * weight,
    )


def _slope(part: Line) -> Any:
    return part[4] / part[3] if part[3] > 0 else UNSET


TRENDS: dict[str, Fold] = {
    "delta": Fold(one=_ends, join=_join_ends, tell=_delta),
    "rate": Fold(one=_ends, join=_join_ends, tell=_rate),
    "slope": Fold(one=_line, join=_join_lines, tell=_slope),
    "increase": Fold(one=_counter, join=_join_counters, tell=_increase, empty=0.0),
}
