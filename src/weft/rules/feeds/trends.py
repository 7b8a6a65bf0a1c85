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
    weighed = later * (many * other / count)
    return (
        count,
        left[1] + later * other / count,
        left[2] + higher * other / count,
        left[3] + right[3] + later * weighed,
        left[4] + right[4] + higher * weighed,
    )


def _add_to_line(part: Line, at: int, value: float) -> Line:
    many, mean_at, mean, squares, products = part
    count = many + 1
    later, higher = at / NS_PER_S - mean_at, value - mean
    weighed = later * (many / count)
    return (
        count,
        mean_at + later / count,
        mean + higher / count,
        squares + later * weighed,
        products + higher * weighed,
    )


def _slope(part: Line) -> Any:
    return part[4] / part[3] if part[3] > 0 else UNSET


def _both_slopes(left: Line, right: Line) -> Any:
    many, other = left[0], right[0]
    later, higher = right[1] - left[1], right[2] - left[2]
    weighed = later * (many * other / (many + other))
    squares = left[3] + right[3] + later * weighed
    return (left[4] + right[4] + higher * weighed) / squares if squares > 0 else UNSET


def _add_to_ends(part: Ends, at: int, value: float) -> Ends:
    return part[0], part[1], at, value


def _both_deltas(left: Ends, right: Ends) -> Any:
    return right[3] - left[1] if right[2] > left[0] else UNSET


def _both_rates(left: Ends, right: Ends) -> Any:
    span = right[2] - left[0]
    return (right[3] - left[1]) / (span / NS_PER_S) if span > 0 else UNSET


def _add_to_counter(part: Counter, _at: int, value: float) -> Counter:
    first, last, grown, count = part
    return first, value, grown + (value - last if value >= last else value), count + 1


def _both_counters(left: Counter, right: Counter) -> Any:
    step = right[0] - left[1] if right[0] >= left[1] else right[0]
    return left[2] + step + right[2]


TRENDS: dict[str, Fold] = {
    "delta": Fold(one=_ends, join=_join_ends, tell=_delta, add=_add_to_ends, both=_both_deltas),
    "rate": Fold(one=_ends, join=_join_ends, tell=_rate, add=_add_to_ends, both=_both_rates),
    "slope": Fold(one=_line, join=_join_lines, tell=_slope, add=_add_to_line, both=_both_slopes),
    "increase": Fold(
        one=_counter,
        join=_join_counters,
        tell=_increase,
        add=_add_to_counter,
        both=_both_counters,
        empty=0.0,
    ),
}
