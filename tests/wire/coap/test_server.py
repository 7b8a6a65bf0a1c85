"""The endpoint: strangers are challenged, copies answered, late answers delivered, time kept."""

import tracemalloc

import pytest
from fuzz.fuzz_coap import HELD_BYTES, Coap, load_corpus
from fuzz.harness import run
from tests.wire.coap.support import (
    ALICE,
    DONE,
    SECRET,
    Bench,
    option,
    path_options,
    request_message,
)

from weft.wire.coap.codes import ACK, CON, NON, RST, Code
from weft.wire.coap.decode import decode
from weft.wire.coap.encode import empty_ack, encode
from weft.wire.coap.exchanges import ENTRY_BYTES
from weft.wire.coap.limits import Limits
from weft.wire.coap.message import Message
from weft.wire.coap.options import Option
from weft.wire.coap.responses import Response
from weft.wire.coap.server import ServerEndpoint


def test_a_confirmable_request_is_answered_in_its_acknowledgement() -> None:
    """Piggybacked, with its message id and token (RFC 7252 5.2.1)."""
    bench = Bench()
    request = bench.require(request_message("t", Code.GET, 7, token=b"tok"))
    answer = bench.respond(request, Response(Code.CONTENT, b"21", 0))
    assert answer == Message(ACK, Code.CONTENT, 7, b"tok", ((12, b""),), b"21")


def test_a_non_confirmable_request_is_answered_in_kind() -> None:
    """With a message id of ours (RFC 7252 5.2.3)."""
    bench = Bench()
    answer = bench.ask(request_message("t", Code.GET, 7, kind=NON))
    assert (answer.type, answer.token, answer.code) == (NON, b"\x01", Code.CHANGED)
    assert answer.message_id == 0x8000


def test_a_copy_gets_the_same_answer_and_no_handler_sees_it() -> None:
    """RFC 7252 4.5."""
    bench = Bench()
    message = request_message("t", Code.POST, 7)
    answer = bench.ask(message)
    assert bench.receive(message) is None
    assert bench.sent() == answer
    silent = request_message("t", Code.POST, 8, kind=NON)
    bench.ask(silent)
    assert bench.receive(silent) is None
    assert bench.all_sent() == []


def test_a_copy_that_comes_before_the_answer_waits_for_it() -> None:
    """The handler has the first; the second is not a second order."""
    bench = Bench()
    message = request_message("t", Code.POST, 7)
    request = bench.require(message)
    assert bench.receive(message) is None
    assert bench.all_sent() == []
    assert bench.respond(request).code == Code.CHANGED


def test_a_second_answer_is_a_bug_of_ours() -> None:
    """Told where it happens."""
    bench = Bench()
    request = bench.require(request_message())
    bench.respond(request)
    with pytest.raises(RuntimeError, match="answered already"):
        bench.endpoint.respond(request, DONE, bench.now)


def test_an_answer_that_takes_longer_comes_separately() -> None:
    """The empty ACK first, then a confirmable response until the client has it (5.2.2)."""
    bench = Bench()
    message = request_message("t", Code.POST, 7)
    request = bench.require(message)
    assert bench.endpoint.next_timeout() == bench.now + 0.5
    assert bench.pass_time(0.6) == [Message(ACK, Code.EMPTY, 7)]
    assert bench.receive(message) is None
    assert bench.sent() == Message(ACK, Code.EMPTY, 7)
    response = bench.respond(request)
    assert (response.type, response.code, response.token) == (CON, Code.CHANGED, b"\x01")
    assert bench.pass_time(3.0) == [response]
    bench.receive(empty_ack(response.message_id))
    assert [one for _ in range(100) for one in bench.pass_time(1.0)] == []
    assert bench.receive(message) is None
    assert bench.sent() == Message(ACK, Code.EMPTY, 7)


def test_a_ping_is_answered_with_a_reset() -> None:
    """RFC 7252 4.3."""
    bench = Bench()
    assert bench.receive(bytes.fromhex("40001234")) is None
    assert bench.sent() == Message(RST, Code.EMPTY, 0x1234)


def test_what_is_no_message_is_reset_or_ignored() -> None:
    """RFC 7252 4.2, 4.3: a confirmable one is rejected, others are not worth a word."""
    bench = Bench()
    bench.receive(bytes.fromhex("40011234ff"))
    assert bench.sent() == Message(RST, Code.EMPTY, 0x1234)
    for data in ("50011234ff", "60011234ff", "70011234ff", "80011234", "", "40"):
        assert bench.receive(bytes.fromhex(data)) is None
    assert bench.all_sent() == []
    assert bench.endpoint.refused == 7


def test_a_response_that_nobody_asked_for_is_rejected() -> None:
    """Confirmable with a reset, others in silence."""
    bench = Bench()
    bench.receive(Message(CON, Code.CONTENT, 5, b"\x01", (), b"x"))
    assert bench.sent() == Message(RST, Code.EMPTY, 5)
    for kind in (NON, ACK, RST):
        bench.receive(Message(kind, Code.CONTENT, 5, b"\x01", (), b"x"))
    for kind in (ACK, RST):
        bench.receive(Message(kind, Code.GET, 5, b"\x01", (), b"x"))
    assert bench.all_sent() == []


def test_an_unknown_critical_option_is_told_or_ignored() -> None:
    """4.02 to a confirmable request, silence to another (RFC 7252 5.4.1)."""
    bench = Bench()
    answer = bench.ask(request_message("t", Code.GET, 1, (65_001, b"")))
    assert answer.code == Code.BAD_OPTION
    assert b"65001" in answer.payload
    assert bench.receive(request_message("t", Code.GET, 2, (65_001, b""), kind=NON)) is None
    assert bench.all_sent() == []


def test_a_held_representation_is_not_sent_again() -> None:
    """2.03 (RFC 7252 5.10.6.2)."""
    bench = Bench()
    message = request_message("t", Code.GET, 1, (int(Option.ETAG), b"\x01"))
    answer = bench.ask(message, Response(Code.CONTENT, b"long", 0, b"\x01"))
    assert (answer.code, answer.payload, option(answer, Option.ETAG)) == (
        Code.VALID, b"", b"\x01",
    )  # fmt: skip


def test_no_response_leaves_the_acknowledgement() -> None:
    """RFC 7967 2.1: a confirmable request is acknowledged all the same."""
    bench = Bench()
    quiet = (int(Option.NO_RESPONSE), b"\x02")
    assert bench.ask(request_message("t", Code.POST, 1, quiet)) == Message(ACK, Code.EMPTY, 1)
    request = bench.require(request_message("t", Code.POST, 2, quiet, kind=NON))
    bench.endpoint.respond(request, DONE, bench.now)
    assert bench.all_sent() == []
    refused = bench.ask(request_message("t", Code.POST, 3, quiet), Response(Code.FORBIDDEN))
    assert refused.code == Code.FORBIDDEN


def test_too_large_a_payload_is_refused_in_one_datagram_too() -> None:
    """4.13 whether it has other options or not."""
    bench = Bench(Limits(payload_bytes=100))
    assert (
        bench.ask(request_message("t", Code.POST, 1, payload=b"x" * 101)).code
        == Code.REQUEST_ENTITY_TOO_LARGE
    )
    json = (int(Option.CONTENT_FORMAT), b"\x32")
    assert (
        bench.ask(request_message("t", Code.POST, 2, json, payload=b"x" * 101)).code
        == Code.REQUEST_ENTITY_TOO_LARGE
    )


# CO-5: memory.


@pytest.mark.parametrize("challenge_first", [True, False])
def test_co_5_made_up_addresses_cost_a_fixed_amount(challenge_first: bool) -> None:
    """20,000 distinct message ids from as many ports; then silence gives all of it back."""
    limits = Limits(challenge_first=challenge_first, strangers=500, replies=400)
    bench = Bench(limits, is_proven=False)
    for number in range(20_000):
        address = ("192.0.2.66", number)
        bench.ask(request_message("t", Code.POST, number & 0xFFFF), address=address)
    assert bench.endpoint.counts["peers"] == (0 if challenge_first else 500)
    assert bench.endpoint.counts["replies"] <= 400
    assert bench.endpoint.held_bytes <= 400 * 500
    bench.pass_time(4000.0)
    assert sum(bench.endpoint.counts.values()) == 0
    assert bench.endpoint.held_bytes == 0


@pytest.mark.parametrize("challenge_first", [True, False])
def test_co_5_the_memory_itself_is_bounded_and_comes_back(challenge_first: bool) -> None:
    """Measured, not estimated: 8,000 distinct message ids from as many ports."""
    limits = Limits(challenge_first=challenge_first, strangers=500)
    bench = Bench(limits, is_proven=False)
    bench.ask(request_message("t", Code.POST, 1))
    tracemalloc.start()
    try:
        for number in range(8000):
            bench.ask(request_message("t", Code.POST, number), address=("192.0.2.66", number))
        grown, _ = tracemalloc.get_traced_memory()
        bench.pass_time(4000.0)
        left, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert grown < 2_000_000
    assert left < 500_000  # the empty tables


def test_a_short_fuzz_run_finds_nothing() -> None:
    """Mutated datagrams at both ends; the long run is fuzz/fuzz_coap.py."""
    found = run(Coap(), load_corpus(), inputs=4000, seed=3, held_bytes=HELD_BYTES)
    assert found["inputs"] == 4000
    assert 0 < found["refused"] < 4000


def test_co_5_one_device_with_many_messages_stays_within_its_share() -> None:
    """Long answers count by their bytes."""
    bench = Bench(Limits(peer_reply_bytes=50_000))
    for number in range(500):
        message = request_message("t", Code.GET, number)
        bench.ask(message, Response(Code.CONTENT, b"x" * 1000))
    assert bench.endpoint.held_bytes <= 50_000
    assert bench.endpoint.counts["replies"] == 50_000 // (1000 + 6 + ENTRY_BYTES)


def test_a_flood_that_waits_for_answers_is_told_to_wait() -> None:
    """5.03; copies of what waits are not counted again."""
    bench = Bench(Limits(peer_pending=2))
    for number in range(2):
        assert bench.receive(request_message("t", Code.POST, number)) is not None
    assert bench.ask(request_message("t", Code.POST, 2)).code == Code.SERVICE_UNAVAILABLE


def test_nothing_waits_for_the_clock_when_nobody_is_there() -> None:
    """An idle server sleeps."""
    endpoint = ServerEndpoint(secret=SECRET, random=lambda: 0.5)
    assert endpoint.next_timeout() is None
    endpoint.tick(5.0)
    assert endpoint.take_output() == []
    message = Message(CON, Code.GET, 1, b"", path_options("t"))
    request = endpoint.receive_datagram(encode(message), ALICE, 6.0, is_proven=True)
    assert request is not None
    assert endpoint.next_timeout() == 6.5
    endpoint.respond(request, DONE, 6.1)
    assert decode(endpoint.take_output()[0][1]).code == Code.CHANGED
    assert endpoint.next_timeout() == 10.0
