"""Describing: what a change of a record, or a message of a device, is called in an event.

A type says what happened (`weft.alarm.raised`), a subject to what (`alarms/ID`); what is
told of one subject comes in order. A change that says nothing to others is no event: how
often a work order was asked for, say.
"""

import base64
from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct

from weft.connectors.events.kinds import Describe
from weft.connectors.mapping import facts_of
from weft.model.alarm import Alarm, AlarmState, WorkOrder, WorkOrderState
from weft.model.device import Device
from weft.model.message import Envelope, Operation
from weft.model.moments import to_rfc3339
from weft.model.subscription import Change, Topic

_ALARM_WORDS = {
    AlarmState.ACTIVE: "raised",
    AlarmState.ACKNOWLEDGED: "acknowledged",
    AlarmState.CLEARED: "cleared",
}


def alarm_change(before: Alarm | None, after: Alarm | None) -> Change | None:
    """Describe a change of an alarm."""
    alarm = after or before
    if alarm is None or after is None:
        return None  # retention forgets alarms that were over long ago
    word = _ALARM_WORDS[after.state]
    if before is not None and before.state is after.state:
        word = "changed"
    facts = {
        "alarm.id": alarm.alarm_id,
        "alarm.rule": alarm.rule_id,
        "alarm.severity": alarm.severity.value,
        "alarm.priority": alarm.urgency.value,
        "alarm.state": alarm.state.value,
        "alarm.message": alarm.message,
        "alarm.assignee": alarm.assignee or "",
    }
    return _change(
        (Topic.ALARM, word),
        ("alarms", f"alarm:{alarm.alarm_id}"),
        alarm.device_id,
        facts_of(alarm)
        | {
            "alarm_id": alarm.alarm_id,
            "state": alarm.state.value,
            "priority": alarm.urgency.value,
            "assignee": alarm.assignee,
        },
        facts,
    )


def work_order_change(before: WorkOrder | None, after: WorkOrder | None) -> Change | None:
    """Describe a change of a work order."""
    if after is None:
        return None
    data = _order_data(after)
    if before is not None and _order_data(before) == data:
        return None  # only when it was asked for has changed
    word = "changed" if before is not None and before.state is after.state else after.state.value
    if before is None and after.state is WorkOrderState.REQUESTED:
        word = "requested"
    facts = {
        "work_order.id": after.work_order_id,
        "work_order.state": after.state.value,
        "work_order.connector": after.connector,
        "work_order.title": after.title,
        "work_order.remote_state": after.remote_state,
    }
    subject = ("work-orders", f"work_order:{after.work_order_id}")
    return _change((Topic.WORK_ORDER, word), subject, after.device_id, data, facts)


def _order_data(order: WorkOrder) -> dict[str, Any]:
    return {
        "work_order_id": order.work_order_id,
        "alarm_id": order.alarm_id,
        "device_id": order.device_id,
        "connector": order.connector,
        "title": order.title,
        "state": order.state.value,
        "remote_id": order.remote_id,
        "remote_state": order.remote_state,
        "remote_url": order.remote_url,
        "created_at": to_rfc3339(order.created_at),
        "closed_at": None if order.closed_at is None else to_rfc3339(order.closed_at),
    }


def device_change(before: Device | None, after: Device | None) -> Change | None:
    """Describe a change of a device."""
    device = after or before
    if device is None:
        return None
    if after is None:
        word = "deleted"
    elif before is None:
        word = "created"
    else:
        word = "changed" if before.lifecycle is after.lifecycle else after.lifecycle.value
    data = {
        "device_id": device.device_id,
        "type": device.type_name,
        "lifecycle": device.lifecycle.value,
        "was": None if before is None else before.lifecycle.value,
        "label": device.label,
        "tags": list(device.tags),
        "attributes": device.attributes,
    }
    subject = ("devices", f"device:{device.device_id}")
    return _change((Topic.DEVICE, word), subject, device.device_id, data, device_facts(device))


def device_facts(device: Device) -> dict[str, Any]:
    """Return what filters read of a device."""
    return {
        "device.id": device.device_id,
        "device.type": device.type_name or "",
        "device.label": device.label,
        "device.lifecycle": device.lifecycle.value,
        "device.tags": list(device.tags),
        **{f"device_attributes.{name}": value for name, value in device.attributes.items()},
    }


DESCRIBE: Final[Mapping[str, Describe]] = {
    "alarm": alarm_change,
    "work_order": work_order_change,
    "device": device_change,
}


class _Told(Struct, frozen=True):
    topic: Topic
    type: str
    below: str  # the subject, below the device's


_MESSAGES: Final[Mapping[Operation, _Told]] = {
    Operation.TELEMETRY: _Told(Topic.TELEMETRY, "weft.telemetry", "telemetry"),
    Operation.REPORTED: _Told(Topic.TWIN, "weft.twin.reported", "properties/reported"),
    Operation.DESIRED: _Told(Topic.TWIN, "weft.twin.desired", "properties/desired"),
    Operation.EVENT: _Told(Topic.EVENT, "weft.device.event", "events"),
}


def topic_of(envelope: Envelope) -> Topic | None:
    """Return what a message is about, or None where nobody is told of it."""
    told = _MESSAGES.get(envelope.route.operation)
    return None if told is None or envelope.rejection is not None else told.topic


def message_change(position: int, envelope: Envelope) -> Change:
    """Describe a message of a device; its payload is passed on as it came."""
    route = envelope.route
    told = _MESSAGES[route.operation]
    try:
        data, is_base64 = msgspec.json.decode(envelope.payload), False
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        data, is_base64 = base64.b64encode(envelope.payload).decode(), True
    below = f"{told.below}/{route.name}" if route.operation is Operation.EVENT else told.below
    facts = {"data." + key: one for key, one in data.items()} if isinstance(data, dict) else {}
    return Change(
        sequence=position,
        at=envelope.received_at,
        topic=told.topic,
        type=told.type,
        subject=f"devices/{route.device_id}/{below}",
        target=f"device:{route.device_id}",
        device_id=route.device_id,
        data=data,
        facts=facts,
        base64=is_base64,
    )


def _change(
    kind: tuple[Topic, str],
    place: tuple[str, str],
    device_id: str,
    data: dict[str, Any],
    facts: dict[str, Any],
) -> Change:
    topic, word = kind
    below, target = place
    return Change(
        sequence=0,
        at=0,
        topic=topic,
        type=f"weft.{topic.value}.{word}",
        subject=f"{below}/{target.partition(':')[2]}",
        target=target,
        device_id=device_id,
        data=data,
        facts=facts,
    )
