"""Downlinks: commands to LoRaWAN devices, put into the queue of their network server.

A command of a device whose gateway is a configured ChirpStack goes to its queue; from then on
it is delivered, and ends when the device has acknowledged it, or for an unconfirmed one when
it was sent. What is queued is noted on disk under the network server's own id, because that
is all its events say. A command is queued again only where a crash came before that note.
"""

import asyncio
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

from weft.commands.commands import Commands
from weft.commands.kinds import Key
from weft.connectors.credentials import Credentials, require_reference
from weft.errors import ConnectorError, StorageError
from weft.ingest.dialects.lorawan import Queued
from weft.model.command import Command, CommandState
from weft.model.device import Device
from weft.model.ids import TenantId
from weft.observability.log import get_logger
from weft.ports import Kind, Reader, Records
from weft.registry.devices import Devices
from weft.security.outbound import OutboundClient, url_of

log = get_logger(__name__)

RETRY_S = 30.0
QUEUED_MAX = 100_000  # noted at once; far more than there are open commands

QUEUED: Kind[Queued] = Kind("downlink", Queued)


class DownlinkSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """`[lorawan.DEVICE]`: the ChirpStack that the device of this name stands for."""

    url: str  # of its REST API, as https://chirpstack.example:8090
    key: str  # reference to its API key: file:, env: or sealed:
    tenant: str = "main"
    allow: tuple[str, ...] = ()  # CIDRs of a server on premise
    confirmed: bool = True  # the device has to acknowledge, and the command ends with that
    f_port: int = 10  # of commands that ChirpStack's codec encodes
    timeout_s: float = 10.0


class DownlinkGiven(Struct, frozen=True):
    """What downlinks work with."""

    records: Records
    commands: Commands
    devices: Devices
    credentials: Credentials
    outbound: OutboundClient


class _Answer(Struct, frozen=True):
    id: str


class Downlinks:
    """Follows the commands of LoRaWAN devices."""

    def __init__(self, given: DownlinkGiven, settings: Mapping[str, DownlinkSettings]) -> None:
        self._given = given
        self._settings = settings
        self._outbound: dict[str, OutboundClient] = {}
        for name, one in settings.items():
            require_reference(one.key, f"[lorawan.{name}] key")
            self._outbound[name] = given.outbound.allowing(one.allow)
        self._queued: dict[str, Queued] = {}
        self._refused: set[Key] = set()
        self._ended: list[str] = []
        self._more = asyncio.Event()
        self._sending = asyncio.Lock()

    async def load(self) -> None:
        """Read what is queued; call once, before events come."""

        def read(r: Reader) -> list[Queued]:
            return [
                record.value
                for tenant in r.tenants(QUEUED)
                for record in r.list(QUEUED, tenant, limit=QUEUED_MAX)
            ]

        found = await self._given.records.read(read)
        self._queued = {one.queue_id: one for one in found}

    def find(self, queue_id: str) -> Queued | None:
        """Return what a network server's own id stands for, or None."""
        return self._queued.get(queue_id)

    def changed(self, command: Command) -> None:
        """Take note of a command that may have to go down, or has ended."""
        if command.has_ended:
            self._refused.discard(Key.of(command))
            mine = (command.tenant, command.device_id, command.request_id)
            self._ended += [
                one.queue_id
                for one in self._queued.values()
                if (one.tenant, one.device_id, one.request_id) == mine
            ]
        self._more.set()

    async def close(self) -> None:
        """Close the connections."""
        for client in self._outbound.values():
            await client.close()

    async def run(self) -> None:
        """Send what is due until cancelled; what failed is tried again."""
        while self._settings:
            await self.send_due()
            self._more.clear()
            try:
                async with asyncio.timeout(RETRY_S):
                    await self._more.wait()
            except TimeoutError:
                log.debug("downlinks_looked_at_again")

    async def send_due(self) -> None:
        """Send every command that waits for its network server, and forget those that ended."""
        try:
            async with self._sending:  # none is sent twice
                await self._forget_ended()
                for name, settings in self._settings.items():
                    await self._send_of(name, settings)
        except StorageError as error:
            log.error("downlink_not_noted", error=error.detail, remedy=error.remedy)

    async def _send_of(self, name: str, settings: DownlinkSettings) -> None:
        given = self._given
        tenant = TenantId(settings.tenant)
        gateway = given.devices.find(tenant, name)
        if gateway is None:
            return
        for child in given.devices.children_of(gateway):
            for command in given.commands.open_for(tenant, child.device_id):
                if command.state is not CommandState.SENT or Key.of(command) in self._refused:
                    continue
                try:
                    await self._send(name, settings, child, command)
                except ConnectorError as error:
                    log.warning("downlink_failed", gateway=name, error=error.detail)
                    if not error.permanent:
                        return  # the others would fare no better; all are tried again
                    self._refused.add(Key.of(command))

    async def _send(
        self, name: str, settings: DownlinkSettings, child: Device, command: Command
    ) -> None:
        key = await self._given.credentials.get(settings.key)
        answer = await self._outbound[name].request(
            "POST",
            url_of(settings.url, "api", "devices", child.alias, "queue"),
            headers={
                "Content-Type": "application/json",
                "Grpc-Metadata-Authorization": f"Bearer {key}",
            },
            body=msgspec.json.encode({"queueItem": _item(settings, child, command)}),
            timeout_s=settings.timeout_s,
        )
        made = answer.require_success("Queue a downlink").decode(_Answer, "Queue a downlink")
        queued = Queued(
            made.id, command.tenant, command.device_id, command.request_id, settings.confirmed
        )
        await self._given.records.write(
            lambda w: w.put(QUEUED, queued.tenant, queued.queue_id, queued)
        )
        self._queued[queued.queue_id] = queued
        self._given.commands.fetched(command.tenant, command.device_id, command.request_id)

    async def _forget_ended(self) -> None:
        ended, self._ended = self._ended, []
        gone = [self._queued.pop(queue_id) for queue_id in ended if queue_id in self._queued]
        if gone:

            def write(w: Any) -> None:
                for one in gone:
                    w.delete(QUEUED, one.tenant, one.queue_id)

            await self._given.records.write(write)


def _item(settings: DownlinkSettings, child: Device, command: Command) -> dict[str, Any]:
    """Return what is queued: bytes where the input has them, else what ChirpStack encodes."""
    item: dict[str, Any] = {"devEui": child.alias, "confirmed": settings.confirmed}
    given = command.input
    if isinstance(given.get("data"), str):
        return {**item, "fPort": given.get("f_port", settings.f_port), "data": given["data"]}
    return {**item, "fPort": settings.f_port, "object": {"command": command.name, **given}}
