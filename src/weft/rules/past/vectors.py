"""Conditions over arrays: a yes, a no, or "ask the exact evaluator", for many samples at once.

Only what means the same on arrays is made: comparisons, sums and products of numbers, and
what joins them. Everything in doubt (a value that is not known, an overflow, a text) is left
to the exact evaluator, so that arrays can only be quicker, never different.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

import numpy as np

from weft.history.scalars import EXACT_MAX
from weft.rules.language.syntax import (
    NUMBERS,
    Apply,
    Checked,
    Const,
    Feed,
    Input,
    Logic,
    Path,
    Type,
)
from weft.rules.past.tables import Numbers, Truths


class Answer(NamedTuple):
    """What holds, and where that is known."""

    value: Any  # numbers or truths
    known: Truths


Given = Mapping[Path, Numbers]
Vector = Callable[[Given], Answer]

_COMPARE: Final[Mapping[str, Callable[[Any, Any], Any]]] = {
    "<": np.less, "<=": np.less_equal, ">": np.greater, ">=": np.greater_equal,
    "==": np.equal, "!=": np.not_equal,
}  # fmt: skip
_ARITHMETIC: Final[Mapping[str, Callable[[Any, Any], Any]]] = {
    "+": np.add, "-": np.subtract, "*": np.multiply, "/": np.divide,
}  # fmt: skip
_NUMBERS: Final = NUMBERS | {Type.DYN}


def truth_vector(tree: Checked) -> Vector | None:
    """Return a condition over arrays, or None where it must be asked sample by sample."""
    match tree:
        case Const(value=bool() as value):
            return lambda given: _constant(value, given)
        case Logic():
            parts = [truth_vector(one) for one in tree.operands]
            if None in parts:
                return None
            return _logic([one for one in parts if one is not None], every=tree.every)
        case Apply(operation="!"):
            inner = truth_vector(tree.arguments[0])
            return None if inner is None else _inverse(inner)
        case Apply() if tree.operation in _COMPARE:
            left, right = map(number_vector, tree.arguments)
            if left is None or right is None:
                return None
            return _comparison(_COMPARE[tree.operation], left, right)
        case _:
            return None


def number_vector(tree: Checked) -> Vector | None:
    """Return an expression of numbers over arrays, or None."""
    match tree:
        case Const() if tree.value.__class__ in {int, float} and abs(tree.value) < EXACT_MAX:
            value = float(tree.value)
            return lambda given: _constant(value, given)
        case Input(path=("telemetry", _)) | Feed() if tree.type in _NUMBERS:
            path = tree.path
            return lambda given: Answer(given[path], ~np.isnan(given[path]))
        case Apply(operation="negate") if tree.type in _NUMBERS:
            inner = number_vector(tree.arguments[0])
            return None if inner is None else _negative(inner)
        case Apply() if tree.operation in _ARITHMETIC and tree.type in _NUMBERS:
            if tree.operation == "/" and tree.type is Type.INT:
                return None  # it cuts the rest off
            left, right = map(number_vector, tree.arguments)
            if left is None or right is None:
                return None
            return _result(_ARITHMETIC[tree.operation], left, right)
        case _:
            return None


def _constant(value: float, given: Given) -> Answer:
    length = len(next(iter(given.values()), ()))
    return Answer(np.full(length, value), np.ones(length, np.bool_))


def _comparison(compare: Callable[[Any, Any], Any], left: Vector, right: Vector) -> Vector:
    def answer(given: Given) -> Answer:
        one, other = left(given), right(given)
        return Answer(compare(one.value, other.value), one.known & other.known)

    return answer


def _result(operate: Callable[[Any, Any], Any], left: Vector, right: Vector) -> Vector:
    def answer(given: Given) -> Answer:
        one, other = left(given), right(given)
        with np.errstate(all="ignore"):
            value = operate(one.value, other.value)
            exact = np.abs(value) < EXACT_MAX  # of ints, and no infinity among doubles
        return Answer(value, one.known & other.known & exact)

    return answer


def _negative(inner: Vector) -> Vector:
    def answer(given: Given) -> Answer:
        one = inner(given)
        return Answer(-one.value, one.known)

    return answer


def _inverse(inner: Vector) -> Vector:
    def answer(given: Given) -> Answer:
        one = inner(given)
        return Answer(~one.value, one.known)

    return answer


def _logic(parts: list[Vector], *, every: bool) -> Vector:
    def answer(given: Given) -> Answer:
        answers = [part(given) for part in parts]
        # One operand that is known to decide is enough, as in CEL.
        decided = np.logical_or.reduce([one.known & (one.value != every) for one in answers])
        through = np.logical_and.reduce([one.known & (one.value == every) for one in answers])
        return Answer(through if every else decided, decided | through)

    return answer
