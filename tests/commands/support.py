"""What the tests of commands stand on: a registry in memory, and a journal that remembers."""

from collections.abc import Sequence
from typing import Any

from weft.backends.memory.records import MemoryRecords
from weft.commands.commands import Commands
from weft.commands.drafts import CommandDependencies
from weft.commands.refusals import RefusedAnswer
from weft.commands.settings import CommandSettings
from weft.errors import StorageError
from weft.model.command import Command
from weft.model.ids import DeviceId, TenantId
from weft.model.message import Committed, Envelope, Operation, Route
from weft.model.principal import Principal, PrincipalKind
from weft.registry.device_types import DeviceTypes
from weft.registry.devices import Devices, NewDevice
from weft.registry.tenants import Tenants
from weft.security.audit import Audit
from weft.supervision import FakeClock

ACME = TenantId("acme")
PUMP = DeviceId("pump-7")
ALICE = Principal(ACME, PrincipalKind.USER, "alice", "u1")
TYPE = {
    "commands": {
        "set_speed": {"rpm": {"type": "integer", "minimum": 0, "maximum": 3000, "required": True}},
        "restart": {},
    }
}


class Station:
    """Commands with everything around them; what they publish is applied at once."""

    def __init__(self, settings: CommandSettings | None = None) -> None:
        self.settings = settings or CommandSettings()
        self.records = MemoryRecords()
        self.clock = FakeClock()
        self.audit = Audit(self.records, self.clock, b"k" * 32)
        self.tenants = Tenants(self.records, self.audit, self.clock)
        self.devices = Devices(self.records, self.audit, self.clock)
        self.types = DeviceTypes(self.records, self.audit, self.clock)
        self.journal: list[tuple[Envelope, Any]] = []
        self.told: list[Command] = []
        self.full = False  # the journal's disk
        self.refused: dict[int, RefusedAnswer] = {}  # what lies in the inbox, by position
        self.given = CommandDependencies(
            self.records, self.audit, self.clock, self.tenants, self.devices, self.types
        )
        self.commands = self._make()

    def _make(self) -> Commands:
        commands = Commands(self.given, self.settings)
        commands.publish_with(self.publish)
        commands.refuse_with(self.refuse)
        commands.on_change(self.told.append)
        return commands

    def refuse(self, _writer: object, answers: Sequence[RefusedAnswer]) -> None:
        """Put answers into the inbox, as it does: each once, by its position."""
        self.refused |= {one.position: one for one in answers}

    async def publish(self, envelope: Envelope, decoded: Any = None) -> int:
        if self.full:
            raise StorageError("The disk is full.")
        return self.commit(envelope, decoded)

    def commit(self, envelope: Envelope, decoded: Any) -> int:
        """Put a message into the journal and apply it."""
        self.journal.append((envelope, decoded))
        position = len(self.journal)
        self.commands.apply(Committed(position, [envelope], [decoded]))
        return position

    async def device(self, name: str = PUMP, type_name: str | None = None) -> Principal:
        """Make a device; return who it is."""
        new = NewDevice(device_id=name, type_name=type_name)
        device = await self.devices.create(ALICE, new)
        return Principal(ACME, PrincipalKind.DEVICE, name, device.uid)

    async def pump(self) -> Principal:
        """Make the pump with its type."""
        await self.types.save(ALICE, "pump", TYPE)
        return await self.device(type_name="pump")

    def answer(self, command: Command, payload: dict[str, Any]) -> int:
        """Answer as the device."""
        return self.commit(self.result(command), payload)

    def result(self, command: Command) -> Envelope:
        route = Route(
            ACME,
            "device",
            command.device_id,
            command.result_topic,
            Operation.COMMAND_RESULT,
            command.device_id,
            name=command.request_id,
        )
        return Envelope(route, self.clock.now(), b"{}")

    async def restart(self) -> None:
        """Lose the memory, keep the disk; the journal is replayed, as the frame does it."""
        self.commands = self._make()
        await self.commands.load()
        after = self.commands.position
        for position, (envelope, decoded) in enumerate(self.journal[after:], after + 1):
            self.commands.apply(Committed(position, [envelope], [decoded]))
        self.commands.sweep(self.clock.now())


def key(command: Command) -> tuple[TenantId, DeviceId, str]:
    """Return what a command is asked for by."""
    return command.tenant, command.device_id, command.request_id
