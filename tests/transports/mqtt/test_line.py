"""The line to a peer: what it costs, and how it ends."""

import asyncio
import os
import socket
from pathlib import Path
from typing import Any

from tests.transports.mqtt.support import (
    KEEPS,
    LAST,
    Peer,
    station,
    until,
)

from weft.transports.mqtt.settings import MqttSettings
from weft.wire.mqtt.encode import encode
from weft.wire.mqtt.limits import Limits
from weft.wire.mqtt.packets import (
    Properties,
    Puback,
    Publish,
    Will,
)
from weft.wire.mqtt.reasons import Reason


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
