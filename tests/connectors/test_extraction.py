"""Paths into answers: names and places, bounded, and what they find is untrusted."""

from typing import Any

import pytest
from msgspec import UNSET

from weft.connectors.extraction import find_at, find_id, find_state, read_path
from weft.errors import Invalid

ANSWER = {"result": [{"sys_id": "abc", "odd key": {"n": 7}}], "d": {"ok": True}}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("", ANSWER),
        ("result[0].sys_id", "abc"),
        ("result[0]['odd key'].n", 7),
        ("result[1]", UNSET),
        ("result.x", UNSET),
        ("d[0]", UNSET),
        ("d.ok", True),
        ("nothing", UNSET),
    ],
)
def test_a_path_finds_what_stands_there(path: str, value: Any) -> None:
    """Or nothing; it never fails on an answer."""
    assert find_at(ANSWER, read_path(path)) == value


@pytest.mark.parametrize(
    ("path", "column"),
    [(".a", 1), ("a..b", 2), ("a[x]", 2), ("a[-1]", 2), ("a.b ", 4), ("a[*]", 2), ("a['", 2)],
)
def test_what_is_no_path_is_refused_with_its_column(path: str, column: int) -> None:
    """No wildcard, filter or function."""
    with pytest.raises(Invalid, match=f"Column {column} of"):
        read_path(path)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("INC1", "INC1"),
        (7, "7"),
        (True, ""),
        (7.5, ""),
        (None, ""),
        ([1], ""),
        ("a\r\nb", ""),
        ("x" * 201, ""),
        ("", ""),
    ],
)
def test_an_id_is_short_and_printable_or_none(value: Any, text: str) -> None:
    """It is stored, shown and put into addresses."""
    assert find_id({"id": value}, ("id",)) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("Closed", "Closed"),
        (6, "6"),
        (True, "true"),
        (None, ""),
        ({"a": 1}, ""),
        ("a\nb", "a\\nb"),
        ("x" * 100, "x" * 79 + "…"),
    ],
)
def test_a_state_is_one_short_line(value: Any, text: str) -> None:
    """It is shown to people."""
    assert find_state({"s": value}, ("s",)) == text
