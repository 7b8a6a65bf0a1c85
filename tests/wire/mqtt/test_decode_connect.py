"""CONNECT: what a stranger says first."""

import pytest

from weft.wire.mqtt.decode import decode
from weft.wire.mqtt.decode_connect import peek_level
from weft.wire.mqtt.encode import encode
from weft.wire.mqtt.limits import DEFAULT_LIMITS
from weft.wire.mqtt.packets import Connect, Will
from weft.wire.mqtt.reasons import MqttError, Reason


@pytest.mark.parametrize(
    ("data", "level"),
    [
        (b"\x00\x04MQTT\x04", 4),
        (b"\x00\x04MQTT\x05", 5),
        (b"\x00\x04MQTT\x09", 9),
        (b"\x00\x06MQIsdp\x03", 3),
        (b"\x00\x04MQTT", 0),
        (b"\x00\x04HTTP\x04", 0),
        (b"", 0),
    ],
)
def test_the_level_is_seen_before_the_packet_is_read(data: bytes, level: int) -> None:
    """A refusal is told in the client's own version, if it named MQTT at all."""
    assert peek_level(data, 0, len(data)) == level


@pytest.mark.parametrize("version", [4, 5])
def test_a_client_id_at_the_cap_is_taken_and_one_byte_more_is_not(version: int) -> None:
    """MQ-5: 128 bytes of client id; bytes, not characters."""
    cap = DEFAULT_LIMITS.client_id_bytes
    fits = Connect("ü" * (cap // 2), version)
    assert decode(encode(fits, version), version, from_client=True) == fits
    longer = Connect("ü" * (cap // 2) + "x", version)
    with pytest.raises(MqttError) as caught:
        decode(encode(longer, version), version, from_client=True)
    assert caught.value.reason is Reason.CLIENT_IDENTIFIER_NOT_VALID


def test_a_will_topic_obeys_the_caps_of_topics() -> None:
    """MQ-5: a will is a message that is merely sent later."""
    packet = Connect("c", will=Will("a/" * 32 + "b", b""))
    with pytest.raises(MqttError) as caught:
        decode(encode(packet, 5), 5, from_client=True)
    assert caught.value.reason is Reason.TOPIC_NAME_INVALID


def test_every_cut_of_a_connect_is_refused() -> None:
    """No field may be missing, wherever the packet ends."""
    whole = encode(Connect("c1", 4, username="u", password=b"p", will=Will("w", b"x")), 4)
    for size in range(2, len(whole)):
        with pytest.raises(MqttError):
            decode(bytes((whole[0], size - 2)) + whole[2:size], 4, from_client=True)
