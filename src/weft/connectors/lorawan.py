"""Downlinks: commands to LoRaWAN devices, put into the queue of their network server.

A command of a device whose gateway is a configured network server goes to its queue; from
then on it is delivered, and ends when the device has acknowledged it, or for an unconfirmed
one when it was sent. What is queued is noted on disk under the id that the server's events
name. A command is queued again only where a crash, or an answer that was lost, came before
that note and the server's queue does not show it.
"""

import asyncio
from collections.abc import Iterable, Mapping

from msgspec import Struct

from weft.commands.commands import Commands
from weft.commands.kinds import Key
from weft.connectors.credentials import Credentials
from weft.connectors.lorawan_queue import DownlinkQueue
from weft.connectors.lorawan_servers import (
    TTS,
    DownlinkSettings,
    Line,
    NetworkServer,
    make_server,
    require_settings,
)
from weft.errors import ConnectorError, StorageError
from weft.ingest.dialects.lorawan_words import Address, Queued
from weft.model.command import Command, CommandState
from weft.model.device import Device
from weft.model.ids import DeviceId, TenantId
from weft.observability.log import get_logger
from weft.ports import Records
from weft.registry.devices import Devices
from weft.security.outbound import OutboundClient

log = get_logger(__name__)

RETRY_S = 30.0


class DownlinkGiven(Struct, frozen=True):
    """What downlinks work with."""

    records: Records
    commands: Commands
    devices: Devices
    credentials: Credentials
    outbound: OutboundClient


class Downlinks:
    """Follows the commands of LoRaWAN devices."""

    def __init__(self, given: DownlinkGiven, settings: Mapping[str, DownlinkSettings]) -> None:
        self._given = given
        self._settings = {name: one for name, one in settings.items() if one.sends}
        self._queue = DownlinkQueue(given.records)
        self._outbound: dict[str, OutboundClient] = {}
        self._servers: dict[str, NetworkServer] = {}
        for name, one in settings.items():
            require_settings(name, one)
            if not one.sends:
                continue
            self._outbound[name] = given.outbound.allowing(one.allow)
            line = Line(one, self._outbound[name], given.credentials)
            self._servers[name] = make_server(line, self._queue)
        self._refused: set[Key] = set()
        self._paused_until: dict[str, float] = {}  # by name, on the loop's own clock
        self._ended: list[str] = []
        self._more = asyncio.Event()
        self._sending = asyncio.Lock()

    async def load(self) -> None:
        """Read what is queued; call once, before events come."""
        await self._queue.load()

    # --- what events ask and tell ---

    def find(self, queue_id: str) -> Queued | None:
        """Return what a network server's own id stands for, or None."""
        return self._queue.find(queue_id)

    def is_new_address(self, gateway: Device, child: Device, address: Address) -> bool:
        """Whether what a server calls a device is news, and commands need it."""
        return self._sends_by_name(gateway) and self._queue.address_of(child) != address

    async def learn(self, gateway: Device, child: Device, address: Address) -> None:
        """Keep what The Things Stack calls a device, and send what has waited for that."""
        if self._sends_by_name(gateway):
            await self._queue.learn(child, address)
            self._refused = {
                key for key in self._refused if key[:2] != (child.tenant, child.device_id)
            }
            self._more.set()

    async def place(self, tenant: TenantId, device_id: DeviceId, queue_id: str) -> None:
        """Take note that a command has arrived in the queue of its device."""
        queued = self._queue.find(queue_id)
        if queued is None or (queued.tenant, queued.device_id) != (tenant, device_id):
            return
        if await self._queue.mark_placed(queue_id) is not None:
            self._given.commands.fetched(tenant, device_id, queued.request_id)

    def _sends_by_name(self, gateway: Device) -> bool:
        settings = self._settings.get(gateway.device_id)
        return settings is not None and settings.server == TTS and settings.tenant == gateway.tenant

    async def forget(self, device: Device) -> None:
        """Drop what is known of a deleted device."""
        await self._queue.forget_device(device)

    def changed(self, command: Command) -> None:
        """Take note of a command that may have to go down, or has ended."""
        if command.has_ended:
            self._refused.discard(Key.of(command))
            queued = self._queue.of_command(command)
            if queued is not None:
                self._ended.append(queued.queue_id)
        self._more.set()

    # --- sending ---

    async def close(self) -> None:
        """Close the connections."""
        for client in self._outbound.values():
            await client.close()

    async def run(self) -> None:
        """Send what is due until cancelled; what failed is tried again."""
        self._find_ended()
        while self._settings:
            self._more.clear()
            now = asyncio.get_running_loop().time()
            await self._send_to(
                [one for one in self._settings if self._paused_until.get(one, now) <= now]
            )
            try:
                async with asyncio.timeout(RETRY_S):
                    await self._more.wait()
            except TimeoutError:
                log.debug("downlinks_looked_at_again")

    async def send_due(self) -> None:
        """Send every command that waits for its network server, and forget those that ended."""
        await self._send_to(self._settings)

    async def _send_to(self, names: Iterable[str]) -> None:
        try:
            async with self._sending:  # none is sent twice
                ended, self._ended = self._ended, []
                await self._queue.forget(ended)
                for name in names:
                    await self._send_of(name, self._settings[name])
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
                    await self._send(name, child, command)
                except ConnectorError as error:
                    log.warning("downlink_failed", gateway=name, error=error.detail)
                    if not error.permanent:
                        self._pause(name, error.retry_after_s)
                        return  # the others would fare no better; all are tried again
                    self._refuse(command, error)

    async def _send(self, name: str, child: Device, command: Command) -> None:
        queued = self._queue.of_command(command)
        arrived = queued is not None and queued.placed  # and a crash came before that was noted
        if arrived or await self._servers[name].put(child, command):
            self._given.commands.fetched(command.tenant, command.device_id, command.request_id)

    def _refuse(self, command: Command, error: ConnectorError) -> None:
        """Have a command end that its server will never take; until then it is not sent."""
        self._refused.add(Key.of(command))
        reason = f"The network server does not take it. {error.detail}"
        self._given.commands.undeliverable(
            command.tenant, command.device_id, command.request_id, reason
        )

    def _pause(self, name: str, retry_after_s: float | None) -> None:
        """Leave a server alone for as long as it asks for, whatever else is to be sent."""
        pause_s = RETRY_S if retry_after_s is None else retry_after_s
        self._paused_until[name] = asyncio.get_running_loop().time() + pause_s

    def _find_ended(self) -> None:
        """Find the notes of commands that ended as Weft stopped."""
        commands = self._given.commands
        for one in self._queue.all():
            still = commands.open_for(one.tenant, one.device_id)
            if one.request_id not in {command.request_id for command in still}:
                self._ended.append(one.queue_id)
