"""The desk: each act changes the order, is on record, and waits to be told to the far side."""

import pytest
from tests.rules.faults import Machine, rule_of, trips
from tests.rules.support import ALICE

from weft.errors import Conflict, Invalid, NotFound, QuotaExceeded
from weft.model.alarm import WorkOrderState
from weft.model.work_order import OnClose
from weft.rules.order_desk import REMARKS_MAX, TELLINGS_MAX, TEXT_CHARACTERS, OrderDesk
from weft.rules.order_ends import OrderEnds


async def ready() -> tuple[Machine, OrderDesk, str]:
    machine = Machine()
    (rule,) = await machine.ready(rule_of("hot"))
    await machine.write(trips(rule, "sensor-00"))
    plant = machine.plant
    desk = OrderDesk(plant.records, plant.audit, plant.clock, OrderEnds(plant.alarms))
    (order,) = await plant.orders()
    return machine, desk, order.work_order_id


async def test_an_order_is_acknowledged_assigned_and_commented() -> None:
    """Who, when, in which words; the far side gets the last two as notes."""
    machine, desk, order_id = await ready()
    await desk.acknowledge(ALICE, order_id)
    again = await desk.acknowledge(ALICE, order_id)
    await desk.assign(ALICE, order_id, "bob")
    await desk.assign(ALICE, order_id, "bob")
    order = (await desk.comment(ALICE, order_id, "Bring the long ladder.")).order
    assert (again.order.acknowledged_by, order.assigned_to) == ("user:alice", "bob")
    assert [one.text for one in order.remarks] == ["Bring the long ladder."]
    assert [one.text for one in order.tellings] == [
        "Weft: assigned to bob.",
        "alice: Bring the long ladder.",
    ]
    acts = [act for act in await machine.plant.audited() if act.startswith("work_order.")]
    assert acts == ["work_order.acknowledge", "work_order.assign", "work_order.comment"]
    assert [one.text for one in (await desk.assign(ALICE, order_id, "")).order.tellings][-1] == (
        "Weft: assigned to nobody."
    )


async def test_closing_here_questions_the_alarm_and_is_told_there() -> None:
    """Unless the person says that the alarm is over too."""
    machine, desk, order_id = await ready()
    done = await desk.close(ALICE, order_id, "New bearing.")
    assert (done.order.state, done.order.closed_by) == (WorkOrderState.CLOSED, "user:alice")
    assert [one.questioned_by for one in done.alarms] == ["user:alice"]
    assert [(one.kind, one.text) for one in done.order.tellings] == [
        ("close", "Weft: closed by alice. New bearing.")
    ]
    with pytest.raises(Conflict, match="closed already"):
        await desk.cancel(ALICE, order_id, "")

    opened = await desk.reopen(ALICE, order_id, "Still hot.")
    assert (opened.order.state, opened.order.closed_at) == (WorkOrderState.OPEN, None)
    assert [one.questioned_by for one in opened.alarms] == [None]
    closed = await desk.close(ALICE, order_id, "", OnClose.CLEAR)
    assert [one.cleared_by for one in closed.alarms] == ["user:alice"]
    assert not [one for one in await machine.plant.raised() if one.is_open]


async def test_a_cancelled_order_is_told_as_such() -> None:
    """There was nothing to do."""
    _machine, desk, order_id = await ready()
    done = await desk.cancel(ALICE, order_id, "False alarm.")
    assert done.order.state is WorkOrderState.CANCELLED
    assert [one.kind for one in done.order.tellings] == ["cancel"]


async def test_what_cannot_be_done_says_why() -> None:
    """Bounds, empty words, orders that are not there or not ended."""
    _machine, desk, order_id = await ready()
    with pytest.raises(NotFound):
        await desk.acknowledge(ALICE, "none")
    with pytest.raises(Conflict, match="requested"):
        await desk.reopen(ALICE, order_id, "")
    with pytest.raises(Invalid, match="empty"):
        await desk.comment(ALICE, order_id, " ")
    with pytest.raises(Invalid, match="characters"):
        await desk.close(ALICE, order_id, "x" * (TEXT_CHARACTERS + 1))


async def test_what_waits_is_bounded() -> None:
    """A connector that is down for a month must not grow a record without end."""
    _machine, desk, order_id = await ready()
    assert REMARKS_MAX > TELLINGS_MAX
    for number in range(TELLINGS_MAX):
        await desk.comment(ALICE, order_id, f"{number}")
    with pytest.raises(QuotaExceeded, match="wait to be told"):
        await desk.comment(ALICE, order_id, "one more")
