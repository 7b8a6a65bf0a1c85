"""Kinds: keys sort as things happened."""

from hypothesis import given
from hypothesis import strategies as st

from weft.connectors.events.kinds import dead_key, key_of


@given(st.integers(0, 2**63), st.integers(0, 2**63))
def test_keys_sort_as_numbers_do(one: int, two: int) -> None:
    """A subscription reads on behind its key."""
    assert (key_of(one) < key_of(two)) == (one < two)


def test_dead_events_of_two_subscriptions_are_apart() -> None:
    """The same event may be dead for both."""
    assert dead_key("a", "change-1") != dead_key("b", "change-1")
