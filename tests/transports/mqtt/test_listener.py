"""The listener: who is let in, who is watched, and how it ends."""

import asyncio
import socket
from typing import Any

import pytest
from tests.transports.mqtt.support import TELEMETRY, Peer, station, until

from weft.errors import ConfigurationError
from weft.transports.mqtt.listener import UNSENT_BYTES, MqttListener
from weft.transports.mqtt.settings import MqttSettings
from weft.wire.mqtt.packets import Disconnect, Pingresp, Puback
from weft.wire.mqtt.reasons import Reason


async def test_without_tls_it_listens_on_loopback_only() -> None:
    """Promise 6: no plaintext beyond this machine."""
    async with station() as made:
        with pytest.raises(ConfigurationError, match="without TLS"):
            MqttListener(made.listener._given, "0.0.0.0:1883")
        assert not made.listener.is_tls
        assert made.listener.address == f"127.0.0.1:{made.listener.port}"


async def test_an_address_that_is_taken_is_told_with_what_to_do() -> None:
    """The first start on a machine where another broker runs."""
    async with station() as made:
        second = MqttListener(made.listener._given, made.listener.address)
        with pytest.raises(BaseExceptionGroup) as caught:
            async with second.running():
                pytest.fail("it must not get here")
        (error,) = caught.value.exceptions
        assert isinstance(error, ConfigurationError)
        assert made.listener.address in error.detail
        assert "transports.mqtt.listen=" in error.remedy


async def test_strangers_of_one_address_are_counted() -> None:
    """RL-2: who has said who it is does not count, and leaves room for the next."""
    async with station(MqttSettings(strangers_per_address=2)) as made:
        first = await Peer.dial(made.listener.port)
        second = await Peer.dial(made.listener.port)
        await until(lambda: len(made.listener) == 2)
        third = await Peer.dial(made.listener.port)
        assert await third.rest() == []
        await first.sign_in()
        fourth = await Peer.dial(made.listener.port)
        await fourth.sign_in("app")
        assert len(made.listener) == 3
        second.hang_up()


async def test_nothing_of_a_connection_stays_behind() -> None:
    """A thousand short connections leave no count and no reference."""
    async with station() as made:
        for _ in range(3):
            async with made.peer():
                pass
            (await Peer.dial(made.listener.port)).hang_up()
        await until(lambda: not len(made.listener))
        await until(lambda: not made.listener._strangers)
        assert not made.listener._unknown
        assert made.connections.count() == 0


async def test_sockets_inherit_what_the_listener_asked_for() -> None:
    """Dead peers are noticed by the kernel; it holds little that is unsent."""
    async with station() as made, made.peer():
        accepted = made.connection._transport.get_extra_info("socket")
        assert accepted.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        if hasattr(socket, "TCP_NOTSENT_LOWAT"):
            option = accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT)
            assert option == UNSENT_BYTES


async def test_a_bug_in_one_check_ends_that_connection_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with station() as made, made.peer("app") as app:
        await until(lambda: len(made.listener) == 1)
        broken = made.connection
        async with made.peer() as pump:

            def check(_now: float) -> None:
                raise ZeroDivisionError

            monkeypatch.setattr(broken, "check", check)
            made.listener._check(broken, 0.0)
            assert await app.rest() == []
            pump.write(pump.machine.ping())
            await pump.expect(Pingresp)


async def test_a_stop_tells_everyone_why() -> None:
    """0x8B to who speaks MQTT 5; what was acknowledged before is on disk."""
    async with station() as made:
        peer = await Peer.dial(made.listener.port)
        await peer.sign_in()
        peer.publish(TELEMETRY, b'{"temperature":1}')
        await peer.expect(Puback)
        old = await Peer.dial(made.listener.port)
        await old.sign_in("app", version=4)
        ends = asyncio.gather(peer.rest(), old.rest())
        await asyncio.sleep(0)
    told: list[Any] = await ends
    assert [type(one) for one in told[0]] == [Disconnect]
    assert told[0][0].reason is Reason.SERVER_SHUTTING_DOWN
    assert told[1] == []
    assert made.payloads() == [b'{"temperature":1}']
    assert not len(made.listener)


async def test_who_does_not_hang_up_does_not_hold_up_a_stop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """After a while it is cut."""
    monkeypatch.setattr("weft.transports.mqtt.guests.DRAIN_S", 0.05)
    async with station() as made:
        peer = await Peer.dial(made.listener.port)
        await peer.sign_in()
    await until(lambda: not len(made.listener))
    peer.hang_up()
