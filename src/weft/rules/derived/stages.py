"""Stages: the formulas of one kind of device, in an order in which each finds what it reads.

A stage holds formulas that read nothing of one another. A reading goes through the first
stage, and with what that gave through the next one, so that a derived key of derived keys
is computed from one reading at once. As with rules, a generated function does the plain
case, and whenever a value is absent or an operation fails, the reference decides.
"""

import ast
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final

from msgspec import UNSET, Struct

from weft.rules.derived.formulas import Formula
from weft.rules.feeding import Feeding
from weft.rules.language.evaluate import FAILURES, evaluator
from weft.rules.language.generate import call, compile_function, expression, is_unset, name
from weft.rules.language.syntax import Path, Type
from weft.rules.language.values import plain
from weft.rules.loading import assign, function_of, load, sent_in

TEXT_MAX: Final = 1_024  # characters of a text that is kept as telemetry

Give = Callable[[Any, list[Any]], Any]  # (values of a reading, slots) -> value, UNSET for none


class Made:
    """One formula in a stage."""

    def __init__(self, formula: Formula, slots: Mapping[Path, int], key: str) -> None:
        self.formula = formula
        self.key = key
        self.after = formula.derivation.effective_after
        self.sent = formula.sent
        self.keys = frozenset(key for source, key in formula.sent if source == "telemetry")
        self._exact = evaluator(formula.value.tree, slots)

    def exact(self, row: Sequence[Any]) -> Any:
        """Return the value by the reference; UNSET where it is unknown or fails."""
        try:
            return self._exact(row)
        except FAILURES:
            return UNSET

    def feeds(self) -> set[str]:
        """Return the texts of what it remembers."""
        return {feed.text for feed in self.formula.value.feeds}


class Stage:
    """Formulas that read nothing of one another, over one layout of slots."""

    def __init__(self, formulas: Sequence[Formula], keys: Sequence[str] | None = None) -> None:
        """`keys` is under what each is told; the key of its derivation if left out."""
        names = [one.derivation.key for one in formulas] if keys is None else keys
        self.paths: tuple[Path, ...] = tuple(
            sorted({path for one in formulas for path in one.value.paths})
        )
        self.slots: Mapping[Path, int] = {path: slot for slot, path in enumerate(self.paths)}
        self._types: dict[Path, Type] = {
            path: one.scope.type_of(path) or Type.DYN
            for one in formulas
            for path in one.value.paths
        }
        nodes = {feed.text: feed for one in formulas for feed in one.value.feeds}
        self.feeding = Feeding(tuple(nodes.values()), self.slots, self.type_of)
        self.made = tuple(
            Made(one, self.slots, key) for one, key in zip(formulas, names, strict=True)
        )
        # A feed begins behind the oldest version, of those here, that has it.
        self.born = {
            text: min(one.after for one in self.made if text in one.feeds()) for text in nodes
        }
        self._functions: dict[type, list[tuple[Made, Give]]] = {}

    def type_of(self, path: Path) -> Type:
        """Return the type that the formulas were checked with."""
        return self._types.get(path, Type.DYN)

    def of_class(self, values_class: type) -> list[tuple[Made, Give]]:
        """Return the formulas that a class of values can move, with what computes each."""
        found = self._functions.get(values_class)
        if found is None:
            found = self._functions[values_class] = [
                (one, self._generate(one, values_class))
                for one in self.made
                if _can_move(one, values_class)
            ]
        return found

    def unborn(self, position: int) -> Collection[str]:
        """Return the feeds that a message at this position is too old for."""
        return {text for text, after in self.born.items() if position <= after}

    def keep(self, row: list[Any], sent: Mapping[str, Any]) -> None:
        """Keep what a reading sent, as the generated code does."""
        for key, value in sent.items():
            slot = self.slots.get(("telemetry", key))
            if slot is not None:
                dynamic = self.type_of(self.paths[slot]) is Type.DYN
                row[slot] = plain(value) if dynamic else value

    def _generate(self, made: Made, values_class: type) -> Give:
        body: list[ast.stmt] = []
        value = made.formula.value
        direct = sorted(made.formula.direct)
        for path in direct:
            body += load(self.slots[path], path, self.type_of(path), values_class)
        names = {path: f"value_{self.slots[path]}" for path in direct}
        ask = ast.Return(value=call("reference", name("slots")))
        guarded = ast.Try(
            body=[ast.Return(value=expression(value.tree, names))],
            handlers=[ast.ExceptHandler(type=name("FAILURES"), name=None, body=[ask])],
            orelse=[],
            finalbody=[],
        )
        there = [is_unset(names[path], negated=True) for path in sorted(value.required)]
        test = there[0] if len(there) == 1 else ast.BoolOp(op=ast.And(), values=there)
        body += [ast.If(test=test, body=[guarded], orelse=[]), ask] if there else [guarded]
        moved = _is_sent(made, values_class)
        if moved is not None:
            body = [
                *moved[0],
                ast.If(test=moved[1], body=body, orelse=[]),
                ast.Return(value=name("UNSET")),
            ]
        function = function_of("derive", ["values", "slots"], body)
        return compile_function(function, {"reference": made.exact})


def _can_move(made: Made, values_class: type) -> bool:
    if not issubclass(values_class, Struct):
        return bool(made.keys)
    return bool(made.keys & set(values_class.__struct_encode_fields__))


def _is_sent(made: Made, values_class: type) -> tuple[list[ast.stmt], ast.expr] | None:
    """Make the test whether a reading sends anything that a formula reads."""
    reads: list[ast.stmt] = []
    tests: list[ast.expr] = []
    for place, key in enumerate(sorted(made.keys)):
        sent = sent_in(("telemetry", key), values_class)
        if sent is not None:
            reads.append(assign(f"moved_{place}", sent))
            tests.append(is_unset(f"moved_{place}", negated=True))
    if not tests:
        return None
    return reads, tests[0] if len(tests) == 1 else ast.BoolOp(op=ast.Or(), values=tests)


def telemetry(value: Any) -> Any:
    """Return a value as it becomes telemetry, UNSET for what cannot; numbers are doubles."""
    kind = value.__class__
    if kind is float:
        return value if math.isfinite(value) else UNSET
    if kind is bool:
        return value
    if kind is int:
        return float(value)
    if kind is str:
        return value[:TEXT_MAX]
    return UNSET


class Program:
    """All formulas of one kind of device, stage by stage."""

    def __init__(
        self,
        stages: Sequence[Sequence[Formula]],
        questions: Sequence[tuple[str, Formula]] = (),
    ) -> None:
        """`questions` are what roll-ups ask of a member, each with the name of its answer."""
        made = [Stage(formulas) for formulas in stages]
        if questions:
            made.append(Stage([one for _, one in questions], [word for word, _ in questions]))
        self.stages = tuple(made)
        self.words = tuple(word for word, _ in questions)
        self.after = max((made.after for stage in self.stages for made in stage.made), default=-1)
