"""The poller: work orders follow their tasks, and the far side hears of cleared alarms."""

import asyncio
from typing import Any

import pytest
from msgspec import structs
from tests.connectors.support import MAIN, NOON, OTHER, FakeConnector, Plant, alarm, entry

from weft.connectors import poller as module
from weft.connectors.base import RemoteState
from weft.connectors.poller import Poller, PollerSettings
from weft.connectors.registry import Configured, Healths
from weft.errors import ConnectorError, StorageError
from weft.model.alarm import AlarmState, OutboxEntry, WorkOrderState
from weft.model.ids import WorkOrderId
from weft.model.work_order import CLEAR_NOTED, Telling, TellingKind
from weft.rules.kinds import ALARMS, WORK_ORDERS

WORKING = RemoteState(WorkOrderState.IN_PROGRESS, "Waiting for parts")
DONE = RemoteState(WorkOrderState.CLOSED, "Done")
DOWN = ConnectorError("The connection failed.")
CLEARED: dict[str, Any] = {
    "state": AlarmState.CLEARED,
    "cleared_at": NOON,
    "cleared_by": "rule",
}


async def delivered(plant: Plant, *numbers: int) -> list[OutboxEntry]:
    items = [entry(number) for number in numbers]
    for number, item in zip(numbers, items, strict=True):
        await plant.put(item, raised=alarm(number))
    await plant.outbox.deliver_due()
    plant.seen.clear()
    return items


async def clear(plant: Plant, number: int = 1) -> None:
    cleared = alarm(number, **CLEARED)
    await plant.records.write(lambda w: w.put(ALARMS, MAIN, cleared.alarm_id, cleared))


async def test_a_task_that_is_done_closes_the_work_order() -> None:
    """Open, in progress, closed: each change once, with its time and the far side's word."""
    plant = Plant()
    [item] = await delivered(plant, 1)
    for told in (WORKING, WORKING, DONE, DONE):
        plant.erp.states[item.action.action_id] = told
        plant.clock.turn(10)
        await plant.poller.poll()

    order = await plant.order(item)
    assert (order.state, order.remote_state) == (WorkOrderState.CLOSED, "Done")
    assert order.closed_at == NOON + 30 * 10**9
    assert [one.state for one in plant.seen] == [WorkOrderState.IN_PROGRESS, WorkOrderState.CLOSED]


async def test_nothing_is_written_when_nothing_has_changed() -> None:
    """A thousand open tasks are asked for every few seconds; the disk need not know."""
    plant = Plant()
    [item] = await delivered(plant, 1)
    plant.erp.states[item.action.action_id] = RemoteState(WorkOrderState.OPEN, "Open")
    before = await plant.order(item)
    await plant.poller.poll()
    assert await plant.order(item) == before
    assert plant.seen == []


async def test_a_task_that_is_opened_again_opens_its_work_order_again() -> None:
    """The technician closed the wrong one. A week later it is a new story, not ours."""
    plant = Plant()
    [item] = await delivered(plant, 1)
    plant.erp.states[item.action.action_id] = DONE
    await plant.poller.poll()
    plant.erp.states[item.action.action_id] = WORKING
    await plant.poller.poll()
    order = await plant.order(item)
    assert (order.state, order.closed_at, order.watch_until) == ("in_progress", None, None)

    plant.erp.states[item.action.action_id] = DONE
    await plant.poller.poll()
    plant.clock.turn(8 * 86_400)
    await plant.poller.poll()
    plant.erp.states[item.action.action_id] = WORKING
    await plant.poller.poll()
    assert (await plant.order(item)).state is WorkOrderState.CLOSED


async def test_a_cleared_alarm_is_told_to_the_task_once() -> None:
    """The technician on the way reads that the fault has gone; not every fifteen seconds."""
    plant = Plant()
    [item] = await delivered(plant, 1)
    await clear(plant)
    await plant.poller.poll()
    await plant.poller.poll()

    [(order_id, text)] = plant.erp.notes
    assert order_id == item.action.action_id
    assert "cleared by itself at 2026-03-01T12:00:00Z" in text
    order = await plant.order(item)
    assert order.state is WorkOrderState.OPEN
    assert order.details[CLEAR_NOTED] == plant.clock.now()


async def test_a_task_that_is_done_needs_no_note() -> None:
    """The alarm cleared because the technician was there."""
    plant = Plant()
    [item] = await delivered(plant, 1)
    await clear(plant)
    plant.erp.states[item.action.action_id] = DONE
    await plant.poller.poll()
    await plant.poller.poll()
    assert plant.erp.notes == []


async def test_a_note_that_failed_is_written_later() -> None:
    """The ERP goes down between the poll and the note."""
    plant = Plant()
    await delivered(plant, 1)
    await clear(plant)
    plant.erp.next = [None, DOWN]
    await plant.poller.poll()
    assert plant.erp.notes == []
    await plant.poller.poll()
    assert len(plant.erp.notes) == 1


async def test_a_note_that_is_refused_for_good_is_not_tried_for_ever() -> None:
    """The far side takes no notes: said once in the log."""
    plant = Plant()
    [item] = await delivered(plant, 1)
    await clear(plant)
    plant.erp.next = [None, ConnectorError("Note: 404.", permanent=True)]
    await plant.poller.poll()
    await plant.poller.poll()
    assert plant.erp.notes == []
    assert CLEAR_NOTED in (await plant.order(item)).details


@pytest.mark.parametrize("error", [DOWN, KeyError("a bug of ours")])
async def test_a_system_that_fails_stops_no_other(error: Exception) -> None:
    """The ERP is down, or our connector trips over its answer; the other's work orders go on."""
    erp, other = FakeConnector("erp"), FakeConnector("other")
    plant = Plant(erp, other)
    [mine] = await delivered(plant, 1)
    theirs = entry(2, connector="other")
    await plant.put(theirs, raised=alarm(2))
    await plant.outbox.deliver_due()
    erp.next = [error]
    other.states[theirs.action.action_id] = DONE
    await plant.poller.poll()

    assert (await plant.order(theirs)).state is WorkOrderState.CLOSED
    assert (await plant.order(mine)).state is WorkOrderState.OPEN
    assert not plant.connectors.get(MAIN, "erp").healthy
    await plant.poller.poll()
    assert plant.connectors.get(MAIN, "erp").healthy


@pytest.mark.parametrize(
    "error", [DOWN, ConnectorError("Search: 400.", permanent=True), KeyError("a bug of ours")]
)
async def test_tn_3_what_fails_for_one_tenant_is_followed_for_another(error: Exception) -> None:
    """TN-3: the first tenant's work orders make the system fail each time; the second's go on."""

    class Odd(FakeConnector):
        async def poll(self, orders: Any) -> dict[WorkOrderId, RemoteState]:
            if orders[0].tenant == MAIN:
                raise error
            return await super().poll(orders)

    plant = Plant(Odd(), tenants=(MAIN, OTHER))
    await delivered(plant, 1)
    theirs = entry(2, tenant=OTHER)
    await plant.put(theirs)
    await plant.outbox.deliver_due()
    plant.erp.states[theirs.action.action_id] = DONE
    await plant.poller.poll()
    await plant.poller.poll()
    assert (await plant.order(theirs)).state is WorkOrderState.CLOSED
    assert plant.connectors.get(OTHER, "erp").healthy
    assert not plant.connectors.get(MAIN, "erp").healthy


async def test_all_pages_are_followed() -> None:
    """Seven open work orders, two in a request."""
    plant = Plant()
    items = await delivered(plant, *range(7))
    poller = Poller(
        plant.records,
        plant.connectors,
        plant.work_orders,
        plant.synchroniser,
        plant.clock,
        PollerSettings(2.0, 2),
    )
    plant.erp.states = {item.action.action_id: DONE for item in items}
    await poller.poll()
    assert {(await plant.order(item)).state for item in items} == {WorkOrderState.CLOSED}


async def test_a_receiver_that_cannot_be_asked_is_still_told() -> None:
    """A webhook has no state to poll, but hears of the cleared alarm."""
    plant = Plant(FakeConnector(follows=False))
    [item] = await delivered(plant, 1)
    await clear(plant)
    await plant.poller.poll()
    await plant.poller.poll()
    assert len(plant.erp.notes) == 1
    order = await plant.order(item)  # nobody will ever say that it is done
    assert (order.state, order.closed_by) == (WorkOrderState.CLOSED, "weft")


async def test_an_answer_that_comes_too_late_undoes_nothing() -> None:
    """A person's redrive or another write came first; what has ended stays ended."""
    plant = Plant()
    [item] = await delivered(plant, 1)

    class Late(FakeConnector):
        async def poll(self, orders: Any) -> Any:
            order = structs.replace(orders[0], state=WorkOrderState.CANCELLED)
            await plant.records.write(
                lambda w: w.put(WORK_ORDERS, MAIN, order.work_order_id, order)
            )
            return {order.work_order_id: WORKING}

    plant.erp.poll = Late().poll
    await plant.poller.poll()
    assert (await plant.order(item)).state is WorkOrderState.CANCELLED


async def test_a_disk_that_fails_is_tried_again_at_the_next_turn() -> None:
    """No answer of the far side is lost by it: it is asked again."""
    plant = Plant()
    [item] = await delivered(plant, 1)
    plant.erp.states[item.action.action_id] = DONE
    write = plant.records.write

    async def fail(_work: Any) -> Any:
        raise StorageError("The disk is full.")

    plant.records.write = fail  # type: ignore[method-assign]
    await plant.poller.poll()
    plant.records.write = write  # type: ignore[method-assign]
    await plant.poller.poll()
    assert (await plant.order(item)).state is WorkOrderState.CLOSED


async def test_running_polls_by_the_interval_and_stops() -> None:
    """Inside the context it follows; behind it, it does not."""
    plant = Plant()
    [item] = await delivered(plant, 1)
    plant.erp.states[item.action.action_id] = DONE
    closed = asyncio.Event()
    plant.work_orders.on_change(lambda _order: closed.set())
    poller = Poller(
        plant.records,
        plant.connectors,
        plant.work_orders,
        plant.synchroniser,
        plant.clock,
        PollerSettings(poll_interval_s=0.01),
    )
    async with poller.running():
        await asyncio.wait_for(closed.wait(), 10)


async def test_tn_3_an_own_connector_that_hangs_holds_up_no_other() -> None:
    """A tenant names a system that never answers; the ERP's work orders are followed."""
    asked = asyncio.Event()

    class Hanging(FakeConnector):
        async def poll(self, orders: Any) -> dict[WorkOrderId, RemoteState]:
            asked.set()
            await asyncio.Event().wait()
            return {}

    plant = Plant()
    mine = Configured(Hanging("mes"), frozenset({MAIN}), "", Healths(), own=True)
    await plant.connectors.put_own(MAIN, "mes", mine)
    await plant.put(entry(7, connector="mes"))
    [item] = await delivered(plant, 1)
    plant.erp.states[item.action.action_id] = DONE
    closed = asyncio.Event()
    plant.work_orders.on_change(lambda order: closed.set() if order.closed_at else None)
    plant.poller._settings = PollerSettings(poll_interval_s=0.01)
    async with plant.poller.running():
        await asyncio.wait_for(asked.wait(), 10)
        await asyncio.wait_for(closed.wait(), 10)
        assert plant.poller._following == {"main/mes"}
    assert mine.at_work == 0


async def test_an_own_connector_is_given_up_for_this_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a minute with all of its work orders; its health says so."""

    class Hanging(FakeConnector):
        async def poll(self, orders: Any) -> dict[WorkOrderId, RemoteState]:
            await asyncio.Event().wait()
            return {}

    monkeypatch.setattr(module, "_OWN_TIMEOUT_S", 0.01)
    plant = Plant()
    mine = Configured(Hanging("mes"), frozenset({MAIN}), "", Healths(), own=True)
    await plant.connectors.put_own(MAIN, "mes", mine)
    await plant.put(entry(7, connector="mes"))
    await plant.outbox.deliver_due()
    await plant.poller.poll()
    assert plant.connectors.get(MAIN, "mes").last_error == "No end within 0.01 s."
    assert plant.poller._following == set()


async def test_tn_1_own_connectors_of_one_name_follow_their_own_work_orders() -> None:
    """What one tenant's system says closes no order of another's."""
    plant = Plant()
    systems = {tenant: FakeConnector("mes") for tenant in (MAIN, OTHER)}
    items = {tenant: entry(1, connector="mes", tenant=tenant) for tenant in systems}
    for tenant, system in systems.items():
        made = Configured(system, frozenset({tenant}), "", Healths(), own=True)
        await plant.connectors.put_own(tenant, "mes", made)
        await plant.put(items[tenant])
    await plant.outbox.deliver_due()
    systems[MAIN].states[items[MAIN].action.action_id] = DONE
    await plant.poller.poll()
    assert (await plant.order(items[MAIN])).state is WorkOrderState.CLOSED
    assert (await plant.order(items[OTHER])).state is WorkOrderState.OPEN


async def owned(plant: Plant, system: FakeConnector, count: int) -> list[OutboxEntry]:
    """Deliver so many orders to a connector of the tenant's own, and return them by id."""
    made = Configured(system, frozenset({MAIN}), "", Healths(), own=True)
    await plant.connectors.put_own(MAIN, system.name, made)
    items = [entry(number, connector=system.name) for number in range(count)]
    for item in items:
        await plant.put(item)
    await plant.outbox.deliver_due()
    return sorted(items, key=lambda item: item.action.action_id)


async def test_what_stands_behind_the_minute_is_followed_the_next_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The system takes longer than a round for its first orders; the last ones have their turn."""
    asked: list[str] = []

    class Slow(FakeConnector):
        async def poll(self, orders: Any) -> dict[WorkOrderId, RemoteState]:
            asked.append(orders[0].work_order_id)
            if orders[0].work_order_id == ids[1]:
                await asyncio.Event().wait()
            return {}

    monkeypatch.setattr(module, "_OWN_TIMEOUT_S", 0.01)
    plant = Plant()
    ids = [item.action.action_id for item in await owned(plant, Slow("mes"), 4)]
    plant.poller._settings = PollerSettings(poll_batch=1)
    await plant.poller.poll()
    assert asked == ids[:2]
    await plant.poller.poll()
    assert asked[2:] == [*ids[2:], *ids[:2]]


async def test_what_waits_to_be_told_is_told_before_anything_is_asked() -> None:
    """And who cannot be told is asked all the same; the next one is told first then."""
    plant, said = Plant(), []

    class Spy(FakeConnector):
        async def poll(self, orders: Any) -> dict[WorkOrderId, RemoteState]:
            said.append("poll")
            return {}

        async def note(self, order: Any, text: str) -> None:
            said.append(order.work_order_id)
            if order.work_order_id == ids[0]:
                raise DOWN

    items = await owned(plant, Spy("mes"), 2)
    ids = [item.action.action_id for item in items]
    for item in items:
        order = await plant.order(item)
        noted = structs.replace(order, tellings=(Telling(TellingKind.NOTE, "Seen.", NOON),))
        await plant.records.write(
            lambda w, one=noted: w.put(WORK_ORDERS, MAIN, one.work_order_id, one)
        )
    await plant.poller.poll()
    assert said[:2] == [ids[0], "poll"]
    said.clear()
    await plant.poller.poll()
    assert said[:3] == [ids[1], ids[0], "poll"]
    assert (await plant.order(items[1])).tellings == ()


async def test_rl_1_what_is_open_is_read_once_for_all_connectors() -> None:
    """A thousand connectors of a tenant read nothing of its orders each, and start nothing."""
    plant = Plant()
    await delivered(plant, *range(3))

    async def reads() -> int:
        count, read = 0, plant.records.read

        async def counted(work: Any) -> Any:
            nonlocal count
            count += 1
            return await read(work)

        plant.records.read = counted  # type: ignore[method-assign]
        await plant.poller.poll()
        plant.records.read = read  # type: ignore[method-assign]
        return count

    before = await reads()
    for number in range(50):
        name = f"mes-{number}"
        made = Configured(FakeConnector(name), frozenset({MAIN}), "", Healths(), own=True)
        await plant.connectors.put_own(MAIN, name, made)
    started: list[Any] = []
    plant.poller._beside = started.append
    assert await reads() == before
    assert started == []


async def test_what_has_changed_since_it_was_read_is_followed_as_it_is() -> None:
    """Its turn comes late in a round: what has ended, or moved elsewhere, meanwhile is left."""
    plant = Plant()
    items = await owned(plant, spy := FakeConnector("mes"), 2)
    spy.states = {item.action.action_id: DONE for item in items}
    order = await plant.order(items[0])
    begun: list[Any] = []
    plant.poller._beside = begun.append
    await plant.poller.poll()
    moved = structs.replace(order, place="p-2")
    await plant.records.write(lambda w: w.put(WORK_ORDERS, MAIN, moved.work_order_id, moved))
    await begun[0]
    assert (await plant.order(items[0])).state is WorkOrderState.OPEN
    assert (await plant.order(items[1])).state is WorkOrderState.CLOSED
