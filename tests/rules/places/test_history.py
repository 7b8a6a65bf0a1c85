"""Histories: which version judges a message."""

from tests.registry.support import MAIN

from weft.rules.places.history import History
from weft.rules.places.kinds import Geofence


def fence(version: int, in_force_at: int) -> Geofence:
    return Geofence(
        tenant=MAIN,
        name="depot",
        uid="f",
        created_at=0,
        created_by="",
        updated_at=0,
        version=version,
        in_force_at=in_force_at,
        geometry={},
    )


def test_a_message_is_judged_by_what_was_in_force_when_it_was_received() -> None:
    """From before the first version: by the first."""
    history = History([fence(3, 200), fence(1, 50), fence(2, 100)], lambda one: one.version)
    found = [history.at(moment).version for moment in (0, 50, 99, 100, 199, 200, 10**20)]
    assert found == [1, 1, 1, 2, 2, 3, 3]
    assert history.newest.version == 3


def test_of_two_that_came_at_once_the_later_counts() -> None:
    """Both saved within the lag."""
    assert History([fence(1, 0), fence(2, 100), fence(3, 100)], str).at(100).version == 3


def test_a_version_is_compiled_once_and_when_asked_for() -> None:
    """Twenty old versions of a coastline cost nothing."""
    made: list[int] = []
    history = History([fence(1, 0), fence(2, 100)], lambda one: made.append(one.version) or one)
    assert made == []
    assert history.made_at(150) is history.made_at(150)
    assert made == [2]
