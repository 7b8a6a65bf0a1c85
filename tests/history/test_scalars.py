"""What counts as a number in history, and what was not sent."""

from typing import Any

import pytest
from msgspec import UNSET

from weft.history.scalars import EXACT_MAX, is_absent, is_number


@pytest.mark.parametrize("value", [0, -1, 1.5, EXACT_MAX - 1, -0.0])
def test_what_a_double_holds_is_a_number(value: float) -> None:
    """These are averaged and drawn."""
    assert is_number(value)


@pytest.mark.parametrize("value", [True, "1", None, UNSET, EXACT_MAX, -(2**60), [1], {}])
def test_everything_else_is_not(value: Any) -> None:
    """A serial number of 18 digits must not lose its last one."""
    assert not is_number(value)


@pytest.mark.parametrize(
    ("value", "absent"), [(None, True), (UNSET, True), (0, False), ("", False)]
)
def test_nothing_is_told_from_something_empty(value: Any, absent: bool) -> None:
    """A device that sends 0 or an empty text has sent it."""
    assert is_absent(value) is absent
