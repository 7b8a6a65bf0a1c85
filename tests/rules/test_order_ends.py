"""Ends: the work is said to be done, and the rule says what it measures."""

import pytest
from msgspec.structs import replace
from tests.rules.faults import Machine, clears, rule_of, trips
from tests.rules.support import ALICE, MAIN, START, S

from weft.model.alarm import Alarm, AlarmState, WorkOrder, WorkOrderState
from weft.model.fault import FaultState
from weft.model.work_order import OnClose
from weft.ports import Writer
from weft.rules.kinds import FAULT_ALARMS, FAULTS, WORK_ORDERS
from weft.rules.order_ends import OrderEnds

AT = START + 60 * S


async def end(
    machine: Machine,
    state: WorkOrderState = WorkOrderState.CLOSED,
    on_close: OnClose = OnClose.QUESTION,
) -> list[Alarm]:
    ends = OrderEnds(machine.plant.alarms)
    (order,) = await machine.plant.orders()

    def work(writer: Writer) -> list[Alarm]:
        ended = replace(order, state=state)
        writer.put(WORK_ORDERS, MAIN, order.work_order_id, ended)
        if state is WorkOrderState.OPEN:
            return ends.reopen(writer, ALICE, ended, AT)
        return ends.end(writer, ALICE, ended, AT, on_close)

    changed = await machine.records.write(work)
    ends.tell(changed)
    return changed


async def ready(**order: object) -> Machine:
    machine = Machine()
    action = {"connector": "erp", "title": "Repair", **order}
    (rule,) = await machine.ready(rule_of("hot", actions=[{"work_order": action}]))
    first, second = (trips(rule, name) for name in machine.names)
    await machine.write(first, second, clears(second))
    return machine


async def test_a_closed_order_questions_the_alarms_that_still_stand() -> None:
    """Said to be done, and still hot: the alarm says who closed and when. The cleared one rests."""
    machine = await ready()
    told: list[Alarm] = []
    machine.plant.alarms.on_change(told.append)
    (alarm,) = await end(machine)
    assert (alarm.state, alarm.questioned_at, alarm.questioned_by) == (
        AlarmState.ACTIVE, AT, "user:alice"
    )  # fmt: skip
    assert told == [alarm]
    assert "alarm.question" in await machine.plant.audited()
    (fault,) = await machine.plant.all(FAULTS)
    assert fault.state is FaultState.OPEN


async def test_a_questioned_alarm_is_cleared_by_its_rule() -> None:
    """The condition no longer holds: the fault is over."""
    machine = await ready()
    await end(machine)
    rule = await machine.plant.rules.get(MAIN, "hot")
    await machine.write(clears(trips(rule, "sensor-00"), after_s=90))
    assert {one.state for one in await machine.plant.raised()} == {AlarmState.CLEARED}
    (fault,) = await machine.plant.all(FAULTS)
    assert (fault.state, fault.over_at) == (FaultState.OVER, START + 90 * S)


@pytest.mark.parametrize(
    ("state", "rule", "connector", "becomes"),
    [
        (WorkOrderState.CLOSED, "", OnClose.CLEAR, "cleared"),
        (WorkOrderState.CLOSED, "clear", OnClose.QUESTION, "cleared"),
        (WorkOrderState.CLOSED, "nothing", OnClose.CLEAR, "left"),
        (WorkOrderState.CANCELLED, "clear", OnClose.CLEAR, "questioned"),
        (WorkOrderState.CANCELLED, "", OnClose.NOTHING, "left"),
    ],
)
async def test_what_the_rule_says_goes_before_the_connector(
    state: WorkOrderState, rule: str, connector: OnClose, becomes: str
) -> None:
    """A cancelled order was no repair: it never clears."""
    machine = await ready(**({"on_close": rule} if rule else {}))
    await end(machine, state, connector)
    alarm = next(one for one in await machine.plant.raised() if one.device_id == "sensor-00")
    found = "cleared" if not alarm.is_open else "questioned" if alarm.questioned_at else "left"
    assert found == becomes
    if becomes == "cleared":
        assert alarm.cleared_by == "user:alice"
        (fault,) = await machine.plant.all(FAULTS)
        assert fault.state is FaultState.OVER


async def test_opened_again_nothing_is_in_question() -> None:
    """The wrong task was closed."""
    machine = await ready()
    await end(machine)
    (alarm,) = await end(machine, WorkOrderState.OPEN)
    assert (alarm.questioned_at, alarm.questioned_by) == (None, None)
    assert await end(machine, WorkOrderState.OPEN) == []


async def test_an_order_from_before_there_were_faults_has_its_one_alarm() -> None:
    """Records of an older version."""
    machine = await ready()
    (order,) = await machine.plant.orders()
    stands = next(one for one in await machine.plant.raised() if one.is_open)

    def forget(writer: Writer) -> WorkOrder:
        for record in writer.list(FAULT_ALARMS, MAIN):
            writer.delete(FAULT_ALARMS, MAIN, record.key)
        plain = replace(order, fault_id="", alarm_id=stands.alarm_id)
        writer.put(WORK_ORDERS, MAIN, order.work_order_id, plain)
        return plain

    await machine.records.write(forget)
    (alarm,) = await end(machine)
    assert alarm.alarm_id == stands.alarm_id
