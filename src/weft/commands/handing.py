"""Handing over: which commands a device has, and which it is still owed.

A session that acknowledges a command has it. Who asks for commands (a poll) or watches them
(a stream, an observation) acknowledges nothing: what it is handed is handed out at least once,
again after a pause, under the same request id, until it is answered, taken back or expired.
"""

from collections.abc import Sequence

from weft.commands import steps
from weft.commands.book import Book
from weft.commands.drafts import CommandDependencies, message_of
from weft.commands.kinds import Key
from weft.commands.lookup import Lookup
from weft.commands.settings import CommandSettings
from weft.model.command import Command, CommandState
from weft.model.ids import DeviceId, TenantId
from weft.model.message import Envelope
from weft.model.moments import NS_PER_S
from weft.model.principal import Principal, PrincipalKind


class Handing:
    """Notes what devices and transports tell of commands that go over to a device."""

    def __init__(
        self, given: CommandDependencies, settings: CommandSettings, book: Book, lookup: Lookup
    ) -> None:
        self._given = given
        self._pause = settings.hand_out_again_s * NS_PER_S
        self._book = book
        self._lookup = lookup

    def fetched(self, key: Key) -> None:
        """A device has a command: its session acknowledged it."""
        command = self._book.find(key)
        if command is None or command.state not in {CommandState.QUEUED, CommandState.SENT}:
            return
        self._book.change(steps.delivered(command, self._given.clock.now()))

    def due_for(self, tenant: TenantId, device_id: DeviceId) -> Sequence[Command]:
        """Return what a device that asks now is handed, oldest first."""
        now = self._given.clock.now()
        return [one for one in self._lookup.open_for(tenant, device_id) if self._is_due(one, now)]

    def due_in_s(self, tenant: TenantId, device_id: DeviceId) -> float | None:
        """Return in how many seconds the next repeat is due; None if no pause is running."""
        now = self._given.clock.now()
        pauses = [
            one.handed_out_at + self._pause - now
            for one in self._lookup.open_for(tenant, device_id)
            if one.handed_out_at is not None and not self._is_due(one, now)
        ]
        return min(pauses) / NS_PER_S if pauses else None

    def _is_due(self, command: Command, now: int) -> bool:
        if command.state is not CommandState.DELIVERED:
            return True
        at = command.handed_out_at
        return at is not None and at + self._pause <= now

    def handed_out(self, principal: Principal, key: Key) -> None:
        """A command goes to whoever asked; it counts if that is its device, or its gateway."""
        command = self._book.find(key)
        if command is None or command.has_ended or not self._speaks_for(principal, command):
            return
        new = steps.handed_out(command, self._given.clock.now())
        if new.state is command.state:
            self._book.note(new)
        else:
            self._book.change(new)

    def find_own(self, principal: Principal, topic: str) -> Command | None:
        """Return the command whose message stands on a topic, if it is to this very device.

        A gateway stands for the devices that it speaks for.
        """
        match topic.split("/"):
            case ["devices", device, "commands", request_id, _]:
                command = self._book.find(Key(principal.tenant, DeviceId(device), request_id))
                if command is not None and self._speaks_for(principal, command):
                    return command
        return None

    def owed_to(self, principal: Principal) -> list[Envelope]:
        """Return the messages of what a device, or those it speaks for, has not got yet."""
        device = self._given.devices.find(principal.tenant, principal.id)
        if device is None or device.uid != principal.uid:
            return []
        now = self._given.clock.now()
        return [
            message_of(command, now)
            for one in (device, *self._given.devices.children_of(device))
            for command in self._lookup.open_for(one.tenant, one.device_id)
            if command.state is not CommandState.QUEUED and self._is_due(command, now)
        ]

    def _speaks_for(self, principal: Principal, command: Command) -> bool:
        if principal.kind is not PrincipalKind.DEVICE:
            return False
        device = self._given.devices.find(command.tenant, command.device_id)
        gateway = device.gateway if device is not None else ""
        return principal.uid in {command.device_uid, gateway}
