"""Calls to a device: our commands as ThingsBoard's server-side RPC, each sent once.

ThingsBoard numbers its calls with integers. A command's number is its position in the
journal, cut to 31 bits: the same after a restart, and nothing has to be kept for it. What
was sent is remembered; after a restart, the broker knows what still waits in a session.
A command that a device acknowledged is not sent to it again, however often it comes back.
"""

from collections.abc import Callable
from typing import Any, Protocol

import msgspec
from msgspec import Struct

from weft.commands.commands import Commands
from weft.commands.kinds import number_of
from weft.errors import NotFound
from weft.ingest.dialects.desk import Replies
from weft.ingest.dialects.dialect import private_topic
from weft.ingest.dialects.thingsboard.table import DOWN, FORMS, GATEWAY_RPC, NAME, RPC_REQUEST
from weft.ingest.submit import Ingest
from weft.model.command import Command, CommandState
from weft.model.device import Device
from weft.model.ids import DeviceId, TenantId
from weft.model.message import Envelope, Operation, PublishProperties, Route
from weft.model.moments import NS_PER_S
from weft.model.principal import PrincipalKind
from weft.ports import Clock


class KnownDevices(Protocol):
    """Devices from memory: by id, by uid, and a gateway's by what it calls them."""

    def find(self, tenant: TenantId, device_id: DeviceId, /) -> Device | None:
        """Return a device, or None."""
        ...

    def find_uid(self, uid: str, /) -> Device | None:
        """Return the device with this uid, or None."""
        ...

    def find_child(self, gateway: Device, alias: str, /) -> Device | None:
        """Return the device that a gateway calls `alias`, or None."""
        ...

    def children_of(self, gateway: Device, /) -> list[Device]:
        """Return the devices that a gateway speaks for."""
        ...


class CallsGiven(Struct, frozen=True):
    """What calls are made with."""

    commands: Commands
    ingest: Ingest
    devices: KnownDevices
    clock: Clock
    replies: Replies
    is_queued: Callable[[TenantId, str], bool]
    withdraw: Callable[[str, str], None]  # what waits for a principal's uid on a topic


class Calls:
    """Sends commands as calls, and knows whose an answer is."""

    def __init__(self, given: CallsGiven) -> None:
        self._given = given
        self.commands = given.commands
        self._told: dict[tuple[TenantId, DeviceId], dict[str, int]] = {}  # numbers by request id

    async def tell(self, tenant: TenantId, device_id: DeviceId) -> None:
        """Send a device, or its gateway, the commands that it was not sent yet."""
        open_ = {one.request_id: one for one in self.commands.open_for(tenant, device_id)}
        told = self._told.setdefault((tenant, device_id), {})
        for request_id in [one for one in told if one not in open_]:
            self._withdraw(tenant, device_id, told.pop(request_id))
        taken: set[int] = set()
        for command in open_.values():
            number = number_of(command)
            waits = command.state is CommandState.SENT and command.request_id not in told
            if waits and number not in taken and await self._send(command, number):
                told[command.request_id] = number
            taken.add(number)
        if not told:
            self._told.pop((tenant, device_id), None)

    def _withdraw(self, tenant: TenantId, device_id: DeviceId, number: int) -> None:
        """Take back what still waits of a call whose command has ended."""
        device = self._given.devices.find(tenant, device_id)
        if device is None:
            return
        for form in FORMS:
            topic = private_topic(device_id, NAME, f"{RPC_REQUEST[form]}{number}")
            self._given.withdraw(device.uid, topic)
        gateway = self._given.devices.find_uid(device.gateway) if device.gateway else None
        if gateway is not None:
            rest = f"{GATEWAY_RPC}{device_id}/{number}"
            self._given.withdraw(gateway.uid, private_topic(gateway.device_id, NAME, rest))

    async def _send(self, command: Command, number: int) -> bool:
        """Send a command to whoever listens; return whether anybody does."""
        device = self._given.devices.find(command.tenant, command.device_id)
        if device is None:
            return False
        call = {"method": command.name, "params": command.input}
        heard = [
            await self._put(command, command.device_id, f"{RPC_REQUEST[form]}{number}", call)
            for form in FORMS
        ]
        gateway = self._given.devices.find_uid(device.gateway) if device.gateway else None
        if gateway is not None:
            rest = f"{GATEWAY_RPC}{command.device_id}/{number}"
            said = {"device": device.alias, "data": {"id": number, **call}}
            heard.append(await self._put(command, gateway.device_id, rest, said))
        return any(heard)

    async def _put(self, command: Command, to: DeviceId, rest: str, said: dict[str, Any]) -> bool:
        given, tenant = self._given, command.tenant
        topic = private_topic(to, NAME, rest)
        if not given.replies.is_heard(tenant, to, rest):
            return False
        if given.is_queued(tenant, topic):
            return True
        now = given.clock.now()
        kind = PrincipalKind.SYSTEM.value
        envelope = Envelope(
            Route(tenant, kind, "weft", topic, Operation.DIALECT, to, name=NAME),
            now,
            msgspec.json.encode(said),
            qos=1,
            properties=PublishProperties(
                message_expiry_s=max(1, (command.expires_at - now) // NS_PER_S),
                content_type="application/json",
            ),
        )
        await given.ingest.put(envelope)
        return True

    def find(self, tenant: TenantId, device_id: DeviceId, number: int) -> Command | None:
        """Return the oldest open command of a device with this number, or None."""
        for command in self.commands.open_for(tenant, device_id):
            if command.position and number_of(command) == number:
                return command
        return None

    def get(self, tenant: TenantId, device_id: DeviceId, number: int) -> Command:
        """Return the open command with this number, or raise `NotFound`."""
        found = self.find(tenant, device_id, number)
        if found is None:
            raise NotFound(
                f"Device {device_id!r} has no open command with the number {number}.",
                remedy="It has ended, or its time is over: see weft command list.",
            )
        return found

    def acknowledged(self, tenant: TenantId, device_id: DeviceId, rest: str) -> None:
        """Note that a device, or its gateway, has a call."""
        called = device_id
        if rest.startswith(GATEWAY_RPC):
            called = DeviceId(rest[len(GATEWAY_RPC) :].partition("/")[0])
        elif not any(rest.startswith(RPC_REQUEST[form]) for form in FORMS):
            return
        number = rest.rpartition("/")[2]
        found = self.find(tenant, called, int(number)) if number.isdecimal() else None
        if found is not None:
            self.commands.fetched(tenant, called, found.request_id)

    async def subscribed(self, tenant: TenantId, device_id: DeviceId, rest: str) -> None:
        """Send what a session that is new to a filter may have missed."""
        if not rest.startswith(DOWN):
            return
        called = [device_id]
        gateway = self._given.devices.find(tenant, device_id)
        if rest.startswith((f"{DOWN}gateway/rpc", f"{DOWN}gateway/#")) and gateway is not None:
            called = [child.device_id for child in self._given.devices.children_of(gateway)]
        for one in called:
            self._told.pop((tenant, one), None)
            await self.tell(tenant, one)
