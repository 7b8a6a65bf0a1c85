"""Layout: which block goes out, and what is kept for the next ones."""

from tests.wire.coap.support import request_message

from weft.wire.coap.block import Block
from weft.wire.coap.codes import ACK, Code
from weft.wire.coap.decode import decode
from weft.wire.coap.layout import Layout
from weft.wire.coap.limits import Limits
from weft.wire.coap.message import Message
from weft.wire.coap.options import Option, encode_uint
from weft.wire.coap.peers import Exchange, Peer
from weft.wire.coap.requests import Request, read_request
from weft.wire.coap.responses import Response

LONG = Response(Code.CONTENT, b"x" * 2500, 50)


def request(*, is_proven: bool = True) -> Request:
    peer = Peer("a", 0, 0.0, is_proven=is_proven)
    return read_request(request_message("t", Code.GET, 1), Exchange(peer, 1, 0, 0.0, 20), 64)


def test_what_fits_goes_out_as_it_is() -> None:
    """No Block2, no ETag, nothing kept."""
    layout = Layout(Limits(), None)
    options, payload = layout.slice(request(), Response(Code.CONTENT, b"21", 0), None, 0.0)
    assert (options, payload) == ([(Option.CONTENT_FORMAT, b"")], b"21")
    assert len(layout.downloads.bodies) == 0


def test_of_a_long_body_the_first_block_goes_out_and_the_rest_is_kept() -> None:
    """With its ETag and its whole size; kept once for all its blocks."""
    layout = Layout(Limits(), None)
    asked = request()
    options, payload = layout.slice(asked, LONG, None, 0.0)
    assert payload == b"x" * 1024
    assert dict(options)[Option.BLOCK2] == Block(0, True, 6).encode()
    assert dict(options)[Option.SIZE2] == encode_uint(2500)
    assert Option.ETAG in dict(options)
    last, rest = layout.slice(asked, LONG, Block(2, False, 6), 0.0)
    assert (len(rest), dict(last)[Option.ETAG]) == (452, dict(options)[Option.ETAG])
    assert len(layout.downloads.bodies) == 1


def test_co_2_nothing_is_kept_for_a_stranger() -> None:
    """Its address may be made up."""
    layout = Layout(Limits(), None)
    layout.slice(request(is_proven=False), LONG, None, 0.0)
    assert len(layout.downloads.bodies) == 0


def test_a_datagram_bears_the_token_of_its_request() -> None:
    """And the message id that it is given."""
    data = Layout(Limits(), None).write(
        request_message(token=b"tok"), ACK, 77, (Code.CONTENT, [(12, b"")], b"x")
    )
    assert decode(data) == Message(ACK, Code.CONTENT, 77, b"tok", ((12, b""),), b"x")
