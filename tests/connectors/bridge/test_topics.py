"""Topic maps: what crosses, and what it is called there."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.connectors.bridge.topics import TopicMaps, TopicRule
from weft.errors import ConfigurationError


@pytest.mark.parametrize(
    ("filter_", "to", "topic", "mapped"),
    [
        ("devices/+/telemetry", "plant/{1}", "devices/p-1/telemetry", "plant/p-1"),
        ("devices/+/telemetry", "plant/{1}", "devices/p-1/events/x", None),
        ("devices/+/#", "north/{topic}", "devices/a/b/c", "north/devices/a/b/c"),
        ("cmd/+/#", "devices/{1}/{2}", "cmd/p/events/leak", "devices/p/events/leak"),
        ("a/#", "b", "a", "b"),
        ("#", "{1}", "$SYS/uptime", None),
        ("a.b/+", "x/{1}", "acb/1", None),
    ],
)
def test_what_crosses_under_which_name(
    filter_: str, to: str, topic: str, mapped: str | None
) -> None:
    """As MQTT matches filters; each wildcard has its number."""
    assert TopicMaps([TopicRule(filter_, to)], "[x]").map(topic) == mapped


def test_the_first_rule_counts() -> None:
    """A special name before the rule for all."""
    maps = TopicMaps([TopicRule("a/b", "special"), TopicRule("a/+", "plain/{1}")], "[x]")
    assert (maps.map("a/b"), maps.map("a/c")) == ("special", "plain/c")
    assert maps
    assert not TopicMaps([], "[x]")


@pytest.mark.parametrize(
    ("filter_", "to"),
    [("a/+b", "x"), ("", "x"), ("a/+", "x/{2}"), ("a/+", "x/+"), ("a", ""), ("a/+", "x/{y}")],
)
def test_a_map_that_cannot_work_is_refused_at_start(filter_: str, to: str) -> None:
    """With the rule's own words."""
    with pytest.raises(ConfigurationError, match=r"\[bridges.x\] out"):
        TopicMaps([TopicRule(filter_, to)], "[bridges.x] out")


@given(st.text(st.characters(exclude_characters="+#\x00/"), min_size=1))
def test_what_a_wildcard_holds_comes_out_unchanged(level: str) -> None:
    """Whatever a device is called."""
    mapped = TopicMaps([TopicRule("d/+/t", "n/{1}/x")], "[x]").map(f"d/{level}/t")
    assert mapped == f"n/{level}/x"
