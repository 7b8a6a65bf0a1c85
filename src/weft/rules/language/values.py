"""The operations of conditions on values, exactly as CEL says, with CEL's errors.

Python is more lenient than CEL (True is an int, integers never overflow, % rounds down),
so every operation here looks at its arguments' types first. The generated code uses
plain Python operators only where the checker has shown that they mean the same.

Beyond CEL, as documented: an int meeting a double becomes a double in arithmetic;
`abs`, `min` and `max` exist.
"""

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from weft.rules.language.tokens import INT_MAX, INT_MIN

MAX_TEXT = 65_536  # longest text an expression may make (RU-2: input 64 KiB)
NUMBERS = frozenset({int, float})


class EvaluationError(Exception):
    """An operation has no answer for these values."""


class AbsentError(EvaluationError):
    """A value is not there (yet): the condition is unknown, which is nobody's fault."""


def _name_of(value: Any) -> str:
    names = {float: "double", int: "int", str: "string", bool: "bool", list: "list", dict: "map"}
    return "null" if value is None else names.get(type(value), "another type")


def mismatch(operation: str, *values: Any) -> EvaluationError:
    """Make the error for values that an operation does not take."""
    return EvaluationError(f"{operation} cannot take {' and '.join(map(_name_of, values))}")


def fit(number: int) -> int:
    """Return an int that fits in 64 bits, else raise CEL's overflow error."""
    if INT_MIN <= number <= INT_MAX:
        return number
    raise EvaluationError("integer overflow")


def plain(value: Any) -> Any:
    """Return a JSON value as conditions see it: every number is a double (as in CEL)."""
    if value.__class__ is int:
        try:
            return float(value)
        except OverflowError:
            return math.inf if value > 0 else -math.inf
    return value


def number(value: Any) -> float:
    """Return a number as a double, the sample of a function that remembers."""
    if value.__class__ is float or value.__class__ is int:
        return float(value)
    raise mismatch("a window", value)


def _arithmetic(
    name: str, on_ints: Callable[[int, int], int], on_doubles: Callable[[float, float], float]
) -> Callable[[Any, Any], Any]:
    def operate(left: Any, right: Any) -> Any:
        kind, other = left.__class__, right.__class__
        if kind is int and other is int:
            return fit(on_ints(left, right))
        if kind in NUMBERS and other in NUMBERS:
            return on_doubles(float(left), float(right))
        raise mismatch(name, left, right)

    return operate


def _divide_ints(left: int, right: int) -> int:
    if right == 0:
        raise EvaluationError("division by zero")
    quotient = abs(left) // abs(right)
    return quotient if (left < 0) == (right < 0) else -quotient


def _divide_doubles(left: float, right: float) -> float:
    if right != 0:
        return left / right
    if left == 0 or math.isnan(left):
        return math.nan
    return math.copysign(math.inf, left) * math.copysign(1.0, right)


_add_numbers = _arithmetic("+", lambda a, b: a + b, lambda a, b: a + b)
subtract = _arithmetic("-", lambda a, b: a - b, lambda a, b: a - b)
multiply = _arithmetic("*", lambda a, b: a * b, lambda a, b: a * b)
divide = _arithmetic("/", _divide_ints, _divide_doubles)


def add(left: Any, right: Any) -> Any:
    """Add numbers, or join texts."""
    if left.__class__ is str and right.__class__ is str:
        if len(left) + len(right) > MAX_TEXT:
            raise EvaluationError(f"a text would be longer than {MAX_TEXT} characters")
        return left + right
    return _add_numbers(left, right)


def remainder(left: Any, right: Any) -> int:
    """Return the remainder of ints; it has the sign of `left`."""
    if left.__class__ is not int or right.__class__ is not int:
        raise mismatch("%", left, right)
    if right == 0:
        raise EvaluationError("division by zero")
    if left == INT_MIN and right == -1:
        raise EvaluationError("integer overflow")
    rest = abs(left) % abs(right)
    return -rest if left < 0 else rest


def negate(value: Any) -> Any:
    """Return the number with the other sign."""
    if value.__class__ is int:
        return fit(-value)
    if value.__class__ is float:
        return -value
    raise mismatch("-", value)


def truth(value: Any) -> bool:
    """Return a bool as it is; anything else is an error (there is no truthiness)."""
    if value is True or value is False:
        return bool(value)
    raise mismatch("a condition", value)


def invert(value: Any) -> bool:
    """Return the other bool."""
    return not truth(value)


def equal(left: Any, right: Any) -> bool:
    """Compare any two values: numbers by value, other types only with their own."""
    kind, other = left.__class__, right.__class__
    if kind in NUMBERS and other in NUMBERS:
        return bool(left == right)
    if kind is not other:
        return False
    if kind is list:
        return len(left) == len(right) and all(map(equal, left, right))
    if kind is dict:
        return left.keys() == right.keys() and all(equal(left[key], right[key]) for key in left)
    return bool(left == right)


def differ(left: Any, right: Any) -> bool:
    """Return whether two values are not equal."""
    return not equal(left, right)


def _ordering(name: str, compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def order(left: Any, right: Any) -> bool:
        kind, other = left.__class__, right.__class__
        if kind in NUMBERS and other in NUMBERS:
            return compare(left, right)
        if kind is other and (kind is str or kind is bool):
            return compare(left, right)
        raise mismatch(name, left, right)

    return order


less = _ordering("<", lambda a, b: bool(a < b))
at_most = _ordering("<=", lambda a, b: bool(a <= b))
greater = _ordering(">", lambda a, b: bool(a > b))
at_least = _ordering(">=", lambda a, b: bool(a >= b))


def within(value: Any, container: Any) -> bool:
    """Return whether a list holds an equal value, or a map has the key."""
    if container.__class__ is list:
        return any(equal(value, item) for item in container)
    if isinstance(container, Mapping):
        return value.__class__ is str and value in container
    raise mismatch("in", value, container)


def index(container: Any, key: Any) -> Any:
    """Return an item of a list or map; a key that a map lacks is absent."""
    if isinstance(container, Mapping) and key.__class__ is str:
        if key not in container:
            raise AbsentError(f"there is no {key!r}")
        return plain(container[key])
    if container.__class__ is list and key.__class__ is int:
        if not 0 <= key < len(container):
            raise EvaluationError(f"there is no item {key} in a list of {len(container)}")
        return plain(container[key])
    raise mismatch("[]", container, key)


def size(value: Any) -> int:
    """Return the characters of a text, or the items of a list or map."""
    if value.__class__ is str or value.__class__ is list or isinstance(value, Mapping):
        return len(value)
    raise mismatch("size()", value)


def _on_texts(name: str, test: Callable[[str, str], bool]) -> Callable[[Any, Any], bool]:
    def operate(text: Any, part: Any) -> bool:
        if text.__class__ is str and part.__class__ is str:
            return test(text, part)
        raise mismatch(f"{name}()", text, part)

    return operate


starts_with = _on_texts("startsWith", lambda text, part: text.startswith(part))
ends_with = _on_texts("endsWith", lambda text, part: text.endswith(part))
contains = _on_texts("contains", lambda text, part: part in text)


def absolute(value: Any) -> Any:
    """Return the number without its sign."""
    if value.__class__ is int:
        return fit(abs(value))
    if value.__class__ is float:
        return abs(value)
    raise mismatch("abs()", value)


def _require_numbers(name: str, values: tuple[Any, ...]) -> None:
    for value in values:
        if value.__class__ not in NUMBERS:
            raise mismatch(name, value)


def least(*values: Any) -> Any:
    """Return the smallest number."""
    _require_numbers("min()", values)
    return min(values)


def greatest(*values: Any) -> Any:
    """Return the largest number."""
    _require_numbers("max()", values)
    return max(values)


_INT = re.compile(r"[+-]?[0-9]{1,19}", re.ASCII)
_DOUBLE = re.compile(r"[+-]?[0-9]{1,40}(\.[0-9]{0,40})?([eE][+-]?[0-9]{1,4})?", re.ASCII)


def to_int(value: Any) -> int:
    """Convert to int, cutting decimals off."""
    if value.__class__ is int:
        return int(value)
    if value.__class__ is float:
        # The largest int64 is no double; 2**63 is one and does not fit.
        if not -(2.0**63) < value < 2.0**63:
            raise EvaluationError("the double does not fit in an int")
        return int(value)
    if value.__class__ is str and _INT.fullmatch(value):
        return fit(int(value))
    raise EvaluationError(f"int() cannot convert this {_name_of(value)}")


def to_double(value: Any) -> float:
    """Convert to double."""
    number: Any = value
    if value.__class__ in NUMBERS or (value.__class__ is str and _DOUBLE.fullmatch(value)):
        return float(number)
    raise EvaluationError(f"double() cannot convert this {_name_of(value)}")


def to_text(value: Any) -> str:
    """Convert to string; a whole double is written without decimals."""
    if value is True or value is False:
        return "true" if value else "false"
    if value.__class__ is float:
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    if value.__class__ is int or value.__class__ is str:
        return str(value)
    raise EvaluationError(f"string() cannot convert this {_name_of(value)}")


OPERATIONS: Mapping[str, Callable[..., Any]] = {
    "+": add, "-": subtract, "*": multiply, "/": divide, "%": remainder, "negate": negate,
    "!": invert, "==": equal, "!=": differ, "<": less, "<=": at_most, ">": greater,
    ">=": at_least, "in": within, "index": index, "size": size, "startsWith": starts_with,
    "endsWith": ends_with, "contains": contains, "abs": absolute, "min": least,
    "max": greatest, "int": to_int, "double": to_double, "string": to_text,
}  # fmt: skip
