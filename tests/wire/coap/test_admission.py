"""Strangers: challenged, cheap, and never worth an attacker's datagram (CO-2)."""

import pytest
from tests.wire.coap.support import Bench, option, request_message

from weft.wire.coap.codes import ACK, CON, NON, Code
from weft.wire.coap.echo import Echo
from weft.wire.coap.encode import encode
from weft.wire.coap.limits import Limits
from weft.wire.coap.options import Option
from weft.wire.coap.responses import Response


def test_co_2_a_stranger_is_challenged_and_nothing_is_kept_of_it() -> None:
    """Then the Echo value proves its address, and the request is served."""
    bench = Bench(is_proven=False)
    message = request_message("t", Code.POST, 1)
    assert bench.receive(message) is None
    challenge = bench.sent()
    assert (challenge.type, challenge.code, challenge.message_id) == (ACK, Code.UNAUTHORIZED, 1)
    assert sum(bench.endpoint.counts.values()) == 0
    echo = option(challenge, Option.ECHO)
    assert echo is not None
    again = request_message("t", Code.POST, 2, (int(Option.ECHO), echo))
    assert bench.ask(again).code == Code.CHANGED
    assert bench.ask(request_message("t", Code.POST, 3)).code == Code.CHANGED


def test_co_2_a_copy_of_what_was_challenged_is_not_served_behind_the_proof() -> None:
    """The client has asked again with Echo; its first message comes late, and is not done too."""
    bench = Bench(is_proven=False)
    first = request_message("t", Code.POST, 1)
    bench.receive(first)
    echo = option(bench.sent(), Option.ECHO) or b""
    bench.ask(request_message("t", Code.POST, 2, (int(Option.ECHO), echo)))
    assert bench.receive(first) is None
    assert bench.sent().code == Code.UNAUTHORIZED
    bench.now += 300.0
    assert bench.ask(first).code == Code.CHANGED


def test_co_2_a_value_from_another_address_proves_nothing() -> None:
    """Who sees only its own challenge cannot speak for a victim."""
    bench = Bench(is_proven=False)
    bench.receive(request_message("t", Code.POST, 1), ("198.51.100.7", 1))
    echo = option(bench.sent(), Option.ECHO) or b""
    assert bench.receive(request_message("t", Code.POST, 2, (int(Option.ECHO), echo))) is None
    assert bench.sent().code == Code.UNAUTHORIZED


@pytest.mark.parametrize("challenge_first", [True, False])
@pytest.mark.parametrize("token", [b"", b"1", b"12345678"])
@pytest.mark.parametrize("path", ["", "t", "api/v1/me/telemetry"])
@pytest.mark.parametrize("kind", [CON, NON])
def test_co_2_never_more_than_three_times_before_proof(
    challenge_first: bool, token: bytes, path: str, kind: int
) -> None:
    """Whatever is asked for, however long the answer is."""
    bench = Bench(Limits(challenge_first=challenge_first), is_proven=False)
    for message_id, options in enumerate(([], [(int(Option.OBSERVE), b"")], [(65_001, b"")])):
        message = request_message(path, Code.GET, message_id, *options, token=token, kind=kind)
        data = encode(message)
        request = bench.receive(data)
        if request is not None:
            assert not challenge_first
            bench.endpoint.respond(request, Response(Code.CONTENT, b"x" * 900), bench.now)
        assert sum(len(out) for _, out in bench.endpoint.take_output()) <= 3 * len(data)


def test_co_2_a_telemetry_message_of_a_stranger_earns_less_than_it_cost() -> None:
    """Bytes out by bytes in is at most one for what devices send."""
    bench = Bench(is_proven=False)
    data = encode(
        request_message("api/v1/me/telemetry", Code.POST, 1, payload=b'{"temperature": 21.4}')
    )
    bench.receive(data)
    assert sum(len(out) for _, out in bench.endpoint.take_output()) <= len(data)


def test_co_2_where_strangers_are_served_what_keeps_state_is_not() -> None:
    """Small requests are; blocks and observations wait for the proof."""
    bench = Bench(Limits(challenge_first=False), is_proven=False)
    assert bench.ask(request_message("t", Code.POST, 1)).code == Code.CHANGED
    block = request_message("t", Code.PUT, 2, (int(Option.BLOCK1), b"\x08"), payload=b"x" * 16)
    assert bench.ask(block).code == Code.UNAUTHORIZED
    watch = request_message("t", Code.GET, 3, (int(Option.OBSERVE), b""))
    assert option(bench.ask(watch), Option.ECHO) is not None
    whole = request_message("t", Code.PUT, 4, (int(Option.BLOCK1), b"\x06"), payload=b"x" * 16)
    assert bench.ask(whole).code == Code.CHANGED


def test_co_2_a_separate_answer_to_a_stranger_is_not_repeated() -> None:
    """Five confirmable tries would be five times the bytes."""
    bench = Bench(Limits(challenge_first=False), is_proven=False)
    request = bench.require(request_message("t", Code.POST, 1))
    bench.pass_time(1.0)
    assert bench.respond(request).type == NON
    assert [one for _ in range(100) for one in bench.pass_time(1.0)] == []
    request = bench.require(request_message("t", Code.POST, 2))
    bench.pass_time(1.0)
    bench.endpoint.respond(request, Response(Code.CONTENT, b"x" * 500), bench.now)
    assert bench.all_sent() == []


def test_co_2_an_association_is_proven_by_construction() -> None:
    """DTLS has verified its cookie."""
    bench = Bench(is_proven=True)
    assert bench.ask(request_message("t", Code.POST, 1)).code == Code.CHANGED


def test_co_2_a_datagram_full_of_echo_values_costs_one_check(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each check is two digests; a thousand of them would be a cheap way to keep us busy."""
    checks = []

    def counted(self: Echo, value: bytes, address: object, now: float) -> bool:
        checks.append(value)
        return False

    monkeypatch.setattr(Echo, "is_fresh", counted)
    bench = Bench(is_proven=False)
    bench.receive(request_message("t", Code.POST, 1, *[(int(Option.ECHO), b"12345678")] * 1000))
    assert len(checks) == 1
