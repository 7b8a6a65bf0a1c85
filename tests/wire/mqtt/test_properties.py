"""Properties: the table decides which packet may have which."""

import pytest
from msgspec.structs import fields

from weft.wire.mqtt.cursor import Cursor
from weft.wire.mqtt.kinds import PacketType as P
from weft.wire.mqtt.limits import DEFAULT_LIMITS
from weft.wire.mqtt.packets import NO_PROPERTIES, Properties
from weft.wire.mqtt.properties import KINDS, Kind, encode_properties, read_properties
from weft.wire.mqtt.reasons import MqttError, Reason

SAMPLES = {
    "byte": b"\x01",
    "two": b"\x00\x01",
    "four": b"\x00\x00\x00\x01",
    "varint": b"\x01",
    "text": b"\x00\x01x",
    "name": b"\x00\x01x",
    "binary": b"\x00\x01x",
    "pair": b"\x00\x01k\x00\x01v",
}


def read(body: bytes, packet: P) -> Properties:
    """Properties of these bytes."""
    data = bytes((len(body),)) + body
    cursor = Cursor(data, 0, len(data))
    found = read_properties(cursor, packet, DEFAULT_LIMITS)
    cursor.require_end()
    return found


def test_the_table_and_the_struct_name_the_same_properties() -> None:
    """27 of them, each once."""
    assert sorted(kind.name for kind in KINDS) == sorted(one.name for one in fields(Properties))
    assert len({kind.identifier for kind in KINDS}) == len(KINDS) == 27


@pytest.mark.parametrize("packet", sorted(set(P) - {P.PINGREQ, P.PINGRESP}))
@pytest.mark.parametrize("kind", KINDS, ids=[kind.name for kind in KINDS])
def test_a_property_stands_only_where_the_table_allows(kind: Kind, packet: P) -> None:
    """Every property in every packet."""
    body = bytes((kind.identifier,)) + SAMPLES[kind.form]
    if packet not in kind.packets:
        with pytest.raises(MqttError):
            read(body, packet)
        return
    found = read(body, packet)
    assert getattr(found, kind.name) not in (None, ())
    assert encode_properties(found, packet) == bytes((len(body),)) + body
    if kind.form == "pair" or (kind.name == "subscription_ids" and packet is P.PUBLISH):
        assert len(getattr(read(body * 2, packet), kind.name)) == 2
        return
    with pytest.raises(MqttError) as caught:
        read(body * 2, packet)
    assert caught.value.reason is Reason.PROTOCOL_ERROR


def test_what_a_packet_may_not_have_is_not_written() -> None:
    """The properties of a will are published without its delay."""
    held = Properties(will_delay_s=5, content_type="x")
    assert encode_properties(held, P.PUBLISH).hex() == "04030001" + "78"
    assert encode_properties(NO_PROPERTIES, P.PUBLISH) == b"\x00"


def test_user_properties_have_a_cap_in_number() -> None:
    """MQ-5: 32 are taken, 33 are not."""
    one = b"\x26\x00\x01k\x00\x00"
    data = bytes((len(one) * 32 & 0x7F | 0x80, len(one) * 32 >> 7)) + one * 32
    assert (
        len(read_properties(Cursor(data, 0, len(data)), P.PUBLISH, DEFAULT_LIMITS).user_properties)
        == 32
    )
    data = bytes((len(one) * 33 & 0x7F | 0x80, len(one) * 33 >> 7)) + one * 33
    with pytest.raises(MqttError) as caught:
        read_properties(Cursor(data, 0, len(data)), P.PUBLISH, DEFAULT_LIMITS)
    assert caught.value.reason is Reason.QUOTA_EXCEEDED


@pytest.mark.parametrize(("size", "fits"), [(4096, True), (4097, False)])
def test_user_properties_have_a_cap_in_bytes(size: int, fits: bool) -> None:
    """MQ-5: 4096 bytes of keys and values together."""
    body = encode_properties(Properties(user_properties=(("k", "v" * (size - 1)),)), P.PUBLISH)
    cursor = Cursor(body, 0, len(body))
    if fits:
        assert read_properties(cursor, P.PUBLISH, DEFAULT_LIMITS).user_properties
        return
    with pytest.raises(MqttError) as caught:
        read_properties(cursor, P.PUBLISH, DEFAULT_LIMITS)
    assert caught.value.reason is Reason.QUOTA_EXCEEDED
