"""Reading fields: never beyond the packet, never longer than needed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.wire.mqtt.cursor import Cursor
from weft.wire.mqtt.reasons import MqttError
from weft.wire.mqtt.varint import encode_varint


def at(data: bytes) -> Cursor:
    """A cursor over all of it."""
    return Cursor(data, 0, len(data))


def test_fields_are_read_in_turn() -> None:
    """Each moves the place to the next."""
    cursor = at(bytes.fromhex("010203040506070002c3bc0001ff0009"))
    assert cursor.byte() == 1
    assert cursor.two() == 0x0203
    assert cursor.four() == 0x04050607
    assert cursor.text() == "ü"
    assert cursor.binary() == b"\xff"
    assert cursor.packet_id() == 9
    cursor.require_end()


@pytest.mark.parametrize("field", ["byte", "two", "four", "varint", "text", "binary", "packet_id"])
def test_a_field_that_is_not_there_is_refused(field: str) -> None:
    """Even if the buffer goes on behind the packet."""
    with pytest.raises(MqttError):
        getattr(Cursor(b"\x80" * 8, 2, 2), field)()


@given(st.integers(0, 268_435_455))
def test_a_length_reads_as_it_was_written(value: int) -> None:
    """1.5.5, in the shortest form."""
    data = encode_varint(value)
    cursor = at(data)
    assert cursor.varint() == value
    cursor.require_end()


@pytest.mark.parametrize("data", [b"\x80\x00", b"\x81\x80\x00", b"\xff\xff\xff\xff\x01"])
def test_a_length_in_another_form_is_refused(data: bytes) -> None:
    """[MQTT-1.5.5-1], and at most four bytes."""
    with pytest.raises(MqttError):
        at(data).varint()


def test_packet_id_0_and_trailing_bytes_are_refused() -> None:
    """[MQTT-2.2.1-3]."""
    with pytest.raises(MqttError):
        at(b"\x00\x00").packet_id()
    with pytest.raises(MqttError):
        at(b"\x00").require_end()
