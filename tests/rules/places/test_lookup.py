"""What is asked of places: for which other questions an answer holds."""

import pytest

from weft.rules.places.lookup import Found


@pytest.mark.parametrize(
    ("changes", "at", "received", "holds"),
    [
        (3, 10, 5, True),
        (3, 19, 8, True),
        (4, 10, 5, False),
        (3, 9, 5, False),
        (3, 20, 5, False),
        (3, 10, 4, False),
        (3, 10, 9, False),
    ],
)
def test_an_answer_holds_within_its_moments(
    changes: int, at: int, received: int, holds: bool
) -> None:
    """By the sample's moment, by the receipt, and while nothing has changed."""
    found = Found(None, 3, 10, 20, 5, 9)
    assert found.holds(changes, at, received) is holds
