import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.errors import Invalid
from weft.security.filters import (
    Direction,
    Effect,
    Grant,
    TopicRights,
    TopicSet,
    contains,
    is_filter,
    require_filter,
)

LEVEL = st.sampled_from(["a", "b", "", "$s"])
TOPICS = st.lists(LEVEL, min_size=1, max_size=4).map("/".join).filter(bool)
FILTERS = st.tuples(
    st.lists(st.sampled_from(["a", "b", "", "$s", "+"]), max_size=3),
    st.sampled_from(["a", "b", "+", "#"]),
).map(lambda parts: "/".join([*parts[0], parts[1]]))


def oracle(text: str, topic: str) -> bool:
    """MQTT 5, 4.7, as one regular expression."""
    if topic.startswith("$") and text[0] in "+#":
        return False
    pattern = ""
    for position, level in enumerate(text.split("/")):
        if level == "#":
            pattern += ".*" if position == 0 else "(/.*)?"
            break
        pattern += "/" if position else ""
        pattern += "[^/]*" if level == "+" else re.escape(level)
    return re.fullmatch(pattern, topic) is not None


@given(st.lists(FILTERS, max_size=4), TOPICS)
def test_a_compiled_set_matches_as_the_standard_says(filters: list[str], topic: str) -> None:
    """The compiled tree and the words of MQTT 5, 4.7 agree on every topic."""
    assert TopicSet(filters).matches(topic) == any(oracle(f, topic) for f in filters)


@given(FILTERS, FILTERS, TOPICS)
def test_nothing_matches_a_contained_filter_and_not_its_container(
    wide: str, narrow: str, topic: str
) -> None:
    """Containment is sound: it never gives more than was granted."""
    if contains(wide, narrow) and oracle(narrow, topic):
        assert oracle(wide, topic)


@pytest.mark.parametrize(
    ("wide", "narrow", "is_contained"),
    [
        ("devices/+/telemetry", "devices/+/telemetry", True),
        ("devices/+/telemetry", "devices/pump-7/telemetry", True),
        ("devices/#", "devices/+/telemetry", True),
        ("devices/#", "devices", True),
        ("#", "devices/#", True),
        ("#", "$SYS/broker", False),
        ("+/x", "$SYS/x", False),
        ("devices/+/telemetry", "devices/#", False),
        ("devices/pump-7/telemetry", "devices/+/telemetry", False),
        ("devices/+", "devices/a/b", False),
        ("devices/+/x", "devices/#", False),
        ("a/b", "a", False),
    ],
)
def test_containment_by_example(wide: str, narrow: str, is_contained: bool) -> None:
    """A subscription asks for no more than a grant gives."""
    assert contains(wide, narrow) is is_contained


@pytest.mark.parametrize("text", ["", "a/#/b", "a#", "a/b+", "+a", "a/\0", "#/a"])
def test_mq_3_a_malformed_filter_is_none(text: str) -> None:
    """MQTT 5 [MQTT-4.7.1-1] and [MQTT-4.7.1-2]."""
    assert not is_filter(text)
    with pytest.raises(Invalid):
        require_filter(text)


@pytest.mark.parametrize("text", ["$SYS/#", "a\nb", "a/" * 32 + "b", "x" * 1025, "a/\u2028"])
def test_mq_3_a_grant_takes_no_reserved_unprintable_or_endless_filter(text: str) -> None:
    """What stands in a policy is readable and bounded."""
    with pytest.raises(Invalid):
        require_filter(text)


def test_a_filter_is_returned_as_it_was_written() -> None:
    """Nothing is normalised behind the owner's back."""
    assert require_filter("devices/+/events/#") == "devices/+/events/#"


RIGHTS = TopicRights(
    (
        Grant(Direction.SUBSCRIBE, "plant/#"),
        Grant(Direction.SUBSCRIBE, "plant/secret/#", Effect.DENY),
        Grant(Direction.BOTH, "office/+"),
        Grant(Direction.PUBLISH, "office/closed", Effect.DENY),
    )
)


def test_a_denying_grant_beats_every_allowing_one() -> None:
    """Order does not matter: deny wins."""
    assert RIGHTS.decide("topic.receive", "plant/hall")[0]
    assert not RIGHTS.decide("topic.receive", "plant/secret/vault")[0]
    assert RIGHTS.decide("topic.publish", "office/lamp")[0]
    assert not RIGHTS.decide("topic.publish", "office/closed")[0]


def test_a_subscription_across_a_denied_part_is_taken_and_checked_at_delivery() -> None:
    """`plant/#` is granted, its secret part is not: each delivery is decided (NATS 2026-26)."""
    assert RIGHTS.decide("topic.subscribe", "plant/#")[0]
    assert not RIGHTS.decide("topic.subscribe", "plant/secret/#")[0]
    assert not RIGHTS.decide("topic.subscribe", "plant/secret/vault")[0]


def test_a_wider_subscription_is_refused_not_narrowed() -> None:
    """Who asks for everything hears no, and why."""
    allowed, reason = RIGHTS.decide("topic.subscribe", "#")
    assert not allowed
    assert "all that this filter asks for" in reason


@pytest.mark.parametrize(
    ("text", "allowed"),
    [
        ("$share/group/plant/hall", True),
        ("$share/group/#", False),
        ("$share/group/plant/secret/x", False),
        ("$share//plant/hall", False),
        ("$share/gr+up/plant/hall", False),
        ("$share/group", False),
        ("$share/group/", False),
    ],
)
def test_a_shared_subscription_has_the_rights_of_its_filter(text: str, allowed: bool) -> None:
    """Joining a group is no way around a deny (GHSA-jx8g-9g95-6322)."""
    assert RIGHTS.decide("topic.subscribe", text)[0] is allowed


@pytest.mark.parametrize("topic", ["", "office/+", "office/#", "office/\0"])
def test_mq_3_nothing_is_published_to_a_filter(topic: str) -> None:
    """A wildcard in a topic name is never matched as a name."""
    assert not RIGHTS.decide("topic.publish", topic)[0]
    assert not TopicRights((Grant(Direction.BOTH, "#"),)).decide("topic.publish", topic)[0]


def test_a_set_without_filters_is_false() -> None:
    """So that a missing deny list costs nothing."""
    assert not TopicSet(())
    assert TopicSet(("a",))
