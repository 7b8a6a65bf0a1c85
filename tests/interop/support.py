"""A real Weft for other people's clients: in process, on a temporary folder and free ports.

    async with running_weft(tmp_path) as weft:
        pump = await weft.add_device("pump-7")       # a device with a secret
        app = await weft.add_key(("#",))             # a service key with topic grants
        client.connect(weft.host, weft.mqtt_port, user=pump.username, password=pump.token)

Things are made through the services that the API calls, as an operator would. Leave the
context and enter it again with the same folder to restart; ports may differ then. Clients
that block belong into `asyncio.to_thread` or a process of their own.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from weft.app.compose import MAIN, Weft
from weft.app.folder import DataFolder
from weft.config import Config, load_config
from weft.model.device import Device
from weft.model.principal import Principal, PrincipalKind
from weft.registry.devices import NewDevice
from weft.security.filters import Direction, Effect, Grant
from weft.security.keys import NewKey

OPERATOR = Principal(MAIN, PrincipalKind.SYSTEM, "operator", "operator")
QUIET = ("log.level=error",)
FREE_PORTS = (
    "api.listen=127.0.0.1:0",
    "transports.mqtt.listen=127.0.0.1:0",
    "transports.coap.listen=127.0.0.1:0",
)

# What a pump says, as its owner would write it.
PUMP_TYPE: dict[str, Any] = {
    "title": "Pump",
    "telemetry": {"temperature": {"type": "number", "unit": "Cel"}, "rpm": {"type": "integer"}},
    "properties": {"interval": {"type": "integer", "minimum": 1}},
    "commands": {"stop": {}},
    "events": {"leak": {"litres": {"type": "number"}}},
}


@dataclass(frozen=True)
class Account:
    """What a client signs in with; the token alone as user name does as well."""

    username: str
    token: str


class RunningWeft:
    """A Weft that serves, and how to fill it."""

    host = "127.0.0.1"

    def __init__(self, weft: Weft) -> None:
        self.weft = weft

    @property
    def mqtt_port(self) -> int:
        return int(self.weft.endpoints.mqtt.rpartition(":")[2])

    @property
    def http_url(self) -> str:
        return self.weft.endpoints.http

    async def add_type(self, name: str, document: dict[str, Any] = PUMP_TYPE) -> None:
        await self.weft.identity.types.save(OPERATOR, name, document)

    async def add_device(self, device_id: str, type_name: str | None = None) -> Account:
        """Make a device and a secret for it."""
        new = NewDevice(device_id=device_id, type_name=type_name)
        device = await self.weft.identity.devices.create(OPERATOR, new)
        return await self.add_secret(device)

    async def add_secret(self, device: Device) -> Account:
        issued = await self.weft.identity.credentials.issue_secret(OPERATOR, device)
        return Account(device.device_id, issued.token)

    async def add_key(
        self,
        allow: Sequence[str],
        deny: Sequence[str] = (),
        scopes: Sequence[str] = (),
        name: str = "app",
    ) -> Account:
        """Make a service key that may publish and subscribe as the filters say."""
        grants = [Grant(Direction.BOTH, one) for one in allow]
        grants += [Grant(Direction.BOTH, one, Effect.DENY) for one in deny]
        new = NewKey(name, tuple(scopes), tuple(grants))
        issued = await self.weft.identity.keys.create(OPERATOR, new)
        return Account(issued.key.key_id, issued.token)

    def filters(self) -> list[str]:
        """Return what is subscribed to now."""
        sessions = self.weft.path.broker.list_sessions(MAIN)
        return [one for session in sessions for one in session.subscriptions]

    async def payloads(self) -> list[bytes]:
        """Return the payload of every message in the journal, in order."""
        return [
            envelope.payload
            async for batch in self.weft.stores.journal.read(0)
            for envelope in batch.envelopes
        ]


def settings(*assignments: str) -> Config:
    """Return a configuration on free loopback ports, with `path=value` set as by `--set`."""
    return load_config(environment={}, assignments=(*QUIET, *FREE_PORTS, *assignments))


@asynccontextmanager
async def running_weft(folder: Path, *assignments: str) -> AsyncIterator[RunningWeft]:
    """Serve from `folder` until the context ends; then everything admitted is on disk."""
    opened = Weft.open(settings(*assignments), DataFolder(folder))
    async with opened as weft, weft.running():
        yield RunningWeft(weft)


async def until(condition: Callable[[], Any], timeout_s: float = 10.0) -> None:
    """Let the loop turn until a condition holds."""
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110  what is looked at knows no event
            await asyncio.sleep(0.005)
