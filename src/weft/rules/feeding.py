"""Feeding: how the samples of a message reach the functions that remember.

A message feeds a feed when it names an input of it, or when a feed that it is fed by was
fed. One generated function does that for all feeds of a program, each input read once;
what comes seldom (a reported property, a late sample, time alone) goes the plain way.

A sample whose expression is absent or fails is none. A late sample goes to feeds that
look at inputs alone: what stands above them has seen their newer values already.
"""

import ast
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from msgspec import UNSET

from weft.rules.feeds.base import FED, NEVER, Feed, Function, Origin, Takes
from weft.rules.feeds.table import FUNCTIONS
from weft.rules.indexing import INDEX_FROM, Block, Lookup, keys_of, make_lookup
from weft.rules.language.evaluate import FAILURES, Evaluate, evaluator
from weft.rules.language.generate import call, compile_function, expression, is_unset, name
from weft.rules.language.syntax import Checked, Path, Type
from weft.rules.language.syntax import Feed as Node
from weft.rules.language.trees import asked_of, feeds_of, inputs_of
from weft.rules.language.values import number, plain, truth
from weft.rules.loading import (
    NOW,
    assign,
    function_of,
    item,
    keep,
    kept,
    load,
    mark_place,
    sent_in,
)
from weft.rules.worked import Worked, feeder_of

# (values, slots, feeds, at, received) -> when the soonest of those fed is due
Feeder = Callable[[Any, list[Any], Sequence[Feed], int, int], int]

Taker = Callable[[list[Any], Sequence[Feed], int, int], int]  # of what is in the slots already

_COERCE = {Takes.NUMBER: ("number", number, Type.DOUBLE), Takes.TRUTH: ("truth", truth, Type.BOOL)}


class _Mouth:
    """One feed in a program: what it is fed with, and by which inputs."""

    def __init__(self, node: Node, slots: Mapping[Path, int]) -> None:
        self.node = node
        self.slot = slots[node.path]
        self.function: Function = FUNCTIONS[node.name]
        self.inner = frozenset(one.path for sample in node.samples for one in feeds_of(sample))
        self.required = frozenset().union(*(inputs_of(one) for one in node.samples))
        asked = frozenset().union(*(asked_of(one) for one in node.samples))
        self.inputs = frozenset((self.required | asked) - self.inner)
        self._samples = [
            _coerced(evaluator(sample, slots), takes)
            for sample, takes in zip(node.samples, self.takes, strict=True)
        ]

    @property
    def takes(self) -> list[Takes]:
        """What each expression must give."""
        places = [one.takes for one in self.function.parameters]
        fed = [one for one in places if one in FED]
        return fed[: len(self.node.samples)]

    def sample(self, row: Sequence[Any]) -> Any:
        """Return the sample that the values give, or UNSET when they give none."""
        try:
            given = [one(row) for one in self._samples]
        except FAILURES:
            return UNSET
        return given[0] if len(given) == 1 else tuple(given)


def _coerced(evaluate: Evaluate, takes: Takes) -> Evaluate:
    if takes not in _COERCE:
        return evaluate
    convert = _COERCE[takes][1]
    return lambda row: convert(evaluate(row))


class Feeding:
    """All feeds of a program."""

    def __init__(
        self,
        nodes: Sequence[Node],
        slots: Mapping[Path, int],
        types: Callable[[Path], Type],
        *,
        marked: bool = False,
    ) -> None:
        self._marked = marked
        self.nodes = tuple(nodes)
        self._slots = slots
        self._types = types
        self._mouths = [_Mouth(node, slots) for node in nodes]
        # What every message feeds, through a clock below it at least.
        self.clocked: set[Path] = set()
        for mouth in self._mouths:
            if mouth.function.clocked or mouth.inner & self.clocked:
                self.clocked.add(mouth.node.path)
        self._functions: dict[type, Feeder] = {}
        self._blocks = self._make_blocks() if len(nodes) >= INDEX_FROM else []
        self._takers = [self._taker(block) for block in self._blocks]

    def make(self, place: int, origin: Origin) -> Feed:
        """Make the memory of one feed of a device, empty."""
        mouth = self._mouths[place]
        return mouth.function.make(dict(mouth.node.settings), origin)

    def function(self, values_class: type) -> Feeder:
        """Return the function that feeds from a class of values."""
        function = self._functions.get(values_class)
        if function is None:
            function = self._functions[values_class] = self._generate(values_class)
        return function

    def take(
        self,
        row: list[Any],
        feeds: Sequence[Feed],
        named: Collection[Path],
        moment: tuple[int, int],
        skip: Collection[str] = (),
    ) -> int:
        """Feed what the named inputs feed, at (at, received); return the soonest due."""
        at, received = moment
        soonest, fed = NEVER, set[Path]()
        for mouth, feed in zip(self._mouths, feeds, strict=True):
            if mouth.node.text in skip:
                continue
            if not (mouth.function.clocked or mouth.inputs & set(named) or mouth.inner & fed):
                continue
            given = mouth.sample(row) if mouth.node.samples else None
            if given is not UNSET:
                row[mouth.slot] = feed.take(at, received, given)
                fed.add(mouth.node.path)
                soonest = min(soonest, feed.due)
        return soonest

    def take_late(
        self,
        row: list[Any],
        feeds: Sequence[Feed],
        sent: Mapping[str, Any],
        moment: tuple[int, int],
        skip: Collection[str] = (),
    ) -> int:
        """Feed a sample older than the device's newest; `row` keeps its newer inputs."""
        then = list(row)
        for key, value in sent.items():
            path = ("telemetry", key)
            if path in self._slots:
                dynamic = self._types(path) is Type.DYN
                then[self._slots[path]] = plain(value) if dynamic else value
        above = {mouth.node.text for mouth in self._mouths if mouth.inner}
        clocked = {mouth.node.text for mouth in self._mouths if mouth.function.clocked}
        named = {("telemetry", key) for key in sent}
        soonest = self.take(then, feeds, named, moment, {*above, *clocked, *skip})
        for mouth in self._mouths:
            row[mouth.slot] = then[mouth.slot]
        return soonest

    def advance(self, row: list[Any], feeds: Sequence[Feed], moment: tuple[int, int]) -> None:
        """Let time move the feeds that are due, and feed those above them.

        The moment is the device's own and that of receipt, as of a sample.
        """
        own, now = moment
        moved: set[Path] = set()
        for mouth, feed in zip(self._mouths, feeds, strict=True):
            before = row[mouth.slot]
            if feed.due <= now:
                row[mouth.slot] = feed.advance(now)
            if mouth.inner & moved:
                given = mouth.sample(row)
                if given is not UNSET:
                    row[mouth.slot] = feed.take(own, now, given)
            if row[mouth.slot] is not before and row[mouth.slot] != before:
                moved.add(mouth.node.path)

    # --- code -----------------------------------------------------------------------------

    def _generate(self, values_class: type) -> Feeder:
        if issubclass(values_class, Worked):
            slots = [(node.text, self._slots[node.path]) for node in self.nodes]
            return feeder_of(slots, self._keep)
        indexed = {place for block in self._blocks for place in block.places}
        rest = [place for place in range(len(self._mouths)) if place not in indexed]
        if not self._blocks:
            return self._generate_some(rest, values_class)
        read = {path for block in self._blocks for path in block.keys}
        keys = keys_of(self._blocks, self._slots, self._types, read)
        look_up = make_lookup(keys, values_class, marked=self._marked)
        return _indexed(
            look_up, self._takers, self._generate_some(rest, values_class) if rest else None
        )

    def _keep(self, row: list[Any], sent: Mapping[str, Any]) -> None:
        """Keep what a message sent, as the generated code does."""
        for path in {path for mouth in self._mouths for path in mouth.inputs}:
            value = sent.get(path[1], UNSET) if path[0] == "telemetry" else UNSET
            if value is not UNSET:
                slot = self._slots[path]
                row[slot] = plain(value) if self._types(path) is Type.DYN else value
                if self._marked:
                    row[mark_place(slot)] = row[NOW]

    def _make_blocks(self) -> list[Block]:
        """Put feeds together that the same keys feed; those that are woven otherwise are left.

        What stands above another feed must see it fed first, in one function: so all that hang
        together are in one block, or in none.
        """
        together: dict[Path, int] = {}  # by feed: the last place of those that hang together
        for place, mouth in enumerate(self._mouths):
            joined = {together[path] for path in mouth.inner}
            together[mouth.node.path] = place
            for path in [one for one in together if joined and together[one] in joined]:
                together[path] = place
        found: dict[int, list[int]] = {}
        for place, mouth in enumerate(self._mouths):
            found.setdefault(together[mouth.node.path], []).append(place)
        by_keys: dict[frozenset[Path], list[int]] = {}
        for places in found.values():
            mouths = [self._mouths[place] for place in places]
            keys = frozenset(p for one in mouths for p in one.inputs if p[0] == "telemetry")
            plain_ones = len(places) == 1 or len(keys) == 1
            if keys and plain_ones and not any(one.node.path in self.clocked for one in mouths):
                by_keys.setdefault(keys, []).extend(places)
        return [Block(tuple(sorted(places)), keys, frozenset()) for keys, places in by_keys.items()]

    def _taker(self, block: Block) -> Taker:
        """Make the function that feeds a block, one of whose keys was sent and kept."""
        mouths = [self._mouths[place] for place in block.places]
        read = sorted({path for one in mouths for path in (*one.inputs, *one.inner)})
        body: list[ast.stmt] = [assign("soonest", ast.Constant(NEVER))]
        body += [assign(f"value_{self._slots[path]}", item("slots", self._slots[path]))
                 for path in read]  # fmt: skip
        fed = set[Path]()
        for place, mouth in zip(block.places, mouths, strict=True):
            if mouth.inputs & block.keys:
                fed.add(mouth.node.path)
                body += [assign(f"fed_{mouth.slot}", ast.Constant(value=False))]
                body += self._taking(place, mouth)
            else:
                body += self._feed(place, mouth, set(), fed)
        body.append(ast.Return(value=name("soonest")))
        references = {f"sample_{place}": self._mouths[place].sample for place in block.places}
        arguments = ["slots", "feeds", "at", "received"]
        return compile_function(function_of("take", arguments, body), references)

    def _generate_some(self, places: Sequence[int], values_class: type) -> Feeder:
        mouths = [self._mouths[place] for place in places]
        read = sorted({path for mouth in mouths for path in mouth.inputs})
        body: list[ast.stmt] = [assign("soonest", ast.Constant(NEVER))]
        sent = set[Path]()
        for path in read:
            slot, value = self._slots[path], sent_in(path, values_class)
            if value is None:
                body += load(slot, path, self._types(path), None)
                continue
            sent.add(path)
            local, there = f"value_{slot}", f"sent_{slot}"
            body += [
                assign(local, value),
                assign(there, is_unset(local, negated=True)),
                ast.If(
                    test=name(there),
                    body=kept(slot, local, self._types(path), marked=self._marked),
                    orelse=[assign(local, item("slots", slot))],
                ),
            ]
        body += [assign(f"value_{one.slot}", item("slots", one.slot)) for one in mouths]
        fed = set[Path]()
        for place, mouth in zip(places, mouths, strict=True):
            body += self._feed(place, mouth, sent, fed)
        body.append(ast.Return(value=name("soonest")))
        arguments = ["values", "slots", "feeds", "at", "received"]
        references = {f"sample_{place}": self._mouths[place].sample for place in places}
        return compile_function(function_of("feed", arguments, body), references)

    def _feed(self, place: int, mouth: _Mouth, sent: set[Path], fed: set[Path]) -> list[ast.stmt]:
        """Make the code of one feed; `fed` are those before it that this class can feed."""
        tests: list[ast.expr] = [
            name(f"sent_{self._slots[path]}") for path in sorted(mouth.inputs & sent)
        ]
        tests += [name(f"fed_{self._slots[path]}") for path in sorted(mouth.inner & fed)]
        if not tests and not mouth.function.clocked:
            return []
        fed.add(mouth.node.path)
        body = self._taking(place, mouth)
        if mouth.function.clocked:
            return body
        test = tests[0] if len(tests) == 1 else ast.BoolOp(op=ast.Or(), values=tests)
        flag = assign(f"fed_{mouth.slot}", ast.Constant(value=False))
        return [flag, ast.If(test=test, body=body, orelse=[])]

    def _taking(self, place: int, mouth: _Mouth) -> list[ast.stmt]:
        """Make the code that gives one feed its sample, where the values give one."""
        local = f"value_{mouth.slot}"
        take = ast.Attribute(value=name("feed"), attr="take", ctx=ast.Load())
        arguments = [name("at"), name("received"), name("given")]
        due = ast.Attribute(value=name("feed"), attr="due", ctx=ast.Load())
        sooner = ast.Compare(left=due, ops=[ast.Lt()], comparators=[name("soonest")])
        taking: list[ast.stmt] = [
            assign("feed", item("feeds", place)),
            assign(local, ast.Call(func=take, args=arguments, keywords=[])),
            keep(mouth.slot, local),
            ast.If(test=sooner, body=[assign("soonest", due)], orelse=[]),
            assign(f"fed_{mouth.slot}", ast.Constant(value=True)),
        ]
        return [
            *self._given(place, mouth),
            ast.If(test=is_unset("given", negated=True), body=taking, orelse=[]),
        ]

    def _given(self, place: int, mouth: _Mouth) -> list[ast.stmt]:
        """Make the code that puts the sample into `given`."""
        names = {path: f"value_{slot}" for path, slot in self._slots.items()}
        samples = [
            _converted(sample, takes, names)
            for sample, takes in zip(mouth.node.samples, mouth.takes, strict=True)
        ]
        if not samples:
            return [assign("given", ast.Constant(None))]
        whole = samples[0] if len(samples) == 1 else ast.Tuple(elts=samples, ctx=ast.Load())
        ask = assign("given", call(f"sample_{place}", name("slots")))
        guarded = ast.Try(
            body=[assign("given", whole)],
            handlers=[ast.ExceptHandler(type=name("FAILURES"), name=None, body=[ask])],
            orelse=[],
            finalbody=[],
        )
        there = [is_unset(names[path], negated=True) for path in sorted(mouth.required)]
        if not there:
            return [guarded]
        test = there[0] if len(there) == 1 else ast.BoolOp(op=ast.And(), values=there)
        return [ast.If(test=test, body=[guarded], orelse=[ask])]


def _indexed(look_up: Lookup, takers: Sequence[Taker], rest: Feeder | None) -> Feeder:
    """Return the function that feeds the blocks of what was sent, and those that are in none."""

    def feed(values: Any, slots: list[Any], feeds: Sequence[Feed], at: int, received: int) -> int:
        soonest = NEVER if rest is None else rest(values, slots, feeds, at, received)
        for block in look_up(values, slots):
            due = takers[block](slots, feeds, at, received)
            soonest = min(soonest, due)
        return soonest

    return feed


def _converted(sample: Checked, takes: Takes, names: Mapping[Path, str]) -> ast.expr:
    made = expression(sample, names)
    if takes in _COERCE:
        function, _convert, exact = _COERCE[takes]
        if sample.type is not exact:
            return call(function, made)
    return made
