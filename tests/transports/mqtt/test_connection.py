"""One MQTT connection on a real socket: what comes in, once and in order, whatever breaks."""

import asyncio
from typing import Any

import pytest
from tests.transports.mqtt.support import (
    KEEPS,
    PASSWORD,
    PUMP,
    TELEMETRY,
    Peer,
    station,
    until,
)

from weft.security.attempts import PER_SUBJECT
from weft.wire.mqtt.encode import encode
from weft.wire.mqtt.packets import (
    Connack,
    Connect,
    Disconnect,
    Filter,
    Puback,
    Pubcomp,
    Publish,
    Pubrec,
    Pubrel,
    Suback,
)
from weft.wire.mqtt.reasons import Reason


async def test_what_comes_right_behind_connect_is_handled_after_it() -> None:
    """Hasty devices do not wait for CONNACK."""
    async with station() as made:
        peer = await Peer.dial(made.listener.port)
        connect = Connect("c", username="pump-7", password=PASSWORD.encode())
        peer.write(peer.machine.connect(connect) + encode(Publish("a", b"", 1, packet_id=1), 5))
        await peer.expect(Connack)
        assert (await peer.expect(Puback)).reason is Reason.NOT_AUTHORIZED


async def test_a_lost_puback_does_not_store_twice() -> None:
    """The message was on disk, only its acknowledgement was lost on the way."""
    async with station() as made:
        async with made.peer(**KEEPS) as peer:
            peer.publish(TELEMETRY, b'{"temperature":1}')
            await until(made.payloads)
        async with made.peer(**KEEPS) as again:
            again.publish(TELEMETRY, b'{"temperature":1}', dup=True)
            assert (await again.expect(Puback)).reason is Reason.SUCCESS
        assert made.payloads() == [b'{"temperature":1}']


async def test_qos_two_is_stored_once_over_a_reconnect() -> None:
    """The device lost its connection between PUBREC and PUBREL, and begins again."""
    async with station() as made:
        async with made.peer(**KEEPS) as peer:
            packet_id = peer.publish(TELEMETRY, b'{"temperature":2}', qos=2)
            await peer.expect(Pubrec)
        async with made.peer(**KEEPS) as again:
            assert again.publish(TELEMETRY, b'{"temperature":2}', qos=2, dup=True) == packet_id
            await again.expect(Pubrec)
            again.write(again.machine.take_output())
            assert (await again.expect(Pubcomp)).reason is Reason.SUCCESS
        assert made.payloads() == [b'{"temperature":2}']


async def test_qos_two_is_stored_once_though_its_first_commit_was_under_way() -> None:
    """The connection broke while the disk was slow; the device was back before the commit."""
    async with station() as made:
        async with made.peer(**KEEPS) as peer:
            made.journal.flowing.clear()
            peer.publish(TELEMETRY, b'{"temperature":3}', qos=2)
            await made.journal.asked.wait()
        again = await Peer.dial(made.listener.port)
        signing_in = asyncio.ensure_future(again.sign_in(**KEEPS))
        await until(lambda: made.pipeline._waiting)
        made.journal.flowing.set()
        assert (await signing_in).session_present
        again.publish(TELEMETRY, b'{"temperature":3}', qos=2, dup=True)
        await again.expect(Pubrec)
        assert made.payloads() == [b'{"temperature":3}']
        again.hang_up()


async def test_a_refused_filter_is_named() -> None:
    """Who sees 0x87 at a client's log should not have to guess which of ten filters it was."""
    async with station() as made, made.peer("app") as peer:
        _, data = peer.machine.subscribe([Filter("a/b"), Filter("secret/#")])
        peer.write(data)
        suback = await peer.expect(Suback)
        assert suback.reasons == (Reason.GRANTED_QOS_0, Reason.NOT_AUTHORIZED)
        assert "secret/#" in str(suback.properties.reason_string)


async def test_requests_before_a_breach_are_answered() -> None:
    """SUBSCRIBE and garbage in one segment: first SUBACK, then why the connection ends."""
    async with station() as made, made.peer() as peer:
        _, data = peer.machine.subscribe([Filter("devices/me/#")])
        peer.write(data + b"\xff\xff\xff\xff\xff\xff")
        kinds = [type(one) for one in await peer.rest()]
        assert kinds == [Suback, Disconnect]


async def test_what_stands_behind_subscribe_is_handled_behind_it() -> None:
    """A device that subscribes and publishes in one segment hears its own message."""
    async with station() as made, made.peer() as peer:
        _, subscribing = peer.machine.subscribe([Filter(TELEMETRY, 1)])
        _, publishing = peer.machine.publish(Publish(TELEMETRY, b'{"temperature":1}', 1))
        peer.write(subscribing + publishing)
        await peer.expect(Suback)
        kinds = {type(await peer.next()), type(await peer.next())}
        assert kinds == {Puback, Publish}


async def test_a_session_keeps_messages_for_who_is_away() -> None:
    """Queued, and delivered in order at the next connection."""
    async with station() as made:
        async with made.peer("app", client_id="dash", **KEEPS) as app:
            assert await app.subscribe("devices/#") == [1]
            app.write(app.machine.disconnect())
            await app.rest()
        async with made.peer() as pump:
            for number in range(20):
                pump.publish(TELEMETRY, b'{"temperature":%d}' % number)
            for _ in range(20):
                await pump.expect(Puback)
        async with made.peer("app", client_id="dash", **KEEPS) as app:
            got = [(await app.expect(Publish)).payload for _ in range(20)]
        assert got == [b'{"temperature":%d}' % number for number in range(20)]


async def test_qos_two_reaches_a_subscriber_once() -> None:
    """PUBREC, PUBREL, PUBCOMP; a PUBREC for an id that we do not know is told so."""
    async with station() as made, made.peer("app") as app:
        await app.subscribe("news", qos=2)
        app.publish("news", b"x", qos=2)
        await app.expect(Pubrec)
        app.write(app.machine.take_output())
        packets: list[Any] = [await app.next(), await app.next()]
        message = next(one for one in packets if isinstance(one, Publish))
        app.write(app.machine.pubrec(message.packet_id))
        assert (await app.expect(Pubrel)).packet_id == message.packet_id
        app.write(app.machine.take_output())
        app.write(app.machine.pubrec(999))
        assert (await app.expect(Pubrel)).reason is Reason.PACKET_IDENTIFIER_NOT_FOUND


async def test_a_bug_ends_the_connection_that_met_it_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Another client of the same listener does not notice."""

    async def broken(*_: Any) -> list[Any]:
        raise ZeroDivisionError

    async with station() as made, made.peer("app") as app, made.peer() as pump:
        monkeypatch.setattr(made.broker, "subscribe", broken)
        app.write(app.machine.subscribe([Filter("a")])[1])
        assert (await app.farewell()).reason is Reason.UNSPECIFIED_ERROR
        pump.publish(TELEMETRY, b'{"temperature":1}')
        await pump.expect(Puback)


async def test_a_bug_behind_what_had_to_wait_ends_that_connection_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A message that breaks us stood behind a SUBSCRIBE in one read; the listener lives on."""

    def broken(*_: Any) -> None:
        raise ZeroDivisionError

    async with station() as made, made.peer("app") as app, made.peer() as pump:
        monkeypatch.setattr(made.gate, "admit", broken)
        subscribe = app.machine.subscribe([Filter("a")])[1]
        app.write(subscribe + app.machine.publish(Publish("a", b"x", 1))[1])
        await app.expect(Suback)
        assert (await app.farewell()).reason is Reason.UNSPECIFIED_ERROR
        monkeypatch.undo()
        pump.publish(TELEMETRY, b'{"temperature":1}')
        await pump.expect(Puback)


async def test_counters_tell_what_passed() -> None:
    """For the operator's list of connections."""
    async with station() as made, made.peer() as pump:
        await pump.subscribe(TELEMETRY, qos=0)
        pump.publish(TELEMETRY, b'{"temperature":1}', qos=0)
        await pump.expect(Publish)
        (connection,) = made.connections.of_principal(PUMP.uid)
        assert connection.counters() == {"received": 1, "sent": 1}


async def test_refused_filters_are_noted_once_each_and_not_without_an_end() -> None:
    """A device that asks again and again fills no log."""
    async with station() as made, made.peer("app") as app:
        for _ in range(3):
            await app.subscribe("a/b", "secret/#", "secret/b")
        assert [(name, noted.code) for name, noted in made.people.noted] == [
            ("app", "forbidden"),
            ("app", "forbidden"),
        ]
        details = [noted.detail for _, noted in made.people.noted]
        assert "'secret/#'" in details[0]
        assert "'secret/b'" in details[1]
        assert all("administrator" in detail for detail in details)
        await app.subscribe(*(f"secret/{number}" for number in range(30)))
        assert len(made.people.noted) == PER_SUBJECT
