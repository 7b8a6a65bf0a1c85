"""The reference evaluator: error rules, one by one."""

from typing import Any

import pytest
from msgspec import UNSET

from weft.rules.language.check import check
from weft.rules.language.evaluate import evaluator
from weft.rules.language.parse import parse
from weft.rules.language.scope import ANY
from weft.rules.language.values import AbsentError, EvaluationError

SLOTS = {("telemetry", name): place for place, name in enumerate("abc")}


def answer(text: str, *row: Any) -> Any:
    return evaluator(check(parse(text), ANY), SLOTS)([*row, UNSET, UNSET, UNSET])


def test_a_deciding_side_absorbs_whatever_the_other_is() -> None:
    """Absent or failed, left or right."""
    assert answer("a && b", UNSET, False) is False
    assert answer("b && a", UNSET, False) is False
    assert answer("a || b", 3.0, True) is True
    assert answer("a || b || c", UNSET, 3.0, True) is True


def test_absence_wins_over_failure() -> None:
    """While a value is missing nobody can say that the rule is wrong."""
    for text in ("a && b", "b && a"):
        with pytest.raises(AbsentError):
            answer(text, UNSET, 3.0)
    with pytest.raises(EvaluationError, match="condition cannot take double"):
        answer("a && b", True, 3.0)


def test_only_the_chosen_side_is_evaluated() -> None:
    """The other may be absent."""
    assert answer("a ? b : c", True, False) is False
    with pytest.raises(AbsentError):
        answer("a ? c : b", True, False)


def test_has_never_fails() -> None:
    """For an input and for what is inside of it."""
    assert answer("has(a) || has(a.b)") is False
    assert answer("has(a.b.c)", {"b": {"c": None}}) is True
    assert answer("has(a.b.c)", {"b": 3}) is False
