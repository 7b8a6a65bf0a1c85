"""Synchronising: both sides say the same in the end, whatever fails in between."""

from dataclasses import dataclass, field
from typing import Any

import pytest
from msgspec import structs
from tests.connectors.support import ALICE, MAIN, FakeConnector, Plant, alarm, entry, order_of
from tests.rules.faults import Machine, clears, rule_of, trips

from weft.connectors.base import RemoteState
from weft.connectors.synchronising import Followed
from weft.errors import ConnectorError
from weft.model.alarm import AlarmState, OutboxEntry, WorkOrder, WorkOrderState
from weft.model.work_order import CLEAR_NOTED, CLOSING, OnClose
from weft.rules.kinds import ALARMS, WORK_ORDERS
from weft.rules.order_desk import OrderDesk
from weft.rules.order_ends import OrderEnds

OPEN = RemoteState(WorkOrderState.OPEN, "Open")
DONE = RemoteState(WorkOrderState.CLOSED, "Done")
CANCELLED = RemoteState(WorkOrderState.CANCELLED, "Cancelled")
DOWN = ConnectorError("The connection failed.")
REFUSED = ConnectorError("Not allowed.", permanent=True)


@dataclass
class ClosingConnector(FakeConnector):
    """One that can end and open its records."""

    ended: list[tuple[str, bool]] = field(default_factory=list)
    opened: list[str] = field(default_factory=list)
    able: bool = True

    async def close_order(self, order: WorkOrder, text: str, *, cancelled: bool) -> bool:
        self._fail()
        if self.able:
            self.ended.append((text, cancelled))
            self.states[order.work_order_id] = CANCELLED if cancelled else DONE
        return self.able

    async def reopen_order(self, order: WorkOrder, text: str) -> bool:
        self._fail()
        if self.able:
            self.opened.append(text)
            self.states[order.work_order_id] = OPEN
        return self.able


async def ready(plant: Plant) -> tuple[OutboxEntry, OrderDesk]:
    item = entry(1)
    await plant.put(item, raised=alarm(1))
    await plant.outbox.deliver_due()
    plant.erp.states[item.action.action_id] = OPEN
    await plant.poller.poll()
    desk = OrderDesk(plant.records, plant.audit, plant.clock, OrderEnds(plant.alarms))
    return item, desk


async def the_alarm(plant: Plant) -> Any:
    return await plant.alarms.get(MAIN, alarm(1).alarm_id)


async def change(plant: Plant, item: OutboxEntry, **changes: Any) -> None:
    order = structs.replace(await plant.order(item), **changes)
    await plant.records.write(lambda w: w.put(WORK_ORDERS, MAIN, order.work_order_id, order))


@pytest.mark.parametrize(
    ("told", "on_close", "by", "state"),
    [
        (DONE, OnClose.QUESTION, "system:connector:erp", AlarmState.ACTIVE),
        (DONE, OnClose.NOTHING, None, AlarmState.ACTIVE),
        (DONE, OnClose.CLEAR, None, AlarmState.CLEARED),
        (CANCELLED, OnClose.CLEAR, "system:connector:erp", AlarmState.ACTIVE),
    ],
)
async def test_closing_it_there_is_taken_as_the_connector_is_set(
    told: RemoteState, on_close: OnClose, by: str | None, state: AlarmState
) -> None:
    """Clear, question, or nothing; with the name of who said so."""
    plant = Plant()
    item, _ = await ready(plant)
    (found,) = plant.connectors
    found.on_close = on_close
    plant.erp.states[item.action.action_id] = told
    await plant.poller.poll()
    found_alarm = await the_alarm(plant)
    assert (found_alarm.questioned_by, found_alarm.state) == (by, state)


async def test_what_is_closed_here_is_closed_there_once_and_stays_closed() -> None:
    """While the far side has not been told, what it says of the task is old."""
    plant = Plant(ClosingConnector())
    item, desk = await ready(plant)
    await desk.close(ALICE, item.action.action_id, "Done.")
    plant.erp.next = [DOWN]
    await plant.poller.poll()
    assert plant.erp.ended == []
    assert (await plant.order(item)).state is WorkOrderState.CLOSED
    await plant.poller.poll()
    await plant.poller.poll()
    assert plant.erp.ended == [("Weft: closed by alice. Done.", False)]
    order = await plant.order(item)
    assert (order.state, order.tellings) == (WorkOrderState.CLOSED, ())

    plant.erp.states[item.action.action_id] = OPEN  # and somebody opens it there again
    await plant.poller.poll()
    assert (await plant.order(item)).state is WorkOrderState.OPEN
    assert (await the_alarm(plant)).questioned_at is None


@pytest.mark.parametrize("connector", [FakeConnector, ClosingConnector])
async def test_a_far_side_that_cannot_close_gets_a_note(connector: Any) -> None:
    """It was told; its open task does not open our order again."""
    plant = Plant(connector())
    plant.erp.able = False
    item, desk = await ready(plant)
    await desk.cancel(ALICE, item.action.action_id, "")
    await plant.poller.poll()
    await plant.poller.poll()
    assert [text for _, text in plant.erp.notes] == ["Weft: cancelled by alice."]
    assert (await plant.order(item)).state is WorkOrderState.CANCELLED


async def test_what_is_refused_for_good_is_not_tried_for_ever() -> None:
    """The log says it; the note goes out."""
    plant = Plant(ClosingConnector())
    item, desk = await ready(plant)
    await desk.close(ALICE, item.action.action_id, "")
    plant.erp.next = [None, REFUSED]
    await plant.poller.poll()
    plant.erp.next = [REFUSED]
    await plant.poller.poll()
    assert (await plant.order(item)).tellings == ()
    assert len(plant.erp.notes) <= 1


async def test_opened_again_here_is_opened_there() -> None:
    """In the order in which it happened: closed, then opened."""
    plant = Plant(ClosingConnector())
    item, desk = await ready(plant)
    await desk.close(ALICE, item.action.action_id, "")
    await desk.reopen(ALICE, item.action.action_id, "No.")
    await plant.poller.poll()
    assert plant.erp.opened == ["Weft: opened again by alice. No."]
    await plant.poller.poll()
    assert (await plant.order(item)).state is WorkOrderState.OPEN


async def test_what_is_done_before_delivery_waits_for_it() -> None:
    """Cancelled while the far side was down: it is made, then ended, and never open here."""
    plant = Plant(ClosingConnector())
    item = entry(1)
    await plant.put(item, raised=alarm(1))
    desk = OrderDesk(plant.records, plant.audit, plant.clock, OrderEnds(plant.alarms))
    await desk.cancel(ALICE, item.action.action_id, "")
    await plant.poller.poll()  # there is nothing yet that could be ended
    assert (plant.erp.ended, plant.erp.notes) == ([], [])
    await plant.outbox.deliver_due()
    assert (await plant.order(item)).state is WorkOrderState.CANCELLED
    await plant.poller.poll()
    assert plant.erp.ended == [("Weft: cancelled by alice.", True)]


async def test_an_alarm_that_clears_by_itself_may_close_the_task() -> None:
    """Where the rule or the connector says so, and the far side can; else it gets a note."""
    plant = Plant(ClosingConnector())
    item, _ = await ready(plant)
    await change(plant, item, close_when_cleared=True)
    cleared = alarm(1, state=AlarmState.CLEARED, cleared_at=plant.clock.now(), cleared_by="rule")
    await plant.records.write(lambda w: w.put(ALARMS, MAIN, cleared.alarm_id, cleared))
    await plant.poller.poll()
    await plant.poller.poll()
    ((text, cancelled),) = plant.erp.ended
    assert text.endswith("The task is closed with it.")
    assert not cancelled
    order = await plant.order(item)
    assert (order.state, order.closed_by) == (WorkOrderState.CLOSED, "weft")
    assert CLEAR_NOTED in order.details
    assert plant.erp.notes == []


async def test_further_alarms_are_one_note_an_hour() -> None:
    """Fifty devices trip: the technician's phone does not."""
    plant = Plant()
    item, _ = await ready(plant)
    for total in (20, 51):
        await change(plant, item, alarms=total, devices=("pump-7", "pump-8"))
        await plant.poller.poll()
    assert [text for _, text in plant.erp.notes] == [
        "Weft: this fault has 20 alarms now, of pump-7, pump-8."
    ]
    plant.clock.turn(3_600)
    await plant.poller.poll()
    await plant.poller.poll()
    assert len(plant.erp.notes) == 2


async def test_an_order_that_is_gone_from_the_records_is_passed_over() -> None:
    """A backup was restored between the question and the answer."""
    plant = Plant()
    (found,) = plant.connectors
    nothing = order_of(entry(9)).work_order_id
    assert await plant.synchroniser.store(found, MAIN, {nothing: DONE}) == []


# --- a fault that comes again -------------------------------------------------------------


@dataclass
class Interrupted(ClosingConnector):
    """One during whose closing, or note, something happens in the plant."""

    meanwhile: list[Any] = field(default_factory=list)
    reopens: bool = True
    loses: bool = False  # the answer to the closing

    async def close_order(self, order: WorkOrder, text: str, *, cancelled: bool) -> bool:
        done = await super().close_order(order, text, cancelled=cancelled)
        await self._happen()
        if self.loses:
            raise ConnectorError("The connection was lost.")
        return done

    async def reopen_order(self, order: WorkOrder, text: str) -> bool:
        return self.reopens and await super().reopen_order(order, text)

    async def note(self, order: WorkOrder, text: str) -> None:
        await super().note(order, text)
        await self._happen()

    async def _happen(self) -> None:
        while self.meanwhile:
            await self.meanwhile.pop()()


class Pressed:
    """A press with two sensors, one fault, one order at a far side that can close it."""

    def __init__(self, **more: Any) -> None:
        self.machine = Machine()
        self.far = Interrupted(**more)
        self.plant = Plant(self.far, records=self.machine.records)
        (self.found,) = self.plant.connectors
        self.found.close_when_cleared = True

    async def ready(self) -> None:
        """Trip, deliver, and clear again: nothing of the end has been told yet."""
        (self.rule,) = await self.machine.ready(rule_of("hot"))
        first = trips(self.rule, "sensor-00")
        await self.machine.write(first)
        await self.plant.outbox.deliver_due()
        self.far.states[(await self.order()).work_order_id] = OPEN
        await self.plant.poller.poll()
        await self.machine.write(clears(first))

    async def again(self) -> None:
        await self.machine.write(trips(self.rule, "sensor-01", position=2))

    async def order(self) -> WorkOrder:
        (order,) = await self.machine.plant.orders()
        return order

    async def fault(self) -> str:
        (fault,) = await self.machine.faults()
        return fault.state


async def test_a_fault_that_came_again_since_it_was_read_is_not_closed_there() -> None:
    """A page of orders was read, and told one after the other; the last waited for minutes."""
    press = Pressed()
    await press.ready()
    order = await press.order()
    (cleared,) = await press.machine.plant.raised()
    await press.again()
    told = await press.plant.synchroniser.tell(press.found, Followed(order, cleared, 0))
    assert (told.state, press.far.ended, press.far.notes) == (WorkOrderState.OPEN, [], [])


async def test_a_fault_that_comes_again_while_it_is_closed_there_is_opened_there() -> None:
    """Their closing was under way: the order stays open here, and is opened there."""
    press = Pressed()
    await press.ready()
    press.far.meanwhile.append(press.again)
    await press.plant.poller.poll()
    assert len(press.far.ended) == 1
    assert (await press.order()).state is WorkOrderState.OPEN
    await press.plant.poller.poll()
    assert press.far.opened == ["Weft: the fault has come again: sensor-00 is at 99."]
    await press.plant.poller.poll()
    order = await press.order()
    assert (order.state, order.tellings, await press.fault()) == (WorkOrderState.OPEN, (), "open")
    assert CLEAR_NOTED not in order.details  # the next end is told again


async def test_where_it_cannot_be_opened_again_a_note_says_so() -> None:
    """Then the far side is right: its task is closed, and the alarm is in question."""
    press = Pressed(reopens=False)
    await press.ready()
    press.far.meanwhile.append(press.again)
    for _ in range(3):
        await press.plant.poller.poll()
    assert [text for _, text in press.far.notes] == [
        "Weft: the fault has come again: sensor-00 is at 99.",
        "Weft: this fault has 2 alarms now, of sensor-00, sensor-01.",
    ]
    assert (await press.order()).state is WorkOrderState.CLOSED
    (standing,) = [one for one in await press.machine.plant.raised() if one.is_open]
    assert standing.questioned_by == "system:connector:erp"


async def test_a_fault_that_comes_again_while_a_note_says_the_contrary_is_said_too() -> None:
    """Nothing is closed by itself there: the note that all is well is followed by another."""
    press = Pressed()
    press.found.close_when_cleared = False
    await press.ready()
    press.far.meanwhile.append(press.again)
    for _ in range(2):
        await press.plant.poller.poll()
    texts = [text for _, text in press.far.notes]
    assert texts[0].endswith("The task is still open.")
    assert "Weft: the fault has come again: sensor-00 is at 99." in texts
    assert CLEAR_NOTED not in (await press.order()).details


async def test_what_weft_closed_there_is_watched_like_any_other() -> None:
    """The technician looks after all, and opens the task that Weft had closed."""
    press = Pressed()
    await press.ready()
    await press.plant.poller.poll()
    order = await press.order()
    assert (order.state, await press.fault()) == (WorkOrderState.CLOSED, "over")
    assert order.watch_until is not None
    press.far.states[order.work_order_id] = OPEN
    await press.plant.poller.poll()
    assert ((await press.order()).state, await press.fault()) == (WorkOrderState.OPEN, "open")


@pytest.mark.parametrize("again", [True, False])
async def test_an_end_whose_answer_was_lost_is_nobodys_word_that_work_was_done(
    *, again: bool
) -> None:
    """Weft closed it there and was killed; whether the fault came again or not, nobody asks."""
    press = Pressed(loses=True)
    await press.ready()
    if again:
        press.far.meanwhile.append(press.again)
    await press.plant.poller.poll()
    assert (await press.order()).state is WorkOrderState.OPEN
    press.far.loses = False
    for _ in range(3):
        await press.plant.poller.poll()
    order = await press.order()
    assert all(one.questioned_at is None for one in await press.machine.plant.raised())
    if again:
        assert (order.state, await press.fault()) == (WorkOrderState.OPEN, "open")
        assert len(press.far.opened) == 1
    else:
        assert (order.state, order.closed_by, await press.fault()) == ("closed", "weft", "over")
    assert len(press.far.ended) == 1
    assert CLOSING not in order.details
