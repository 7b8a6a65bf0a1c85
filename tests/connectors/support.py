"""Alarms, actions and services as the connectors' tests need them."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from weft.backends.memory.records import MemoryRecords
from weft.connectors.base import Delivered, Planned, Quality, RemoteState, Situation, Tools
from weft.connectors.credentials import Credentials
from weft.connectors.outbox import Outbox, OutboxSettings
from weft.connectors.poller import Poller
from weft.connectors.registry import Configured, Connectors, Healths
from weft.connectors.synchronising import Synchroniser
from weft.connectors.work_orders import WorkOrders
from weft.model.alarm import (
    Action,
    Alarm,
    AlarmState,
    Evidence,
    OutboxEntry,
    OutboxState,
    Severity,
    WorkOrder,
    WorkOrderState,
)
from weft.model.ids import ActionId, AlarmId, DeviceId, RuleId, TenantId, WorkOrderId, derived_id
from weft.model.principal import Principal, PrincipalKind
from weft.ports import Records, Writer
from weft.rules.alarms import Alarms
from weft.rules.kinds import ALARMS, OUTBOX, WORK_ORDERS
from weft.rules.order_ends import OrderEnds
from weft.security.audit import Audit
from weft.security.outbound import OutboundClient, OutboundSettings
from weft.supervision import FakeClock

MAIN = TenantId("main")
OTHER = TenantId("other")
ALICE = Principal(MAIN, PrincipalKind.USER, "alice", "u-1")
NOON = FakeClock().now()
LOOPBACK = OutboundSettings(allow=("127.0.0.1/32",), timeout_s=1.0)


def alarm(number: int = 1, **changes: Any) -> Alarm:
    values: dict[str, Any] = {
        "alarm_id": AlarmId(derived_id("alarm", str(number))),
        "tenant": MAIN,
        "rule_id": RuleId("bearing"),
        "rule_version": 3,
        "device_id": DeviceId("pump-7"),
        "episode": 41,
        "severity": Severity.CRITICAL,
        "state": AlarmState.ACTIVE,
        "message": "Bearing of pump-7 vibrates",
        "raised_at": NOON,
        "evidence": (Evidence(41, NOON, {"vibration": 9.5}),),
    }
    return Alarm(**(values | changes))


def entry(number: int = 1, kind: str = "work_order", **changes: Any) -> OutboxEntry:
    parameters = changes.pop("parameters", {"title": "Check the bearing of pump-7"})
    action = Action(
        action_id=ActionId(derived_id("action", str(number))),
        tenant=changes.pop("tenant", MAIN),
        connector=changes.pop("connector", "erp"),
        kind=kind,
        alarm_id=AlarmId(derived_id("alarm", str(number))),
        parameters=parameters,
        created_at=NOON + number,
    )
    return OutboxEntry(action=action, state=OutboxState.PENDING, **changes)


def order_of(item: OutboxEntry, **changes: Any) -> WorkOrder:
    values: dict[str, Any] = {
        "work_order_id": WorkOrderId(item.action.action_id),
        "tenant": item.action.tenant,
        "alarm_id": item.action.alarm_id,
        "device_id": DeviceId("pump-7"),
        "connector": item.action.connector,
        "title": "Check the bearing of pump-7",
        "state": WorkOrderState.REQUESTED,
        "created_at": item.action.created_at,
    }
    return WorkOrder(**(values | changes))


def tools(folder: Path, secret: str = "s3cret-key") -> tuple[Tools, str]:
    """Return tools that reach loopback, and a reference to a secret file."""
    path = folder / "secret"
    path.write_text(secret + "\n")
    return Tools(OutboundClient(LOOPBACK), Credentials(), FakeClock()), f"file:{path}"


@dataclass
class FakeConnector:
    """Keeps records by action id, and fails as it is told: an error in `next` is raised."""

    name: str = "erp"
    kind: str = "fake"
    actions: frozenset[str] = frozenset({"notification", "work_order", "webhook"})
    follows: bool = True
    next: list[Exception | None] = field(default_factory=list)
    made: dict[str, Situation] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    states: dict[str, RemoteState] = field(default_factory=dict)
    notes: list[tuple[str, str]] = field(default_factory=list)
    fields: dict[str, Any] = field(default_factory=dict)
    more_fields: bool = True
    quality: Quality = Quality.BRONZE
    page: str = "write-a-connector"

    async def deliver(self, item: OutboxEntry, situation: Situation) -> Delivered:
        self.calls.append(item.action.action_id)
        self._fail()
        self.made.setdefault(item.action.action_id, situation)
        number = list(self.made).index(item.action.action_id) + 1
        return Delivered(str(number), "Open", f"https://erp.example/{number}")

    def plan(self, item: OutboxEntry, situation: Situation) -> Planned:
        return Planned("POST", "https://erp.example/orders", b"{}")

    async def poll(self, orders: Any) -> dict[WorkOrderId, RemoteState]:
        self._fail()
        ids = [order.work_order_id for order in orders]
        return {one: self.states[one] for one in ids if one in self.states}

    async def note(self, order: WorkOrder, text: str) -> None:
        self._fail()
        self.notes.append((order.work_order_id, text))

    async def test(self) -> str:
        self._fail()
        return "fine"

    async def close(self) -> None:
        return None

    def _fail(self) -> None:
        error = self.next.pop(0) if self.next else None
        if error is not None:
            raise error


class Plant:
    """Records, clock, outbox, poller and connectors, wired as the platform does."""

    def __init__(
        self,
        *connectors: Any,
        settings: OutboxSettings | None = None,
        records: Records | None = None,
        tenants: tuple[TenantId, ...] = (MAIN,),
    ) -> None:
        self.clock = FakeClock()
        self.records = records or MemoryRecords()
        self.erp: Any = connectors[0] if connectors else FakeConnector()
        self.connectors = Connectors(
            {
                one.name: Configured(one, frozenset(tenants), "https://erp.example", Healths())
                for one in connectors or (self.erp,)
            }
        )
        self.work_orders = WorkOrders(self.records)
        self.seen: list[WorkOrder] = []
        self.work_orders.on_change(self.seen.append)
        self.audit = Audit(self.records, self.clock, bytes(32))
        self.outbox = Outbox(
            self.records, self.connectors, self.work_orders, self.audit, self.clock, settings
        )
        self.alarms = Alarms(self.records, self.audit, self.clock)
        self.synchroniser = Synchroniser(self.records, self.clock, OrderEnds(self.alarms))
        self.poller = Poller(
            self.records, self.connectors, self.work_orders, self.synchroniser, self.clock
        )

    async def put(self, item: OutboxEntry, *, raised: Alarm | None = None) -> None:
        """Write what a rule writes in one transaction."""

        def work(writer: Writer) -> None:
            action = item.action
            writer.put(OUTBOX, action.tenant, action.action_id, item)
            if raised is not None:
                writer.put(ALARMS, action.tenant, raised.alarm_id, raised)
            if action.kind == "work_order":
                writer.put(WORK_ORDERS, action.tenant, action.action_id, order_of(item))

        await self.records.write(work)

    async def entry(self, item: OutboxEntry) -> OutboxEntry:
        return (await self.outbox.get(item.action.tenant, item.action.action_id)).value

    async def order(self, item: OutboxEntry) -> WorkOrder:
        order_id = WorkOrderId(item.action.action_id)
        return (await self.work_orders.get(item.action.tenant, order_id)).value
