"""Notifications through the endpoint: from registration to every way that it ends."""

import pytest
from tests.wire.coap.support import ALICE, BOB, Bench, option, request_message

from weft.wire.coap.codes import ACK, CON, NON, Code
from weft.wire.coap.encode import empty_ack, reset
from weft.wire.coap.limits import Limits
from weft.wire.coap.message import Message
from weft.wire.coap.observe import Observation
from weft.wire.coap.options import Option, decode_uint
from weft.wire.coap.responses import Response


def register(message_id: int = 1, path: str = "t", token: bytes = b"\x4a") -> Message:
    return request_message(path, Code.GET, message_id, (int(Option.OBSERVE), b""), token=token)


def value(number: int) -> Response:
    return Response(Code.CONTENT, b"%d" % number, 0)


def observed(bench: Bench, message: Message | None = None) -> Observation:
    request = bench.require(message or register())
    observation = bench.endpoint.observe(request, bench.now)
    assert observation is not None
    answer = bench.respond(request, value(0))
    assert answer.type == ACK
    assert option(answer, Option.OBSERVE) is not None
    return observation


def notified(bench: Bench, observation: Observation, number: int, **how: bool) -> Message:
    assert bench.endpoint.notify(observation, value(number), bench.now, **how)
    return bench.sent()


def test_notifications_carry_the_token_and_rising_numbers() -> None:
    """RFC 7641 3.4: the later one is told from the earlier."""
    bench = Bench()
    observation = observed(bench)
    seen = [notified(bench, observation, number) for number in range(1, 6)]
    numbers = [decode_uint(option(one, Option.OBSERVE) or b"") for one in seen]
    assert numbers == sorted(set(numbers))
    assert {(one.type, one.token, one.code) for one in seen} == {(NON, b"\x4a", Code.CONTENT)}
    assert len({one.message_id for one in seen}) == 5


def test_numbers_wrap_at_24_bits() -> None:
    """RFC 7641 4.4."""
    bench = Bench()
    observation = observed(bench)
    observation.sequence = (1 << 24) - 1
    assert option(notified(bench, observation, 1), Option.OBSERVE) == b""


def test_every_nth_notification_asks_whether_the_client_is_there() -> None:
    """And the first behind a long time (RFC 7641 4.5)."""
    bench = Bench(Limits(confirm_every=4, confirm_after_s=300.0))
    observation = observed(bench)
    kinds = []
    for number in range(8):
        message = notified(bench, observation, number)
        kinds.append(message.type)
        if message.type == CON:
            bench.receive(empty_ack(message.message_id))
    assert kinds == [NON, NON, NON, CON, NON, NON, NON, CON]
    bench.now += 301.0
    assert notified(bench, observation, 9).type == CON


def test_only_the_latest_waits_behind_one_in_flight() -> None:
    """A slow client is not flooded; it ends with the last value (RFC 7641 4.5.2)."""
    bench = Bench()
    observation = observed(bench)
    first = notified(bench, observation, 1, confirm=True)
    for number in (2, 3, 4):
        assert not bench.endpoint.notify(observation, value(number), bench.now)
    assert bench.all_sent() == []
    bench.receive(empty_ack(first.message_id))
    assert bench.sent().payload == b"4"
    assert bench.endpoint.take_confirmed() == []


def test_a_confirmed_notification_is_told() -> None:
    """So that a command counts as delivered when the device has it."""
    bench = Bench()
    observation = observed(bench)
    message = notified(bench, observation, 1, confirm=True)
    assert message.type == CON
    bench.receive(empty_ack(message.message_id))
    assert bench.endpoint.take_confirmed() == [observation]
    assert bench.endpoint.take_confirmed() == []


def test_a_repeated_notification_carries_the_latest_value() -> None:
    """The old one is of no use any more (RFC 7641 4.5.2)."""
    bench = Bench()
    observation = observed(bench)
    first = notified(bench, observation, 1, confirm=True)
    bench.endpoint.notify(observation, value(2), bench.now)
    (again,) = bench.pass_time(3.0)
    assert (again.type, again.payload) == (CON, b"2")
    assert again.message_id != first.message_id


def test_co_6_a_client_that_does_not_answer_is_dropped() -> None:
    """Behind the last try."""
    bench = Bench()
    observation = observed(bench)
    notified(bench, observation, 1, confirm=True)
    repeats = [one for _ in range(200) for one in bench.pass_time(1.0)]
    assert len(repeats) == 4
    assert bench.endpoint.take_ended() == [observation]
    assert not bench.endpoint.notify(observation, value(2), bench.now)
    assert bench.endpoint.counts["observations"] == 0


@pytest.mark.parametrize("confirm", [False, True])
def test_co_6_a_reset_ends_the_observation(confirm: bool) -> None:
    """The client has forgotten it (RFC 7641 3.6)."""
    bench = Bench()
    observation = observed(bench)
    message = notified(bench, observation, 1, confirm=confirm)
    bench.receive(reset(message.message_id))
    assert bench.endpoint.take_ended() == [observation]
    assert bench.endpoint.counts["outgoing"] == 0


def test_the_client_may_deregister() -> None:
    """GET with Observe 1 is answered as a plain one."""
    bench = Bench()
    observation = observed(bench)
    message = request_message("t", Code.GET, 2, (int(Option.OBSERVE), b"\x01"), token=b"\x4a")
    answer = bench.ask(message, value(1))
    assert option(answer, Option.OBSERVE) is None
    assert bench.endpoint.take_ended() == [observation]


def test_renewing_keeps_the_observation_and_another_path_replaces_it() -> None:
    """The token names it (RFC 7641 4.1)."""
    bench = Bench()
    observation = observed(bench)
    assert observed(bench, register(2)) is observation
    assert bench.endpoint.take_ended() == []
    assert observed(bench, register(3, path="other")) is not observation
    assert bench.endpoint.take_ended() == [observation]
    assert bench.endpoint.counts["observations"] == 1


def test_an_error_ends_the_observation() -> None:
    """In a notification and in the answer to the registration (RFC 7641 4.1, 4.2)."""
    bench = Bench()
    observation = observed(bench)
    bench.endpoint.notify(observation, Response(Code.FORBIDDEN), bench.now)
    message = bench.sent()
    assert (message.type, message.code) == (CON, Code.FORBIDDEN)
    assert option(message, Option.OBSERVE) is None
    assert bench.endpoint.take_ended() == [observation]

    request = bench.require(register(5))
    second = bench.endpoint.observe(request, bench.now)
    answer = bench.respond(request, Response(Code.NOT_FOUND))
    assert option(answer, Option.OBSERVE) is None
    assert bench.endpoint.take_ended() == [second]


def test_co_6_registrations_are_capped_for_one_and_for_all() -> None:
    """Beyond the cap the answer has no Observe: the client has to ask again."""
    bench = Bench(Limits(peer_observations=2, observations=3))
    observed(bench, register(1, token=b"1"))
    observed(bench, register(2, token=b"2"))
    request = bench.require(register(3, token=b"3"))
    assert bench.endpoint.observe(request, bench.now) is None
    assert option(bench.respond(request, value(1)), Option.OBSERVE) is None
    request = bench.require(register(1), BOB)
    assert bench.endpoint.observe(request, bench.now) is not None
    bench.respond(request, value(1))
    request = bench.require(register(1), ("192.0.2.3", 1))
    assert bench.endpoint.observe(request, bench.now) is None


def test_co_6_a_revoked_device_observes_nothing() -> None:
    """No notification behind `forget`, not even one that was under way."""
    bench = Bench()
    observation = observed(bench)
    notified(bench, observation, 1, confirm=True)
    bench.endpoint.forget(ALICE)
    assert bench.endpoint.take_ended() == [observation]
    assert not bench.endpoint.notify(observation, value(2), bench.now)
    assert [one for _ in range(100) for one in bench.pass_time(1.0)] == []


def test_the_server_may_cancel() -> None:
    """Without a word."""
    bench = Bench()
    observation = observed(bench)
    bench.endpoint.cancel(observation)
    bench.endpoint.cancel(observation)
    assert bench.all_sent() == []
    assert bench.endpoint.take_ended() == [observation]


def test_a_long_notification_begins_and_the_client_fetches_the_rest() -> None:
    """RFC 7959 3.4: the blocks are of the notified value although it changes."""
    bench = Bench()
    observation = observed(bench)
    long = b"abcdefgh" * 300
    bench.endpoint.notify(observation, Response(Code.CONTENT, long), bench.now)
    first = bench.sent()
    rest = [
        bench.ask(request_message("t", Code.GET, 10 + n, (int(Option.BLOCK2), bytes([n << 4 | 6]))))
        for n in (1, 2)
    ]
    assert first.payload + rest[0].payload + rest[1].payload == long
    assert option(rest[1], Option.ETAG) == option(first, Option.ETAG)


def test_only_reading_is_observed() -> None:
    """RFC 7641 2, RFC 8132 2.4: GET and FETCH."""
    bench = Bench()
    request = bench.require(request_message("t", Code.POST, 1, (int(Option.OBSERVE), b"")))
    assert bench.endpoint.observe(request, bench.now) is None


@pytest.mark.parametrize("how", ["deregister", "cancel"])
def test_nothing_is_repeated_for_an_observation_that_is_over(how: str) -> None:
    """A confirmable one that was in flight is not sent again."""
    bench = Bench()
    observation = observed(bench)
    first = notified(bench, observation, 1, confirm=True)
    if how == "cancel":
        bench.endpoint.cancel(observation)
    else:
        gone = (int(Option.OBSERVE), b"\x01")
        bench.ask(request_message("t", Code.GET, 9, gone, token=b"\x4a"), value(1))
    assert [one for _ in range(100) for one in bench.pass_time(1.0)] == []
    assert bench.endpoint.counts["outgoing"] == 0
    bench.receive(empty_ack(first.message_id))
    assert bench.endpoint.take_confirmed() == []


def test_an_error_is_delivered_although_the_observation_is_over() -> None:
    """A revoked observer must learn of it, so it is repeated until it is acknowledged."""
    bench = Bench()
    observation = observed(bench)
    bench.endpoint.notify(observation, Response(Code.FORBIDDEN), bench.now)
    first = bench.sent()
    assert bench.pass_time(3.0) == [first]
    bench.receive(empty_ack(first.message_id))
    assert [one for _ in range(100) for one in bench.pass_time(1.0)] == []


def test_an_error_that_waits_behind_one_in_flight_ends_the_observation() -> None:
    """Also where it goes out as the repeated message."""
    bench = Bench()
    observation = observed(bench)
    notified(bench, observation, 1, confirm=True)
    bench.endpoint.notify(observation, Response(Code.FORBIDDEN), bench.now)
    (again,) = bench.pass_time(3.0)
    assert (again.type, again.code) == (CON, Code.FORBIDDEN)
    assert bench.endpoint.take_ended() == [observation]
    assert bench.pass_time(6.0) == [again]


def test_co_6_a_large_request_is_not_kept_to_be_observed() -> None:
    """Thirty of them for each peer would be a store of the client's choice."""
    bench = Bench()
    observe = (int(Option.OBSERVE), b"")
    message = request_message("t", Code.FETCH, 1, observe, payload=b"x" * 1100)
    assert bench.endpoint.observe(bench.require(message), bench.now) is None
    small = request_message("t", Code.FETCH, 2, observe, payload=b"x" * 900)
    assert bench.endpoint.observe(bench.require(small), bench.now) is not None


def test_who_begins_anew_is_not_told_of_the_end_that_it_has_missed() -> None:
    """An error waits behind a notification under way; the client has registered again since."""
    bench = Bench()
    observation = observed(bench)
    first = notified(bench, observation, 1, confirm=True)
    gone = Response(Code.UNAUTHORIZED)
    assert not bench.endpoint.notify(observation, gone, bench.now, confirm=True)
    assert observed(bench, register(2)) is observation
    bench.receive(empty_ack(first.message_id))
    assert not observation.is_ended
    assert notified(bench, observation, 2).code == Code.CONTENT


def test_a_value_that_waits_is_told_to_who_registers_again() -> None:
    """Only an end is dropped: a call that waits would be lost."""
    bench = Bench()
    observation = observed(bench)
    first = notified(bench, observation, 1, confirm=True)
    assert not bench.endpoint.notify(observation, value(2), bench.now, confirm=True)
    assert observed(bench, register(2)) is observation
    bench.receive(empty_ack(first.message_id))
    assert bench.sent().payload == b"2"
