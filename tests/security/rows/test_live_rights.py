"""AZ-4, RV-1 and RV-2: a right that has ended, has ended everywhere."""

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest
from tests.security.rows.support import (
    KEPT,
    PATIENCE_S,
    REFUSED,
    House,
    Key,
    house_in,
    nothing_for,
    operator,
    publish,
)

from weft.model.device import Lifecycle
from weft.security.filters import Direction, Grant
from weft.wire.mqtt.packets import Disconnect, Publish
from weft.wire.mqtt.reasons import Reason

TELEMETRY = "devices/pump-7/telemetry"


def shrink(house: House, key: Key, *topics: str) -> None:
    """Leave a key fewer topics than it had, as a change of its grants does."""
    principal = key.principal
    grants = tuple(Grant(Direction.BOTH, one) for one in topics)
    house.identity.policy.set_key(principal.tenant, principal.uid, frozenset(), grants)


async def test_az_4_a_live_subscription_stops_with_its_right(house: House) -> None:
    """It was granted and it delivered; the right goes, and the next message does not come."""
    pump, app = await house.enrol("pump-7"), await house.key(topics=("#",))
    device, reader = await house.mqtt(pump), await house.mqtt(app)
    assert await reader.subscribe("devices/+/telemetry") == [1]
    await publish(device, TELEMETRY, b'{"t":1}')
    assert (await reader.expect(Publish)).payload == b'{"t":1}'

    shrink(house, app, "other/#")
    await publish(device, TELEMETRY, b'{"t":2}')
    await house.settle()
    assert await nothing_for(reader)


async def test_az_4_a_stored_session_delivers_nothing_that_is_no_longer_allowed(
    house: House,
) -> None:
    """Queued while it was away and allowed; when it returns it may not, and gets nothing."""
    pump, app = await house.enrol("pump-7"), await house.key(topics=("#",))
    away = await house.mqtt(app, properties=KEPT, clean_start=False)
    await away.subscribe(TELEMETRY, "news")
    away.write(away.machine.disconnect())
    await away.rest()
    device, speaker = await house.mqtt(pump), await house.mqtt(app, client_id="speaker")
    await publish(device, TELEMETRY, b'{"t":1}')
    await publish(speaker, "news", b"still allowed")
    await house.settle()

    shrink(house, app, "news")
    back, answer = await house.dial(app, properties=KEPT, clean_start=False)
    assert answer.session_present
    assert (await back.expect(Publish)).topic == "news"
    assert await nothing_for(back)


async def test_az_4_a_retained_message_is_not_for_who_may_not_read_it(house: House) -> None:
    """Neither by its own topic nor by a filter that is wider."""
    app = await house.key(topics=("#",))
    speaker = await house.mqtt(app)
    await publish(speaker, "plant/secret", b"42", retain=True)
    await publish(speaker, "plant/open", b"1", retain=True)
    await house.settle()
    limited = await house.key(topics=("plant/#",), denied=("plant/secret",))
    reader = await house.mqtt(limited)
    assert await reader.subscribe("plant/secret") == [Reason.NOT_AUTHORIZED]
    assert await reader.subscribe("plant/#") == [1]
    assert (await reader.expect(Publish)).topic == "plant/open"
    assert await nothing_for(reader)


async def test_mq_7_a_retained_message_goes_with_its_owners_right(house: House) -> None:
    """Whoever left it was revoked: who subscribes now gets nothing."""
    owner, app = await house.key(topics=("#",)), await house.key(topics=("#",))
    speaker = await house.mqtt(owner)
    await publish(speaker, "plant/state", b"trusted", retain=True)
    await house.settle()
    await house.revoke_key(owner)
    reader = await house.mqtt(app)
    await reader.subscribe("plant/#")
    assert await nothing_for(reader)


async def cut(peer: Any) -> bool:
    """Whether the server ended a connection, with or without saying so."""
    packets = await peer.rest()
    return all(isinstance(packet, Disconnect) for packet in packets)


async def test_rv_1_revoking_cuts_every_connection_of_a_device(house: House) -> None:
    """By secret in the clear, by certificate over TLS; another device stays."""
    pump, other = await house.enrol("pump-7"), await house.enrol("pump-8")
    plain, stays = await house.mqtt(pump), await house.mqtt(other)
    secure, answer = await house.dial_tls(pump.pem)
    assert answer.reason is Reason.SUCCESS
    began = time.monotonic()
    await house.identity.credentials.revoke(operator(), pump.device, pump.secret_id)
    assert await cut(plain)
    assert await cut(secure)
    assert time.monotonic() - began < 5  # the hard bound; benchmarks/revoke.py measures
    assert await nothing_for(stays)


@pytest.mark.parametrize("how", ["delete", "suspend"])
async def test_rv_1_so_does_the_end_of_the_device(house: House, how: str) -> None:
    """Deleted, or suspended for a while."""
    pump = await house.enrol("pump-7")
    plain = await house.mqtt(pump)
    secure, _ = await house.dial_tls(pump.pem)
    if how == "delete":
        await house.identity.devices.delete(operator(), "pump-7")
    else:
        await house.identity.devices.move(operator(), "pump-7", Lifecycle.SUSPENDED)
    assert await cut(plain)
    assert await cut(secure)
    assert (await house.dial(pump))[1].reason in REFUSED
    assert (await house.dial_tls(pump.pem))[1].reason in REFUSED


async def test_rv_1_revoking_a_key_ends_its_streams_too(house: House) -> None:
    """MQTT and server-sent events, in the same turn."""
    app = await house.key("live:read", topics=("#",))
    peer = await house.mqtt(app)
    async with house.http(app.token) as client, client.stream("GET", "live") as live:
        lines = live.aiter_lines()
        assert await anext(lines)
        await house.revoke_key(app)
        async with asyncio.timeout(PATIENCE_S):
            rest = [line async for line in lines]
        assert not any(line.startswith("data:") and TELEMETRY in line for line in rest)
        assert (await client.get("live")).status_code == 401
    assert await cut(peer)


async def test_rv_2_no_way_leads_back(house: House) -> None:
    """Secret, certificate, stored session and request after the revocation of each."""
    pump = await house.enrol("pump-7")
    first = await house.mqtt(pump, properties=KEPT, clean_start=False)
    await first.subscribe("devices/me/commands/#")
    revoke = house.identity.credentials.revoke
    await revoke(operator(), pump.device, pump.secret_id)
    await revoke(operator(), pump.device, pump.certificate_id)
    await cut(first)

    _, again = await house.dial(pump, properties=KEPT, clean_start=False)
    assert again.reason in REFUSED
    assert not again.session_present
    _, secure = await house.dial_tls(pump.pem, properties=KEPT, clean_start=False)
    assert secure.reason in REFUSED
    async with house.http(pump.token) as client:
        assert (await client.post("devices/pump-7/telemetry", json={"t": 1})).status_code == 401


async def test_rv_2_one_of_two_credentials_may_end_alone(house: House) -> None:
    """A rotation: the old secret is refused, the certificate goes on."""
    pump = await house.enrol("pump-7")
    await house.identity.credentials.revoke(operator(), pump.device, pump.secret_id)
    assert (await house.dial(pump))[1].reason in REFUSED
    assert (await house.dial_tls(pump.pem))[1].reason is Reason.SUCCESS


async def test_rv_2_a_revoked_credential_stays_so_after_a_restart(tmp_path: Path) -> None:
    """What was in memory is gone; what was decided is not."""
    async with house_in(tmp_path / "data") as house:
        pump, app = await house.enrol("pump-7"), await house.key(topics=("#",))
        await house.identity.credentials.revoke(operator(), pump.device, pump.certificate_id)
        await house.revoke_key(app)
    async with house_in(tmp_path / "data") as house:
        assert (await house.dial_tls(pump.pem))[1].reason in REFUSED
        assert (await house.dial(app))[1].reason in REFUSED
        assert (await house.dial(pump))[1].reason is Reason.SUCCESS
