"""Remaining lengths: shortest form, at most four bytes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.wire.mqtt.reasons import MqttError
from weft.wire.mqtt.varint import LARGEST, encode_varint, read_long_length


@pytest.mark.parametrize(
    ("value", "data"),
    [
        (0, "00"),
        (127, "7f"),
        (128, "8001"),
        (16_383, "ff7f"),
        (16_384, "808001"),
        (2_097_151, "ffff7f"),
        (2_097_152, "80808001"),
        (LARGEST, "ffffff7f"),
    ],
)
def test_the_table_of_the_specification(value: int, data: str) -> None:
    """1.5.5, table 1-1."""
    assert encode_varint(value).hex() == data


@given(st.integers(128, LARGEST), st.binary(max_size=3))
def test_a_long_length_is_found_in_a_buffer(value: int, rest: bytes) -> None:
    """Value and where the body begins, whatever follows."""
    data = b"\x30" + encode_varint(value)
    assert read_long_length(data + rest, 1, len(data + rest)) == (value, len(data))


@given(st.integers(16_384, LARGEST))
def test_a_length_that_has_not_all_come_waits(value: int) -> None:
    """(0, 0) says: more bytes, please."""
    data = encode_varint(value)
    for end in range(1, len(data)):
        assert read_long_length(data, 0, end) == (0, 0)


def test_lengths_that_cannot_be_are_refused() -> None:
    """Too long to write, too long to read, longer than needed."""
    with pytest.raises(ValueError, match="does not fit"):
        encode_varint(LARGEST + 1)
    with pytest.raises(MqttError):
        read_long_length(b"\x80\x80\x80\x80", 0, 4)
    with pytest.raises(MqttError):
        read_long_length(b"\x80\x00", 0, 2)
