"""Downloads: the blocks of one body are of one body."""

from tests.wire.coap.support import ALICE, Bench, option, request_message

from weft.wire.coap.block import Block
from weft.wire.coap.codes import Code
from weft.wire.coap.limits import Limits
from weft.wire.coap.message import Message
from weft.wire.coap.options import Option, decode_uint
from weft.wire.coap.responses import Response

LONG = bytes(range(256)) * 10


def ask_for(
    number: int, message_id: int, exponent: int = 6, path: str = "big", code: int = Code.GET
) -> Message:
    block = Block(number, False, exponent)
    return request_message(path, code, message_id, (int(Option.BLOCK2), block.encode()))


def test_a_long_answer_goes_out_in_blocks_of_one_body() -> None:
    """The value changes meanwhile; the client gets what it began with, and no handler is asked."""
    bench = Bench()
    first = bench.ask(request_message("big", Code.GET, 1), Response(Code.CONTENT, LONG, 42))
    assert option(first, Option.BLOCK2) == Block(0, True, 6).encode()
    assert decode_uint(option(first, Option.SIZE2) or b"") == len(LONG)
    parts = [first.payload]
    for number in (1, 2):
        answer = bench.ask(ask_for(number, number + 1), Response(Code.CONTENT, b"changed" * 400))
        assert option(answer, Option.ETAG) == option(first, Option.ETAG)
        parts.append(answer.payload)
    assert b"".join(parts) == LONG


def test_without_what_was_kept_the_handler_is_asked_for_the_block() -> None:
    """And the ETag tells whether it is still the same body."""
    bench = Bench()
    response = Response(Code.CONTENT, LONG, 42)
    first = bench.ask(request_message("big", Code.GET, 1), response)
    bench.pass_time(61.0)
    assert bench.endpoint.counts["downloads"] == 0
    answer = bench.respond(bench.require(ask_for(1, 2)), response)
    assert answer.payload == LONG[1024:2048]
    assert option(answer, Option.ETAG) == option(first, Option.ETAG)


def test_a_later_block_of_what_is_not_safe_to_repeat_is_refused() -> None:
    """Asking for block 1 of a lost answer must not do it again."""
    bench = Bench()
    answer = bench.ask(ask_for(1, 1, code=Code.POST))
    assert answer.code == Code.REQUEST_ENTITY_INCOMPLETE


def test_a_client_may_ask_for_small_blocks() -> None:
    """From the first one on."""
    bench = Bench()
    answer = bench.ask(ask_for(0, 1, exponent=2), Response(Code.CONTENT, LONG))
    assert len(answer.payload) == 64
    assert option(answer, Option.BLOCK2) == Block(0, True, 2).encode()
    short = bench.ask(ask_for(0, 2, exponent=2, path="s"), Response(Code.CONTENT, b"x"))
    assert option(short, Option.BLOCK2) == Block(0, False, 2).encode()
    assert bench.ask(ask_for(999, 3, exponent=2)).code == Code.BAD_REQUEST


def test_co_5_what_is_kept_is_capped_for_one_and_for_all() -> None:
    """The oldest goes; a body beyond the budget is not kept at all."""
    bench = Bench(Limits(peer_download_bytes=8000, download_bytes=20_000))
    for number in range(10):
        message = request_message(f"r{number}", Code.GET, number)
        bench.ask(message, Response(Code.CONTENT, LONG))
    assert bench.endpoint.counts["downloads"] == 2
    bench.ask(request_message("huge", Code.GET, 99), Response(Code.CONTENT, b"x" * 9000))
    assert bench.endpoint.counts["downloads"] == 2
    for port in range(20):
        message = request_message("r", Code.GET, 1)
        bench.ask(message, Response(Code.CONTENT, LONG), ("192.0.2.7", port))
    assert bench.endpoint.counts["downloads"] == 20_000 // (len(LONG) + 1024)
    bench.endpoint.forget(ALICE)
    bench.pass_time(61.0)
    assert bench.endpoint.counts["downloads"] == 0


def test_co_5_a_network_has_a_share_of_what_is_kept() -> None:
    """Beyond it, nothing is kept for its peers, and those elsewhere lose nothing."""
    bench = Bench(Limits(download_bytes=16_000), network_of=lambda one: one[0])
    response = Response(Code.CONTENT, LONG, 42)
    asked = request_message("big", Code.GET, 1)
    for address in (("192.0.2.7", 1), ("2001:db8::/64", 1), ("2001:db8::/64", 2)):
        bench.ask(asked, response, address=address)
    assert bench.endpoint.counts["downloads"] == 2
