"""What the registry's tests share: a registry in memory and an audit that remembers."""

from typing import Any

from weft.backends.memory.records import MemoryRecords
from weft.model.ids import TenantId
from weft.model.principal import Principal, PrincipalKind
from weft.ports import Writer
from weft.registry.assets import Assets
from weft.registry.attachments import Attachments
from weft.registry.device_types import DeviceTypes
from weft.registry.devices import Devices
from weft.registry.relations import Relations
from weft.registry.tenants import Tenants
from weft.supervision import FakeClock

MAIN = TenantId("main")
OTHER = TenantId("other")
ALICE = Principal(MAIN, PrincipalKind.USER, "alice", "0198-alice")
MALLORY = Principal(OTHER, PrincipalKind.USER, "mallory", "0198-mallory")

PUMP = """
title: Pump
telemetry:
  temperature: {type: number, unit: Cel, minimum: -40, maximum: 120}
properties:
  rpm: {type: integer, minimum: 0}
commands:
  stop:
  set_speed: {rpm: {type: integer, required: true}}
events:
  overheated: {temperature: {type: number}}
"""


class ListAudit:
    """Remembers (actor, action, target, detail) of transactions, in order."""

    def __init__(self) -> None:
        self.entries: list[tuple[str, str, str, dict[str, Any]]] = []

    def entry(
        self,
        writer: Writer,
        actor: Principal,
        action: str,
        target: str,
        *,
        outcome: str = "done",
        detail: dict[str, Any] | None = None,
    ) -> None:
        """Take down one act."""
        self.entries.append((str(actor), action, target, detail or {}))

    async def record(
        self,
        actor: Principal,
        action: str,
        target: str,
        *,
        outcome: str = "done",
        detail: dict[str, Any] | None = None,
    ) -> None:
        """Take down one act of its own."""
        self.entries.append((str(actor), action, target, {**(detail or {}), "outcome": outcome}))

    def actions(self) -> list[str]:
        """What was done, in order."""
        return [action for _actor, action, _target, _detail in self.entries]


class Registry:
    """All services of the registry over one store in memory."""

    def __init__(self, records: MemoryRecords | None = None) -> None:
        self.records = records or MemoryRecords()
        self.audit: Any = ListAudit()
        self.clock = FakeClock()
        self.tenants = Tenants(self.records, self.audit, self.clock)
        self.types = DeviceTypes(self.records, self.audit, self.clock)
        self.devices = Devices(self.records, self.audit, self.clock)
        self.assets = Assets(self.records, self.audit, self.clock)
        self.attachments = Attachments(
            self.records, self.audit, self.clock, self.devices, self.assets
        )
        self.relations = Relations(self.records, self.audit, self.clock, self.assets)

    async def load(self) -> None:
        """Do what a start does."""
        await self.tenants.load()
        await self.types.load()
        await self.devices.load()
        await self.assets.load()
        await self.attachments.load()

    async def restarted(self) -> "Registry":
        """Return a new process's view of the same store."""
        again = Registry(self.records)
        await again.load()
        return again
