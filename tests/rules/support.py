"""Shared by the tests of rules: a small plant, its messages, and everything wired together."""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from weft.backends.memory.records import MemoryRecords
from weft.errors import NotFound
from weft.model.alarm import Alarm, OutboxEntry, Subject, SubjectKind, WorkOrder
from weft.model.device import Device, DeviceType, Field, Lifecycle
from weft.model.ids import DeviceId, DeviceUid, TenantId, TypeName
from weft.model.message import Committed, Envelope, Operation, Route
from weft.model.principal import Principal, PrincipalKind
from weft.model.telemetry import Reading
from weft.ports import Decision, Kind, V
from weft.rules.alarms import Alarms
from weft.rules.engine import Engine, RulesSettings
from weft.rules.kinds import ALARMS, OUTBOX, WORK_ORDERS
from weft.rules.model import RuleScope
from weft.rules.places.lookup import Places
from weft.rules.rules import Rules
from weft.rules.surroundings import Surroundings
from weft.security.audit import AUDIT, Audit
from weft.supervision import FakeClock

MAIN = TenantId("main")
ALICE = Principal(MAIN, PrincipalKind.USER, "alice", "u-alice")
S = 1_000_000_000
START = 1_772_366_400 * S

MACHINE = DeviceType(
    tenant=MAIN,
    name=TypeName("machine"),
    version=1,
    title="Machine",
    telemetry={
        "temperature": Field(type="number", unit="Cel"),
        "pressure": Field(type="number"),
        "rpm": Field(type="integer"),
        "mode": Field(type="string"),
        "running": Field(type="boolean"),
        "gps": Field(type="object"),
    },
    properties={"limit": Field(type="number")},
    commands={},
    events={},
    document={},
    created_at=0,
)

MachineValues = msgspec.defstruct(
    "MachineValues",
    [
        (key, kind | msgspec.UnsetType, msgspec.UNSET)
        for key, kind in {
            "temperature": float,
            "pressure": float,
            "rpm": int,
            "mode": str,
            "running": bool,
            "gps": dict,
        }.items()
    ],
    omit_defaults=True,
)


class FakeDevices:
    """Devices, as the registry finds them."""

    def __init__(self, devices: Iterable[Device] = ()) -> None:
        self.devices = {(one.tenant, str(one.device_id)): one for one in devices}

    def find(self, tenant: TenantId, device_id: str) -> Device | None:
        return self.devices.get((tenant, device_id))

    def behind(self, tenant: TenantId, after: str, limit: int) -> list[Device]:
        ids = sorted(name for owner, name in self.devices if owner == tenant and name > after)
        return [self.devices[tenant, name] for name in ids[:limit]]


class FakeTypes:
    """Device types, as the registry finds them."""

    def __init__(self, types: Iterable[DeviceType] = (MACHINE,)) -> None:
        self.types = {(one.tenant, str(one.name)): one for one in types}

    def find(self, tenant: TenantId, name: str, version: int | None = None) -> DeviceType | None:
        return self.types.get((tenant, name))

    def followed_by(self, device: Device) -> DeviceType | None:
        return self.types.get((device.tenant, device.type_name or ""))


class FakeMembers:
    """Groups and assets as sets of devices that a test can change; assets have a kind."""

    def __init__(self, devices: FakeDevices) -> None:
        self._devices = devices
        self.groups: dict[str, set[str]] = {}
        self.assets: dict[str, set[str]] = {}
        self.kinds: dict[str, str] = {}

    def _meant(self, scope: RuleScope) -> dict[Subject, set[str]]:
        if scope.group:
            return {Subject(SubjectKind.GROUP, scope.group): self.groups.get(scope.group, set())}
        return {
            Subject(SubjectKind.ASSET, name): members
            for name, members in self.assets.items()
            if name == scope.asset_id or self.kinds.get(name) == (scope.each_asset or "?")
        }

    def subjects_of(self, scope: RuleScope, device: Device) -> list[Subject]:
        meant = self._meant(scope)
        return [one for one, members in meant.items() if device.device_id in members]

    def members_of(self, scope: RuleScope, tenant: TenantId) -> list[Device]:
        names = {name for members in self._meant(scope).values() for name in members}
        found = [self._devices.find(tenant, name) for name in sorted(names)]
        return [one for one in found if one is not None]

    def label_of(self, tenant: TenantId, subject: Subject) -> str:
        return subject.name.upper()

    def require(self, tenant: TenantId, scope: RuleScope) -> None:
        if scope.group and scope.group not in self.groups:
            raise NotFound(f"There is no group {scope.group!r}.", remedy="See weft group list.")


class FakePolicy:
    """Allows everything but what it is told to deny."""

    def __init__(self) -> None:
        self.denied: set[str] = set()
        self.version = 1

    def decide(self, principal: Principal, action: str, target: str) -> Decision:
        allowed = target not in self.denied
        return Decision(allowed, "a role allows it" if allowed else "no role allows it", 1)


def device(name: str = "pump-7", *, type_name: str | None = "machine", **attributes: Any) -> Device:
    return Device(
        tenant=MAIN,
        device_id=DeviceId(name),
        uid=DeviceUid(f"uid-{name}"),
        type_name=TypeName(type_name) if type_name else None,
        lifecycle=Lifecycle.ACTIVE,
        created_at=0,
        attributes=attributes,
    )


def route(
    name: str = "pump-7",
    operation: Operation = Operation.TELEMETRY,
    type_name: str = "machine",
) -> Route:
    return Route(
        tenant=MAIN,
        principal_kind="device",
        principal_id=name,
        topic=f"devices/{name}/telemetry",
        operation=operation,
        device_id=DeviceId(name),
        type_name=type_name,
        type_version=1 if type_name else 0,
    )


def around(*devices: Device) -> Surroundings:
    found = FakeDevices(devices or (device(),))
    return Surroundings(devices=found, types=FakeTypes(), members=FakeMembers(found))


def members_of(surroundings: Surroundings) -> FakeMembers:
    assert isinstance(surroundings.members, FakeMembers)
    return surroundings.members


class Line:
    """A journal in memory: gives positions to messages, in order."""

    def __init__(self) -> None:
        self.batches: list[Committed] = []
        self.head = 0
        self._routes: dict[Any, Route] = {}

    def say(
        self,
        seconds: float,
        values: Any,
        *,
        name: str = "pump-7",
        received: float | None = None,
        operation: Operation = Operation.TELEMETRY,
        type_name: str = "machine",
    ) -> Committed:
        """Commit one message with one reading, measured `seconds` after START."""
        at = START + round(seconds * S)
        received_at = at if received is None else START + round(received * S)
        if operation is Operation.TELEMETRY:
            typed = MachineValues(**values) if type_name else values
            return self.commit([Reading(at, typed)], received_at, name, type_name, operation)
        return self.commit(values, received_at, name, type_name, operation)

    def commit(
        self,
        decoded: Any,
        received_at: int,
        name: str = "pump-7",
        type_name: str = "machine",
        operation: Operation = Operation.TELEMETRY,
    ) -> Committed:
        key = (name, type_name, operation)
        path = self._routes.setdefault(key, route(name, operation, type_name))
        batch = Committed(self.head + 1, [Envelope(path, received_at, b"")], [decoded])
        self.head += 1
        self.batches.append(batch)
        return batch


class Plant:
    """Everything of rules, wired as the app does, on records in memory."""

    def __init__(
        self,
        *devices: Device,
        records: MemoryRecords | None = None,
        errors_in_a_row: int = 5,
        places: Places | None = None,
    ) -> None:
        self.clock = FakeClock()
        self.records = records or MemoryRecords()
        self.policy = FakePolicy()
        key = Ed25519PrivateKey.generate().private_bytes(
            serialization.Encoding.Raw,
            serialization.PrivateFormat.Raw,
            serialization.NoEncryption(),
        )
        self.audit = Audit(self.records, self.clock, key)
        self.around = msgspec.structs.replace(around(*devices), places=places)
        self.alarms = Alarms(self.records, self.audit, self.clock)
        self.engine = Engine(
            self.records,
            self.around,
            (self.policy, self.audit),
            self.alarms,
            RulesSettings(errors_in_a_row=errors_in_a_row),
        )
        self.rules = Rules(
            self.records,
            self.policy,
            self.audit,
            self.clock,
            self.around,
            lambda: self.engine.applied,
        )
        self.rules.on_change(
            lambda change: self.engine.rule_changed(change.old, change.new, at=change.at)
        )
        self.line = Line()

    async def hear(self, seconds: float, values: Any, **more: Any) -> None:
        self.engine.apply(self.line.say(seconds, values, **more))
        await self.engine.flush()

    async def restart(self) -> "Plant":
        """Kill the process and start again: what was not on disk is gone, the line is not."""
        again = Plant(records=self.records)
        again.around, again.policy, again.line = self.around, self.policy, self.line
        again.engine = Engine(
            again.records, again.around, (again.policy, again.audit), again.alarms
        )
        await again.engine.load()
        for batch in self.line.batches:
            if batch.last > again.engine.position:
                again.engine.apply(batch)
        await again.engine.flush()
        return again

    async def all(self, kind: Kind[V]) -> Sequence[V]:
        found = await self.records.read(lambda reader: reader.list(kind, MAIN, limit=10_000))
        return [record.value for record in found]

    async def raised(self) -> list[Alarm]:
        return sorted(await self.all(ALARMS), key=lambda alarm: alarm.episode)

    async def outbox(self) -> Sequence[OutboxEntry]:
        return await self.all(OUTBOX)

    async def orders(self) -> Sequence[WorkOrder]:
        return await self.all(WORK_ORDERS)

    async def audited(self) -> list[str]:
        return [record.action for record in await self.all(AUDIT)]


def hot(**more: Any) -> dict[str, Any]:
    """The usual rule: a machine above 80 degrees."""
    return {
        "name": "overheating",
        "selector": {"type": "machine"},
        "when": "temperature > 80",
        "severity": "major",
        "message": "{device} is at {temperature}",
        **more,
    }


ORDER = {"work_order": {"connector": "erp", "title": "Inspect {device}", "priority": "high"}}
HOOK = {"webhook": {"connector": "pager"}}
