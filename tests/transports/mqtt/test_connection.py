"""One MQTT connection on a real socket: what it promises to its device, and to the others."""

import asyncio
import os
import socket
from pathlib import Path
from typing import Any

import pytest
from tests.transports.mqtt.support import (
    APP,
    PASSWORD,
    PUMP,
    TELEMETRY,
    Peer,
    station,
    until,
)

from weft.broker.settings import BrokerSettings
from weft.security.limits import LimitSettings, Rate
from weft.transports.mqtt.settings import MqttSettings
from weft.wire.mqtt.encode import encode
from weft.wire.mqtt.limits import Limits
from weft.wire.mqtt.packets import (
    Connack,
    Connect,
    Disconnect,
    Filter,
    Pingresp,
    Properties,
    Puback,
    Pubcomp,
    Publish,
    Pubrec,
    Pubrel,
    Suback,
    Will,
)
from weft.wire.mqtt.reasons import Reason

KEEPS = {"clean_start": False, "properties": Properties(session_expiry_s=60)}


# --- CONNECT ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("version", "username", "password", "reason"),
    [
        (5, "pump-7", b"wrong", Reason.BAD_USER_NAME_OR_PASSWORD),
        (4, "pump-7", b"wrong", Reason.BAD_USER_NAME_OR_PASSWORD),
        (5, None, None, Reason.NOT_AUTHORIZED),
        (4, None, None, Reason.NOT_AUTHORIZED),
    ],
)
async def test_who_cannot_prove_itself_is_told_and_let_go(
    version: int, username: str | None, password: bytes | None, reason: Reason
) -> None:
    """AU-1: no anonymous client; a mistyped secret reads differently from none at all."""
    async with station() as made:
        peer = await Peer.dial(made.listener.port)
        connack = await peer.sign_in(
            username, password=password, version=version, client_id="pump-7"
        )
        assert connack.reason is reason
        if version == 5 and username:
            assert "not accepted" in str(connack.properties.reason_string)
        assert await peer.rest() == []
        assert made.connections.count() == 0


async def test_a_client_without_a_name_is_given_one() -> None:
    """And told which, so that it can come back to its session."""
    async with station() as made:
        peer = await Peer.dial(made.listener.port)
        connack = await peer.sign_in(client_id="")
        assert str(connack.properties.assigned_client_id).startswith("weft-")


async def test_what_comes_right_behind_connect_is_handled_after_it() -> None:
    """Hasty devices do not wait for CONNACK."""
    async with station() as made:
        peer = await Peer.dial(made.listener.port)
        connect = Connect("c", username="pump-7", password=PASSWORD.encode())
        peer.write(peer.machine.connect(connect) + encode(Publish("a", b"", 1, packet_id=1), 5))
        await peer.expect(Connack)
        assert (await peer.expect(Puback)).reason is Reason.NOT_AUTHORIZED


async def test_who_connects_too_often_is_told_to_wait() -> None:
    """RL-1: a device in a restart loop slows itself, not the others."""
    once = LimitSettings(principal_connects=Rate(0.01, 1))
    async with station(limits=once) as made, made.peer():
        again = await Peer.dial(made.listener.port)
        connack = await again.sign_in()
        assert connack.reason is Reason.CONNECTION_RATE_EXCEEDED
        assert "Wait" in str(connack.properties.reason_string)
        other = await Peer.dial(made.listener.port)
        assert (await other.sign_in("app")).reason is Reason.SUCCESS


async def test_a_principal_with_enough_connections_is_told_so() -> None:
    """And one that was refused does not count, though its socket is still closing."""
    few = BrokerSettings(sessions_per_principal=1)
    async with station(broker=few) as made, made.peer("app", **KEEPS):
        refused = await Peer.dial(made.listener.port)
        connack = await refused.sign_in("app", client_id="second", **KEEPS)
        assert connack.reason is Reason.QUOTA_EXCEEDED
        assert made.connections.count() == 1
        refused.hang_up()


async def test_connack_tells_how_long_the_session_is_kept() -> None:
    """MQ-8: the broker's own cap is told as well."""
    async with station(broker=BrokerSettings(session_expiry_max_s=30)) as made:
        peer = await Peer.dial(made.listener.port)
        connack = await peer.sign_in(**KEEPS)
        assert connack.properties.session_expiry_s == 30


# --- acknowledged means kept --------------------------------------------------------------


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


async def test_acknowledgements_leave_in_the_order_of_the_messages() -> None:
    """[MQTT-4.6.0-2] also where QoS 1, QoS 2 and refusals are mixed."""
    async with station() as made, made.peer() as peer:
        peer.publish(TELEMETRY, b'{"temperature":1}')
        peer.publish(TELEMETRY, b'{"temperature":2}', qos=2)
        peer.publish(TELEMETRY, b"no JSON")
        kinds = [(type(one), one.packet_id) for one in [await peer.next() for _ in range(3)]]  # type: ignore[union-attr]
        assert kinds == [(Puback, 1), (Pubrec, 2), (Puback, 3)]


# --- refused messages ---------------------------------------------------------------------


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


async def test_a_refused_filter_is_named() -> None:
    """Who sees 0x87 at a client's log should not have to guess which of ten filters it was."""
    async with station() as made, made.peer("app") as peer:
        _, data = peer.machine.subscribe([Filter("a/b"), Filter("secret/#")])
        peer.write(data)
        suback = await peer.expect(Suback)
        assert suback.reasons == (Reason.GRANTED_QOS_0, Reason.NOT_AUTHORIZED)
        assert "secret/#" in str(suback.properties.reason_string)


# --- breaches -----------------------------------------------------------------------------


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


async def test_a_disconnect_arrives_though_the_peer_goes_on_sending() -> None:
    """A socket closed with bytes unread would reset, and the reason would be lost."""
    async with station() as made, made.peer("app") as peer:
        _, data = peer.machine.publish(Publish("plain", b"x" * 2000, 2))
        at = data.index(b"plain") + len("plain")
        for packet_id in range(1, 200):  # the receive maximum is 100
            peer.write(data[:at] + packet_id.to_bytes(2, "big") + data[at + 2 :])
        assert (await peer.farewell()).reason is Reason.RECEIVE_MAXIMUM_EXCEEDED


async def test_a_socket_that_is_not_closed_by_its_peer_is_let_go() -> None:
    """Half closed is not closed: after a while we do not wait any more."""
    async with station() as made, made.peer() as peer:
        peer.write(b"\xff\xff")
        await peer.farewell()
        assert len(made.listener) == 1
        made.connection.check(asyncio.get_running_loop().time() + 10)
        await until(lambda: not len(made.listener))


async def test_mq_4_large_first_packets_cost_nothing() -> None:
    """Mosquitto's case: 14 strangers each announce 100 MB and send as much as they can."""
    loop = asyncio.get_running_loop()

    async def flood(kind: int, port: int) -> bytes:
        with socket.socket() as connection:
            connection.setblocking(False)
            await loop.sock_connect(connection, ("127.0.0.1", port))
            try:
                await loop.sock_sendall(connection, bytes((kind << 4,)) + b"\x80\x80\x80\x32")
                for _ in range(1600):
                    await loop.sock_sendall(connection, JUNK)
                return await loop.sock_recv(connection, 100)
            except ConnectionError:
                return b""

    async with station() as made:
        before = resident_bytes()
        answers = await asyncio.gather(*[flood(kind, made.listener.port) for kind in range(1, 15)])
        assert answers == [b""] * 14
        await until(lambda: not len(made.listener))
        assert resident_bytes() - before < 25 * 1024 * 1024


JUNK = b"x" * 65_536


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * os.sysconf("SC_PAGESIZE")


async def test_a_stranger_is_buffered_for_up_to_64_kib() -> None:
    """MQ-4: a CONNECT that never ends, one byte short of the limit, is all that is held."""
    async with station() as made:
        peer = await Peer.dial(made.listener.port)
        peer.write(b"\x10\xfc\xff\x03" + b"\x00" * 60_000)
        await until(lambda: len(made.listener) and made.connection._machine.buffered_bytes)
        assert made.connection._machine.buffered_bytes <= 65_536
        made.connection.check(asyncio.get_running_loop().time() + 11)
        assert await peer.rest() == []


# --- sessions -----------------------------------------------------------------------------


async def test_a_session_is_taken_over_by_its_own_principal_only() -> None:
    """MQ-2: the older of two gets 0x8E; another principal of that client id disturbs nobody."""
    async with station() as made:
        first = await Peer.dial(made.listener.port)
        await first.sign_in(client_id="shared")
        async with made.peer("app", client_id="shared") as other:
            first.write(first.machine.ping())
            await first.expect(Pingresp)
            async with made.peer(client_id="shared"):
                assert (await first.farewell()).reason is Reason.SESSION_TAKEN_OVER
            other.write(other.machine.ping())
            await other.expect(Pingresp)


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


async def test_a_message_too_large_for_its_reader_does_not_stop_the_others() -> None:
    """[MQTT-3.1.2-25]: it counts as delivered, and its place in the window is free again."""
    narrow = Properties(maximum_packet_bytes=100, receive_maximum=1)
    async with station() as made, made.peer("app", properties=narrow) as app:
        await app.subscribe("news")
        async with made.peer("app", client_id="other") as other:
            other.publish("news", b"x" * 200)
            other.publish("news", b"short")
            assert (await app.expect(Publish)).payload == b"short"


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


# --- wills --------------------------------------------------------------------------------

LAST = Will("devices/me/events/leak", b'{"litres":1}', 1)


async def test_a_will_is_published_for_who_is_gone_without_a_word() -> None:
    async with station() as made:
        async with made.peer(will=LAST):
            pass
        await until(made.payloads)
        assert made.payloads() == [LAST.payload]


@pytest.mark.parametrize(
    ("reason", "published"),
    [(Reason.NORMAL_DISCONNECTION, False), (Reason.DISCONNECT_WITH_WILL, True)],
)
async def test_a_will_is_void_after_a_good_bye(reason: Reason, published: bool) -> None:
    """[MQTT-3.14.4-3]; reason 4 asks for it all the same."""
    async with station() as made, made.peer(will=LAST) as peer:
        peer.write(peer.machine.disconnect(reason))
        await peer.rest()
        await until(lambda: not len(made.listener))
        await made.broker.sweep(made.clock.now())
        await until(lambda: bool(made.payloads()) is published)


async def test_a_will_waits_for_its_delay() -> None:
    """The device has so long to come back."""
    will = Will(LAST.topic, LAST.payload, 1, properties=Properties(will_delay_s=30))
    async with station() as made:
        async with made.peer(will=will, **KEEPS):
            pass
        await until(lambda: not len(made.listener))
        await made.broker.sweep(made.clock.now() + 29 * 10**9)
        assert made.payloads() == []
        await made.broker.sweep(made.clock.now() + 31 * 10**9)
        assert made.payloads() == [LAST.payload]


async def test_a_will_that_may_not_be_published_is_refused_at_connect() -> None:
    """AZ-3: now, when somebody reads the log, not on the day of the accident."""
    async with station() as made:
        peer = await Peer.dial(made.listener.port)
        connack = await peer.sign_in(will=Will("devices/other/telemetry", b"{}"))
        assert connack.reason is Reason.NOT_AUTHORIZED
        assert "devices/other/telemetry" in str(connack.properties.reason_string)
        await peer.rest()
        await until(lambda: not len(made.listener))
        await made.broker.sweep(made.clock.now())
        assert made.payloads() == []
        assert made.connections.count() == 0


# --- endings ------------------------------------------------------------------------------


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


async def test_rv_1_what_is_unsent_when_a_right_ends_is_never_sent() -> None:
    """A slow reader is cut with its buffer."""
    async with station() as made, made.peer("app", client_id="slow") as slow:
        await slow.subscribe("news", qos=0)
        transport: Any = slow.reader._transport  # type: ignore[attr-defined]
        transport.pause_reading()
        async with made.peer("app", client_id="fast") as fast:
            for _ in range(100):
                fast.publish("news", b"." * 100_000)
                await fast.expect(Puback)
            end = next(one for one in made.listener._live if one.stalled_at)
            end.cut("revoked")
            await until(lambda: len(made.listener) == 1)


async def test_a_stop_tells_everyone_and_keeps_their_wills() -> None:
    """A planned restart is no accident of the device; an accident meanwhile is still told."""
    will = Will(LAST.topic, LAST.payload, 1, properties=Properties(will_delay_s=30))
    async with station() as made:
        peer = await Peer.dial(made.listener.port)
        await peer.sign_in(will=will, **KEEPS)
        session = made.connection._session
        made.connection.shut_down()
        assert (await peer.farewell()).reason is Reason.SERVER_SHUTTING_DOWN
        peer.hang_up()
        await until(lambda: not len(made.listener))
        await made.broker.sweep(made.clock.now() + 10**12)
        assert made.payloads() == []
        assert session.will is not None


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


def settings(**limits: Any) -> MqttSettings:
    return MqttSettings(limits=Limits(**limits))


async def test_a_packet_over_the_limit_is_told_as_such() -> None:
    """MQ-5, at the cap and one beyond it."""
    async with station(settings(max_packet_bytes=1000)) as made, made.peer("app") as peer:
        overhead = len(encode(Publish("t", b"." * 500, 1, packet_id=1), 5)) - 500
        peer.publish("t", b"." * (1000 - overhead))
        await peer.expect(Puback)
        peer.publish("t", b"." * 1000)
        assert (await peer.farewell()).reason is Reason.PACKET_TOO_LARGE
