"""Operations: where Python is more lenient than CEL."""

import math
from typing import Any

import pytest

from weft.rules.language.values import (
    MAX_TEXT,
    OPERATIONS,
    AbsentError,
    EvaluationError,
    plain,
    truth,
)

BIG = 2**63 - 1


@pytest.mark.parametrize(
    ("name", "arguments", "answer"),
    [
        ("/", (-7, 2), -3), ("%", (-7, 2), -1), ("%", (7, -2), 1), ("/", (1.0, 0.0), math.inf),
        ("/", (1.0, -0.0), -math.inf), ("+", (1, 1.5), 2.5), ("==", (1, 1.0), True),
        ("==", (True, 1), False), ("==", ([1], [1.0]), True), ("==", ({"a": 1}, {"a": 1.0}), True),
        ("==", (math.nan, math.nan), False), ("in", (math.nan, [math.nan]), False),
        ("in", (True, [1]), False), ("in", ("a", {"a": 1}), True), ("<", (False, True), True),
        ("int", (-1.9,), -1), ("int", ("-12",), -12), ("double", ("1e3",), 1000.0),
        ("string", (1.0,), "1"), ("string", (0.1,), "0.1"), ("string", (True,), "true"),
        ("size", ("é€",), 2), ("abs", (-3,), 3), ("min", (2, 1.5), 1.5), ("max", (2, 1.5), 2),
        ("index", ({"a": 1}, "a"), 1.0), ("index", ([1, "x"], 1), "x"),
    ],
)  # fmt: skip
def test_answers_are_cels(name: str, arguments: tuple[Any, ...], answer: Any) -> None:
    """Truncation, signs, equality across types: the specification's words."""
    made = OPERATIONS[name](*arguments)
    assert made == answer
    assert made.__class__ is answer.__class__


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("+", (BIG, 1), "overflow"), ("-", (-BIG, 2), "overflow"), ("*", (BIG, 2), "overflow"),
        ("negate", (-BIG - 1,), "overflow"), ("abs", (-BIG - 1,), "overflow"),
        ("/", (-BIG - 1, -1), "overflow"), ("%", (-BIG - 1, -1), "overflow"),
        ("/", (1, 0), "division by zero"), ("%", (1, 0), "division by zero"),
        ("%", (1.0, 2), "cannot take double and int"), ("+", (True, 1), "cannot take bool"),
        ("<", ("a", 1), "cannot take string and int"), ("<", (True, 1), "bool and int"),
        ("!", (1,), "cannot take int"), ("in", (1, "a"), "in cannot take"),
        ("index", ([1], 1), "no item 1"), ("index", ("a", 0), "cannot take"),
        ("int", (1e19,), "does not fit"), ("int", (math.nan,), "does not fit"),
        ("int", ("1_0",), "cannot convert"), ("int", ("٣",), "cannot convert"),
        ("double", ("nan",), "cannot convert"), ("double", ([],), "cannot convert"),
        ("string", (None,), "cannot convert"), ("size", (1,), "cannot take"),
        ("min", (1, "a"), "cannot take string"), ("startsWith", (1, "a"), "cannot take"),
        ("negate", ("a",), "cannot take"), ("abs", (None,), "cannot take null"),
        ("+", ("x" * MAX_TEXT, "y"), "longer than"),
    ],
)  # fmt: skip
def test_failures_say_why(name: str, arguments: tuple[Any, ...], message: str) -> None:
    """No Python exception, no surprise value."""
    with pytest.raises(EvaluationError, match=message):
        OPERATIONS[name](*arguments)


def test_a_key_that_a_map_lacks_is_absent_and_no_failure() -> None:
    """Half of an object is usual; nobody is to blame."""
    with pytest.raises(AbsentError):
        OPERATIONS["index"]({}, "lat")


def test_numbers_of_json_are_doubles() -> None:
    """As in CEL; true stays true."""
    assert plain(3).__class__ is float
    assert plain(True) is True
    assert plain(-(10**400)) == -math.inf
    with pytest.raises(EvaluationError):
        truth(1.0)
