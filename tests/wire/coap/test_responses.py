"""Responses: laid out, sliced, and left out where nobody wants them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.wire.coap.block import Block
from weft.wire.coap.codes import Code
from weft.wire.coap.faults import RequestError
from weft.wire.coap.options import Option
from weft.wire.coap.responses import (
    Response,
    as_held,
    etag_of,
    head_options,
    is_suppressed,
    slice_of,
)


def test_options_are_those_that_were_given() -> None:
    """Zero is a value: text/plain, and do not keep it."""
    assert head_options(Response(Code.CHANGED)) == []
    response = Response(
        Code.CREATED, b"", 0, b"\x01", 0, ("a", "b"), ("q",), ((Option.ECHO, b"e"),)
    )
    assert head_options(response) == [
        (Option.ETAG, b"\x01"),
        (Option.CONTENT_FORMAT, b""),
        (Option.MAX_AGE, b""),
        (Option.LOCATION_PATH, b"a"),
        (Option.LOCATION_PATH, b"b"),
        (Option.LOCATION_QUERY, b"q"),
        (Option.ECHO, b"e"),
    ]


@given(st.binary(min_size=1, max_size=5000), st.integers(0, 6), st.sampled_from([16, 64, 1024]))
def test_slices_are_the_payload(payload: bytes, exponent: int, ours: int) -> None:
    """Asked for one behind the other, in the size that was agreed."""
    parts, number = [], 0
    asked = Block(0, False, exponent)
    while True:
        block, piece = slice_of(payload, asked, ours)
        assert len(piece) <= block.size <= min(ours, 16 << exponent)
        parts.append(piece)
        number += 1
        if not block.more:
            break
        asked = Block(number, False, block.exponent)
    assert b"".join(parts) == payload


def test_a_block_beyond_the_end_is_refused() -> None:
    """There is nothing that it could be."""
    with pytest.raises(RequestError) as caught:
        slice_of(b"x" * 64, Block(1, False, 2), 1024)
    assert caught.value.answer == Code.BAD_REQUEST


def test_an_etag_is_of_the_bytes_and_their_format() -> None:
    """The same representation has the same one, whoever asks."""
    one = Response(Code.CONTENT, b"x" * 2000, 50)
    assert etag_of(one) == etag_of(Response(Code.CONTENT, b"x" * 2000, 50))
    assert etag_of(one) != etag_of(Response(Code.CONTENT, b"x" * 2000, 60))
    assert etag_of(one) != etag_of(Response(Code.CONTENT, b"y" * 2000, 50))
    assert etag_of(Response(Code.CONTENT, b"x", etag=b"mine")) == b"mine"


def test_what_the_client_holds_is_not_sent() -> None:
    """Its freshness is."""
    held = as_held(Response(Code.CONTENT, b"x", 50, b"\x01", 60))
    assert held == Response(Code.VALID, etag=b"\x01", max_age_s=60)


def test_no_response_names_classes() -> None:
    """RFC 7967 2.1: 2, 8 and 16."""
    assert is_suppressed(Code.CHANGED, 2)
    assert not is_suppressed(Code.NOT_FOUND, 2)
    assert is_suppressed(Code.NOT_FOUND, 8)
    assert is_suppressed(Code.SERVICE_UNAVAILABLE, 16)
    assert not is_suppressed(Code.CHANGED, 0)
    assert all(is_suppressed(code, 26) for code in (0x44, 0x84, 0xA0))
