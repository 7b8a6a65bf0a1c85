"""The functions of places in the table: names on the ground, units on what they give."""

from weft.rules.feeds.places import PLACES
from weft.rules.feeds.table import FUNCTIONS


def test_each_is_in_the_table_and_checked_for_its_names() -> None:
    """A fence or a stop that the tenant does not have is refused on save."""
    assert all(FUNCTIONS[one.name] is one for one in PLACES)
    assert all(one.places for one in PLACES)
    named = {one.name for one in PLACES for place in one.parameters if place.name == "fence"}
    assert named == {"inside", "outside", "enters", "leaves", "distance"}


def test_lengths_are_metres_and_times_seconds() -> None:
    """So that 2[km] and 15[min] can be written."""
    units = {one.name: one.unit for one in PLACES if one.gives == "double"}
    assert units == {
        "distance": "m", "off_route": "m", "eta": "s", "late_by": "s", "dwell": "s",
    }  # fmt: skip
