"""The kinds of records of automation: rules, alarms, faults, the outbox and work orders.

They stand apart from the services, so that a connector can read the outbox without
knowing how a rule came to fill it. Every index is text; a moment in an index has 20
digits, so that text order is time order.
"""

from collections.abc import Mapping

from weft.model.alarm import (
    Alarm,
    OutboxEntry,
    OutboxState,
    Shelf,
    Step,
    SuppressionKind,
    WorkOrder,
    WorkOrderState,
)
from weft.model.fault import Fault, FaultAlarm, FaultState
from weft.model.work_order import DETACHED
from weft.ports import Kind
from weft.rules.model import Rule
from weft.rules.tracing import AlarmTrace


def _alarm_index(alarm: Alarm) -> Mapping[str, str]:
    return {
        "state": alarm.state,
        "severity": alarm.severity,
        "device": alarm.device_id,
        "group": alarm.group,
        "rule": alarm.rule_id,
        **_handling_index(alarm),
    }


def _handling_index(alarm: Alarm) -> Mapping[str, str]:
    """Index what people have to do with: alarms that are over leave these lists."""
    found: dict[str, str] = {}
    mark = alarm.suppression
    if mark is not None and mark.kind in {SuppressionKind.CAUSE, SuppressionKind.FLOOD}:
        found["under"] = mark.by
        if alarm.is_open and alarm.is_suppressed:
            found["under_open"] = mark.by
    if not alarm.is_open:
        return found
    found["open"] = "yes"
    if alarm.is_shelved:
        found["shelved"] = "yes"
    if alarm.is_suppressed:
        found["suppressed"] = "yes"
    elif not alarm.is_shelved:
        found["standing"] = f"{alarm.state}:{alarm.severity}"
    return found | _cause_index(alarm)


def _cause_index(alarm: Alarm) -> dict[str, str]:
    """Index an open cause by where it stands, for what is below it to find."""
    if not alarm.causes or alarm.is_suppressed:
        return {}
    found = {"cause_device": str(alarm.device_id)}
    if alarm.assets:
        found["cause_asset"] = alarm.assets[-1]
    return found


def _outbox_index(entry: OutboxEntry) -> Mapping[str, str]:
    connector = entry.action.connector
    held = entry.state is not OutboxState.DELIVERED
    return {
        "state": entry.state,
        "due": f"{entry.state}:{entry.next_attempt_at:020d}",
        "alarm": entry.action.alarm_id,
        "connector": connector,
        **({"held": waits_for(entry.state, connector)} if held else {"delivered": connector}),
    }


def _work_order_index(order: WorkOrder) -> Mapping[str, str]:
    more = {
        "fault": order.fault_id,
        "asset": order.asset_id,
        "telling": "yes" if order.tellings else "",
        "watched": "" if order.watch_until is None else "yes",
        "held": held_at(order.connector, order.place) if _is_held(order) else "",
    }
    return {
        "state": order.state,
        "alarm": order.alarm_id,
        "device": order.device_id,
        **{name: text for name, text in more.items() if text},
    }


def _is_held(order: WorkOrder) -> bool:
    """Return whether the far side is still asked about an order, or told of it."""
    if DETACHED in order.details:
        return False
    is_open = order.state in {WorkOrderState.OPEN, WorkOrderState.IN_PROGRESS}
    return is_open or bool(order.tellings) or order.watch_until is not None


def held_at(connector: str, place: str) -> str:
    """Return by what the orders that a connector follows at a place are found."""
    return f"{connector}/{place}"


def waits_for(state: OutboxState, connector: str) -> str:
    """Return by what the entries that have not reached a connector are found."""
    return f"{state}:{connector}"


def fault_key(subject: str, code: str) -> str:
    """Return by what the open fault of a subject and a code is found."""
    return f"{subject}|{code}"


def _fault_index(fault: Fault) -> Mapping[str, str]:
    key = fault_key(fault.subject, fault.code)
    opened = {"open": key} if fault.state is FaultState.OPEN else {}
    return {
        "state": fault.state,
        "key": key,
        "asset": fault.asset_id,
        "code": fault.code,
        "device": fault.device_id,
        **opened,
    }


def _fault_alarm_index(part: FaultAlarm) -> Mapping[str, str]:
    stands = {"active": part.fault_id} if part.cleared_at is None else {}
    return {"fault": part.fault_id, **stands}


# Keyed by the alarm's id.
ALARMS: Kind[Alarm] = Kind("alarm", Alarm, index=_alarm_index, edition=2)
# What was done to alarms, keyed by `step_key`.
STEPS: Kind[Step] = Kind("alarm_step", Step, index=lambda step: {"alarm": step.alarm_id})
# What a rule's alarms on a device were put aside for, keyed by `shelf_key`.
SHELVES: Kind[Shelf] = Kind("alarm_shelf", Shelf)
# Why an alarm was raised and cleared, keyed by its id.
TRACES: Kind[AlarmTrace] = Kind("alarm_trace", AlarmTrace)
# Keyed by the action's id.
OUTBOX: Kind[OutboxEntry] = Kind("outbox", OutboxEntry, index=_outbox_index, edition=3)
# Keyed by the work order's id, which is its action's.
WORK_ORDERS: Kind[WorkOrder] = Kind("work_order", WorkOrder, index=_work_order_index, edition=3)
# Keyed by the fault's id; a subject has one open fault of a code at a time.
FAULTS: Kind[Fault] = Kind("fault", Fault, index=_fault_index, unique=frozenset({"open"}))
# Which alarms belong to which fault, keyed by the alarm's id.
FAULT_ALARMS: Kind[FaultAlarm] = Kind("fault_alarm", FaultAlarm, index=_fault_alarm_index)

# A rule by its name, and every version there ever was by name/number.
RULES: Kind[Rule] = Kind("rule", Rule)
RULE_VERSIONS: Kind[Rule] = Kind("rule_version", Rule, index=lambda rule: {"rule": rule.rule_id})


def version_key(rule_id: str, version: int) -> str:
    """Return the key of one version; text order is the order of versions."""
    return f"{rule_id}/{version:08d}"


def shelf_key(rule_id: str, subject: str) -> str:
    """Return the key of what is put aside: names hold no slash."""
    return f"{rule_id}/{subject}"


def step_key(alarm_id: str, number: int) -> str:
    """Return the key of one step; text order is the order in which they were taken."""
    return f"{alarm_id}/{number:06d}"


__all__ = [
    "ALARMS",
    "FAULTS",
    "FAULT_ALARMS",
    "OUTBOX",
    "RULES",
    "RULE_VERSIONS",
    "SHELVES",
    "STEPS",
    "TRACES",
    "WORK_ORDERS",
    "fault_key",
    "held_at",
    "shelf_key",
    "step_key",
    "version_key",
    "waits_for",
]
