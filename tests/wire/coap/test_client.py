"""The client against the server, over a network that loses, doubles and reorders."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.wire.coap.network import Network
from tests.wire.coap.support import ALICE, BOB

from weft.wire.coap.client import Answer, Ask, ClientEndpoint, Lost
from weft.wire.coap.codes import ACK, CON, NON, RST, Code
from weft.wire.coap.decode import decode
from weft.wire.coap.encode import encode, reset
from weft.wire.coap.limits import Limits
from weft.wire.coap.message import Message
from weft.wire.coap.options import Option
from weft.wire.coap.responses import Response

ASKS = st.builds(
    lambda code, size, block, confirmable: Ask(
        code,
        ("api", "t"),
        (),
        b"" if code == Code.GET else bytes(n % 251 for n in range(size)),
        confirmable=confirmable,
        block_bytes=block,
    ),
    st.sampled_from([Code.GET, Code.PUT, Code.POST, Code.FETCH]),
    st.sampled_from([0, 1, 64, 65, 300, 1024, 1025, 2500]),
    st.sampled_from([64, 256, 1024]),
    st.booleans(),
)


def check(network: Network, asked: dict[tuple[object, int], Ask]) -> None:
    """What holds whatever the network did."""
    assert set(network.seen.values()) <= {1}, "a handler saw a message twice"
    assert len(network.handled) == len(network.seen)
    if not network.loss:
        for code in (Code.PUT, Code.POST):
            done = sum(request.code == code for request in network.handled)
            assert done == sum(ask.code == code for ask in asked.values()), "done twice"
    whole = {ask.payload for ask in asked.values()}
    assert {request.payload for request in network.handled} <= whole
    for key, answer in network.answers().items():
        ask = asked[key]
        if ask.code == Code.GET:
            assert (answer.code, answer.payload) == (Code.CONTENT, network.body)
        elif ask.code == Code.FETCH:
            assert (answer.code, answer.payload) == (Code.CONTENT, ask.payload[::-1])
        else:
            assert answer.code == Code.CHANGED
            assert any(request.payload == ask.payload for request in network.handled)


@settings(deadline=None)
@given(
    seed=st.integers(0, 2**32),
    loss=st.sampled_from([0.0, 0.1, 0.3]),
    asks=st.lists(ASKS, min_size=1, max_size=5),
    body_bytes=st.sampled_from([0, 10, 1024, 3000]),
)
def test_every_request_is_handled_at_most_once_and_arrives_whole(
    seed: int, loss: float, asks: list[Ask], body_bytes: int
) -> None:
    """Each ends with an answer or with being lost; blocks are put together as they were cut."""
    network = Network(seed, loss=loss)
    network.body = bytes(n % 255 for n in range(body_bytes))
    network.client(ALICE)
    network.client(BOB)
    asked = {}
    for number, ask in enumerate(asks):
        address = ALICE if number % 2 else BOB
        asked[address, network.ask(address, ask)] = ask
        network.run(network.now + 200.0 * (number % 3 == 0))
    network.run(network.now + 2500.0)
    check(network, asked)
    assert all(events for events in network.events.values()), "a request was forgotten"
    assert network.server.counts["pending"] == network.server.counts["outgoing"] == 0
    if not loss:
        assert set(network.answers()) == set(asked)


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 2**32))
def test_an_observer_ends_with_the_last_value(seed: int) -> None:
    """Notifications may be lost or come late; the last confirmable one arrives."""
    network = Network(seed, loss=0.2, limits=Limits(challenge_first=False))
    client = network.client(ALICE)
    call_id = client.request(Ask(Code.GET, ("t",), observe=True), 0.0)
    observation = None
    sequence: list[int] = []
    delivered: list[bytes] = []
    for step in range(400):
        network.now = step * 0.5
        for data in client.take_output():
            if network.random.random() < 0.2:
                continue
            request = network.server.receive_datagram(data, ALICE, network.now, is_proven=True)
            if request is not None:
                observation = network.server.observe(request, network.now) or observation
                network.server.respond(request, Response(Code.CONTENT, b"first"), network.now)
        network.server.tick(network.now)
        if observation is not None and step in (100, 110, 120, 130):
            last = step == 130
            value = Response(Code.CONTENT, b"%d" % step)
            network.server.notify(observation, value, network.now, confirm=last)
        client.tick(network.now)
        for _, data in network.server.take_output():
            if network.random.random() < 0.2:
                continue
            for event in client.receive_datagram(data, network.now):
                if isinstance(event, Answer):
                    assert event.call_id == call_id
                    delivered.append(event.payload)
                    if event.sequence is not None:
                        sequence.append(event.sequence)
    assert sequence == sorted(set(sequence))
    ended = bool(network.server.take_ended())
    assert observation is None or ended or delivered[-1] == b"130"


def pair() -> tuple[Network, ClientEndpoint]:
    network = Network(7, loss=0.0)
    return network, network.client(ALICE)


def test_a_challenge_is_answered_inside() -> None:
    """Nobody who uses the client learns of it."""
    network, _ = pair()
    call_id = network.ask(ALICE, Ask(Code.POST, ("t",), payload=b"x"))
    network.run(50.0)
    assert network.answers()[ALICE, call_id].code == Code.CHANGED
    assert network.server.counts["peers"] == 1


def test_a_silent_server_is_given_up() -> None:
    """Behind the last try, or when the answer behind the ACK does not come."""
    client = ClientEndpoint(random=lambda: 0.0)
    first = client.request(Ask(Code.GET, ("t",)), 0.0)
    assert len(client.take_output()) == 1
    sent = []
    for second in range(1, 60):
        assert client.tick(float(second)) == [], second
        sent += client.take_output()
    assert len(sent) == 4
    assert client.tick(60.0) == [Lost(first, "the server does not answer")]
    assert (client.pending, client.next_timeout()) == (0, None)


def test_a_reset_request_is_lost() -> None:
    """The server could make nothing of it."""
    client = ClientEndpoint(random=lambda: 0.0)
    call_id = client.request(Ask(Code.GET, ("t",)), 0.0)
    message = decode(client.take_output()[0])
    (event,) = client.receive_datagram(reset(message.message_id), 1.0)
    assert isinstance(event, Lost)
    assert event.call_id == call_id
    assert client.next_timeout() is None


def test_what_nobody_asked_for_is_reset() -> None:
    """A notification that was forgotten, and a ping."""
    client = ClientEndpoint(random=lambda: 0.0)
    stray = Message(NON, Code.CONTENT, 9, b"zz", ((int(Option.OBSERVE), b"\x01"),), b"1")
    assert client.receive_datagram(encode(stray), 0.0) == []
    assert client.receive_datagram(bytes.fromhex("40000005"), 0.0) == []
    assert client.receive_datagram(b"noise", 0.0) == []
    assert [decode(data).message_id for data in client.take_output()] == [9, 5]


def test_a_separate_answer_is_acknowledged_each_time_and_told_once() -> None:
    """RFC 7252 5.2.2."""
    client = ClientEndpoint(random=lambda: 0.0)
    client.request(Ask(Code.GET, ("t",)), 0.0)
    message = decode(client.take_output()[0])
    assert client.receive_datagram(encode(Message(ACK, 0, message.message_id)), 0.1) == []
    answer = encode(Message(CON, Code.CONTENT, 77, message.token, (), b"x"))
    assert len(client.receive_datagram(answer, 1.0)) == 1
    assert client.receive_datagram(answer, 2.0) == []
    assert [decode(data) for data in client.take_output()] == [Message(ACK, 0, 77)] * 2


def test_stale_notifications_are_dropped_and_deregistering_ends_them() -> None:
    """RFC 7641 3.4 and 3.6."""
    client = ClientEndpoint(random=lambda: 0.0)
    call_id = client.request(Ask(Code.GET, ("t",), observe=True), 0.0)
    message = decode(client.take_output()[0])
    assert (int(Option.OBSERVE), b"") in message.options

    def told(kind: int, message_id: int, number: int, code: int = Code.CONTENT) -> list[object]:
        options = ((int(Option.OBSERVE), bytes([number])),)
        data = encode(Message(kind, code, message_id, message.token, options, b"v"))
        return list(client.receive_datagram(data, 1.0))

    assert len(told(ACK, message.message_id, 5)) == 1
    assert len(told(NON, 100, 7)) == 1
    assert told(NON, 101, 6) == []
    client.deregister(call_id, 2.0)
    bye = decode(client.take_output()[0])
    assert (bye.token, bye.options[0]) == (message.token, (int(Option.OBSERVE), b"\x01"))
    done = Message(ACK, Code.CONTENT, bye.message_id, bye.token, (), b"v")
    assert len(client.receive_datagram(encode(done), 3.0)) == 1
    assert told(NON, 102, 9) == []
    assert decode(client.take_output()[0]).type == RST


def test_a_forgotten_call_is_reset_when_it_is_told() -> None:
    """`forget` says nothing to the server by itself."""
    client = ClientEndpoint(random=lambda: 0.0)
    call_id = client.request(Ask(Code.GET, ("t",), observe=True), 0.0)
    client.take_output()
    client.forget(call_id)
    assert (client.pending, client.take_output()) == (0, [])


@pytest.mark.parametrize("block_bytes", [16, 1024])
def test_a_body_that_changes_between_its_blocks_is_asked_for_again(block_bytes: int) -> None:
    """The ETag tells; what is put together is of one body."""
    client = ClientEndpoint(random=lambda: 0.0)
    client.request(Ask(Code.GET, ("t",), block_bytes=block_bytes), 0.0)
    bodies = [(b"a" * 2048, b"A"), (b"b" * 2048, b"B"), (b"b" * 2048, b"B"), (b"b" * 2048, b"B")]
    events: list[object] = []
    for turn in range(400):
        out = client.take_output()
        if not out:
            break
        ask = decode(out[0])
        body, etag = bodies[min(turn, 3)]
        block = dict(ask.options).get(int(Option.BLOCK2), b"\x06")
        value = int.from_bytes(block, "big")
        size = 1 << (value & 7) + 4
        start = (value >> 4) * size
        more = start + size < len(body)
        option = ((value >> 4) << 4 | more << 3 | value & 7).to_bytes(3, "big")
        answer = Message(
            ACK, Code.CONTENT, ask.message_id, ask.token,
            ((int(Option.ETAG), etag), (int(Option.BLOCK2), option)), body[start : start + size],
        )  # fmt: skip
        events += client.receive_datagram(encode(answer), 1.0)
    (answered,) = events
    assert isinstance(answered, Answer)
    assert answered.payload == b"b" * 2048
