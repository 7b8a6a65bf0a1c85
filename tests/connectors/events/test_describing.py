"""Describing: what happened has one name, and what says nothing is no event."""

from msgspec.structs import replace
from tests.connectors.support import MAIN, NOON, alarm, entry, order_of

from weft.connectors.events.describing import (
    alarm_change,
    device_change,
    message_change,
    topic_of,
    work_order_change,
)
from weft.model.alarm import AlarmState, WorkOrderState
from weft.model.device import Device, Lifecycle
from weft.model.ids import DeviceId, DeviceUid
from weft.model.message import Envelope, Operation, RejectionReason, Route
from weft.model.subscription import Change, Topic

PUMP = Device(MAIN, DeviceId("pump-7"), DeviceUid("u"), None, Lifecycle.PENDING, NOON)


def type_of(change: Change | None) -> str:
    return "" if change is None else change.type.removeprefix("weft.")


def test_an_alarms_life() -> None:
    """Raised, acknowledged, assigned, cleared; forgetting it is no news."""
    one = alarm()
    seen = replace(one, state=AlarmState.ACKNOWLEDGED)
    assert type_of(alarm_change(None, one)) == "alarm.raised"
    assert type_of(alarm_change(one, seen)) == "alarm.acknowledged"
    assert type_of(alarm_change(seen, replace(seen, assignee="bo"))) == "alarm.changed"
    assert type_of(alarm_change(seen, replace(one, state=AlarmState.CLEARED))) == "alarm.cleared"
    assert type_of(alarm_change(one, None)) == ""


def test_a_work_orders_life() -> None:
    """Asked for, taken by the far side, closed there; that it was looked at is no news."""
    order = order_of(entry())
    taken = replace(order, state=WorkOrderState.OPEN, remote_id="7")
    assert type_of(work_order_change(None, order)) == "work_order.requested"
    assert type_of(work_order_change(order, taken)) == "work_order.open"
    assert type_of(work_order_change(taken, replace(taken, polled_at=9))) == ""
    renamed = replace(taken, remote_state="Waiting")
    assert type_of(work_order_change(taken, renamed)) == "work_order.changed"
    closed = replace(taken, state=WorkOrderState.CLOSED, closed_at=NOON)
    assert type_of(work_order_change(taken, closed)) == "work_order.closed"
    assert type_of(work_order_change(closed, None)) == ""


def test_a_devices_life() -> None:
    """Created, active, changed, deleted."""
    active = replace(PUMP, lifecycle=Lifecycle.ACTIVE)
    assert type_of(device_change(None, PUMP)) == "device.created"
    assert type_of(device_change(PUMP, active)) == "device.active"
    assert type_of(device_change(active, replace(active, label="P7"))) == "device.changed"
    gone = device_change(active, None)
    assert type_of(gone) == "device.deleted"
    assert gone is not None
    assert (gone.subject, gone.facts["device.id"]) == ("devices/pump-7", "pump-7")
    assert device_change(None, None) is None


def test_a_message_passes_on_what_the_device_said() -> None:
    """JSON as JSON, other bytes in base64; refused ones are nobody's news."""
    route = Route(MAIN, "device", "p", "t", Operation.EVENT, DeviceId("pump-7"), name="door")
    envelope = Envelope(route, NOON, b'{"open": true}')
    change = message_change(5, envelope)
    assert (change.type, change.subject) == ("weft.device.event", "devices/pump-7/events/door")
    assert (change.facts, change.base64) == ({"data.open": True}, False)
    assert message_change(6, Envelope(route, NOON, b"\xff")).data == "/w=="
    assert topic_of(envelope) is Topic.EVENT
    refused = Envelope(route, NOON, b"", rejection=RejectionReason("x", "y", "z"))
    assert topic_of(refused) is None
