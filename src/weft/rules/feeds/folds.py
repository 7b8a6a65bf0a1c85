"""Folds: how samples become one number, joined from parts, without ever taking one away.

Taking a sample away (`sum - old`) leaves rounding behind and cannot undo a minimum, so a
window joins partial results instead. A part is whatever `one` makes and `join` joins.
"""

import math
from collections.abc import Callable
from typing import Any

from msgspec import UNSET, Struct

# Samples beyond it are passed over: squares and sums of all others stay within the doubles.
SAMPLE_MAX = 1e150


class Fold(Struct, frozen=True, eq=False):
    """Parts of samples, how they join, and what is told in the end."""

    one: Callable[[int, float], Any]  # of a moment and a value
    join: Callable[[Any, Any], Any]  # older part first
    tell: Callable[[Any], Any]
    empty: Any = UNSET  # what a window says that has become empty


Moments3 = tuple[int, float, float]  # how many, their mean, sum of squares about it


def _one_number(_at: int, value: float) -> float:
    return value


def _tell(part: Any) -> Any:
    return part


def _add(left: float, right: float) -> float:
    return left + right


def _add_pairs(left: tuple[int, float], right: tuple[int, float]) -> tuple[int, float]:
    return left[0] + right[0], left[1] + right[1]


def _join_moments(left: Moments3, right: Moments3) -> Moments3:
    """Join means and squares (Chan, Golub and LeVeque 1979): exact where sums cancel."""
    many, other = left[0], right[0]
    count = many + other
    apart = right[1] - left[1]
    mean = left[1] + apart * other / count
    return count, mean, left[2] + right[2] + apart * apart * many * other / count


def _tell_deviation(part: Moments3) -> Any:
    """Return the deviation of a sample (n - 1); of one value there is none."""
    return UNSET if part[0] < 2 else math.sqrt(max(part[2], 0.0) / (part[0] - 1))


FOLDS: dict[str, Fold] = {
    "count": Fold(one=lambda _at, _value: 1, join=lambda a, b: a + b, tell=_tell, empty=0),
    "sum": Fold(one=_one_number, join=_add, tell=_tell, empty=0.0),
    "mean": Fold(
        one=lambda _at, value: (1, value),
        join=_add_pairs,
        tell=lambda part: part[1] / part[0],
    ),
    "min": Fold(one=_one_number, join=min, tell=_tell),
    "max": Fold(one=_one_number, join=max, tell=_tell),
    "stddev": Fold(
        one=lambda _at, value: (1, value, 0.0), join=_join_moments, tell=_tell_deviation
    ),
}
