"""SUBSCRIBE and UNSUBSCRIBE: caps on what one packet may ask for."""

import pytest

from weft.wire.mqtt.decode import decode
from weft.wire.mqtt.decode_subscribe import require_flags
from weft.wire.mqtt.encode import encode
from weft.wire.mqtt.packets import Filter, Packet, Subscribe, Unsubscribe
from weft.wire.mqtt.reasons import MqttError, Reason


@pytest.mark.parametrize("version", [4, 5])
@pytest.mark.parametrize(
    "make",
    [
        lambda count: Subscribe(1, tuple(Filter(f"a/{i}") for i in range(count))),
        lambda count: Unsubscribe(1, tuple(f"a/{i}" for i in range(count))),
    ],
)
def test_32_filters_are_taken_and_33_are_not(version: int, make: object) -> None:
    """MQ-5: filters per packet."""
    assert callable(make)
    fits: Packet = make(32)
    assert decode(encode(fits, version), version, from_client=True) == fits
    with pytest.raises(MqttError) as caught:
        decode(encode(make(33), version), version, from_client=True)
    assert caught.value.reason is Reason.QUOTA_EXCEEDED


@pytest.mark.parametrize("name", ["f" * 1024, "+/" * 31 + "#"])
def test_a_filter_at_the_cap_is_taken_and_beyond_it_is_refused(name: str) -> None:
    """MQ-5: filters have the caps of topics, refused as a filter."""
    packet = Subscribe(1, (Filter(name),))
    assert decode(encode(packet, 5), 5, from_client=True) == packet
    with pytest.raises(MqttError) as caught:
        decode(encode(Subscribe(1, (Filter("+/" + name),)), 5), 5, from_client=True)
    assert caught.value.reason is Reason.TOPIC_FILTER_INVALID


def test_the_subscription_identifier_is_easy_to_ask_for() -> None:
    """It is a property on the wire, and a number for the broker."""
    packet = decode(bytes.fromhex("82090001020b050001" + "6100"), 5, from_client=True)
    assert isinstance(packet, Subscribe)
    assert packet.subscription_id == 5
    assert Subscribe(1, (Filter("a"),)).subscription_id is None


@pytest.mark.parametrize("flags", [f for f in range(16) if f != 2])
def test_reserved_flags_are_refused_one_by_one(flags: int) -> None:
    """[MQTT-2.1.3-1]: each other value of the four bits."""
    require_flags(0x82, 2)
    with pytest.raises(MqttError):
        require_flags(0x80 | flags, 2)
