"""Patterns: as regular expressions for what is read of them, and never slow."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.api.prometheus.patterns import Pattern
from weft.errors import Invalid


@pytest.mark.parametrize(
    ("pattern", "fits", "not_fits"),
    [
        ("pump-7", ["pump-7"], ["pump-77", "a pump-7"]),
        ("pump-.*", ["pump-", "pump-7"], ["pump", "fan-1"]),
        ("pump-.+", ["pump-7"], ["pump-"]),
        ("a|b.c", ["a", "bxc"], ["b", "bc", "ab"]),
        ("(a|b)", ["a", "b"], ["(a|b)"]),
        ("^(?:a|b)$", ["a", "b"], ["c"]),
        (r"pump\.1", ["pump.1"], ["pumpx1"]),
        ("", [""], ["a"]),
        ("|a", ["", "a"], ["b"]),
    ],
)
def test_patterns(pattern: str, fits: list[str], not_fits: list[str]) -> None:
    """All of a value has to fit."""
    compiled = Pattern(pattern)
    assert all(compiled.fits(value) for value in fits)
    assert not any(compiled.fits(value) for value in not_fits)


@given(st.from_regex(r"\A(?:[ab]|\.|\.\*|\.\+|\|){0,8}\Z"), st.text("abc", max_size=8))
def test_patterns_are_what_regular_expressions_are(pattern: str, value: str) -> None:
    """For all that is read of them."""
    assert Pattern(pattern).fits(value) is (re.fullmatch(pattern, value) is not None)


@pytest.mark.parametrize(
    "pattern", ["a*", "[ab]", "(a+)+", "a{3}", "(a", "a$b", "|".join("a" * 2000)]
)
def test_what_is_not_read_is_refused(pattern: str) -> None:
    """Rather than read as letters, or for ever."""
    with pytest.raises(Invalid):
        Pattern(pattern)
