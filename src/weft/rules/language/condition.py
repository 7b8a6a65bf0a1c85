"""A condition, compiled: text and scope in, a checked tree with its inputs out."""

from msgspec import Struct

from weft.rules.language.check import check, check_value
from weft.rules.language.cost import require_affordable
from weft.rules.language.parse import parse
from weft.rules.language.scope import Names
from weft.rules.language.syntax import Checked, Feed, Parsed, Path
from weft.rules.language.trees import all_feeds_of, asked_of, inputs_of, paths_of


class Condition(Struct, frozen=True):
    """A condition that has been checked against what a device can say."""

    text: str
    tree: Checked
    required: frozenset[Path]  # inputs whose value it reads
    asked: frozenset[Path]  # inputs that it only asks has() for
    paths: frozenset[Path]  # all that it touches, through its feeds as well
    feeds: tuple[Feed, ...]  # what it remembers, each behind those that feed it
    cost: int


def compile_condition(text: str, scope: Names) -> Condition:
    """Read and check a condition; raise `Invalid` with the column, what and a remedy."""
    return condition_of(parse(text), text, scope)


def condition_of(parsed: Parsed, text: str, scope: Names) -> Condition:
    """Check what was read of a text; raise `Invalid` with the column, what and a remedy."""
    return compiled(text, check(parsed, scope))


def value_of(parsed: Parsed, text: str, scope: Names) -> Condition:
    """Do the same for an expression that gives a value of any type."""
    return compiled(text, check_value(parsed, scope))


def compiled(text: str, tree: Checked) -> Condition:
    """Return what has been checked with all that it reads and remembers."""
    return Condition(
        text=text,
        tree=tree,
        required=frozenset(inputs_of(tree)),
        asked=frozenset(asked_of(tree)),
        paths=frozenset(paths_of(tree)),
        feeds=all_feeds_of(tree),
        cost=require_affordable(tree),
    )
