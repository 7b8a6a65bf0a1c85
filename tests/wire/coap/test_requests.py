"""Requests: options by meaning, and what cannot be served is refused with its code."""

import pytest
from tests.wire.coap.support import request_message

from weft.wire.coap.block import Block
from weft.wire.coap.codes import CON, NON, Code
from weft.wire.coap.faults import RequestError
from weft.wire.coap.message import Message
from weft.wire.coap.options import Option
from weft.wire.coap.peers import Exchange, Peer
from weft.wire.coap.requests import Request, read_request, request_key


def read(message: Message) -> Request:
    exchange = Exchange(Peer("a", 0, 0.0, is_proven=True), message.message_id, 0, 0.0, 20)
    return read_request(message, exchange, 64)


def test_a_request_is_read_by_meaning() -> None:
    """All that a handler asks of it."""
    request = read(
        request_message(
            "api/v1/me/telemetry",
            Code.POST,
            1,
            (Option.IF_MATCH, b"\x01"),
            (Option.IF_MATCH, b""),
            (Option.URI_HOST, b"weft.example"),
            (Option.ETAG, b"\x09"),
            (Option.OBSERVE, b""),
            (Option.CONTENT_FORMAT, b"\x32"),
            (Option.URI_QUERY, b"a=1"),
            (Option.URI_QUERY, b"b"),
            (Option.ACCEPT, b""),
            (Option.BLOCK2, b"\x16"),
            (Option.BLOCK1, b"\x0e"),
            payload=b"{}",
        )
    )
    assert request.path == ("api", "v1", "me", "telemetry")
    assert request.query == ("a=1", "b")
    assert (request.content_format, request.accept, request.observe) == (50, 0, 0)
    assert (request.if_match, request.etags) == ([b"\x01", b""], [b"\x09"])
    assert (request.block2, request.block1) == (Block(1, False, 6), Block(0, True, 6))
    assert request.uri_host == "weft.example"
    assert (request.payload, request.address, request.is_confirmable) == (b"{}", "a", True)


def test_what_was_not_said_is_told_from_what_was_zero() -> None:
    """Content-Format 0 is plain text."""
    request = read(request_message("", Code.GET, 1, kind=NON))
    assert request.path == ()
    assert (request.content_format, request.accept, request.observe) == (None, None, None)
    assert (request.block1, request.block2) == (None, None)
    assert (request.etags, request.if_match, request.uri_host) == ([], [], "")
    assert not request.if_none_match
    assert not request.is_confirmable
    held = read(request_message("t", Code.PUT, 1, (Option.IF_NONE_MATCH, b"")))
    assert held.if_none_match


@pytest.mark.parametrize(
    ("options", "answer"),
    [
        ([(9, b"")], Code.BAD_OPTION),
        ([(65_001, b"x")], Code.BAD_OPTION),
        ([(Option.URI_PORT, b"123")], Code.BAD_OPTION),  # too long: as if unknown (5.4.3)
        ([(Option.IF_NONE_MATCH, b"x")], Code.BAD_OPTION),
        ([(Option.URI_HOST, b"")], Code.BAD_OPTION),
        ([(Option.ACCEPT, b"\x00"), (Option.ACCEPT, b"\x32")], Code.BAD_OPTION),  # 5.4.5
        ([(Option.URI_PATH, b"\xff")], Code.BAD_REQUEST),
        ([(Option.URI_QUERY, b"\xc3")], Code.BAD_REQUEST),
        ([(Option.URI_HOST, b"\xff")], Code.BAD_REQUEST),
        ([(Option.URI_PATH, b"..")], Code.BAD_REQUEST),
        ([(Option.URI_PATH, b".")], Code.BAD_REQUEST),
        ([(Option.URI_PATH, b"x" * 256)], Code.BAD_OPTION),
        ([(Option.URI_QUERY, b"x" * 256)], Code.BAD_OPTION),
        ([(Option.BLOCK1, b"\x07")], Code.BAD_REQUEST),
        ([(Option.BLOCK2, b"\x0f")], Code.BAD_REQUEST),
        ([(Option.PROXY_URI, b"coap://x/")], Code.PROXYING_NOT_SUPPORTED),
        ([(Option.PROXY_SCHEME, b"http")], Code.PROXYING_NOT_SUPPORTED),
        ([(Option.URI_PATH, b"x")] * 65, Code.BAD_REQUEST),
    ],
)
def test_a_request_that_cannot_be_served_is_refused(
    options: list[tuple[int, bytes]], answer: Code
) -> None:
    """Each with the code that the RFC names."""
    with pytest.raises(RequestError) as caught:
        read(Message(CON, Code.GET, 1, b"", tuple(options)))
    assert caught.value.answer == answer


def test_an_elective_option_that_is_not_understood_is_ignored() -> None:
    """Unknown, too long, or repeated (RFC 7252 5.4.1, 5.4.3, 5.4.5)."""
    request = read(
        Message(
            CON,
            Code.GET,
            1,
            b"",
            ((Option.OBSERVE, b"\x00" * 4), (12, b"\x32"), (12, b"\x3c"), (65_000, b"x")),
        )
    )
    assert request.observe is None
    assert request.content_format == 50


def test_a_method_that_does_not_exist_is_not_allowed() -> None:
    """RFC 7252 5.8."""
    with pytest.raises(RequestError) as caught:
        read(Message(CON, 0x1F, 1))
    assert caught.value.answer == Code.METHOD_NOT_ALLOWED


def test_blocks_of_one_body_have_one_key() -> None:
    """Request-Tag parts two bodies of the same path (RFC 9175 3.3)."""
    first = request_message("up", Code.PUT, 1, (Option.BLOCK1, b"\x0e"), (Option.SIZE1, b"\x99"))
    second = request_message("up", Code.PUT, 2, (Option.BLOCK1, b"\x16"))
    tagged = request_message("up", Code.PUT, 3, (Option.REQUEST_TAG, b"a"))
    assert request_key(first) == request_key(second)
    assert request_key(first) != request_key(tagged)
    assert request_key(first) != request_key(request_message("up", Code.POST, 1))
