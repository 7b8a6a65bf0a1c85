"""The tree: only shapes without effect."""

from typing import get_args

from weft.rules.language.syntax import Checked, Const, Parsed, Type


def test_the_shapes_are_counted() -> None:
    """A new shape must be thought through: checker, cost, both compilers, this number."""
    assert len(get_args(Parsed)) == 7
    assert len(get_args(Checked)) == 8


def test_trees_are_values() -> None:
    """Frozen and compared by what they say."""
    assert Const(1, Type.INT) == Const(1, Type.INT)
