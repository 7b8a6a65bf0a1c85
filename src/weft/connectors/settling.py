"""Settling: what one attempt to deliver changes, in one transaction.

The entry and its work order change together, so that no crash leaves an action delivered
whose work order does not know it. Each function reads the entry anew inside the
transaction and changes nothing that has moved on meanwhile.
"""

from typing import NamedTuple

from msgspec import structs

from weft.connectors.base import WORK_ORDER, Delivered, Situation
from weft.connectors.detaching import detached
from weft.connectors.mapping import title_of
from weft.errors import Conflict
from weft.model.alarm import Action, Alarm, OutboxEntry, OutboxState, WorkOrder, WorkOrderState
from weft.model.ids import ActionId, DeviceId, TenantId, WorkOrderId
from weft.ports import Reader, Writer
from weft.rules.faults import order_changed
from weft.rules.kinds import ALARMS, OUTBOX, WORK_ORDERS

ERROR_CHARACTERS = 500
# What a person ends meanwhile stays ended; the far side is told behind this.
_ON_ITS_WAY = frozenset({WorkOrderState.REQUESTED, WorkOrderState.FAILED})


class Found(NamedTuple):
    """An entry with what stands around it."""

    entry: OutboxEntry
    situation: Situation


def find_pending(reader: Reader, tenant: TenantId, action_id: ActionId) -> Found | None:
    """Return an entry that still waits, with its alarm and work order."""
    found = reader.find(OUTBOX, tenant, action_id)
    if found is None or found.value.state is not OutboxState.PENDING:
        return None
    alarm = reader.find(ALARMS, tenant, found.value.action.alarm_id)
    order = reader.find(WORK_ORDERS, tenant, action_id)
    situation = Situation(alarm.value if alarm else None, order.value if order else None)
    return Found(found.value, situation)


def store_delivered(
    writer: Writer, sent: Found, delivered: Delivered, at: int, *, place: str = "", left: str = ""
) -> WorkOrder | None:
    """Take in that the far side has what was sent; return the work order that changed.

    `place` is the far side's; `left` says why it is not followed there, where it is not.
    """
    tenant, action_id = sent.entry.action.tenant, sent.entry.action.action_id
    found = find_pending(writer, tenant, action_id)
    if found is None:
        return None
    entry = structs.replace(
        found.entry,
        state=OutboxState.DELIVERED,
        attempts=found.entry.attempts + 1,
        next_attempt_at=0,
        last_error=delivered.remark[:ERROR_CHARACTERS],
        delivered_at=at,
        remote_id=delivered.remote_id or None,
        version=found.entry.version + 1,
    )
    writer.put(OUTBOX, tenant, action_id, entry)
    if entry.action.kind != WORK_ORDER:
        return None
    order = found.situation.work_order or _order_of(entry.action, found.situation)
    order = structs.replace(
        order,
        state=WorkOrderState.OPEN if order.state in _ON_ITS_WAY else order.state,
        remote_id=entry.remote_id,
        remote_state=delivered.remote_state,
        remote_url=delivered.url,
        polled_at=at,
        told_alarms=_told_alarms(order, sent),
        place=place,
    )
    return _put_order(writer, detached(order, left, at) if left else order)


def _told_alarms(order: WorkOrder, sent: Found) -> int:
    """Return of how many alarms the far side knows: not of those that joined meanwhile.

    A try before this one may have made the record and lost the answer; what it said then is
    not known, so it is told once more rather than not at all.
    """
    given = sent.situation.work_order
    if given is None or sent.entry.attempts:
        return order.told_alarms
    return given.alarms


def store_failed(
    writer: Writer,
    place: tuple[TenantId, ActionId],
    error: str,
    next_attempt_at: int | None,
    *,
    unanswered: bool = False,
) -> WorkOrder | None:
    """Take in a failure: try again at a moment, or (None) give up."""
    tenant, action_id = place
    found = find_pending(writer, tenant, action_id)
    if found is None:
        return None
    entry = structs.replace(
        found.entry,
        state=OutboxState.DEAD if next_attempt_at is None else OutboxState.PENDING,
        attempts=found.entry.attempts + 1,
        next_attempt_at=next_attempt_at or 0,
        last_error=error[:ERROR_CHARACTERS],
        version=found.entry.version + 1,
        unanswered=found.entry.unanswered + unanswered,
    )
    writer.put(OUTBOX, tenant, action_id, entry)
    if next_attempt_at is not None or entry.action.kind != WORK_ORDER:
        return None
    order = found.situation.work_order or _order_of(entry.action, found.situation)
    if order.state not in _ON_ITS_WAY:
        return _put_order(writer, order)
    return _put_order(writer, structs.replace(order, state=WorkOrderState.FAILED))


def store_redriven(writer: Writer, tenant: TenantId, action_id: ActionId) -> WorkOrder | None:
    """Put a dead entry back at the start of its way, or raise `NotFound` or `Conflict`."""
    entry = writer.get(OUTBOX, tenant, action_id).value
    if entry.state is not OutboxState.DEAD:
        raise Conflict(
            f"The entry is {entry.state}, so there is nothing to redrive.",
            remedy="Only an entry that was given up (dead) can be redriven.",
        )
    entry = structs.replace(
        entry,
        state=OutboxState.PENDING,
        attempts=0,
        next_attempt_at=0,
        version=entry.version + 1,
        unanswered=0,
    )
    writer.put(OUTBOX, tenant, action_id, entry)
    found = writer.find(WORK_ORDERS, tenant, action_id)
    if found is None or found.value.state is not WorkOrderState.FAILED:
        return None  # what a person has ended meanwhile stays ended
    return _put_order(writer, structs.replace(found.value, state=WorkOrderState.REQUESTED))


def _order_of(action: Action, situation: Situation) -> WorkOrder:
    alarm: Alarm | None = situation.alarm
    return WorkOrder(
        work_order_id=WorkOrderId(action.action_id),
        tenant=action.tenant,
        alarm_id=action.alarm_id,
        device_id=alarm.device_id if alarm else DeviceId(""),
        connector=action.connector,
        title=title_of(action, situation),
        state=WorkOrderState.REQUESTED,
        created_at=action.created_at,
        version=0,
    )


def _put_order(writer: Writer, order: WorkOrder) -> WorkOrder:
    order = structs.replace(order, version=order.version + 1)
    writer.put(WORK_ORDERS, order.tenant, order.work_order_id, order)
    if order.fault_id:
        order_changed(writer, order, order.closed_at or order.created_at)
    return order
