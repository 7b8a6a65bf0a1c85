"""The server's end: acknowledgements, QoS 2, flow control, aliases, time, and the last word."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from tests.wire.mqtt.support import opened

from weft.wire.mqtt.decode import decode
from weft.wire.mqtt.encode import encode
from weft.wire.mqtt.limits import DEFAULT_LIMITS, Limits
from weft.wire.mqtt.packets import (
    Auth,
    Connect,
    Disconnect,
    Filter,
    Packet,
    Pingreq,
    Properties,
    Puback,
    Pubcomp,
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


def say(machine: ServerConnection, *packets: Packet) -> list[Packet]:
    """The client sends these in one read."""
    return machine.receive_data(b"".join(encode(one, machine.version) for one in packets))


def breach(machine: ServerConnection) -> Reason:
    """Why the connection is to end."""
    assert machine.error is not None
    return machine.error.reason


def qos_2(packet_id: int) -> Publish:
    """A QoS 2 message."""
    return Publish("t", b"", 2, packet_id=packet_id)


@pytest.mark.parametrize("version", [4, 5])
def test_all_packets_of_one_read_come_in_order(version: int) -> None:
    """PINGREQ is answered inside, the rest is returned."""
    machine = opened(version)
    talk: list[Packet] = [
        Publish("a", b"1"),
        Publish("a", b"2", 1, packet_id=1),
        Subscribe(2, (Filter("a/#", 1),)),
        Unsubscribe(3, ("a/#",)),
        Puback(9),
        Pubrec(9),
        Pubcomp(9),
    ]
    assert say(machine, talk[0], Pingreq(), *talk[1:]) == talk
    assert machine.take_output() == b"\xd0\x00"
    assert machine.take_output() == b""


def test_what_is_known_of_the_client_is_there_after_connect() -> None:
    """Its own limits bound what we send."""
    machine = opened(
        5,
        client_id="pump-7",
        keep_alive_s=30,
        properties=Properties(receive_maximum=5, maximum_packet_bytes=999, session_expiry_s=60),
    )
    assert (machine.client_id, machine.version, machine.keep_alive_s) == ("pump-7", 5, 30)
    assert (machine.peer_receive_maximum, machine.peer_max_packet_bytes) == (5, 999)
    assert machine.session_expiry_s == 60
    named = opened(5, client_id="", acceptance=Acceptance(assigned_client_id="auto-1"))
    assert named.client_id == "auto-1"


@pytest.mark.parametrize("version", [4, 5])
def test_a_second_connect_is_a_breach(version: int) -> None:
    """[MQTT-3.1.0-2]."""
    machine = opened(version)
    assert say(machine, Publish("a", b""), Connect("c1", version)) == [Publish("a", b"")]
    assert breach(machine) is Reason.PROTOCOL_ERROR
    expected = b"\xe0\x01\x82" if version == 5 else b""  # 3.1.1 servers just close
    assert machine.disconnect(Reason.PROTOCOL_ERROR) == expected
    assert machine.state is State.CLOSED
    assert machine.disconnect(Reason.PROTOCOL_ERROR) == b""


def test_auth_and_packets_of_servers_are_breaches() -> None:
    """[MQTT-4.12.0-7]."""
    method = Properties(authentication_method="M")
    for packet in (Auth(Reason.REAUTHENTICATE, method), Suback(1, (Reason.SUCCESS,))):
        machine = opened(5)
        assert say(machine, packet) == []
        assert breach(machine) is Reason.PROTOCOL_ERROR


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ("10100004" + "4d515454" + "0302" + "0000" + "0004" + "61626364", "20020001"),
        ("10120006" + "4d5149736470" + "0302" + "0000" + "0004" + "61626364", "20020001"),
        ("10100004" + "4d515454" + "0602" + "0000" + "0004" + "61626364", "2003008400"),
        ("100c0004" + "4d515454" + "0400" + "0000" + "0000", "20020002"),
        ("100c0004" + "4d515454" + "0403" + "0000" + "0000", ""),
        ("100d0004" + "4d515454" + "0503" + "0000" + "00" + "0000", "2003008100"),
        ("10100004" + "48545450" + "0302" + "0000" + "0004" + "61626364", ""),
    ],
)
def test_a_stranger_is_refused_in_words_it_knows(data: str, told: str) -> None:
    """Older levels get return code 1, newer ones 0x84, other protocols nothing."""
    machine = ServerConnection()
    assert machine.receive_data(bytes.fromhex(data)) == []
    assert machine.disconnect(breach(machine)).hex() == told


def test_refuse_ends_the_connection_and_what_follows_is_not_read() -> None:
    """[MQTT-3.1.4-6] [v3.1.1 MQTT-3.1.4-5]."""
    machine = ServerConnection()
    say_it = encode(Connect("c1"), 5) + encode(Publish("a", b""), 5)
    assert machine.receive_data(say_it) == [Connect("c1")]
    assert machine.refuse(Reason.BANNED).hex() == "2003008a00"
    assert machine.receive_data(b"") == []
    assert machine.buffered_bytes == 0


def test_accept_is_said_once_and_only_to_a_connect() -> None:
    """[MQTT-3.2.0-2]: a second CONNACK would be our bug."""
    with pytest.raises(RuntimeError, match="start"):
        ServerConnection().accept()
    with pytest.raises(RuntimeError, match="open"):
        opened().accept()


def test_100_unacknowledged_messages_are_taken_and_101_are_not() -> None:
    """MQ-6: the receive maximum that CONNACK announced, 0x93 beyond it."""
    machine = opened(5)
    many = [Publish("t", b"", 1, packet_id=number) for number in range(1, 102)]
    assert len(say(machine, *many[:100])) == 100
    assert machine.error is None
    assert say(machine, many[100]) == []
    assert breach(machine) is Reason.RECEIVE_MAXIMUM_EXCEEDED
    assert machine.disconnect(breach(machine)).hex() == "e00193"


def test_acknowledging_makes_room_again() -> None:
    """One by one, or many in one write."""
    machine = opened(5, Limits(receive_maximum=4))
    for start in range(1, 1000, 4):
        ids = list(range(start, start + 4))
        assert len(say(machine, *(Publish("t", b"", 1, packet_id=one) for one in ids))) == 4
        written = machine.puback(ids[0]) + machine.pubacks(ids[1:])
        assert written == b"".join(encode(Puback(one), 5) for one in ids)
    assert machine.error is None


def test_311_clients_may_send_many_qos_1_messages_at_once() -> None:
    """They cannot be told a receive maximum; reading is paused instead."""
    machine = opened(4)
    assert (
        len(say(machine, *(Publish("t", b"", 1, packet_id=one) for one in range(1, 5000)))) == 4999
    )


@pytest.mark.parametrize(("version", "cap"), [(5, 100), (4, 1000)])
def test_qos_2_messages_that_are_never_released_end_at_the_cap(version: int, cap: int) -> None:
    """MQ-6: 65,535 of them cannot fill the memory."""
    machine = opened(version)
    assert len(say(machine, *(qos_2(one) for one in range(1, cap + 1)))) == cap
    assert machine.error is None
    assert say(machine, *(qos_2(one) for one in range(cap + 1, 65_536))) == []
    assert breach(machine) is Reason.RECEIVE_MAXIMUM_EXCEEDED
    assert len(machine.unreleased) == cap


@pytest.mark.parametrize("version", [4, 5])
def test_a_qos_2_message_is_reported_once_as_new(version: int) -> None:
    """MQ-6: a duplicate id does not store twice, until it is released."""
    machine = opened(version)
    first, again = say(machine, qos_2(7), Publish("t", b"", 2, dup=True, packet_id=7))
    assert isinstance(first, Publish)
    assert isinstance(again, Publish)
    assert (first.repeated, again.repeated) == (False, True)
    assert (machine.pubrec(7) + machine.pubrec(7)).hex() == "5002000750020007"
    assert say(machine, Pubrel(7)) == [Pubrel(7)]
    assert machine.pubcomp(7).hex() == "70020007"
    assert say(machine, qos_2(7)) == [qos_2(7)]  # [MQTT-4.3.3-12]: a new message


@pytest.mark.parametrize("version", [4, 5])
def test_a_resumed_session_remembers_what_was_not_released(version: int) -> None:
    """The connection broke between PUBREC and PUBREL; the message is stored already."""
    machine = opened(version, acceptance=Acceptance(session_present=True, unreleased=(7, 9)))
    assert set(machine.unreleased) == {7, 9}
    (found,) = say(machine, Publish("t", b"", 2, dup=True, packet_id=7))
    assert isinstance(found, Publish)
    assert found.repeated
    assert say(machine, Pubrel(9)) == [Pubrel(9)]
    assert set(machine.unreleased) == {7}


@pytest.mark.parametrize(("version", "told"), [(4, "70020005"), (5, "7003000592")])
def test_a_pubrel_for_nothing_is_answered_inside(version: int, told: str) -> None:
    """3.7.2.1: not an error during recovery."""
    machine = opened(version)
    assert say(machine, Pubrel(5)) == []
    assert machine.take_output().hex() == told


def test_a_refused_qos_2_message_is_forgotten_in_5() -> None:
    """[MQTT-4.3.3-9]: the same id is a new message. 3.1.1 cannot refuse."""
    machine = opened(5)
    say(machine, qos_2(3))
    assert machine.pubrec(3, Reason.QUOTA_EXCEEDED).hex() == "5003000397"
    assert say(machine, qos_2(3)) == [qos_2(3)]
    old = opened(4)
    say(old, qos_2(3))
    assert old.pubrec(3, Reason.QUOTA_EXCEEDED).hex() == "50020003"
    assert set(old.unreleased) == {3}


def test_topic_aliases_are_resolved() -> None:
    """The broker sees full topics only; 32 are taken, 33 is not (MQ-5)."""
    machine = opened(5)
    alias = Properties(topic_alias=32)
    topics = [
        packet.topic
        for packet in say(
            machine, Publish("a/b", b"", properties=alias), Publish("", b"", properties=alias)
        )
        if isinstance(packet, Publish)
    ]
    assert topics == ["a/b", "a/b"]
    assert say(machine, Publish("a", b"", properties=Properties(topic_alias=33))) == []
    assert breach(machine) is Reason.TOPIC_ALIAS_INVALID


def test_a_delivery_that_the_client_cannot_take_is_dropped() -> None:
    """[MQTT-3.1.2-24] [MQTT-3.1.2-25]: None, and no alias is spent on it."""
    machine = opened(5, properties=Properties(maximum_packet_bytes=20, topic_alias_maximum=1))
    assert machine.publish(Publish("a", b"x" * 20)) is None
    sent = machine.publish(Publish("b", b"x"))
    assert sent is not None
    assert decode(sent, 5, from_client=False) == Publish(
        "b", b"x", properties=Properties(topic_alias=1)
    )
    again = machine.publish(Publish("b", b"y"))
    assert again is not None
    assert decode(again, 5, from_client=False) == Publish(
        "", b"y", properties=Properties(topic_alias=1)
    )
    exact = opened(5, properties=Properties(maximum_packet_bytes=20))
    assert len(exact.publish(Publish("a", b"x" * 14)) or b"") == 20
    assert exact.publish(Publish("a", b"x" * 15)) is None


@pytest.mark.parametrize("version", [4, 5])
def test_deliveries_carry_no_alias_that_the_client_did_not_grant(version: int) -> None:
    """[MQTT-3.1.2-27]; an alias of the sender's connection is taken off."""
    machine = opened(version)
    data = machine.publish(Publish("a", b"x", 1, packet_id=2, properties=Properties(topic_alias=3)))
    assert data == encode(Publish("a", b"x", 1, packet_id=2), version)


def test_answers_carry_reasons_in_5_and_what_311_knows() -> None:
    """SUBACK, UNSUBACK, PUBACK, PUBREL."""
    five, old = opened(5), opened(4)
    reasons = (Reason.GRANTED_QOS_1, Reason.NOT_AUTHORIZED)
    assert decode(five.suback(1, reasons, "no"), 5, from_client=False) == Suback(
        1, reasons, Properties(reason_string="no")
    )
    assert old.suback(1, reasons, "no").hex() == "900400010180"
    assert decode(five.unsuback(1, [Reason.SUCCESS]), 5, from_client=False) == Unsuback(
        1, (Reason.SUCCESS,)
    )
    assert old.unsuback(1, [Reason.SUCCESS]).hex() == "b0020001"
    assert decode(five.puback(1, Reason.NOT_AUTHORIZED, "no"), 5, from_client=False) == Puback(
        1, Reason.NOT_AUTHORIZED, Properties(reason_string="no")
    )
    assert old.puback(1, Reason.NOT_AUTHORIZED, "no").hex() == "40020001"
    assert five.pubrel(1).hex() == old.pubrel(1).hex() == "62020001"


def test_a_client_that_wants_no_reasons_gets_none() -> None:
    """[MQTT-3.1.2-29], and none that would make the packet too large [MQTT-3.4.2-2]."""
    for asked in (
        Properties(request_problem_information=0),
        Properties(maximum_packet_bytes=20),
    ):
        machine = opened(5, properties=asked)
        assert machine.puback(1, Reason.NOT_AUTHORIZED, "a long story " * 3).hex() == "4003000187"


def test_disconnect_says_why_and_where_to_go() -> None:
    """A reason that DISCONNECT may not have becomes an unspecified error."""
    data = opened(5).disconnect(Reason.SERVER_MOVED, "new house", server_reference="b:8883")
    assert decode(data, 5, from_client=False) == Disconnect(
        Reason.SERVER_MOVED, Properties(reason_string="new house", server_reference="b:8883")
    )
    assert opened(5).disconnect(Reason.CLIENT_IDENTIFIER_NOT_VALID).hex() == "e00180"


def test_a_client_may_change_its_session_expiry_at_the_end() -> None:
    """Within the cap; but it may not keep what CONNECT did not (3.14.2.2.2)."""
    ending = Disconnect(Reason.SUCCESS, Properties(session_expiry_s=0xFFFFFFFF))
    keeps = opened(5, properties=Properties(session_expiry_s=10))
    assert say(keeps, ending) == [ending]
    assert keeps.session_expiry_s == DEFAULT_LIMITS.session_expiry_s
    forgets = opened(5)
    assert say(forgets, ending) == []
    assert breach(forgets) is Reason.PROTOCOL_ERROR


def test_silence_ends_a_connection_after_one_and_a_half_keep_alives() -> None:
    """[MQTT-3.1.2-22] [v3.1.1 MQTT-3.1.2-24]; no keep-alive, no end."""
    machine = opened(4, keep_alive_s=10)
    assert machine.overdue(15.0) is None
    error = machine.overdue(15.1)
    assert error is not None
    assert error.reason is Reason.KEEP_ALIVE_TIMEOUT
    machine.receive_data(b"\xc0\x00", 15.0)
    assert machine.overdue(30.0) is None
    assert opened(4).overdue(1e9) is None


def test_a_stranger_has_ten_seconds_to_connect() -> None:
    """MQ-4; once CONNECT is there, the decision is ours to hurry."""
    machine = ServerConnection(now=100.0)
    assert machine.overdue(110.0) is None
    assert machine.overdue(110.1) is not None
    machine.receive_data(encode(Connect("c1"), 5), 109.0)
    assert machine.overdue(1000.0) is None


def test_a_qos_2_message_waits_a_minute_for_its_release() -> None:
    """MQ-6: the oldest decides."""
    machine = opened(5)
    machine.receive_data(encode(Pingreq(), 5), 10.0)
    machine.receive_data(encode(qos_2(1), 5), 10.0)
    machine.receive_data(encode(qos_2(2), 5), 50.0)
    assert machine.overdue(69.0) is None
    error = machine.overdue(70.1)
    assert error is not None
    assert error.reason is Reason.QUOTA_EXCEEDED
    machine.receive_data(encode(Pubrel(1), 5), 70.2)
    assert machine.overdue(70.3) is None


class Model(RuleBasedStateMachine):
    """A client that sends, resends, releases and loses its connection, beside a set of ids."""

    CAP = 5

    def __init__(self) -> None:
        super().__init__()
        self.unreleased: set[int] = set()
        self.unacknowledged = 0
        self.alive = True
        self.machine = opened(5, Limits(receive_maximum=self.CAP))

    @precondition(lambda self: self.alive)
    @rule(packet_id=st.integers(1, 8))
    def send_qos_2(self, packet_id: int) -> None:
        """New or again; too many end the connection."""
        found = say(self.machine, qos_2(packet_id))
        self.unacknowledged += 1
        full = packet_id not in self.unreleased and len(self.unreleased) >= self.CAP
        if self.unacknowledged > self.CAP or full:
            assert found == []
            assert breach(self.machine) is Reason.RECEIVE_MAXIMUM_EXCEEDED
            self.alive = False
            return
        (packet,) = found
        assert isinstance(packet, Publish)
        assert packet.repeated == (packet_id in self.unreleased)
        self.unreleased.add(packet_id)

    @precondition(lambda self: self.alive)
    @rule(packet_id=st.integers(1, 8))
    def refuse_qos_2(self, packet_id: int) -> None:
        """The gate said no."""
        if packet_id in self.unreleased:
            self.machine.pubrec(packet_id, Reason.NOT_AUTHORIZED)
            self.unreleased.discard(packet_id)
            self.unacknowledged = max(0, self.unacknowledged - 1)

    @precondition(lambda self: self.alive)
    @rule(packet_id=st.integers(1, 8))
    def release(self, packet_id: int) -> None:
        """Known ids come out, unknown ones are answered inside."""
        found = say(self.machine, Pubrel(packet_id))
        if packet_id in self.unreleased:
            assert found == [Pubrel(packet_id)]
            self.machine.pubcomp(packet_id)
            self.unreleased.discard(packet_id)
            self.unacknowledged = max(0, self.unacknowledged - 1)
        else:
            assert found == []
            assert self.machine.take_output() == bytes((0x70, 3, 0, packet_id, 0x92))

    @precondition(lambda self: self.alive)
    @rule(acknowledge=st.booleans())
    def send_qos_1(self, acknowledge: bool) -> None:
        """Counts against the same maximum."""
        found = say(self.machine, Publish("t", b"", 1, packet_id=99))
        self.unacknowledged += 1
        if self.unacknowledged > self.CAP:
            assert found == []
            self.alive = False
        elif acknowledge:
            self.machine.puback(99)
            self.unacknowledged -= 1

    @rule()
    def reconnect(self) -> None:
        """The session goes on, the count begins anew."""
        resumed = Acceptance(session_present=True, unreleased=tuple(self.machine.unreleased))
        self.machine = opened(5, Limits(receive_maximum=self.CAP), acceptance=resumed)
        self.unacknowledged = 0
        self.alive = True

    @invariant()
    def knows_what_is_not_released(self) -> None:
        """The machine and the set agree, and neither grows beyond the cap."""
        assert set(self.machine.unreleased) == self.unreleased
        assert len(self.unreleased) <= self.CAP


Model.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestModel = Model.TestCase
