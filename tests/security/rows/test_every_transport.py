"""RV-1 to RV-3 over MQTT, HTTP and CoAP at once: what a credential has opened ends with it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Self

import aiomqtt
import httpx2
import pytest
from OpenSSL import SSL
from tests.interop.support import OPERATOR, until
from tests.transports.coap.support import ME, House, Peer, SecurePeer, running_house
from tests.transports.dtls.support import key_context

from weft.model.device import Device, Lifecycle
from weft.security.rotation import Replacing
from weft.wire.coap.codes import Code

PATIENCE_S = 30
TELEMETRY = f"{ME}/telemetry"
CONNECTIONS = 4  # requests over HTTP that wait for the same device are one, in any dialect


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with running_house(tmp_path / "data") as running:
        yield running


class Opened:
    """All that a device holds open: with one secret everywhere, and with a key over DTLS."""

    def __init__(self, house: House, device: Device, token: str) -> None:
        self.house, self.device, self.token = house, device, token
        self._stack = AsyncExitStack()
        self.mqtt: aiomqtt.Client
        self.coap: Peer
        self.coaps: SecurePeer
        self.http: asyncio.Task[httpx2.Response]
        self.thingsboard: asyncio.Task[httpx2.Response]

    async def __aenter__(self) -> Self:
        house, enter = self.house, self._stack.enter_async_context
        name = self.device.device_id
        self.mqtt = await enter(
            aiomqtt.Client(house.host, house.mqtt_port, username=name, password=self.token)
        )
        client = await enter(
            httpx2.AsyncClient(base_url=house.http_url, trust_env=False, timeout=PATIENCE_S)
        )
        tasks = await enter(asyncio.TaskGroup())
        bearer = {"authorization": f"Bearer {self.token}"}
        self.http = tasks.create_task(
            client.get("/api/v1/devices/me/commands?wait_s=30", headers=bearer)
        )
        waiting = client.get(f"/api/v1/{self.token}/rpc", params={"timeout": "30000"})
        self.thingsboard = tasks.create_task(waiting)
        self.coap = await Peer.dial(house.coap_port, self.token)
        self._stack.callback(self.coap.close)
        assert (await self.coap.ask(Code.POST, TELEMETRY, b"{}")).code == Code.CHANGED
        issued = await house.key(self.device)
        self.key = key_context(issued.credential.credential_id, issued.key)
        self.coaps = await SecurePeer.shake(house.coaps_port, self.key)
        self._stack.callback(self.coaps.close)
        await until(lambda: len(self.protocols()) == CONNECTIONS, PATIENCE_S)
        return self

    async def __aexit__(self, *error: object) -> None:
        self.http.cancel()
        self.thingsboard.cancel()
        await self._stack.aclose()

    def protocols(self) -> list[str]:
        """What is open now, as Weft knows it."""
        held = self.house.weft.identity.connections.of_principal(self.device.uid)
        return sorted(one.protocol for one in held)

    async def has_ended(self) -> dict[str, bool]:
        """Whether each is over for the client that holds it."""
        async with asyncio.timeout(PATIENCE_S):
            return {
                "mqtt": await _is_cut(self.mqtt),
                "http": (await self.http).status_code == 401,
                "thingsboard": (await self.thingsboard).status_code == 401,
                "coap": (await self.coap.ask(Code.POST, TELEMETRY, b"{}")).code
                == Code.UNAUTHORIZED,
            }


async def _is_cut(client: aiomqtt.Client) -> bool:
    try:
        async for _ in client.messages:
            continue
    except aiomqtt.MqttError:
        return True
    return False


async def opened(house: House, stack: AsyncExitStack, name: str) -> Opened:
    device = await house.device(name)
    token = (await house.add_secret(device)).token
    return await stack.enter_async_context(Opened(house, device, token))


async def _revoke_all(house: House, device: Device) -> None:
    for one in await house.weft.identity.credentials.list_credentials(device):
        await house.weft.identity.credentials.revoke(OPERATOR, device, one.credential_id)


async def _suspend(house: House, device: Device) -> None:
    await house.weft.identity.devices.move(OPERATOR, device.device_id, Lifecycle.SUSPENDED)


async def _delete(house: House, device: Device) -> None:
    await house.weft.identity.devices.delete(OPERATOR, device.device_id)


@pytest.mark.parametrize("end", [_revoke_all, _suspend, _delete])
async def test_rv_1_the_end_of_a_right_cuts_every_transport(
    house: House, end: Callable[[House, Device], Awaitable[None]]
) -> None:
    """All connections of one device end in one turn; those of another go on."""
    async with AsyncExitStack() as stack:
        pump = await opened(house, stack, "pump-7")
        other = await opened(house, stack, "pump-8")
        await end(house, pump.device)
        assert pump.protocols() == []  # before anything else has run
        assert set((await pump.has_ended()).values()) == {True}
        with pytest.raises(SSL.ZeroReturnError):
            async with asyncio.timeout(PATIENCE_S):
                await pump.coaps.read()
        with pytest.raises(SSL.Error):  # RV-2: an alert, or good-bye; it does not come in again
            async with asyncio.timeout(PATIENCE_S):
                await (await SecurePeer.shake(house.coaps_port, pump.key)).read()
        assert len(other.protocols()) == CONNECTIONS
        assert (await other.coaps.ask(Code.POST, TELEMETRY, b"{}")).code == Code.CHANGED
        assert not other.http.done()


async def test_rv_3_a_rotation_cuts_what_the_old_credential_opened_and_nothing_else(
    house: House,
) -> None:
    """The secret is replaced; the pre-shared key and the new secret have theirs untouched."""
    identity = house.weft.identity
    async with AsyncExitStack() as stack:
        pump = await opened(house, stack, "pump-7")
        old = next(
            one.credential_id
            for one in identity.connections.of_principal(pump.device.uid)
            if one.protocol == "mqtt"
        )
        new = await identity.rotation.rotate_secret(
            OPERATOR, pump.device, Replacing(grace_s=2, credential_id=old)
        )
        after = await stack.enter_async_context(
            aiomqtt.Client(house.host, house.mqtt_port, username="pump-7", password=new.token)
        )
        assert set((await pump.has_ended()).values()) == {True}
        assert pump.protocols() == ["coaps", "mqtt"]
        assert (await pump.coaps.ask(Code.POST, TELEMETRY, b"{}")).code == Code.CHANGED
        await after.publish("devices/me/telemetry", b"{}", 1)
