"""The kinds of records of automation: rules, alarms, the outbox and work orders.

They stand apart from the services, so that a connector can read the outbox without
knowing how a rule came to fill it. Every index is text; a moment in an index has 20
digits, so that text order is time order.
"""

from collections.abc import Mapping

from weft.model.alarm import Alarm, OutboxEntry, Step, WorkOrder
from weft.ports import Kind
from weft.rules.model import Rule


def _alarm_index(alarm: Alarm) -> Mapping[str, str]:
    return {
        "state": alarm.state,
        "severity": alarm.severity,
        "device": alarm.device_id,
        "rule": alarm.rule_id,
        **_handling_index(alarm),
    }


def _handling_index(alarm: Alarm) -> Mapping[str, str]:
    """Index what people have to do with: alarms that are over leave these lists."""
    if not alarm.is_open:
        return {}
    own = (
        {"shelved": "yes"} if alarm.is_shelved else {"standing": f"{alarm.state}:{alarm.severity}"}
    )
    return {"open": "yes", **own}


def _outbox_index(entry: OutboxEntry) -> Mapping[str, str]:
    return {
        "state": entry.state,
        "due": f"{entry.state}:{entry.next_attempt_at:020d}",
        "alarm": entry.action.alarm_id,
    }


def _work_order_index(order: WorkOrder) -> Mapping[str, str]:
    return {"state": order.state, "alarm": order.alarm_id, "device": order.device_id}


# Keyed by the alarm's id.
ALARMS: Kind[Alarm] = Kind("alarm", Alarm, index=_alarm_index)
# What was done to alarms, keyed by `step_key`.
STEPS: Kind[Step] = Kind("alarm_step", Step, index=lambda step: {"alarm": step.alarm_id})
# Keyed by the action's id.
OUTBOX: Kind[OutboxEntry] = Kind("outbox", OutboxEntry, index=_outbox_index)
# Keyed by the work order's id, which is its action's.
WORK_ORDERS: Kind[WorkOrder] = Kind("work_order", WorkOrder, index=_work_order_index)

# A rule by its name, and every version there ever was by name/number.
RULES: Kind[Rule] = Kind("rule", Rule)
RULE_VERSIONS: Kind[Rule] = Kind("rule_version", Rule, index=lambda rule: {"rule": rule.rule_id})


def version_key(rule_id: str, version: int) -> str:
    """Return the key of one version; text order is the order of versions."""
    return f"{rule_id}/{version:08d}"


def step_key(alarm_id: str, number: int) -> str:
    """Return the key of one step; text order is the order in which they were taken."""
    return f"{alarm_id}/{number:06d}"


__all__ = [
    "ALARMS",
    "OUTBOX",
    "RULES",
    "RULE_VERSIONS",
    "STEPS",
    "WORK_ORDERS",
    "step_key",
    "version_key",
]
