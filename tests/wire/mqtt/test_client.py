"""The client's end, against our server's end: both versions, all qualities of service."""

import pytest

from weft.wire.mqtt.client import ClientConnection, PublishTemplate
from weft.wire.mqtt.encode import encode
from weft.wire.mqtt.packets import (
    Connack,
    Connect,
    Disconnect,
    Filter,
    Packet,
    Pingresp,
    Properties,
    Puback,
    Publish,
    Pubrec,
    Pubrel,
    Suback,
    Subscribe,
    Unsuback,
    Unsubscribe,
)
from weft.wire.mqtt.reasons import Reason
from weft.wire.mqtt.server import Acceptance, ServerConnection
from weft.wire.mqtt.stream import State


class Pair:
    """A client and a server that says yes to everything, with bytes in between."""

    def __init__(self, version: int, **connect: object) -> None:
        self.client = ClientConnection()
        self.server = ServerConnection()
        self.version = version
        self.stored: list[Publish] = []
        self.session: tuple[int, ...] = ()
        self.seen = self.pump(self.client.connect(Connect("c1", version, **connect)))  # type: ignore[arg-type]  # test arguments

    def pump(self, data: bytes) -> list[Packet]:
        """Bytes to the server, and back and forth until nobody has anything to say."""
        seen: list[Packet] = []
        while data:
            answer = b"".join(self._answer(one) for one in self.server.receive_data(data))
            assert self.server.error is None, self.server.error
            answer += self.server.take_output()
            seen += self.client.receive_data(answer)
            assert self.client.error is None, self.client.error
            data = self.client.take_output()
        return seen

    def deliver(self, packet: Publish) -> list[Packet]:
        """A message from the server."""
        seen = self.client.receive_data(self.server.publish(packet) or b"")
        return seen + self.pump(self.client.take_output())

    def _answer(self, packet: Packet) -> bytes:
        match packet:
            case Connect():
                return self.server.accept(
                    Acceptance(session_present=bool(self.session), unreleased=self.session)
                )
            case Publish(qos=qos, repeated=repeated):
                if not repeated:
                    self.stored.append(packet)
                give = (lambda _: b"", self.server.puback, self.server.pubrec)[qos]
                return give(packet.packet_id)
            case Pubrel():
                return self.server.pubcomp(packet.packet_id)
            case Pubrec():
                return self.server.pubrel(packet.packet_id)
            case Subscribe():
                return self.server.suback(packet.packet_id, [Reason(f.qos) for f in packet.filters])
            case Unsubscribe():
                return self.server.unsuback(packet.packet_id, [Reason.SUCCESS])
            case _:
                return b""


@pytest.fixture(params=[4, 5])
def pair(request: pytest.FixtureRequest) -> Pair:
    """Both versions."""
    return Pair(request.param)


def test_a_connection_opens_and_closes(pair: Pair) -> None:
    """CONNACK, a ping, and goodbye."""
    assert isinstance(pair.seen[0], Connack)
    assert pair.client.state is State.OPEN
    assert pair.pump(pair.client.ping()) == [Pingresp()]
    pair.pump(pair.client.disconnect())
    assert pair.server.state is pair.client.state is State.CLOSED


@pytest.mark.parametrize("qos", [0, 1, 2])
def test_a_message_goes_up_and_its_id_is_free_again(pair: Pair, qos: int) -> None:
    """All qualities of service end with nothing open."""
    packet_id, data = pair.client.publish(Publish("a/b", b"1", qos))
    assert bool(packet_id) is (qos > 0)
    pair.pump(data)
    assert [one.payload for one in pair.stored] == [b"1"]
    assert not pair.client.open_ids
    assert not pair.server.unreleased


@pytest.mark.parametrize("qos", [0, 1, 2])
def test_a_message_comes_down_and_is_acknowledged(pair: Pair, qos: int) -> None:
    """PUBACK, PUBREC and PUBCOMP are made inside."""
    seen = pair.deliver(Publish("a/b", b"1", qos, packet_id=4 if qos else 0))
    assert [type(one) for one in seen] == [[Publish], [Publish], [Publish, Pubrel]][qos]
    assert not pair.client.has_output


def test_a_qos_2_message_that_comes_again_is_marked(pair: Pair) -> None:
    """[MQTT-4.3.3-10]."""
    data = encode(Publish("a", b"", 2, packet_id=4), pair.version)
    first, again = pair.client.receive_data(data + data)
    assert isinstance(first, Publish)
    assert isinstance(again, Publish)
    assert (first.repeated, again.repeated) == (False, True)


def test_subscribing_and_unsubscribing_are_answered(pair: Pair) -> None:
    """With the packet id that was given."""
    packet_id, data = pair.client.subscribe([Filter("a/#", 1), Filter("b", 2)])
    (granted,) = pair.pump(data)
    assert granted == Suback(packet_id, (Reason.GRANTED_QOS_1, Reason.GRANTED_QOS_2))
    packet_id, data = pair.client.unsubscribe(["a/#"])
    (gone,) = pair.pump(data)
    assert isinstance(gone, Unsuback)
    assert gone.packet_id == packet_id


def test_an_answer_to_nothing_is_a_breach(pair: Pair) -> None:
    """[MQTT-2.2.1-6]."""
    pair.client.receive_data(encode(Suback(9, (Reason.SUCCESS,)), pair.version))
    assert pair.client.error is not None
    assert pair.client.error.clause == "MQTT-2.2.1-6"


def test_what_was_open_is_sent_again_in_order(pair: Pair) -> None:
    """[MQTT-4.4.0-1] [MQTT-4.6.0-1]: messages with DUP, releases as they are; stored once."""
    client = pair.client
    one, data = client.publish(Publish("a", b"one", 1))
    two, release = client.publish(Publish("a", b"two", 2))
    three, lost = client.publish(Publish("a", b"three", 2))
    pair.server.receive_data(release)
    client.receive_data(pair.server.pubrec(two))
    assert client.open_ids == {one, two, three}
    assert data
    assert lost

    pair.session = tuple(pair.server.unreleased)
    pair.server = ServerConnection()
    hello = Connect("c1", pair.version, clean_start=False)
    (connack,) = pair.pump(client.connect(hello))
    assert isinstance(connack, Connack)
    assert connack.session_present
    pair.pump(client.resend())
    assert [(m.payload, m.dup) for m in pair.stored] == [(b"one", True), (b"three", True)]
    assert not client.open_ids


def test_a_lost_session_is_forgotten(pair: Pair) -> None:
    """[MQTT-3.2.2-5]."""
    pair.client.publish(Publish("a", b"one", 1))
    pair.server = ServerConnection()
    pair.pump(pair.client.connect(Connect("c1", pair.version)))
    assert not pair.client.open_ids


def test_the_servers_window_is_kept() -> None:
    """[MQTT-4.9.0-2]: it said 100."""
    pair = Pair(5)
    parts = [pair.client.publish(Publish("a", b"", 1))[1] for _ in range(100)]
    assert pair.client.window == 0
    with pytest.raises(RuntimeError, match="receive maximum"):
        pair.client.publish(Publish("a", b"", 1))
    pair.pump(b"".join(parts))
    assert pair.client.window == 100


def test_packet_ids_go_round_and_skip_those_in_use() -> None:
    """[MQTT-2.2.1-3]: never 0, never one that is open."""
    client = ClientConnection()
    client.connect(Connect("c1", 4))
    client.receive_data(encode(Connack(), 4))
    first, _ = client.publish(Publish("a", b"", 1))
    taken = [client.take_packet_id() for _ in range(65_534)]
    assert 0 not in taken
    assert client.take_packet_id() == first + 1


def test_aliases_of_the_server_are_resolved() -> None:
    """As many as the client granted."""
    pair = Pair(5, properties=Properties(topic_alias_maximum=1))
    for _ in range(2):
        (found,) = pair.deliver(Publish("long/topic", b""))
        assert isinstance(found, Publish)
        assert found.topic == "long/topic"
    (found,) = pair.deliver(Publish("other", b""))
    assert isinstance(found, Publish)
    assert found.properties.topic_alias is None


def test_a_refused_qos_2_message_is_over() -> None:
    """[MQTT-4.4.0-2]: no PUBREL, no resending."""
    pair = Pair(5)
    packet_id, data = pair.client.publish(Publish("a", b"", 2))
    pair.server.receive_data(data)
    pair.client.receive_data(pair.server.pubrec(packet_id, Reason.NOT_AUTHORIZED))
    assert not pair.client.open_ids
    assert not pair.client.has_output


def test_a_pubrec_for_nothing_is_answered_with_not_found() -> None:
    """4.3.3, after a lost state."""
    pair = Pair(5)
    pair.client.receive_data(encode(Pubrec(5), 5))
    assert pair.client.take_output().hex() == "6203000592"


def test_the_server_may_end_it_in_5_only() -> None:
    """A 3.1.1 server sends no DISCONNECT."""
    five, old = Pair(5), Pair(4)
    data = five.server.disconnect(Reason.SERVER_SHUTTING_DOWN)
    assert five.client.receive_data(data) == [Disconnect(Reason.SERVER_SHUTTING_DOWN)]
    assert five.client.state is State.CLOSED
    old.client.receive_data(b"\xe0\x00")
    assert old.client.error is not None


def test_a_refusal_closes(pair: Pair) -> None:
    """[MQTT-3.2.2-7]."""
    client = ClientConnection()
    client.connect(Connect("c1", pair.version))
    client.receive_data(encode(Connack(reason=Reason.NOT_AUTHORIZED), pair.version))
    assert client.state is State.CLOSED


def test_a_server_begins_with_connack(pair: Pair) -> None:
    """[MQTT-3.2.0-1]."""
    client = ClientConnection()
    client.connect(Connect("c1", pair.version))
    client.receive_data(encode(Puback(1), pair.version))
    assert client.error is not None
    assert client.error.clause == "MQTT-3.2.0-1"


def test_acknowledging_can_be_left_to_the_caller() -> None:
    """For tests of what a server does without acknowledgements."""
    client = ClientConnection(acknowledges=False)
    client.connect(Connect("c1"))
    client.receive_data(encode(Connack(), 5) + encode(Publish("a", b"", 1, packet_id=3), 5))
    assert not client.has_output
    assert client.puback(3).hex() == "40020003"
    assert client.pubrec(4, Reason.QUOTA_EXCEEDED).hex() == "5003000497"


@pytest.mark.parametrize("version", [4, 5])
@pytest.mark.parametrize("qos", [0, 1, 2])
@pytest.mark.parametrize("size", [0, 50, 127, 128, 20_000])
def test_a_template_writes_what_encode_writes(version: int, qos: int, size: int) -> None:
    """The load generator's short way."""
    held = Properties(content_type="application/json")
    packet = Publish("devices/d1/telemetry", b"", qos, retain=True, properties=held)
    template = PublishTemplate(packet, version)
    payload = b"x" * size
    expected = Publish(packet.topic, payload, qos, True, False, 7 if qos else 0, held)
    assert template.encode(payload, 7) == encode(expected, version)
