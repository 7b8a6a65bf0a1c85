"""PUBLISH: the hot path reads exactly what the specification says."""

import pytest

from weft.wire.mqtt.decode import decode
from weft.wire.mqtt.decode_publish import decode_publish
from weft.wire.mqtt.encode import encode
from weft.wire.mqtt.grammar import Grammar
from weft.wire.mqtt.limits import DEFAULT_LIMITS
from weft.wire.mqtt.packets import NO_PROPERTIES, Properties, Publish
from weft.wire.mqtt.reasons import MqttError, Reason


@pytest.mark.parametrize("version", [4, 5])
@pytest.mark.parametrize("topic", ["t" * 1024, "a/" * 31 + "b"])
def test_a_topic_at_the_cap_is_taken(version: int, topic: str) -> None:
    """MQ-5: 1024 bytes, 32 levels."""
    packet = Publish(topic, b"")
    assert decode(encode(packet, version), version, from_client=True) == packet


@pytest.mark.parametrize("version", [4, 5])
@pytest.mark.parametrize("topic", ["t" * 1025, "ü" * 513, "a/" * 32 + "b"])
def test_a_topic_beyond_the_cap_is_refused(version: int, topic: str) -> None:
    """MQ-5: one byte or one level more."""
    with pytest.raises(MqttError) as caught:
        decode(encode(Publish(topic, b""), version), version, from_client=True)
    assert caught.value.reason is Reason.TOPIC_NAME_INVALID


def test_a_response_topic_obeys_the_caps_of_topics() -> None:
    """MQ-5: somebody will publish on it."""
    packet = Publish("t", b"", properties=Properties(response_topic="r" * 1025))
    with pytest.raises(MqttError) as caught:
        decode(encode(packet, 5), 5, from_client=True)
    assert caught.value.reason is Reason.TOPIC_NAME_INVALID


def test_a_publish_reads_only_its_own_bytes() -> None:
    """It lies in the middle of a buffer; what is around it does not leak in."""
    body = encode(Publish("a/b", b"hello", 1, packet_id=9), 4)[2:]
    data = b"\xff" * 7 + body + b"\xff" * 7
    grammar = Grammar(4, DEFAULT_LIMITS, from_client=True)
    packet = decode_publish(0x32, data, 7, 7 + len(body), grammar)
    assert packet == Publish("a/b", b"hello", 1, packet_id=9)
    with pytest.raises(MqttError):
        decode_publish(0x32, data, 7, 7 + 6, grammar)


def test_a_publish_without_properties_shares_the_empty_ones() -> None:
    """Nothing is allocated for what is not there."""
    packet = decode(encode(Publish("a", b"1"), 5), 5, from_client=True)
    assert isinstance(packet, Publish)
    assert packet.properties is NO_PROPERTIES
