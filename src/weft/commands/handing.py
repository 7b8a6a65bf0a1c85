"""Handing over: which commands a device has, and which it is still owed."""

from weft.commands import steps
from weft.commands.book import Book
from weft.commands.drafts import CommandDependencies, message_of
from weft.commands.kinds import Key
from weft.commands.lookup import Lookup
from weft.model.command import Command, CommandState
from weft.model.ids import DeviceId
from weft.model.message import Envelope
from weft.model.principal import Principal, PrincipalKind


class Handing:
    """Notes what devices and transports tell of commands that go over to a device."""

    def __init__(self, given: CommandDependencies, book: Book, lookup: Lookup) -> None:
        self._given = given
        self._book = book
        self._lookup = lookup

    def fetched(self, key: Key) -> None:
        """A device has a command: its session acknowledged it, or it was fetched."""
        command = self._book.find(key)
        if command is None or command.state not in {CommandState.QUEUED, CommandState.SENT}:
            return
        self._book.change(steps.delivered(command, self._given.clock.now()))

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
            if command.state is CommandState.SENT
        ]

    def _speaks_for(self, principal: Principal, command: Command) -> bool:
        if principal.kind is not PrincipalKind.DEVICE:
            return False
        device = self._given.devices.find(command.tenant, command.device_id)
        gateway = device.gateway if device is not None else ""
        return principal.uid in {command.device_uid, gateway}
