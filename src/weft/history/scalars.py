"""What counts as a number, and what was not sent: asked without loading any library."""

from typing import Any, Final

from msgspec import UNSET

EXACT_MAX: Final = 2**53  # beyond it a double skips whole numbers


def is_number(value: Any) -> bool:
    """Whether a value counts as a number in history."""
    kind = type(value)
    return kind is float or (kind is int and -EXACT_MAX < value < EXACT_MAX)


def is_absent(value: Any) -> bool:
    """Whether the device sent nothing here."""
    return value is None or value is UNSET
