"""A program: all rules of one kind of device in one generated function.

The function takes the values of a reading and the device's slots (the last known value
of each input), updates the slots and returns a bit mask, three bits a rule: TRUE when the
condition holds, CLEAR when the clear condition does, ERROR when one of them failed. None
of the three: unknown, for want of a value that has not been seen yet, or in between.

One call for ten rules instead of ten, and every input read once: see benchmarks/rules.py.
"""

import ast
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from msgspec import UNSET

from weft.rules.conditions import Compiled, CompiledMember
from weft.rules.feeding import Feeding
from weft.rules.indexing import INDEX_FROM, Answer, Indexed, blocks_of, keys_of, make_lookup
from weft.rules.language.evaluate import FAILURES, Evaluate, evaluator
from weft.rules.language.generate import boolean, call, compile_function, is_unset, name
from weft.rules.language.syntax import Path, Type
from weft.rules.language.values import AbsentError, plain, truth
from weft.rules.loading import NOW, assign, function_of, item, load, mark_place
from weft.rules.places.lookup import Places

TRUE = 1
CLEAR = 2
ERROR = 4
BITS = 3
MASK = 7

# (values, slots, known) -> mask; `known` is what a device has kept of the answers before, and
# may be left out: then every rule is looked at.
Evaluator = Callable[..., int]


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
        clocked = self.feeding.clocked
        self._blocks = blocks_of(
            [
                (
                    frozenset(path for path in one.paths if path[0] == "telemetry"),
                    frozenset(self.slots[path] for path in one.direct if path in clocked),
                )
                for one in rules
            ]
        )
        # Where each rule stood in the order that it was given in; blocks stand together.
        self.order = tuple(range(len(rules)))
        if len(rules) >= INDEX_FROM:
            self.order = tuple(place for block in self._blocks for place in block.places)
        self.rules = tuple(rules[place] for place in self.order)
        self.place_of: dict[str, int] = {
            one.rule.rule_id: place for place, one in enumerate(self.rules)
        }
        self.newest_version = max((one.rule.effective_after for one in rules), default=-1)
        self.newest_saved = max((one.rule.updated_at for one in rules), default=-1)
        self._references = [_Reference(one, self.slots) for one in self.rules]
        self._functions: dict[type | None, Evaluator] = {}
        self._indexed = self._index() if len(rules) >= INDEX_FROM else None

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

    def to_look_at(
        self, changed: int, mask: int, waiting: Iterable[str], *, all_of_them: bool
    ) -> Iterable[int]:
        """Return the places of the rules that may move, in the order that they were given in.

        Those with an answer that changed (below 0: any), that fail, or that wait, by their ids.
        """
        if len(self.rules) < INDEX_FROM:
            return range(len(self.rules))
        if changed < 0 or all_of_them:
            return sorted(range(len(self.rules)), key=self.order.__getitem__)
        found = {self.place_of[one] for one in waiting if one in self.place_of}
        bits = changed | mask & self.errors
        while bits:
            place = ((bits & -bits).bit_length() - 1) // BITS
            found.add(place)
            bits &= ~(MASK << BITS * place)
        return sorted(found, key=self.order.__getitem__)

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
        if self._indexed is not None:
            look_up = None
            if values_class is not None:
                keys = keys_of(self._blocks, self.slots, self.type_of, self._direct)
                look_up = make_lookup(keys, values_class, marked=self.marked)
            return self._indexed.evaluator(look_up)
        body: list[ast.stmt] = []
        for path in self._direct:
            body += load(
                self.slots[path], path, self.type_of(path), values_class, marked=self.marked
            )
        body += self._asking(range(len(self.rules)))
        # What was known before would not save anything: all rules are asked.
        function = function_of("evaluate", ["values", "slots", "known"], body, None)
        return compile_function(function, self._reference_names(range(len(self.rules))))

    def _index(self) -> Indexed:
        """Make a function for each block of rules."""
        answers: list[Answer] = []
        shifts: list[int] = []
        first = 0
        for block in self._blocks:
            places = range(first, first + len(block.places))
            first += len(places)
            read = sorted({path for place in places for path in self.rules[place].direct})
            body = [assign(f"value_{self.slots[path]}", item("slots", self.slots[path]))
                    for path in read]  # fmt: skip
            function = function_of("answer", ["slots"], [*body, *self._asking(places)])
            answers.append(compile_function(function, self._reference_names(places)))
            shifts.append(BITS * places.start)
        return Indexed(self._blocks, answers, shifts)

    def _reference_names(self, places: range) -> Mapping[str, Any]:
        return {
            f"reference_{place}": _shifted(self._references[place], place - places.start)
            for place in places
        }

    def _asking(self, places: range) -> list[ast.stmt]:
        """Make the code that asks some rules and returns their bits, of the first one lowest.

        The mask begins with what rules say most of the time, so that most change nothing.
        """
        locals_ = {path: f"value_{slot}" for slot, path in enumerate(self.paths)}
        usual = sum(CLEAR << BITS * shift for shift in range(len(places)))
        body: list[ast.stmt] = [assign("mask", ast.Constant(usual))]
        by_required: dict[frozenset[Path], list[int]] = {}
        for place in places:
            by_required.setdefault(_required(self.rules[place]), []).append(place)
        for required, some in by_required.items():
            asked = [_rule(one, one - places.start, self.rules[one], locals_) for one in some]
            if not required:
                body += asked
                continue
            there = [is_unset(locals_[path], negated=True) for path in sorted(required)]
            test = there[0] if len(there) == 1 else ast.BoolOp(op=ast.And(), values=there)
            unknown = [_flip_mask(_ask_reference(one)) for one in some]
            body.append(ast.If(test=test, body=asked, orelse=unknown))
        body.append(ast.Return(value=name("mask")))
        return body


def _required(compiled: Compiled) -> frozenset[Path]:
    clear = compiled.clear.required if compiled.clear is not None else frozenset()
    return compiled.when.required | clear


def _rule(place: int, shift: int, compiled: Compiled, locals_: Mapping[Path, str]) -> ast.stmt:
    """Make the code of one rule whose inputs are all there; else the reference is asked."""
    true, clear = TRUE << BITS * shift, CLEAR << BITS * shift
    when = boolean(compiled.when.tree, locals_)
    tests: list[ast.stmt] = [
        ast.If(test=when, body=[_flip_mask(ast.Constant(true | clear))], orelse=[])
    ]
    if compiled.clear is not None:
        cleared = boolean(compiled.clear.tree, locals_)
        # Both tests run before the mask changes, so that a failure leaves no half answer.
        tests = [
            assign("holds", when),
            assign("clears", cleared),
            ast.If(test=name("holds"), body=[_flip_mask(ast.Constant(true))], orelse=[]),
            ast.If(
                test=ast.UnaryOp(op=ast.Not(), operand=name("clears")),
                body=[_flip_mask(ast.Constant(clear))],
                orelse=[],
            ),
        ]
    ask = _flip_mask(_ask_reference(place))
    return ast.Try(
        body=tests,
        handlers=[ast.ExceptHandler(type=name("FAILURES"), name=None, body=[ask])],
        orelse=[],
        finalbody=[],
    )


def _ask_reference(place: int) -> ast.expr:
    return call(f"reference_{place}", name("slots"))


def _flip_mask(value: ast.expr) -> ast.stmt:
    return ast.AugAssign(target=ast.Name(id="mask", ctx=ast.Store()), op=ast.BitXor(), value=value)


def _shifted(reference: _Reference, shift: int) -> Callable[[Sequence[Any]], int]:
    """Return what a rule says unlike the usual."""
    return lambda row: (reference.bits(row) ^ CLEAR) << BITS * shift


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
