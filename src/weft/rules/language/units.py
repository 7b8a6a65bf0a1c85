"""Units in expressions: what each part measures, and both sides of an operation in one unit.

A unit stands behind a number, as in 176[degF]; that of an input is declared in the device
type. Numbers are converted when the rule is saved, inputs when they are read, by the table
that mappings of payloads use. A difference (a delta, 5[K] more) has no zero point: only its
scale is converted. What has no unit is a plain number, as ever.
"""

import difflib
from collections.abc import Callable
from typing import NamedTuple

from weft.registry.units import UNITS, conversion, suggestion_for
from weft.rules.feeds.base import Function
from weft.rules.language.syntax import (
    Apply,
    Checked,
    Choose,
    Const,
    Feed,
    Input,
    Parsed,
    Path,
    Type,
)
from weft.rules.language.tokens import refuse

ALIGNED = frozenset({"<", "<=", ">", ">=", "==", "!=", "+", "-"})
_KEEP = frozenset({"negate", "abs", "min", "max", "double", "int"})


class Measure(NamedTuple):
    """What a part is measured in; `apart`: it is a difference, without a zero point."""

    unit: str
    apart: bool = False


class Units:
    """The measures of the parts of one expression."""

    def __init__(
        self, unit_of: Callable[[Path], str], function_of: Callable[[str], Function | None]
    ) -> None:
        self._unit_of = unit_of
        self._function_of = function_of

    def measure(self, tree: Checked) -> Measure | None:
        """Return what a part is measured in; None for a plain number and all else."""
        match tree:
            case Const() if tree.unit:
                return Measure(tree.unit)
            case Input():
                unit = self._unit_of(tree.path)
                return Measure(unit) if unit else None
            case Choose():
                return self.measure(tree.then)
            case Feed():
                return self._of_feed(tree)
            case Apply():
                return self._of_operation(tree)
            case _:
                return None

    def align(
        self, operator: str, sides: tuple[Checked, ...], parts: tuple[Parsed, ...]
    ) -> tuple[Checked, ...]:
        """Return both sides in one unit, or raise `Invalid` where they measure different things."""
        left, right = sides
        first, second = self.measure(left), self.measure(right)
        if first is None or second is None:
            if operator not in {"+", "-"}:
                self._require_unit(left, first, right, parts[0])
                self._require_unit(right, second, left, parts[1])
            return sides
        if first.unit == second.unit:
            return sides
        both_read = not (_written(left) or _written(right))
        if both_read and not (_known(first.unit) and _known(second.unit)):
            return sides  # units of their own, as declared: taken as they are
        way, turned = steps(second.unit, first.unit), steps(first.unit, second.unit)
        if way is None or turned is None:
            raise refuse(
                parts[1].column,
                f"{first.unit} and {second.unit} do not measure the same.",
                _same_kind(first.unit if _written(right) else second.unit),
            )
        apart = first.apart or second.apart
        if _written(left) and not _written(right):
            return _converted(left, turned, apart=apart or operator in {"+", "-"}), right
        difference = operator in {"+", "-"} and _written(right)
        return left, _converted(right, way, apart=apart or difference)

    def number(self, value: float, unit: str, sample: Checked, column: int) -> float:
        """Return a constant of a call in the unit of its sample."""
        measure = self.measure(sample)
        if measure is None:
            raise _no_unit(column)
        way = steps(unit, measure.unit)
        if way is None:
            what = f"{measure.unit} and {unit} do not measure the same."
            raise refuse(column, what, _same_kind(measure.unit))
        return value * way[0] + (0.0 if measure.apart else way[1])

    @staticmethod
    def _require_unit(side: Checked, measure: Measure | None, other: Checked, part: Parsed) -> None:
        if measure is None and isinstance(other, Const) and other.unit and not _written(side):
            raise _no_unit(part.column)

    def _of_feed(self, tree: Feed) -> Measure | None:
        function = self._function_of(tree.name)
        if function is None or not function.unit:
            return None
        if function.unit not in {"same", "apart", "/s"}:
            return Measure(function.unit, apart=True)
        inner = self.measure(tree.samples[0]) if tree.samples else None
        if inner is None:
            return None
        if function.unit == "same":
            return inner
        return Measure(inner.unit + (function.unit if function.unit == "/s" else ""), apart=True)

    def _of_operation(self, tree: Apply) -> Measure | None:
        sides = [self.measure(part) for part in tree.arguments]
        known = [side for side in sides if side is not None]
        if not known:
            return None
        if tree.operation in _KEEP or tree.operation == "+":
            return known[0]
        if tree.operation == "-":
            return Measure(known[0].unit, len(known) == 2 and not _written(tree.arguments[1]))
        if tree.operation == "*":
            return known[0] if len(known) == 1 else None
        if tree.operation == "/":
            return sides[0] if sides[1] is None else None
        return None


def read_unit(text: str, column: int) -> str:
    """Return the UCUM unit that stands behind a number; raise `Invalid` for another word."""
    for name in (text, f"[{text}]"):
        if _known(name):
            return name
    meant = suggestion_for(text) or next(iter(difflib.get_close_matches(text, UNITS, n=1)), "")
    raise refuse(
        column,
        f"{text!r} is no unit that is known.",
        f"Did you mean {meant!r}?" if meant else "Write one of UCUM's, as in Cel, [degF], bar.",
    )


def steps(source: str, target: str) -> tuple[float, float] | None:
    """Return scale and offset from one unit to another; None where there is no way.

    A unit a time (K/min) is converted part by part.
    """
    found = conversion(source, target)
    if found is not None or "/" not in source or "/" not in target:
        return found
    (over, under), (wanted, each) = source.rsplit("/", 1), target.rsplit("/", 1)
    top, bottom = steps(over, wanted), conversion(under, each)
    return None if top is None or bottom is None else (top[0] / bottom[0], 0.0)


def _known(unit: str) -> bool:
    if unit in UNITS:
        return True
    over, slash, under = unit.rpartition("/")
    return bool(slash) and under in UNITS and UNITS[under].measures == "time" and _known(over)


def _written(tree: Checked) -> bool:
    return isinstance(tree, Const)


def _converted(tree: Checked, way: tuple[float, float], *, apart: bool) -> Checked:
    scale, offset = way[0], 0.0 if apart else way[1]
    if isinstance(tree, Const):
        return Const(float(tree.value) * scale + offset, Type.DOUBLE)
    kind = Type.DYN if tree.type is Type.DYN else Type.DOUBLE
    made: Checked = tree
    if scale != 1.0:
        made = Apply("*", (made, Const(scale, Type.DOUBLE)), kind)
    if offset:
        made = Apply("+", (made, Const(offset, Type.DOUBLE)), kind)
    return made


def _same_kind(unit: str) -> str:
    if unit not in UNITS:
        return "Compare what measures the same."
    measures = UNITS[unit].measures
    known = [name for name, one in UNITS.items() if one.measures == measures]
    return f"Units of {measures}: {', '.join(known[:8])}."


def _no_unit(column: int) -> Exception:
    return refuse(
        column,
        "this has no unit, and what it is compared with has one.",
        "Declare the unit in the device type and select that type, or leave out the brackets.",
    )
