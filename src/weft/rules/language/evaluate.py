"""The reference evaluator: a checked tree as closures over slots, with CEL's error rules.

It is exact and not the fastest. The generated code (`generate`) handles the plain case;
whenever a value is absent or an operation fails there, this decides what it means.

A value may be absent, and an operation may fail. Both make the result of any strict
operation absent or failed. `a && b` is false when either side is false, whatever the
other; `a || b` is true when either is true; otherwise absence wins over failure.
`c ? a : b` evaluates only the side chosen.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec import UNSET

from weft.rules.language.functions import get_call
from weft.rules.language.syntax import (
    Apply,
    Checked,
    Choose,
    Const,
    Feed,
    Has,
    Input,
    Items,
    Logic,
    Path,
)
from weft.rules.language.values import OPERATIONS, AbsentError, EvaluationError, truth

Slots = Sequence[Any]
Evaluate = Callable[[Slots], Any]

# Whatever a value can make Python raise; an arithmetic surprise is the rule's, never ours.
FAILURES = (EvaluationError, ArithmeticError, TypeError, ValueError, LookupError)


def evaluator(tree: Checked, slots: Mapping[Path, int]) -> Evaluate:
    """Compile a checked tree; inputs are read from the slots given for their paths."""
    match tree:
        case Const():
            value = tree.value
            return lambda _slots: value
        case Input():
            return _load(slots[tree.path], tree.path)
        case Feed():
            return _load(slots[tree.path], tree.path)
        case Has():
            return _has(slots[tree.path], tree.keys)
        case Logic():
            return _logic(tree.every, [evaluator(part, slots) for part in tree.operands])
        case Choose():
            condition, then, otherwise = (
                evaluator(part, slots) for part in (tree.condition, tree.then, tree.otherwise)
            )
            return lambda row: then(row) if truth(condition(row)) else otherwise(row)
        case Items():
            parts = [evaluator(part, slots) for part in tree.items]
            return lambda row: [part(row) for part in parts]
        case Apply():
            return _apply(tree, slots)


def _apply(tree: Apply, slots: Mapping[Path, int]) -> Evaluate:
    operation = OPERATIONS.get(tree.operation) or get_call(tree.operation)
    arguments = [evaluator(part, slots) for part in tree.arguments]
    if len(arguments) == 1:
        (one,) = arguments
        return lambda row: operation(one(row))
    if len(arguments) == 2:
        left, right = arguments
        return lambda row: operation(left(row), right(row))
    return lambda row: operation(*(part(row) for part in arguments))


def _load(slot: int, path: Path) -> Evaluate:
    def load(row: Slots) -> Any:
        value = row[slot]
        if value is UNSET:
            raise AbsentError(f"{path[1]!r} has not been seen yet")
        return value

    return load


def _has(slot: int, keys: tuple[str, ...]) -> Evaluate:
    def has(row: Slots) -> bool:
        value = row[slot]
        for key in keys:
            if not isinstance(value, Mapping) or key not in value:
                return False
            value = value[key]
        return value is not UNSET

    return has


def _logic(every: bool, parts: list[Evaluate]) -> Evaluate:  # noqa: FBT001  which operator it is
    def logic(row: Slots) -> bool:
        problem: Exception | None = None
        for part in parts:
            try:
                if truth(part(row)) is not every:
                    return not every
            except FAILURES as error:
                if problem is None or isinstance(error, AbsentError):
                    problem = error
        if problem is not None:
            raise problem
        return every

    return logic
