"""What a connection says: of what is on disk, and to who may hear it."""

import asyncio
from typing import Any

import pytest
from tests.transports.mqtt.support import (
    APP,
    KEEPS,
    TELEMETRY,
    MqttStation,
    Peer,
    station,
    until,
)

from weft.wire.mqtt.packets import (
    Disconnect,
    Filter,
    Pingresp,
    Properties,
    Puback,
    Pubcomp,
    Publish,
    Pubrec,
    Suback,
    Will,
)
from weft.wire.mqtt.reasons import Reason


async def test_an_acknowledgement_waits_for_the_disk() -> None:
    """A ping behind the message is answered first: the PUBACK waits for the commit alone."""
    async with station() as made, made.peer() as peer:
        made.journal.flowing.clear()
        packet_id = peer.publish(TELEMETRY, b'{"temperature":1}')
        await made.journal.asked.wait()
        peer.write(peer.machine.ping())
        await peer.expect(Pingresp)
        made.journal.flowing.set()
        assert (await peer.expect(Puback)).packet_id == packet_id


async def test_a_failed_commit_acknowledges_nothing_and_the_repeat_is_stored_once() -> None:
    """The disk was full for a moment; the device sends again, with DUP, and it counts once."""
    async with station() as made:
        made.journal.failures = 1
        async with made.peer() as peer:
            peer.publish(TELEMETRY, b'{"temperature":1}')
            farewell = await peer.rest()
            assert [type(one) for one in farewell] == [Disconnect]
            assert farewell[0].reason is Reason.SERVER_BUSY  # type: ignore[union-attr]
        async with made.peer() as peer:
            peer.publish(TELEMETRY, b'{"temperature":1}', dup=True)
            await peer.expect(Puback)
        assert made.payloads() == [b'{"temperature":1}']


async def test_a_repeat_is_not_acknowledged_for_a_first_copy_that_was_not_kept() -> None:
    """The device was back before the commit of its message failed: it must send once more."""
    async with station() as made:
        async with made.peer() as peer:
            made.journal.flowing.clear()
            peer.publish(TELEMETRY, b'{"temperature":1}')
            await made.journal.asked.wait()
        async with made.peer() as again:
            again.publish(TELEMETRY, b'{"temperature":1}', dup=True)
            await until(lambda: made.pipeline._waiting)
            made.journal.failures = 1
            made.journal.flowing.set()
            assert (await again.farewell()).reason is Reason.SERVER_BUSY
        async with made.peer() as again:
            again.publish(TELEMETRY, b'{"temperature":1}', dup=True)
            await again.expect(Puback)
        assert made.payloads() == [b'{"temperature":1}']


async def test_acknowledgements_leave_in_the_order_of_the_messages() -> None:
    """[MQTT-4.6.0-2] also where QoS 1, QoS 2 and refusals are mixed."""
    async with station() as made, made.peer() as peer:
        peer.publish(TELEMETRY, b'{"temperature":1}')
        peer.publish(TELEMETRY, b'{"temperature":2}', qos=2)
        peer.publish(TELEMETRY, b"no JSON")
        kinds = [(type(one), one.packet_id) for one in [await peer.next() for _ in range(3)]]  # type: ignore[union-attr]
        assert kinds == [(Puback, 1), (Pubrec, 2), (Puback, 3)]


@pytest.mark.parametrize(
    ("topic", "payload", "reason"),
    [
        ("devices/other/telemetry", b"{}", Reason.NOT_AUTHORIZED),
        (TELEMETRY, b"{", Reason.PAYLOAD_FORMAT_INVALID),
        ("devices/me/nonsense", b"{}", Reason.TOPIC_NAME_INVALID),
    ],
)
async def test_a_refused_message_is_answered_with_its_reason(
    topic: str, payload: bytes, reason: Reason
) -> None:
    """Promise 2, at QoS 1 and 2; the QoS 2 id is free again at once."""
    async with station() as made, made.peer() as peer:
        peer.publish(topic, payload)
        puback = await peer.expect(Puback)
        assert puback.reason is reason
        assert puback.properties.reason_string
        peer.publish(topic, payload, qos=2)
        assert (await peer.expect(Pubrec)).reason is reason
        assert not made.connection._machine.unreleased
        await until(lambda: len(made.recorder.seen) == 2)  # both are in the inbox


async def test_311_has_no_word_for_a_refusal() -> None:
    """The message is in the inbox; for the device it is taken."""
    async with station() as made, made.peer(version=4) as peer:
        peer.publish("devices/other/telemetry", b"{}")
        await peer.expect(Puback)
        peer.publish("devices/other/telemetry", b"{}", qos=2)
        await peer.expect(Pubrec)
        peer.write(peer.machine.take_output())
        await peer.expect(Pubcomp)
        assert len(made.payloads()) == 2


async def test_a_message_too_large_for_its_reader_does_not_stop_the_others() -> None:
    """[MQTT-3.1.2-25]: it counts as delivered, and its place in the window is free again."""
    narrow = Properties(maximum_packet_bytes=100, receive_maximum=1)
    async with station() as made, made.peer("app", properties=narrow) as app:
        await app.subscribe("news")
        async with made.peer("app", client_id="other") as other:
            other.publish("news", b"x" * 200)
            other.publish("news", b"short")
            assert (await app.expect(Publish)).payload == b"short"


async def test_rv_1_a_revoked_principal_is_cut_and_gets_nothing_more() -> None:
    """What was queued for it is gone as well, at once and for good; its will is void."""
    async with station() as made:
        peer = await Peer.dial(made.listener.port)
        await peer.sign_in("app", client_id="dash", will=Will("gone", b"x"), **KEEPS)
        await peer.subscribe("devices/#")
        made.policy.denied.add(APP.uid)
        made.policy.version += 1
        made.connections.cut(APP.uid, "the key was revoked")
        made.broker.revoke(APP.uid)
        async with made.peer() as pump:
            pump.publish(TELEMETRY, b'{"temperature":1}')
            await pump.expect(Puback)
        last = await peer.rest()
        assert [type(one) for one in last] == [Disconnect]
        assert last[0].reason is Reason.ADMINISTRATIVE_ACTION  # type: ignore[union-attr]
        again = await Peer.dial(made.listener.port)
        connack = await again.sign_in("app", client_id="dash", **KEEPS)
        assert not connack.session_present
        assert made.payloads() == [b'{"temperature":1}']


class SlowDisk:
    """The records' disk, which stands still until it is let go."""

    def __init__(self, made: MqttStation, monkeypatch: pytest.MonkeyPatch) -> None:
        self.flowing = asyncio.Event()
        self.asked = asyncio.Event()
        self._write = made.records.write
        monkeypatch.setattr(made.records, "write", self.write)

    async def write(self, work: Any) -> Any:
        self.asked.set()
        await self.flowing.wait()
        return await self._write(work)


async def take_one_and_go(peer: Peer) -> bytes:
    """As `mosquitto_sub -C 1`: acknowledge the first message, say good-bye, close."""
    while not isinstance(packet := await peer.next(), Publish):
        assert isinstance(packet, Suback)
    peer.write(peer.machine.puback(packet.packet_id) + peer.machine.disconnect())
    peer.writer.close()
    await peer.writer.wait_closed()
    return packet.payload


async def test_an_acknowledgement_is_heard_though_a_suback_was_pending(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The subscriber wants one message and goes at once; it does not get that one again."""
    async with station() as made, made.peer("app", client_id="other") as other:
        peer = await Peer.dial(made.listener.port)
        await peer.sign_in("app", client_id="dash", **KEEPS)
        disk = SlowDisk(made, monkeypatch)
        peer.write(peer.machine.subscribe([Filter("news", 1)])[1])
        await disk.asked.wait()
        async with asyncio.TaskGroup() as tasks:
            going = tasks.create_task(take_one_and_go(peer))
            for number in range(5):  # each in a batch, and so in a write, of its own
                other.publish("news", b"%d" % number)
                await other.expect(Puback)
            disk.flowing.set()
        assert going.result() == b"0"
        async with made.peer("app", client_id="dash", **KEEPS) as again:
            assert [(await again.expect(Publish)).payload for _ in range(4)] == [
                b"1",
                b"2",
                b"3",
                b"4",
            ]


async def test_a_suback_comes_before_what_it_brings(monkeypatch: pytest.MonkeyPatch) -> None:
    """While it waits for the disk, messages wait behind it, in order."""
    async with (
        station() as made,
        made.peer("app", client_id="other") as other,
        made.peer("app", client_id="dash", **KEEPS) as peer,
    ):
        disk = SlowDisk(made, monkeypatch)
        peer.write(peer.machine.subscribe([Filter("news", 1)])[1])
        await disk.asked.wait()
        for number in range(3):
            other.publish("news", b"%d" % number, qos=number % 2)
        other.publish("last", b"")
        await other.expect(Puback)
        await other.expect(Puback)
        made.connection.resume_writing()  # the socket kept up all the time
        disk.flowing.set()
        await peer.expect(Suback)
        assert [(await peer.expect(Publish)).payload for _ in range(3)] == [b"0", b"1", b"2"]
