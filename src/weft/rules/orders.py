"""Orders: the work order that a fault's first alarm asks for, and what later alarms add to it.

A work order holds copies: the condition, the samples and the words of each alarm, up to a
bound. What they were read from may be forgotten; they stay as long as the work order.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from msgspec.structs import replace

from weft.model.alarm import (
    Action,
    Alarm,
    OutboxEntry,
    OutboxState,
    Priority,
    Proof,
    WorkOrder,
    WorkOrderState,
    priority_of,
)
from weft.model.ids import WorkOrderId
from weft.model.work_order import CLEAR_NOTED, Telling, TellingKind
from weft.ports import Reader, Writer
from weft.rules.calendars import due_at
from weft.rules.durations import read_duration
from weft.rules.faults import ENDED, Joined, add_order, join, with_devices
from weft.rules.kinds import OUTBOX, WORK_ORDERS
from weft.rules.model import ActionKind, Rule

EVIDENCE_MAX: Final = 20  # alarms whose samples are copied: about 20 KB
LISTED_MAX: Final = 100
_RANKS: Final = tuple(Priority)
# Words of an action that have a place of their own on the work order.
_PLACED: Final = frozenset(
    {"title", "alarm", "instructions", "on_close", "close_when_cleared", "within"}
)


def urgency_of(alarm: Alarm, attributes: Mapping[str, Any], given: object = None) -> Priority:
    """Return how urgent work is: as the rule says, or as its alarm is on this asset.

    A word of the rule's that is none of ours is the far side's business.
    """
    if isinstance(given, str) and given in _RANKS:
        return Priority(given)
    return priority_of(alarm.severity, attributes.get("criticality"))


def ask_for(writer: Writer, alarm: Alarm, rule: Rule, actions: Sequence[Action]) -> list[Action]:
    """Let an alarm join its fault and put its actions in the outbox; return those.

    A work order that its fault has already is not asked for again: the alarm joins it.
    """
    joined = join(writer, alarm, rule.document)
    known = joined.fault.orders if joined is not None else ()
    asked: list[Action] = []
    for action in actions:
        if joined is not None and action.kind == ActionKind.WORK_ORDER:
            if any(ref.connector == action.connector for ref in joined.fault.orders):
                continue
            order = make_order(writer, action, alarm, rule, joined)
            writer.insert(WORK_ORDERS, alarm.tenant, action.action_id, order)
            joined = replace(joined, fault=add_order(writer, joined.fault, order))
        entry = OutboxEntry(
            action=action, state=OutboxState.PENDING, next_attempt_at=action.created_at
        )
        writer.insert(OUTBOX, alarm.tenant, action.action_id, entry)
        asked.append(action)
    if joined is not None:
        for ref in known:
            attach(writer, ref.work_order_id, alarm, rule, joined)
    return asked


def proof_of(alarm: Alarm, rule: Rule) -> Proof:
    """Copy why an alarm was raised."""
    return Proof(
        alarm_id=alarm.alarm_id,
        device_id=alarm.device_id,
        rule_id=alarm.rule_id,
        rule_version=alarm.rule_version,
        severity=alarm.severity,
        message=alarm.message,
        condition=rule.document.when,
        raised_at=alarm.raised_at,
        samples=alarm.evidence,
    )


def make_order(
    reader: Reader, action: Action, alarm: Alarm, rule: Rule, joined: Joined
) -> WorkOrder:
    """Make the work order of a fault, as the alarm that asks for it knows it."""
    parameters, fault = action.parameters, joined.fault
    urgency = urgency_of(alarm, joined.subject.attributes, parameters.get("priority"))
    within = parameters.get("within")
    within_ns = read_duration(within) if isinstance(within, str) else None
    place = (alarm.tenant, fault.asset_id)
    return WorkOrder(
        work_order_id=WorkOrderId(action.action_id),
        tenant=alarm.tenant,
        alarm_id=alarm.alarm_id,
        device_id=alarm.device_id,
        connector=action.connector,
        title=str(parameters["title"]),
        state=WorkOrderState.REQUESTED,
        created_at=action.created_at,
        details={key: one for key, one in parameters.items() if key not in _PLACED},
        fault_id=fault.fault_id,
        fault_code=fault.code,
        asset_id=fault.asset_id,
        priority=urgency,
        due_at=due_at(reader, place, urgency, action.created_at, within_ns),
        instructions=str(parameters.get("instructions", "")),
        on_close=str(parameters.get("on_close", "")),
        close_when_cleared=parameters.get("close_when_cleared") is True,
        alarms=fault.alarms,
        alarm_ids=(alarm.alarm_id,),
        devices=fault.devices[:LISTED_MAX],
        evidence=(proof_of(alarm, rule),),
        told_alarms=fault.alarms,
    )


def attach(writer: Writer, order_id: str, alarm: Alarm, rule: Rule, joined: Joined) -> WorkOrder:
    """List a later alarm of the fault on its work order, with its evidence while there is room."""
    order = writer.get(WORK_ORDERS, alarm.tenant, order_id).value
    evidence, listed, devices = order.evidence, order.alarm_ids, order.devices
    if len(evidence) < EVIDENCE_MAX:
        evidence = (*evidence, proof_of(alarm, rule))
    if len(listed) < LISTED_MAX:
        listed = (*listed, alarm.alarm_id)
    devices = with_devices(devices, alarm, LISTED_MAX)
    tellings = order.tellings
    # One that Weft closed itself, as all had cleared, may end before the others of its fault.
    first = order.closed_by == "weft" and joined.fault.active == 1
    if order.state in ENDED and (joined.reopened or first):
        closed = order.state is WorkOrderState.CLOSED
        kind = TellingKind.REOPEN if closed else TellingKind.NOTE
        tellings = come_again(order, kind, alarm.message, alarm.raised_at)
    details = {key: one for key, one in order.details.items() if key != CLEAR_NOTED}
    order = replace(
        order,
        details=details,  # when all are cleared again, that is news
        alarms=order.alarms + 1,
        alarm_ids=listed,
        devices=devices,
        evidence=evidence,
        priority=_worse(order, alarm, joined),
        tellings=tellings,
        version=order.version + 1,
    )
    writer.put(WORK_ORDERS, order.tenant, order_id, order)
    return order


def _worse(order: WorkOrder, alarm: Alarm, joined: Joined) -> Priority:
    """Return the priority after one more alarm: what a person or the rule has set is kept."""
    if order.state in ENDED or str(order.details.get("priority", "")) in _RANKS:
        return order.priority
    found = urgency_of(alarm, joined.subject.attributes)
    return max(order.priority, found, key=_RANKS.index)


def come_again(order: WorkOrder, kind: TellingKind, message: str, at: int) -> tuple[Telling, ...]:
    """Return what is to be told of an order when its fault has come again.

    While the far side cannot be reached a flapping fault comes again and again: that is told
    as one, with the count, unless a person has ended the order in between.
    """
    held = list(order.tellings)
    for place in range(len(held) - 1, -1, -1):
        one = held[place]
        if one.kind in {TellingKind.CLOSE, TellingKind.CANCEL}:
            break
        if one.kind is kind and one.times:
            held[place] = _again(kind, one.times + 1, message, at)
            return tuple(held)
    return (*held, _again(kind, 1, message, at))


def _again(kind: TellingKind, times: int, message: str, at: int) -> Telling:
    often = "" if times == 1 else f" {times} times"
    return Telling(kind, f"Weft: the fault has come again{often}: {message}.", at, times)
