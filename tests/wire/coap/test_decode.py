"""Decoding: every named datagram, and every message that can be built."""

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.wire.coap.support import load_vectors

from weft.wire.coap.codes import CLASSES, CON, Type, dotted
from weft.wire.coap.decode import decode, is_confirmable
from weft.wire.coap.encode import encode
from weft.wire.coap.faults import FormatError
from weft.wire.coap.message import Message

EXAMPLES = load_vectors("examples")
MALFORMED = load_vectors("malformed")


@pytest.mark.parametrize("row", EXAMPLES, ids=[row["name"] for row in EXAMPLES])
def test_a_named_message_reads_and_is_written_as_its_vector_says(row: dict[str, Any]) -> None:
    """The bytes follow the RFCs' own examples, not our encoder."""
    data = bytes.fromhex(row["hex"])
    message = decode(data)
    assert Type(message.type).name == row["type"]
    assert dotted(message.code) == row["code"]
    assert message.message_id == int(row["message_id"], 16)
    assert message.token.hex() == row["token"]
    assert [[number, value.hex()] for number, value in message.options] == row["options"]
    assert message.payload.hex() == row["payload"]
    assert encode(message) == data


@pytest.mark.parametrize("row", MALFORMED, ids=[row["name"] for row in MALFORMED])
def test_a_message_format_error_cites_its_clause(row: dict[str, Any]) -> None:
    """Nothing is mended or guessed."""
    with pytest.raises(FormatError) as caught:
        decode(bytes.fromhex(row["hex"]))
    assert caught.value.clause == row["clause"]


def messages() -> st.SearchStrategy[Message]:
    """Any message but an empty one."""
    return st.builds(
        Message,
        st.integers(0, 3),
        st.integers(1, 0xBF).filter(lambda code: code >> 5 in CLASSES),
        st.integers(0, 0xFFFF),
        st.binary(max_size=8),
        st.lists(
            st.tuples(
                st.one_of(st.integers(1, 300), st.integers(1, 65_535)), st.binary(max_size=300)
            ),
            max_size=6,
        ).map(lambda options: tuple(sorted(options, key=lambda one: one[0]))),
        st.binary(max_size=64),
    )


@given(message=messages())
def test_what_is_written_reads_as_it_was(message: Message) -> None:
    """decode(encode(x)) == x."""
    assert decode(encode(message)) == message


@given(data=st.binary(max_size=60))
def test_noise_is_a_message_or_the_peers_fault(data: bytes) -> None:
    """Whatever comes."""
    with suppress(FormatError):
        decode(data)


def test_only_a_confirmable_message_of_version_one_wants_a_reset() -> None:
    """RFC 7252 4.2: everything else that is malformed is ignored."""
    assert is_confirmable(bytes.fromhex("4001000100"))
    assert not is_confirmable(bytes.fromhex("5001000100"))
    assert not is_confirmable(bytes.fromhex("6001000100"))
    assert not is_confirmable(bytes.fromhex("8001000100"))
    assert not is_confirmable(bytes.fromhex("4001"))
    assert CON == 0
