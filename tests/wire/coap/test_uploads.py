"""Uploads: blocks become one request, within a budget."""

from tests.wire.coap.support import ALICE, BOB, Bench, option, request_message

from weft.wire.coap.block import Block
from weft.wire.coap.codes import Code
from weft.wire.coap.limits import Limits
from weft.wire.coap.message import Message
from weft.wire.coap.options import Option, decode_uint


def block_of(
    number: int, more: bool, payload: bytes, exponent: int = 2, tag: bytes | None = None
) -> Message:
    options: list[tuple[int, bytes]] = [
        (int(Option.BLOCK1), Block(number, more, exponent).encode())
    ]
    if tag is not None:
        options.append((int(Option.REQUEST_TAG), tag))
    block_of.message_id += 1  # type: ignore[attr-defined]
    return request_message(
        "up",
        Code.PUT,
        block_of.message_id & 0xFFFF,
        *options,
        payload=payload,  # type: ignore[attr-defined]
    )


block_of.message_id = 0  # type: ignore[attr-defined]


def test_blocks_are_put_together() -> None:
    """Each but the last is answered with 2.31; a handler sees one request."""
    bench = Bench()
    for number in range(3):
        answer = bench.ask(block_of(number, True, bytes([number]) * 64))
        assert answer.code == Code.CONTINUE
        assert option(answer, Option.BLOCK1) == Block(number, True, 2).encode()
    request = bench.require(block_of(3, False, b"end"))
    assert request.payload == b"\x00" * 64 + b"\x01" * 64 + b"\x02" * 64 + b"end"
    answer = bench.respond(request)
    assert answer.code == Code.CHANGED
    assert option(answer, Option.BLOCK1) == Block(3, False, 2).encode()
    assert bench.endpoint.counts["uploads"] == 0


def test_a_smaller_size_is_asked_for_and_taken_up() -> None:
    """RFC 7959 2.3: the first block counts, then numbers are of the smaller size."""
    bench = Bench(Limits(block_bytes=64))
    answer = bench.ask(block_of(0, True, b"a" * 128, exponent=3))
    assert option(answer, Option.BLOCK1) == Block(0, True, 2).encode()
    request = bench.require(block_of(2, False, b"b" * 10, exponent=2))
    assert request.payload == b"a" * 128 + b"b" * 10


def test_a_block_that_does_not_follow_ends_the_body() -> None:
    """4.08, and the first block begins anew (RFC 7959 2.9.2)."""
    bench = Bench()
    bench.ask(block_of(0, True, b"a" * 64))
    assert bench.ask(block_of(2, True, b"c" * 64)).code == Code.REQUEST_ENTITY_INCOMPLETE
    assert bench.ask(block_of(1, True, b"b" * 64)).code == Code.REQUEST_ENTITY_INCOMPLETE
    assert bench.ask(block_of(0, True, b"a" * 64)).code == Code.CONTINUE


def test_a_block_is_as_long_as_it_says() -> None:
    """Only the last may be shorter."""
    assert Bench().ask(block_of(0, True, b"a" * 63)).code == Code.BAD_REQUEST


def test_request_tags_keep_bodies_apart() -> None:
    """Two uploads to one path, mixed (RFC 9175 3.3)."""
    bench = Bench()
    bench.ask(block_of(0, True, b"a" * 64, tag=b"1"))
    bench.ask(block_of(0, True, b"b" * 64, tag=b"2"))
    assert bench.require(block_of(1, False, b"A", tag=b"1")).payload == b"a" * 64 + b"A"
    assert bench.require(block_of(1, False, b"B", tag=b"2")).payload == b"b" * 64 + b"B"


def test_co_5_a_body_is_refused_where_it_grows_too_large() -> None:
    """4.13 with the size that fits; 20,000 blocks that never finish stop there."""
    bench = Bench(Limits(payload_bytes=10_000))
    answers = [bench.ask(block_of(number, True, b"x" * 64)).code for number in range(160)]
    assert answers.index(Code.REQUEST_ENTITY_TOO_LARGE) == 10_000 // 64
    assert bench.endpoint.counts["uploads"] == 0


def test_co_5_a_body_that_says_its_size_is_refused_at_once() -> None:
    """Size1 (RFC 7959 4)."""
    bench = Bench(Limits(payload_bytes=10_000))
    message = request_message(
        "up", Code.PUT, 1, (Option.BLOCK1, b"\x0a"), (Option.SIZE1, b"\x27\x11"), payload=b"x" * 64
    )
    answer = bench.ask(message)
    assert answer.code == Code.REQUEST_ENTITY_TOO_LARGE
    assert decode_uint(option(answer, Option.SIZE1) or b"") == 10_000


def test_co_5_one_peer_cannot_take_what_all_have() -> None:
    """Bodies never finished: in count its oldest gives way, in bytes it is refused."""
    bench = Bench(Limits(peer_uploads=3, peer_upload_bytes=5000))
    for number in range(2000):
        bench.ask(block_of(0, True, b"x" * 64, tag=number.to_bytes(2, "big")))
    assert bench.endpoint.counts["uploads"] == 3
    codes = [bench.ask(block_of(n, True, b"x" * 1024, 6, b"big")).code for n in range(4)]
    assert Code.REQUEST_ENTITY_TOO_LARGE in codes
    assert bench.ask(block_of(0, True, b"x" * 64), address=BOB).code == Code.CONTINUE


def test_co_5_all_together_are_capped_and_time_gives_it_back() -> None:
    """5.03 says when to come back."""
    bench = Bench(Limits(upload_bytes=20_000))
    codes = [
        bench.ask(block_of(0, True, b"x" * 1024, 6), address=("192.0.2.9", port)).code
        for port in range(30)
    ]
    assert codes.count(Code.CONTINUE) == 9
    assert codes.count(Code.SERVICE_UNAVAILABLE) == 21
    assert bench.endpoint.counts["uploads"] == 9
    bench.pass_time(61.0)
    assert bench.endpoint.counts["uploads"] == 0
    assert bench.ask(block_of(0, True, b"x" * 1024, 6), address=ALICE).code == Code.CONTINUE


def test_the_last_block_may_come_again_under_another_message_id() -> None:
    """A client that did not see our 2.31 goes on where it was."""
    bench = Bench()
    bench.ask(block_of(0, True, b"a" * 64))
    bench.ask(block_of(1, True, b"b" * 64))
    assert bench.ask(block_of(1, True, b"b" * 64)).code == Code.CONTINUE
    assert bench.require(block_of(2, False, b"c")).payload == b"a" * 64 + b"b" * 64 + b"c"
    bench.ask(block_of(0, True, b"a" * 64))
    bench.ask(block_of(1, True, b"b" * 64))
    assert bench.ask(block_of(1, True, b"x" * 64)).code == Code.REQUEST_ENTITY_INCOMPLETE


def test_co_5_a_body_put_together_counts_while_a_handler_has_it() -> None:
    """Otherwise whole bodies would wait for answers without a bound."""
    bench = Bench(Limits(pending_bytes=4000))
    for _ in range(2):
        bench.ask(block_of(0, True, b"x" * 1024, 6))
        bench.require(block_of(1, False, b"x" * 1000, 6))
    assert bench.ask(block_of(0, True, b"x" * 1024, 6)).code == Code.SERVICE_UNAVAILABLE


def test_co_5_a_long_path_counts() -> None:
    """The key of a body is memory too."""
    bench = Bench(Limits(peer_upload_bytes=10_000))
    path = "/".join("p" * 200 for _ in range(40))
    message = request_message(path, Code.PUT, 1, (Option.BLOCK1, b"\x08"), payload=b"x" * 16)
    assert bench.ask(message).code == Code.REQUEST_ENTITY_TOO_LARGE


def test_co_5_a_network_holds_a_share_of_all_bodies() -> None:
    """Whoever has a /64 has a budget for each address, and takes it from nobody elsewhere."""
    bench = Bench(Limits(upload_bytes=24_000, network_share=0.25), network_of=lambda one: one[0])
    answers = [
        bench.ask(block_of(0, True, b"a" * 1024, exponent=6), address=("2001:db8::/64", port)).code
        for port in range(4)
    ]
    assert answers == [Code.CONTINUE] * 2 + [Code.SERVICE_UNAVAILABLE] * 2
    elsewhere = bench.ask(block_of(0, True, b"a" * 1024, exponent=6), address=("192.0.2.7", 1))
    assert elsewhere.code == Code.CONTINUE
    bench.endpoint.forget(("2001:db8::/64", 0))
    again = bench.ask(block_of(0, True, b"a" * 1024, exponent=6), address=("2001:db8::/64", 9))
    assert again.code == Code.CONTINUE
