"""Conditions over members: what `any(temperature > 80)` asks of each device, and what is told.

A condition of a group or an asset speaks of its members through these functions alone. Each
call is taken out of the tree and becomes an input of the condition; its argument is checked
apart, for every type of device among the members. So one member's message moves one part.

Unknown is not false. A member is unknown while its argument has no value or fails. `any` is
true as soon as it is true of one, and false only when it is false of all; `all` the other
way round. The others speak of the members that are known. Of no member, nothing is known.
"""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from weft.errors import Invalid
from weft.rules.feeds.base import Function
from weft.rules.language.check import check, check_value
from weft.rules.language.condition import Condition, condition_of, value_of
from weft.rules.language.cost import require_affordable
from weft.rules.language.parse import parse
from weft.rules.language.render import call_text, render
from weft.rules.language.scope import ANY, Scope
from weft.rules.language.syntax import (
    NUMBERS,
    Call,
    Checked,
    Feed,
    Index,
    ListOf,
    Name,
    Operate,
    Parsed,
    Path,
    Select,
    Type,
)
from weft.rules.language.tokens import refuse
from weft.rules.language.trees import all_feeds_of, asked_of, inputs_of, paths_of

SOURCE = "members"
CALLS_MAX = 16  # of one condition: each is told of at every message of a member

# Whether it takes a condition (else a number), and what it gives.
FUNCTIONS: Mapping[str, tuple[bool, Type]] = {
    "any": (True, Type.BOOL),
    "all": (True, Type.BOOL),
    "count": (True, Type.INT),
    "share": (True, Type.DOUBLE),
    "mean_of": (False, Type.DOUBLE),
    "min_of": (False, Type.DOUBLE),
    "max_of": (False, Type.DOUBLE),
    "sum_of": (False, Type.DOUBLE),
}


class MemberCall(Struct, frozen=True):
    """One call over the members."""

    name: str
    argument: Parsed
    inner: str  # the argument as canonical text: calls that share it share what members tell
    column: int

    @property
    def text(self) -> str:
        """The call as canonical text."""
        return call_text(self.name, [self.inner])

    @property
    def path(self) -> Path:
        """The input that it is of the condition."""
        return (SOURCE, self.text)

    @property
    def gives(self) -> Type:
        """The type of what is told."""
        return FUNCTIONS[self.name][1]

    @property
    def asks(self) -> bool:
        """Whether its argument is a condition, not a number."""
        return FUNCTIONS[self.name][0]


class MemberTree(Struct, frozen=True, eq=False):
    """The argument of calls, checked for one type of device."""

    inner: str
    asks: bool
    tree: Checked
    paths: frozenset[Path]
    direct: frozenset[Path]  # the slots that it looks at itself, feeds' values among them
    feeds: tuple[Feed, ...]


class OverMembers(Struct, frozen=True, eq=False):
    """A condition over members: the whole, and the calls that it is made of."""

    condition: Condition
    calls: tuple[MemberCall, ...]


class MemberScope(Struct, frozen=True):
    """The names of a condition over members: the calls that stand in it, and no others."""

    calls: Mapping[str, Type]

    @property
    def remembers(self) -> Mapping[str, Function]:
        """None: what is remembered is remembered of each member, inside a call."""
        return {}

    def path_of(self, chain: tuple[str, ...]) -> Path | None:
        """Return the input that a name is; one that is no call has no type."""
        return (SOURCE, chain[0]) if chain[0] in self.calls else ("telemetry", ".".join(chain))

    def type_of(self, path: Path) -> Type | None:
        """Return what a call gives, or None for what belongs to a member."""
        return self.calls.get(path[1]) if path[0] == SOURCE else None

    def unit_of(self, path: Path) -> str:  # noqa: ARG002  of all calls
        """Return none: what members measure in is known of each of them, inside a call."""
        return ""

    def unknown(self, path: Path) -> tuple[str, str]:
        """Say that a key is a member's, and how all of them are asked for it."""
        key = path[1]
        return (
            f"{key!r} is of each member, and this condition is of all of them.",
            f"Say of which: any({key} > 80), count({key} > 80) >= 3, mean_of({key}) > 80.",
        )

    def example(self, root: str) -> str:
        """Say how a name that is no value by itself is used."""
        return f"{root} stands inside any(), all(), count() and their like."


def compile_over_members(text: str) -> OverMembers:
    """Read a condition over members; raise `Invalid` with the column, what and a remedy.

    What its arguments ask of a device is checked by `compile_member`, type by type.
    """
    tree, scope, calls = _over_members(text)
    return OverMembers(condition_of(tree, text, scope), calls)


def compile_value_over_members(text: str) -> OverMembers:
    """Do the same for an expression that gives a value of any type."""
    tree, scope, calls = _over_members(text)
    return OverMembers(value_of(tree, text, scope), calls)


def _over_members(text: str) -> tuple[Parsed, MemberScope, tuple[MemberCall, ...]]:
    calls: dict[str, MemberCall] = {}
    tree = _taken_out(parse(text), calls)
    if len(calls) > CALLS_MAX:
        column = list(calls.values())[CALLS_MAX].column
        remedy = "Split it into several rules."
        raise refuse(column, f"{len(calls)} calls over members; at most {CALLS_MAX} fit.", remedy)
    scope = MemberScope({one.text: one.gives for one in calls.values()})
    return tree, scope, tuple(calls.values())


def compile_member(call: MemberCall, scope: Scope) -> MemberTree:
    """Check the argument of a call for one type of device, or raise `Invalid` with the column."""
    tree = _checked(call.name, call.argument, scope)
    return MemberTree(
        inner=call.inner,
        asks=call.asks,
        tree=tree,
        paths=frozenset(paths_of(tree)),
        direct=frozenset(inputs_of(tree) | asked_of(tree)),
        feeds=all_feeds_of(tree),
    )


def _checked(name: str, argument: Parsed, scope: Scope) -> Checked:
    asks, _gives = FUNCTIONS[name]
    if asks:
        tree = check(argument, scope)
    else:
        tree = check_value(argument, scope)
        if tree.type not in NUMBERS | {Type.DYN}:
            raise refuse(
                argument.column,
                f"{name}() takes a number of each member, and this gives {tree.type}.",
                f"Write {name}(temperature), or count(temperature > 80) for a condition.",
            )
    require_affordable(tree)
    return tree


def _taken_out(tree: Parsed, calls: dict[str, MemberCall]) -> Parsed:
    """Return the tree with a name in the place of each call over members."""
    match tree:
        case Call(name=name, target=None, arguments=arguments) if name in FUNCTIONS:
            if len(arguments) != 1:
                raise refuse(
                    tree.column,
                    f"{name}() over members takes 1 and was given {len(arguments)}.",
                    "A window is of one member and stands inside: any(count(rpm, 5m) > 3).",
                )
            _refuse_nested(arguments[0])
            inner = render(_checked(name, arguments[0], ANY))
            call = MemberCall(name, arguments[0], inner, tree.column)
            calls[call.text] = call
            return Name(call.text, tree.column)
        case Call():
            target = None if tree.target is None else _taken_out(tree.target, calls)
            parts = tuple(_taken_out(one, calls) for one in tree.arguments)
            return Call(tree.name, target, parts, tree.column)
        case Operate():
            parts = tuple(_taken_out(one, calls) for one in tree.operands)
            return Operate(tree.operator, parts, tree.column)
        case ListOf():
            return ListOf(tuple(_taken_out(one, calls) for one in tree.items), tree.column)
        case Select():
            return Select(_taken_out(tree.of, calls), tree.name, tree.column)
        case Index():
            of, key = _taken_out(tree.of, calls), _taken_out(tree.key, calls)
            return Index(of, key, tree.column)
        case _:
            return tree


def _refuse_nested(tree: Parsed) -> None:
    """Refuse a call over members inside another; a window of a member has two arguments."""
    parts: tuple[Any, ...] = ()
    match tree:
        case Call():
            if tree.target is None and tree.name in FUNCTIONS and len(tree.arguments) == 1:
                raise refuse(
                    tree.column,
                    f"{tree.name}() over members stands inside another such call.",
                    "What stands inside speaks of one member.",
                )
            parts = (*tree.arguments, *(() if tree.target is None else (tree.target,)))
        case Operate():
            parts = tree.operands
        case ListOf():
            parts = tree.items
        case Select():
            parts = (tree.of,)
        case Index():
            parts = (tree.of, tree.key)
    for part in parts:
        _refuse_nested(part)


def require_some(call: MemberCall, scopes: list[Scope]) -> None:
    """Raise `Invalid` unless at least one of these types of device can be asked."""
    problems = []
    for scope in scopes:
        try:
            compile_member(call, scope)
        except Invalid as problem:
            problems.append(problem)
        else:
            return
    if problems:
        raise problems[0]
