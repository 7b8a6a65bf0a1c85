"""A bound on what one evaluation may cost, from the checked tree, before it ever runs.

There are no loops, so only long texts and lists make an operation slow. Sizes of inputs
are taken at their worst; one unit is about 50 ns.
"""

from weft.errors import Invalid
from weft.rules.language.functions import find_function
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
    Type,
)
from weft.rules.language.values import OPERATIONS

MAX_COST = 100_000  # 5 ms, a tenth of what RU-2 allows
_INPUT_TEXT = 65_536  # characters at worst: a payload is at most 64 KiB
_INPUT_ITEMS = 4_096
_TEXT_PER_UNIT = 256  # characters copied or compared in one unit
_LINEAR = {"+", "==", "!=", "<", "<=", ">", ">=", "startsWith", "endsWith", "contains", "string"}


def require_affordable(tree: Checked) -> int:
    """Return the bound of a condition in units, or raise `Invalid` when it is too much."""
    cost, _size = _bound(tree)
    if cost > MAX_COST:
        raise Invalid(
            f"The condition may cost {cost} units at worst; at most {MAX_COST} are allowed.",
            remedy="Join or compare fewer long texts, or split it into several rules.",
        )
    return cost


def _bound(tree: Checked) -> tuple[int, int]:
    """Return (cost in units, size of the value in characters or items)."""
    match tree:
        case Const():
            return 1, len(tree.value) if isinstance(tree.value, str) else 1
        case Feed():
            return 1 + sum(_bound(part)[0] for part in tree.samples), 1
        case Input():
            return 1, _INPUT_TEXT if tree.type in {Type.STRING, Type.DYN} else _INPUT_ITEMS
        case Has():
            return 1 + len(tree.keys), 1
        case Logic():
            return 1 + sum(_bound(part)[0] for part in tree.operands), 1
        case Items():
            return 1 + sum(_bound(part)[0] for part in tree.items), len(tree.items)
        case Choose():
            parts = [_bound(part) for part in (tree.condition, tree.then, tree.otherwise)]
            return 1 + sum(cost for cost, _ in parts), max(parts[1][1], parts[2][1])
        case Apply():
            return _bound_apply(tree)


def _bound_apply(tree: Apply) -> tuple[int, int]:
    parts = [_bound(part) for part in tree.arguments]
    cost = 1 + sum(part for part, _ in parts)
    plugged = None if tree.operation in OPERATIONS else find_function(tree.operation)
    if plugged is not None:
        return cost + plugged.units, _INPUT_TEXT if tree.type is Type.STRING else 1
    types = {part.type for part in tree.arguments}
    textual = types & {Type.STRING, Type.DYN} and not types & {Type.INT, Type.DOUBLE, Type.BOOL}
    if tree.operation in _LINEAR and textual:
        cost += sum(size for _, size in parts) // _TEXT_PER_UNIT
    if tree.operation == "in":
        cost += parts[1][1]
    if types & {Type.LIST, Type.MAP} and tree.operation in {"==", "!="}:
        cost += max(size for _, size in parts)
    if tree.type is Type.STRING or (tree.type is Type.DYN and textual):
        return cost, sum(size for _, size in parts)
    return cost, 1
