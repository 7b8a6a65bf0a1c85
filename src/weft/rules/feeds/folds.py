"""Folds: how samples become one number, joined from parts, without ever taking one away.

Taking a sample away (`sum - old`) leaves rounding behind and cannot undo a minimum, so a
window joins partial results instead. A part is whatever `one` makes and `join` joins.
"""

from collections.abc import Callable
from math import sqrt
from typing import Any

from msgspec import UNSET, Struct

# Samples beyond it are passed over: squares and sums of all others stay within the doubles.
SAMPLE_MAX = 1e150


class Fold(Struct, frozen=True, eq=False):
    """Parts of samples, how they join, and what is told in the end.

    `add` and `both` are what most samples meet: each gives, to the last bit, what `join` would,
    without a part that is thrown away at once.
    """

    one: Callable[[int, float], Any]  # of a moment and a value
    join: Callable[[Any, Any], Any]  # older part first
    tell: Callable[[Any], Any]
    add: Callable[[Any, int, float], Any]  # join(part, one(at, value))
    both: Callable[[Any, Any], Any]  # tell(join(older, newer))
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
    return UNSET if part[0] < 2 else sqrt(max(part[2], 0.0) / (part[0] - 1))


def _add_moment(part: Moments3, _at: int, value: float) -> Moments3:
    many, mean, squares = part
    count = many + 1
    apart = value - mean
    return count, mean + apart / count, squares + apart * apart * many / count


def _both_deviations(left: Moments3, right: Moments3) -> Any:
    many, mean, squares = left
    other, other_mean, other_squares = right
    count = many + other
    apart = other_mean - mean
    squares = squares + other_squares + apart * apart * many * other / count
    return sqrt(squares / (count - 1)) if squares > 0.0 else 0.0


def _lesser(left: float, right: float) -> float:
    return right if right < left else left  # noqa: FURB136  min() takes twice as long


def _greater(left: float, right: float) -> float:
    return right if right > left else left  # noqa: FURB136  so does max()


FOLDS: dict[str, Fold] = {
    "count": Fold(
        one=lambda _at, _value: 1,
        join=_add,
        tell=_tell,
        add=lambda part, _at, _value: part + 1,
        both=_add,
        empty=0,
    ),
    "sum": Fold(
        one=_one_number,
        join=_add,
        tell=_tell,
        add=lambda part, _at, value: part + value,
        both=_add,
        empty=0.0,
    ),
    "mean": Fold(
        one=lambda _at, value: (1, value),
        join=_add_pairs,
        tell=lambda part: part[1] / part[0],
        add=lambda part, _at, value: (part[0] + 1, part[1] + value),
        both=lambda left, right: (left[1] + right[1]) / (left[0] + right[0]),
    ),
    "min": Fold(
        one=_one_number,
        join=_lesser,
        tell=_tell,
        add=lambda part, _at, value: value if value < part else part,  # noqa: FURB136  as above
        both=_lesser,
    ),
    "max": Fold(
        one=_one_number,
        join=_greater,
        tell=_tell,
        add=lambda part, _at, value: value if value > part else part,  # noqa: FURB136  as above
        both=_greater,
    ),
    "stddev": Fold(
        one=lambda _at, value: (1, value, 0.0),
        join=_join_moments,
        tell=_tell_deviation,
        add=_add_moment,
        both=_both_deviations,
    ),
}
