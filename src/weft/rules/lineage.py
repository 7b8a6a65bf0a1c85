"""Lineage: from a sample to the work order it led to, and from the work order back.

An alarm carries copies of its samples, so the chain outlives the journal that the samples
were read from. Everything else hangs on the alarm: the rule at its version, the actions
in the outbox, the work orders with the far side's ids.
"""

from enum import StrEnum
from typing import Any

from msgspec import Struct

from weft.errors import NotFound
from weft.model.alarm import Alarm, OutboxEntry, SubjectKind, WorkOrder
from weft.model.fault import Fault
from weft.model.ids import TenantId
from weft.model.moments import to_rfc3339
from weft.ports import Reader, Records
from weft.rules.kinds import (
    ALARMS,
    FAULT_ALARMS,
    FAULTS,
    OUTBOX,
    RULE_VERSIONS,
    WORK_ORDERS,
    version_key,
)

ALARMS_MAX = 100  # of one device or position, the newest
_PAGE = 500


class LineageKind(StrEnum):
    """From what the walk starts, and what its nodes are."""

    SAMPLE = "sample"
    DEVICE = "device"
    GROUP = "group"
    ASSET = "asset"
    RULE = "rule"
    ALARM = "alarm"
    FAULT = "fault"
    ACTION = "action"
    WORK_ORDER = "work_order"
    REMOTE = "remote"
    CLOSING = "closing"  # how a work order ended; named by its work order


_INDEXED = {LineageKind.DEVICE, LineageKind.GROUP, LineageKind.RULE}


class Node(Struct, frozen=True):
    """One thing in the chain. `id` is unique in the graph: its kind and its key."""

    id: str
    kind: LineageKind
    key: str
    label: str
    facts: dict[str, Any] = {}


class Edge(Struct, frozen=True):
    """One thing that led to another."""

    source: str
    target: str
    relation: str  # measured, proved, concerned, judged, asked, ordered, became


class LineageGraph(Struct, frozen=True):
    """The chain; `truncated` when there are more alarms than are shown."""

    root: str
    nodes: list[Node]
    edges: list[Edge]
    truncated: bool = False


class Lineage:
    """Walks the chain from either side."""

    def __init__(self, records: Records) -> None:
        self._records = records

    async def trace(self, tenant: TenantId, kind: LineageKind, key: str) -> LineageGraph:
        """Return the chain through a thing; raise `NotFound` when it is in none."""

        def work(reader: Reader) -> LineageGraph:
            alarms, truncated = _alarms(reader, tenant, kind, key)
            if not alarms:
                raise NotFound(
                    f"No alarm goes back to {kind} {key!r}.",
                    remedy="Lineage begins with an alarm; see weft alarm list.",
                )
            drawing = _Drawing()
            for alarm in alarms:
                _draw(drawing, reader, alarm)
            return LineageGraph(
                root=_node_id(kind, key),
                nodes=list(drawing.nodes.values()),
                edges=list(dict.fromkeys(drawing.edges)),
                truncated=truncated,
            )

        return await self._records.read(work)


class _Drawing:
    def __init__(self) -> None:
        self.nodes: dict[str, Node] = {}
        self.edges: list[Edge] = []

    def add(self, kind: LineageKind, key: str, label: str, **facts: Any) -> str:
        node = Node(_node_id(kind, key), kind, key, label, facts)
        self.nodes.setdefault(node.id, node)
        return node.id

    def join(self, source: str, target: str, relation: str) -> None:
        self.edges.append(Edge(source, target, relation))


def _node_id(kind: LineageKind, key: str) -> str:
    return f"{kind.value}:{key}"


def _alarms(
    reader: Reader, tenant: TenantId, kind: LineageKind, key: str
) -> tuple[list[Alarm], bool]:
    """Return the alarms that a thing is part of, and whether there are more."""
    alarm_key = key
    if kind is LineageKind.ACTION:
        action = reader.find(OUTBOX, tenant, key)
        alarm_key = action.value.action.alarm_id if action else ""
        if alarm_key and reader.find(FAULT_ALARMS, tenant, alarm_key) is not None:
            order = reader.find(WORK_ORDERS, tenant, key)
            if order is not None:
                return _alarms_of_orders(reader, [order.value])
    elif kind in {LineageKind.WORK_ORDER, LineageKind.CLOSING}:
        order = reader.find(WORK_ORDERS, tenant, key)
        if order is None or (kind is LineageKind.CLOSING and order.value.closed_at is None):
            return [], False
        return _alarms_of_orders(reader, [order.value])
    elif kind is LineageKind.REMOTE:
        return _alarms_of_orders(reader, _orders_of_remote(reader, tenant, key))
    elif kind is LineageKind.FAULT:
        return _alarms_of_fault(reader, tenant, key)
    elif kind is not LineageKind.ALARM:
        return _alarms_of_many(reader, tenant, kind, key)
    found = reader.find(ALARMS, tenant, alarm_key) if alarm_key else None
    return ([found.value] if found else []), False


def _alarms_of_many(
    reader: Reader, tenant: TenantId, kind: LineageKind, key: str
) -> tuple[list[Alarm], bool]:
    where = (kind.value, key) if kind in _INDEXED else None
    found: list[Alarm] = []
    after = ""
    while page := reader.list(ALARMS, tenant, where=where, after=after, limit=_PAGE):
        found += [record.value for record in page if where or _touches(record.value, kind, key)]
        after = page[-1].key
    found.sort(key=lambda alarm: alarm.raised_at, reverse=True)
    return found[:ALARMS_MAX], len(found) > ALARMS_MAX


def _touches(alarm: Alarm, kind: LineageKind, key: str) -> bool:
    if kind is LineageKind.ASSET:
        return key == alarm.asset
    positions = {str(sample.position) for sample in alarm.evidence}
    return key in positions | {str(alarm.episode), str(alarm.clearing_position)}


def _orders_of_remote(reader: Reader, tenant: TenantId, key: str) -> list[WorkOrder]:
    orders: list[WorkOrder] = []
    after = ""
    while page := reader.list(WORK_ORDERS, tenant, after=after, limit=_PAGE):
        orders += [one.value for one in page if one.value.remote_id == key]
        after = page[-1].key
    return orders


def _alarms_of_orders(reader: Reader, orders: list[WorkOrder]) -> tuple[list[Alarm], bool]:
    """Return the alarms of all faults of these orders, the newest first."""
    found: dict[str, Alarm] = {}
    truncated = False
    for order in orders:
        if order.fault_id:
            alarms, more = _alarms_of_fault(reader, order.tenant, order.fault_id)
            truncated = truncated or more
            found |= {alarm.alarm_id: alarm for alarm in alarms}
        elif order.alarm_id:
            alarm = reader.find(ALARMS, order.tenant, order.alarm_id)
            found |= {alarm.key: alarm.value} if alarm is not None else {}
    newest = sorted(found.values(), key=lambda alarm: alarm.raised_at, reverse=True)
    return newest[:ALARMS_MAX], truncated or len(newest) > ALARMS_MAX


def _alarms_of_fault(reader: Reader, tenant: TenantId, key: str) -> tuple[list[Alarm], bool]:
    parts = reader.list(
        FAULT_ALARMS, tenant, where=("fault", key), limit=ALARMS_MAX + 1, descending=True
    )
    alarms = [reader.find(ALARMS, tenant, part.key) for part in parts[:ALARMS_MAX]]
    return [one.value for one in alarms if one is not None], len(parts) > ALARMS_MAX


def _draw(drawing: _Drawing, reader: Reader, alarm: Alarm) -> None:
    raised = drawing.add(
        LineageKind.ALARM,
        alarm.alarm_id,
        alarm.message,
        state=alarm.state.value,
        severity=alarm.severity.value,
        raised_at=to_rfc3339(alarm.raised_at),
        cleared_at=None if alarm.cleared_at is None else to_rfc3339(alarm.cleared_at),
    )
    about = alarm.subject
    if about.kind is not SubjectKind.DEVICE:
        kind = LineageKind(about.kind.value)
        drawing.join(drawing.add(kind, about.name, str(about)), raised, "concerned")
    for sample in alarm.evidence:
        device_id = sample.device_id or alarm.device_id
        device = drawing.add(LineageKind.DEVICE, device_id, device_id)
        place = drawing.add(
            LineageKind.SAMPLE,
            str(sample.position),
            f"message {sample.position}",
            at=to_rfc3339(sample.at),
            values=sample.values,
        )
        drawing.join(device, place, "measured")
        drawing.join(place, raised, "proved")
    drawing.join(_draw_rule(drawing, reader, alarm), raised, "judged")
    _draw_orders(drawing, reader, alarm, raised)


def _draw_rule(drawing: _Drawing, reader: Reader, alarm: Alarm) -> str:
    key = version_key(alarm.rule_id, alarm.rule_version)
    record = reader.find(RULE_VERSIONS, alarm.tenant, key)
    facts: dict[str, Any] = {"rule": alarm.rule_id, "version": alarm.rule_version}
    if record is not None:
        facts |= {"when": record.value.document.when, "owner": str(record.value.owner)}
    label = f"{alarm.rule_id}, version {alarm.rule_version}"
    return drawing.add(LineageKind.RULE, alarm.rule_id, label, **facts)


def _draw_orders(drawing: _Drawing, reader: Reader, alarm: Alarm, raised: str) -> None:
    """Draw what came of an alarm: by itself, and as a part of its fault."""
    where = ("alarm", alarm.alarm_id)
    ordered: set[str] = set()
    part = reader.find(FAULT_ALARMS, alarm.tenant, alarm.alarm_id)
    if part is not None:
        fault = reader.get(FAULTS, alarm.tenant, part.value.fault_id).value
        node = _draw_fault(drawing, fault)
        drawing.join(raised, node, "part of")
        ordered = {ref.work_order_id for ref in fault.orders}
        for order_id in sorted(ordered):
            entry = reader.find(OUTBOX, alarm.tenant, order_id)
            if entry is not None:
                drawing.join(node, _draw_action(drawing, entry.value), "asked")
            _draw_order(drawing, reader.get(WORK_ORDERS, alarm.tenant, order_id).value)
    for record in reader.list(OUTBOX, alarm.tenant, where=where):
        if record.key not in ordered:
            drawing.join(raised, _draw_action(drawing, record.value), "asked")
    for order in reader.list(WORK_ORDERS, alarm.tenant, where=where):
        if order.key not in ordered:
            _draw_order(drawing, order.value)


def _draw_fault(drawing: _Drawing, fault: Fault) -> str:
    return drawing.add(
        LineageKind.FAULT,
        fault.fault_id,
        f"{fault.code} of {fault.asset_id or fault.device_id or fault.subject}",
        state=fault.state.value,
        alarms=fault.alarms,
        opened_at=to_rfc3339(fault.opened_at),
        over_at=None if fault.over_at is None else to_rfc3339(fault.over_at),
    )


def _draw_action(drawing: _Drawing, entry: OutboxEntry) -> str:
    action = entry.action
    return drawing.add(
        LineageKind.ACTION,
        action.action_id,
        f"{action.kind} through {action.connector}",
        state=entry.state.value,
        attempts=entry.attempts,
        last_error=entry.last_error,
        remote_id=entry.remote_id,
    )


def _draw_order(drawing: _Drawing, order: WorkOrder) -> None:
    """Draw a work order below its action, its remote record, and how it ended."""
    placed = drawing.add(
        LineageKind.WORK_ORDER,
        order.work_order_id,
        order.title,
        state=order.state.value,
        connector=order.connector,
        remote_id=order.remote_id,
    )
    drawing.join(_node_id(LineageKind.ACTION, order.work_order_id), placed, "ordered")
    if order.remote_id is not None:
        remote = drawing.add(
            LineageKind.REMOTE,
            order.remote_id,
            f"{order.connector} {order.remote_id}",
            state=order.remote_state,
            url=order.remote_url,
        )
        drawing.join(placed, remote, "became")
        placed = remote
    if order.closed_at is not None:
        ending = drawing.add(
            LineageKind.CLOSING,
            order.work_order_id,
            f"by {order.closed_by or order.connector}",
            state=order.state.value,
            at=to_rfc3339(order.closed_at),
        )
        drawing.join(placed, ending, "ended")
