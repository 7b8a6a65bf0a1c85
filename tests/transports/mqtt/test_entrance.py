"""CONNECT on a real socket: who is let in, to which session, and what is left at the end."""

import pytest
from tests.transports.mqtt.support import (
    KEEPS,
    LAST,
    Peer,
    station,
    until,
)

from weft.broker.settings import BrokerSettings
from weft.security.limits import LimitSettings, Rate
from weft.wire.mqtt.packets import (
    Pingresp,
    Properties,
    Will,
)
from weft.wire.mqtt.reasons import Reason


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
        ((name, noted),) = made.people.noted
        assert (name, noted.code) == ("app", "quota_exceeded")
        assert noted.remedy
        refused.hang_up()


async def test_connack_tells_how_long_the_session_is_kept() -> None:
    """MQ-8: the broker's own cap is told as well."""
    async with station(broker=BrokerSettings(session_expiry_max_s=30)) as made:
        peer = await Peer.dial(made.listener.port)
        connack = await peer.sign_in(**KEEPS)
        assert connack.properties.session_expiry_s == 30


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


async def test_a_will_that_may_not_be_published_is_refused_at_connect() -> None:
    """AZ-3: now, when somebody reads the log, not on the day of the accident."""
    async with station() as made:
        peer = await Peer.dial(made.listener.port)
        connack = await peer.sign_in(will=Will("devices/other/telemetry", b"{}"))
        assert connack.reason is Reason.NOT_AUTHORIZED
        assert "devices/other/telemetry" in str(connack.properties.reason_string)
        ((name, noted),) = made.people.noted
        assert (name, "devices/other/telemetry" in noted.detail) == ("pump-7", True)
        await peer.rest()
        await until(lambda: not len(made.listener))
        await made.broker.sweep(made.clock.now())
        assert made.payloads() == []
        assert made.connections.count() == 0


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


async def test_who_connects_too_often_is_noted_for_its_owner_with_the_reason() -> None:
    """The credential was right: without it the owner would read of no failure at all."""
    limits = LimitSettings(principal_connects=Rate(0.001, 1))
    async with station(limits=limits) as made:
        for refused in (False, True):
            peer = await Peer.dial(made.listener.port)
            connack = await peer.sign_in()
            assert (connack.reason is Reason.CONNECTION_RATE_EXCEEDED) is refused
            peer.hang_up()
        ((name, noted),) = made.people.noted
        assert (name, noted.code) == ("pump-7", "rate_limited")
        assert "Wait" in noted.remedy


async def test_a_wrong_password_is_noted_once_by_who_has_seen_it() -> None:
    """The authenticator has: nothing is said again."""
    async with station() as made:
        peer = await Peer.dial(made.listener.port)
        await peer.sign_in(password=b"wrong")
        await peer.rest()
        assert made.people.noted == []
