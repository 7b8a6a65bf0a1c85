"""PR-1, PR-3 and PR-4 from outside: batches, owners and devices that wait, over real sockets."""

import asyncio
from typing import Any

import pytest
from tests.security.rows.support import (
    GLOBEX,
    MAIN,
    REFUSED,
    Account,
    House,
    nothing_for,
    operator,
    publish,
)

from weft.ingest.quarantine import Approval
from weft.registry.claiming import OwnerClaim
from weft.registry.claims import NewClaim
from weft.wire.mqtt.packets import Disconnect, Publish
from weft.wire.mqtt.reasons import Reason

TELEMETRY = "devices/me/telemetry"


async def claim(house: House, **more: Any) -> str:
    """Make a claim; return its token."""
    new = NewClaim(**{"name": "batch", "count": 3, **more})
    return (await house.identity.claims.create(operator(), new)).token


async def provision(house: House, token: str, serial: str) -> Any:
    """Ask over HTTP as a device does."""
    async with house.http(token) as client:
        return await client.post("provision", json={"serial": serial})


async def test_pr_1_a_claim_opens_no_protocol_and_no_operation(house: House) -> None:
    """MQTT does not know it, HTTP does not know it; provisioning does, three times."""
    token = await claim(house)
    _, answer = await house.dial(Account("batch", token))
    assert answer.reason in REFUSED
    async with house.http(token) as client:
        for path in ("devices", "whoami", "claims", "telemetry"):
            assert (await client.get(path)).status_code in {401, 404}
    made = await asyncio.gather(*(provision(house, token, str(number)) for number in range(9)))
    assert sorted(one.status_code for one in made) == [201] * 3 + [403] * 6


async def test_pr_4_a_device_that_waits_is_heard_and_nothing_else(house: House) -> None:
    """Over MQTT: what it says is kept, no filter is granted, nothing reaches it or others."""
    made = (await provision(house, await claim(house), "7")).json()
    watcher = await house.mqtt(await house.key(topics=("#",)))
    assert await watcher.subscribe("devices/+/telemetry") == [1]
    peer, answer = await house.dial(Account("7", made["token"]))
    assert answer.reason is Reason.SUCCESS
    assert await publish(peer, TELEMETRY, b'{"temperature": 21.5}') is Reason.NOT_AUTHORIZED
    assert await peer.subscribe("devices/me/#") == [Reason.NOT_AUTHORIZED]
    assert await publish(peer, "plain/topic", b"{}") is Reason.NOT_AUTHORIZED
    await house.settle()
    assert await nothing_for(watcher)

    quarantine = house.weft.path.quarantine
    waiting = await quarantine.get(MAIN, "7")
    assert [one.payload for one in waiting.kept] == [b'{"temperature": 21.5}']
    done = await quarantine.approve(operator(), "7", Approval(type_name="t", infer=True))
    assert (done.redriven, done.refused) == (1, ())
    assert (await watcher.expect(Publish)).payload == b'{"temperature": 21.5}'
    await peer.expect(Disconnect)
    again, _ = await house.dial(Account("7", made["token"]))
    assert await again.subscribe("devices/me/#") == [1]
    assert await publish(again, TELEMETRY, b'{"temperature": 22}') is not Reason.NOT_AUTHORIZED


async def test_pr_4_a_refused_device_is_cut_and_stays_out(house: House) -> None:
    """At once, while it is connected."""
    made = (await provision(house, await claim(house), "7")).json()
    peer, _ = await house.dial(Account("7", made["token"]))
    await house.weft.path.quarantine.refuse(operator(), "7")
    await peer.expect(Disconnect)
    _, answer = await house.dial(Account("7", made["token"]))
    assert answer.reason in REFUSED


async def test_pr_3_a_claimed_device_is_cut_and_comes_back_as_its_owners(house: House) -> None:
    """The same secret, another tenant: what it says from now on is its owner's alone."""
    made = (await provision(house, await claim(house, approve=True), "7")).json()
    maker = await house.mqtt(await house.key(topics=("#",)))
    owner = await house.mqtt(await house.key(topics=("#",), tenant=GLOBEX))
    for reader in (maker, owner):
        assert await reader.subscribe("devices/+/telemetry") == [1]
    peer, _ = await house.dial(Account("7", made["token"]))
    code = (await house.identity.claiming.make_code(operator(), "7")).code
    await house.identity.claiming.claim(operator(GLOBEX), OwnerClaim("7", code), "192.0.2.1")
    await peer.expect(Disconnect)
    again, answer = await house.dial(Account("7", made["token"]))
    assert answer.reason is Reason.SUCCESS
    await publish(again, TELEMETRY, b'{"rpm": 1}')
    assert (await owner.expect(Publish)).payload == b'{"rpm": 1}'
    assert await nothing_for(maker)


@pytest.mark.parametrize("state", ["suspended", "revoked"])
async def test_pr_6_provisioned_devices_move_as_all_others(house: House, state: str) -> None:
    """That it came by a claim opens no way back in."""
    made = (await provision(house, await claim(house, approve=True), "7")).json()
    devices = house.identity.devices
    await devices.move(operator(), "7", type(devices.get(MAIN, "7").lifecycle)(state))
    _, answer = await house.dial(Account("7", made["token"]))
    assert answer.reason in REFUSED
