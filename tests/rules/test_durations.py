"""Durations: with a unit, or not at all."""

import pytest

from weft.errors import Invalid
from weft.rules.durations import read_duration


@pytest.mark.parametrize(
    ("text", "ns"),
    [("30s", 30e9), ("1h30m", 5400e9), ("250ms", 25e7), ("1.5m", 90e9), ("2d", 172_800e9)],
)
def test_numbers_with_units_are_read(text: str, ns: float) -> None:
    """As people write them."""
    assert read_duration(text) == ns


@pytest.mark.parametrize("text", ["", "30", "s", "30 s", "-5s", "30sec", "1h 30m", "31d", "∞"])
def test_anything_else_is_refused(text: str) -> None:
    """A bare number could be seconds or milliseconds; nobody guesses."""
    with pytest.raises(Invalid):
        read_duration(text)
