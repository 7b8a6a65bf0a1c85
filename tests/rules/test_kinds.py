"""The shared kinds: what their indexes say."""

from weft.model.alarm import Action, OutboxEntry, OutboxState, WorkOrder, WorkOrderState
from weft.model.ids import ActionId, AlarmId, DeviceId, TenantId, WorkOrderId
from weft.rules.kinds import OUTBOX, WORK_ORDERS

MAIN = TenantId("main")


def _entry(next_attempt_at: int) -> OutboxEntry:
    action = Action(
        action_id=ActionId("action-1"),
        tenant=MAIN,
        connector="erp",
        kind="work_order",
        alarm_id=AlarmId("alarm-1"),
        parameters={},
        created_at=1,
    )
    return OutboxEntry(action=action, state=OutboxState.PENDING, next_attempt_at=next_attempt_at)


def test_due_entries_sort_as_text_in_time_order() -> None:
    """The connector asks for what is due by text; nine seconds come before ten."""
    soon, later = (OUTBOX.index(_entry(at))["due"] for at in (9, 10))
    assert soon < later
    assert soon.startswith("pending:")


def test_a_work_order_is_found_by_its_alarm_and_device() -> None:
    """Lineage walks from the alarm and from the device to the same order."""
    order = WorkOrder(
        work_order_id=WorkOrderId("action-1"),
        tenant=MAIN,
        alarm_id=AlarmId("alarm-1"),
        device_id=DeviceId("pump-7"),
        connector="erp",
        title="Look at pump-7",
        state=WorkOrderState.REQUESTED,
        created_at=1,
    )
    assert WORK_ORDERS.index(order) == {
        "state": "requested",
        "alarm": "alarm-1",
        "device": "pump-7",
    }
