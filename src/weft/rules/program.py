"""A program: all rules of one kind of device in one generated function.

The function takes the values of a reading and the device's slots (the last known value
of each input), updates the slots and returns a bit mask, three bits a rule: TRUE when the
condition holds, CLEAR when the clear condition does, ERROR when one of them failed. None
of the three: unknown, for want of a value that has not been seen yet, or in between.

One call for ten rules instead of ten, and every input read once: see benchmarks/rules.py.
"""

import ast
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec import UNSET

from weft.rules.conditions import Compiled, CompiledMember
from weft.rules.feeding import Feeding
from weft.rules.language.evaluate import FAILURES, Evaluate, evaluator
from weft.rules.language.generate import boolean, call, compile_function, is_unset, name
from weft.rules.language.syntax import Path, Type
from weft.rules.language.values import AbsentError, plain, truth
from weft.rules.loading import NOW, assign, function_of, load, mark_place
from weft.rules.places.lookup import Places

TRUE = 1
CLEAR = 2
ERROR = 4
BITS = 3
MASK = 7

Evaluator = Callable[[Any, list[Any]], int]


class _Reference:
    """The exact answer for one rule, asked when the fast code cannot give it."""

    def __init__(self, compiled: Compiled, slots: Mapping[Path, int]) -> None:
        self._when = evaluator(compiled.when.tree, slots)
        self._clear = evaluator(compiled.clear.tree, slots) if compiled.clear else None

    def bits(self, row: Sequence[Any]) -> int:
        holds, problem = _ask(self._when, row)
        bits = TRUE if holds else 0
        if self._clear is None:
            bits |= CLEAR if holds is False else 0
        else:
            clears, other = _ask(self._clear, row)
            bits |= CLEAR if clears else 0
            problem = problem or other
        return bits | ERROR if problem else bits

    def problem(self, row: Sequence[Any]) -> str:
        problem = _ask(self._when, row)[1]
        if not problem and self._clear is not None:
            problem = _ask(self._clear, row)[1]
        return problem


def _ask(evaluate: Evaluate, row: Sequence[Any]) -> tuple[bool | None, str]:
    """Return (True, False or None for unknown; what went wrong)."""
    try:
        return truth(evaluate(row)), ""
    except AbsentError:
        return None, ""
    except FAILURES as error:
        return None, str(error) or type(error).__name__


class _Member:
    """What is asked of a device as one of many: one argument of calls over members."""

    def __init__(
        self, inner: str, asked: Sequence[CompiledMember], slots: Mapping[Path, int]
    ) -> None:
        parts = [one for one in asked if one.member.inner == inner]
        tree = parts[0].member.tree
        self.inner = inner
        self.tree = tree
        self.rules = tuple(one.rule for one in parts)
        # Position of the oldest version, of those here, that asks it: it begins behind it.
        self.saved = min(rule.effective_after for rule in self.rules)
        self._evaluate = evaluator(tree, slots)

    def word(self, row: Sequence[Any]) -> tuple[Any, str]:
        """Return what the device says, UNSET while that is unknown; what went wrong."""
        try:
            given = self._evaluate(row)
        except AbsentError:
            return UNSET, ""
        except FAILURES as error:
            return UNSET, str(error) or type(error).__name__
        if given.__class__ is bool or given.__class__ is float:
            return given, ""
        if given.__class__ is int:
            return plain(given), ""
        return UNSET, f"{self.inner} is neither a number nor true or false"


def _inners(members: Sequence[CompiledMember]) -> list[str]:
    return list(dict.fromkeys(one.member.inner for one in members))


class Program:
    """Compiled rules over one layout of slots; shared by all devices of one kind."""

    def __init__(
        self,
        rules: Sequence[Compiled],
        members: Sequence[CompiledMember] = (),
        *,
        places: Places | None = None,
        marked: bool = False,
    ) -> None:
        """`marked` keeps beside each input which sample it came from, for traces."""
        self.places = places
        self.marked = marked
        self.rules = tuple(rules)
        parts: tuple[Compiled | CompiledMember, ...] = (*rules, *members)
        self.paths: tuple[Path, ...] = tuple(sorted({p for one in parts for p in one.paths}))
        self.slots: Mapping[Path, int] = {path: slot for slot, path in enumerate(self.paths)}
        self._types: dict[Path, Type] = {
            path: one.scope.type_of(path) or Type.DYN for one in parts for path in one.paths
        }
        # What only feeds look at is read, and kept, when they are fed.
        self._direct = sorted({path for one in parts for path in one.direct})
        nodes = {feed.text: feed for one in parts for feed in one.feeds}
        self.feeding = Feeding(tuple(nodes.values()), self.slots, self.type_of, marked=marked)
        # Position of the oldest version, of those here, that has a feed: it begins behind it.
        self.saved: Mapping[str, int] = {
            text: min(
                one.rule.effective_after
                for one in parts
                if any(feed.text == text for feed in one.feeds)
            )
            for text in nodes
        }
        self.members = tuple(_Member(inner, members, self.slots) for inner in _inners(members))
        self.errors = sum(ERROR << BITS * place for place in range(len(rules)))
        self._references = [_Reference(one, self.slots) for one in rules]
        self._functions: dict[type | None, Evaluator] = {}

    def row(self) -> list[Any]:
        """Return the slots of a device that has said nothing."""
        tail = [None] * (len(self.paths) + 1) if self.marked else []
        return [UNSET] * len(self.paths) + tail

    def function(self, values_class: type | None) -> Evaluator:
        """Return the function for a class of values; None: the slots alone are read."""
        function = self._functions.get(values_class)
        if function is None:
            function = self._functions[values_class] = self._generate(values_class)
        return function

    def problem(self, place: int, slots: Sequence[Any]) -> str:
        """Say what went wrong with a rule on these values."""
        return self._references[place].problem(slots)

    def type_of(self, path: Path) -> Type:
        """Return the type that the rules were checked with."""
        return self._types.get(path, Type.DYN)

    def keep(self, slots: list[Any], sent: Mapping[str, Any]) -> None:
        """Keep what a reading sent, as the generated code does."""
        for key, value in sent.items():
            path = ("telemetry", key)
            if path in self.slots:
                dynamic = self.type_of(path) is Type.DYN
                slots[self.slots[path]] = plain(value) if dynamic else value
                if self.marked:
                    slots[mark_place(self.slots[path])] = slots[NOW]

    def _generate(self, values_class: type | None) -> Evaluator:
        body: list[ast.stmt] = [assign("mask", ast.Constant(0))]
        for path in self._direct:
            body += load(
                self.slots[path], path, self.type_of(path), values_class, marked=self.marked
            )
        locals_ = {path: f"value_{slot}" for slot, path in enumerate(self.paths)}
        for place, compiled in enumerate(self.rules):
            body.append(_rule(place, compiled, locals_))
        body.append(ast.Return(value=name("mask")))
        function = function_of("evaluate", ["values", "slots"], body)
        references = {
            f"reference_{place}": _shifted(reference, place)
            for place, reference in enumerate(self._references)
        }
        return compile_function(function, references)


def _rule(place: int, compiled: Compiled, locals_: Mapping[Path, str]) -> ast.stmt:
    """Make the code of one rule: the fast tests where all is there, else the reference."""
    ask = _or_mask(call(f"reference_{place}", name("slots")))
    true, clear = TRUE << BITS * place, CLEAR << BITS * place
    when = boolean(compiled.when.tree, locals_)
    otherwise = [_or_mask(ast.Constant(clear))] if compiled.clear is None else []
    tests: list[ast.stmt] = [
        ast.If(test=when, body=[_or_mask(ast.Constant(true))], orelse=list(otherwise))
    ]
    required = compiled.when.required
    if compiled.clear is not None:
        required |= compiled.clear.required
        cleared = boolean(compiled.clear.tree, locals_)
        # Both tests run before the mask changes, so that a failure leaves no half answer.
        tests = [
            assign("holds", when),
            assign("clears", cleared),
            ast.If(test=name("holds"), body=[_or_mask(ast.Constant(true))], orelse=[]),
            ast.If(test=name("clears"), body=[_or_mask(ast.Constant(clear))], orelse=[]),
        ]
    guarded = ast.Try(
        body=tests,
        handlers=[ast.ExceptHandler(type=name("FAILURES"), name=None, body=[ask])],
        orelse=[],
        finalbody=[],
    )
    if not required:
        return guarded
    there = [is_unset(locals_[path], negated=True) for path in sorted(required)]
    test = there[0] if len(there) == 1 else ast.BoolOp(op=ast.And(), values=there)
    return ast.If(test=test, body=[guarded], orelse=[ask])


def _or_mask(value: ast.expr) -> ast.stmt:
    return ast.AugAssign(target=ast.Name(id="mask", ctx=ast.Store()), op=ast.BitOr(), value=value)


def _shifted(reference: _Reference, place: int) -> Callable[[Sequence[Any]], int]:
    return lambda row: reference.bits(row) << BITS * place


def coerced(value: Any, kind: Type) -> Any:
    """Return a JSON value as an input of a declared type; UNSET when it is none."""
    value = plain(value) if kind in {Type.DYN, Type.DOUBLE} else value
    classes = {
        Type.DOUBLE: float, Type.INT: int, Type.STRING: str, Type.BOOL: bool,
        Type.LIST: list, Type.MAP: dict,
    }  # fmt: skip
    if kind is Type.DYN or value.__class__ is classes.get(kind):
        return value
    return UNSET
