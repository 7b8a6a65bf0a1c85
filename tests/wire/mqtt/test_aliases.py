"""Topic aliases: each direction on its own, within what was granted."""

import pytest

from weft.wire.mqtt.aliases import InboundAliases, OutboundAliases
from weft.wire.mqtt.packets import NO_PROPERTIES, Properties, Publish
from weft.wire.mqtt.reasons import MqttError, Reason


def message(topic: str, alias: int) -> Publish:
    """A message with an alias."""
    return Publish(topic, b"", properties=Properties(topic_alias=alias))


def test_an_alias_stands_for_the_topic_it_was_given_with() -> None:
    """And for the newer one once it is given again."""
    aliases = InboundAliases(32)
    assert aliases.resolve(message("a/b", 32), 32).topic == "a/b"
    assert aliases.resolve(message("", 32), 32).topic == "a/b"
    assert aliases.resolve(message("c", 32), 32).topic == "c"
    assert aliases.resolve(message("", 32), 32).topic == "c"


def test_an_alias_beyond_the_cap_is_refused() -> None:
    """MQ-5 [MQTT-3.3.2-9]: 32 is taken, 33 is not."""
    with pytest.raises(MqttError) as caught:
        InboundAliases(32).resolve(message("a", 33), 33)
    assert caught.value.reason is Reason.TOPIC_ALIAS_INVALID


def test_an_alias_without_a_topic_is_refused() -> None:
    """It was never given, or on another connection [MQTT-3.3.2-7]."""
    with pytest.raises(MqttError) as caught:
        InboundAliases(32).resolve(message("", 1), 1)
    assert caught.value.reason is Reason.PROTOCOL_ERROR


def test_the_first_topics_get_the_aliases() -> None:
    """The topic is left out only once the peer knows the alias."""
    aliases = OutboundAliases(1)
    first = aliases.apply(Publish("a", b""))
    assert first == message("a", 1)
    assert aliases.apply(Publish("a", b"")) == first  # it was never sent
    aliases.sent(first)
    assert aliases.apply(Publish("a", b"")) == message("", 1)
    assert aliases.apply(Publish("b", b"")) == Publish("b", b"")


def test_a_received_alias_never_travels_on() -> None:
    """It means something on the sender's connection only."""
    hop = OutboundAliases(0).apply(message("a", 7))
    assert hop.properties is NO_PROPERTIES
