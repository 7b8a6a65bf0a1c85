"""Alarms, actions and work orders: plain values that survive being stored."""

import msgspec
import pytest

from weft.model.alarm import (
    Action,
    Alarm,
    AlarmState,
    Evidence,
    OutboxEntry,
    OutboxState,
    Priority,
    Severity,
    Shelf,
    WorkOrder,
    WorkOrderState,
    priority_of,
)
from weft.model.ids import ActionId, AlarmId, DeviceId, RuleId, TenantId, WorkOrderId

MAIN = TenantId("main")
ALARM = Alarm(
    AlarmId("a"),
    MAIN,
    RuleId("hot"),
    3,
    DeviceId("pump-7"),
    episode=17,
    severity=Severity.MAJOR,
    state=AlarmState.ACTIVE,
    message="pump-7 is hot",
    raised_at=9,
    evidence=(Evidence(17, 8, {"temperature": 91.0}),),
)
ACTION = Action(ActionId("x"), MAIN, "erp", "work_order", ALARM.alarm_id, {"title": "t"}, 9)
ORDER = WorkOrder(
    WorkOrderId("x"), MAIN, ALARM.alarm_id, ALARM.device_id, "erp", "t", WorkOrderState.REQUESTED, 9
)


@pytest.mark.parametrize(
    "value", [ALARM, ACTION, OutboxEntry(ACTION, OutboxState.PENDING), ORDER], ids=type
)
def test_a_record_is_read_again_as_it_was_written(value: msgspec.Struct) -> None:
    """Also the samples that an alarm stands on, with their positions."""
    assert msgspec.json.decode(msgspec.json.encode(value), type=type(value)) == value


def test_a_record_cannot_be_changed_in_place() -> None:
    """Whoever holds an alarm holds what was stored, not what somebody made of it."""
    with pytest.raises(AttributeError):
        ALARM.state = AlarmState.CLEARED  # type: ignore[misc]  # this is what is refused


def test_new_records_share_no_state() -> None:
    """One order's details are not another's."""
    other = msgspec.structs.replace(ORDER, details={})
    other.details["note"] = "x"
    assert ORDER.details == {}


def test_states_are_written_in_the_words_that_people_read() -> None:
    """In JSON, in logs and in metrics alike."""
    assert f"{Severity.CRITICAL} {AlarmState.ACKNOWLEDGED}" == "critical acknowledged"
    assert msgspec.json.encode(WorkOrderState.IN_PROGRESS) == b'"in_progress"'


@pytest.mark.parametrize(
    ("severity", "criticality", "priority"),
    [
        (Severity.INFO, None, Priority.LOW),
        (Severity.INFO, "low", Priority.LOW),
        (Severity.WARNING, "high", Priority.HIGH),
        (Severity.MAJOR, "Critical", Priority.URGENT),
        (Severity.MAJOR, "low", Priority.MEDIUM),
        (Severity.CRITICAL, "high", Priority.URGENT),
        (Severity.MAJOR, "rather", Priority.HIGH),
        (Severity.MAJOR, 7, Priority.HIGH),
    ],
)
def test_a_priority_is_the_severity_on_what_matters(
    severity: Severity, criticality: object, priority: Priority
) -> None:
    """One step by the asset's criticality, never beyond the ends; other words change nothing."""
    assert priority_of(severity, criticality) is priority


def test_an_alarm_from_before_priorities_and_shelves_is_read() -> None:
    """What was stored by an older version lacks the newer fields."""
    held = msgspec.to_builtins(ALARM)
    for name in ("priority", "priority_by", "assets", "assignee", "shelf", "steps"):
        held.pop(name, None)
    old = msgspec.convert(held, Alarm)
    assert old.urgency is Priority.HIGH
    assert not old.is_shelved


def test_what_is_over_is_not_put_aside() -> None:
    """The shelf stays on record, the alarm is in no list of what is aside."""
    shelf = Shelf(at=1, until=2, by="user:alice", reason="cleaning")
    open_one = msgspec.structs.replace(ALARM, shelf=shelf, state=AlarmState.ACTIVE)
    assert open_one.is_shelved
    assert not msgspec.structs.replace(open_one, state=AlarmState.CLEARED).is_shelved
