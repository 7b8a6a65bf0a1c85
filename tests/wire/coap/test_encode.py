"""Encoding: the shortest form, and nothing that could not be read back."""

import pytest

from weft.wire.coap.codes import CON, Code
from weft.wire.coap.decode import decode
from weft.wire.coap.encode import empty_ack, encode, reset
from weft.wire.coap.message import Message


def test_options_are_written_in_the_order_of_their_numbers() -> None:
    """Equal ones keep theirs: a path is a path."""
    message = Message(CON, Code.GET, 1, b"", ((15, b"q"), (11, b"b"), (11, b"a")), b"")
    assert decode(encode(message)).options == ((11, b"b"), (11, b"a"), (15, b"q"))


@pytest.mark.parametrize("size", [0, 12, 13, 268, 269, 1000])
@pytest.mark.parametrize("number", [1, 12, 13, 268, 269, 65_535])
def test_each_length_of_a_delta_and_of_a_value(number: int, size: int) -> None:
    """The three forms of RFC 7252 3.1, at their edges."""
    message = Message(CON, Code.GET, 1, b"", ((number, b"x" * size),), b"")
    assert decode(encode(message)) == message


def test_acknowledgement_and_reset_are_four_bytes() -> None:
    """RFC 7252 4.2."""
    assert empty_ack(0x7D34).hex() == "60007d34"
    assert reset(0x7D34).hex() == "70007d34"


@pytest.mark.parametrize(
    "message",
    [
        Message(CON, Code.GET, 1, b"123456789"),
        Message(CON, Code.EMPTY, 1, b"1"),
        Message(CON, Code.EMPTY, 1, b"", (), b"x"),
        Message(CON, Code.GET, 1, b"", ((11, b"x" * 70_000),)),
    ],
)
def test_what_no_peer_could_read_is_not_written(message: Message) -> None:
    """Our bug, told where it happens."""
    with pytest.raises(ValueError, match=r"has|large"):
        encode(message)
