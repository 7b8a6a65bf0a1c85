"""The native topics, and what is said about a mistyped one."""

import pytest

from weft.errors import Forbidden, Invalid
from weft.ingest.dialects.native import Mapped, canonical_filter, canonical_topic, map_topic
from weft.model.message import Operation


@pytest.mark.parametrize(
    ("topic", "mapped"),
    [
        ("devices/p/telemetry", Mapped(Operation.TELEMETRY, "p")),
        ("devices/me/properties/reported", Mapped(Operation.REPORTED, "me")),
        ("devices/p/events/leak", Mapped(Operation.EVENT, "p", "leak")),
        ("devices/p/commands/r1/result", Mapped(Operation.COMMAND_RESULT, "p", "r1")),
        ("devices/p/dialects/toy/ask/7", Mapped(Operation.DIALECT, "p", "toy")),
        ("plant/hall/x", Mapped(Operation.PLAIN)),
        ("devicesx", Mapped(Operation.PLAIN)),
    ],
)
def test_topics_map_to_operations(topic: str, mapped: Mapped) -> None:
    assert map_topic(topic) == mapped


@pytest.mark.parametrize(
    "topic", ["devices/p", "devices/p/telemtry", "devices//telemetry", "devices/p/events/"]
)
def test_a_mistyped_topic_is_told(topic: str) -> None:
    with pytest.raises(Invalid) as refused:
        map_topic(topic)
    assert "devices/{id}/telemetry" in refused.value.remedy


def test_nobody_writes_desired_properties_by_topic() -> None:
    with pytest.raises(Forbidden, match="Weft alone"):
        map_topic("devices/p/properties/desired")


def test_nobody_publishes_a_command_past_the_service() -> None:
    """It would reach the device unchecked, without a record or an outcome."""
    with pytest.raises(Forbidden) as refused:
        map_topic("devices/p/commands/r1/stop")
    assert "weft command send p stop" in refused.value.remedy


def test_me_becomes_the_devices_id() -> None:
    topic = "devices/me/events/leak"
    assert canonical_topic(topic, map_topic(topic), "pump-7") == "devices/pump-7/events/leak"
    assert canonical_topic("a/b", map_topic("a/b"), "") == "a/b"
    assert canonical_filter("devices/me/#", "pump-7") == "devices/pump-7/#"
    assert canonical_filter("devices/me", "pump-7") == "devices/pump-7"
    assert canonical_filter("devices/meter-1/#", "pump-7") == "devices/meter-1/#"
