"""Settling: entry and work order move together, and never backwards."""

from msgspec import structs
from tests.connectors.support import MAIN, Plant, alarm, entry, order_of

from weft.connectors.base import Delivered
from weft.connectors.settling import (
    ERROR_CHARACTERS,
    Found,
    find_pending,
    store_delivered,
    store_failed,
)
from weft.model.alarm import OutboxState, WorkOrderState
from weft.rules.kinds import OUTBOX, WORK_ORDERS

ITEM = entry()
ID = ITEM.action.action_id


async def found_in(plant: Plant) -> Found:
    """Return what an attempt sets out with."""
    found = await plant.records.read(lambda r: find_pending(r, MAIN, ID))
    assert found is not None
    return found


async def test_a_late_failure_does_not_undo_a_delivery() -> None:
    """Two tries overlap around a restart; the one that worked counts."""
    plant = Plant()
    await plant.put(ITEM, raised=alarm())
    sent = await found_in(plant)
    await plant.records.write(lambda w: store_delivered(w, sent, Delivered("7", "Open"), 5))
    late = await plant.records.write(lambda w: store_failed(w, (MAIN, ID), "time-out", None))
    assert late is None
    assert (await plant.entry(ITEM)).state is OutboxState.DELIVERED
    assert (await plant.order(ITEM)).state is WorkOrderState.OPEN


async def test_a_second_delivery_changes_nothing() -> None:
    """The first answer's remote id stays."""
    plant = Plant()
    await plant.put(ITEM)
    sent = await found_in(plant)
    await plant.records.write(lambda w: store_delivered(w, sent, Delivered("7"), 5))
    await plant.records.write(lambda w: store_delivered(w, sent, Delivered("8"), 6))
    assert (await plant.entry(ITEM)).remote_id == "7"


async def test_a_failure_to_be_tried_again_leaves_the_work_order_requested() -> None:
    """Only giving up fails the work order."""
    plant = Plant()
    await plant.put(ITEM)
    await plant.records.write(lambda w: store_failed(w, (MAIN, ID), "x" * 9_000, 77))
    stored = await plant.entry(ITEM)
    assert (stored.state, stored.next_attempt_at) == (OutboxState.PENDING, 77)
    assert len(stored.last_error) == ERROR_CHARACTERS
    assert await plant.order(ITEM) == order_of(ITEM)


async def test_versions_grow_with_each_change() -> None:
    """Readers tell old from new by it."""
    plant = Plant()
    await plant.put(ITEM)
    await plant.records.write(lambda w: store_failed(w, (MAIN, ID), "x", 77))
    sent = await found_in(plant)
    await plant.records.write(lambda w: store_delivered(w, sent, Delivered("7"), 5))
    assert (await plant.entry(ITEM)).version == 3
    assert (await plant.order(ITEM)).version == 2


async def test_only_what_waits_is_found() -> None:
    """Missing, delivered and dead entries are not tried."""
    plant = Plant()
    assert await plant.records.read(lambda r: find_pending(r, MAIN, ID)) is None
    for state in OutboxState:
        item = structs.replace(ITEM, state=state)
        await plant.records.write(lambda w, item=item: w.put(OUTBOX, MAIN, ID, item))
        found = await plant.records.read(lambda r: find_pending(r, MAIN, ID))
        assert (found is not None) == (state is OutboxState.PENDING)


async def joined(plant: Plant, alarms: int) -> None:
    order = structs.replace(await plant.order(ITEM), alarms=alarms)
    await plant.records.write(lambda w: w.put(WORK_ORDERS, MAIN, ID, order))


async def test_alarms_that_join_during_the_delivery_are_not_told_yet() -> None:
    """Three stood in what was sent, two more came before the answer: a note is due on them."""
    plant = Plant()
    await plant.put(ITEM, raised=alarm())
    await joined(plant, 3)
    sent = await found_in(plant)
    await joined(plant, 5)
    await plant.records.write(lambda w: store_delivered(w, sent, Delivered("7"), 5))
    order = await plant.order(ITEM)
    assert (order.alarms, order.told_alarms) == (5, 3)


async def test_what_an_unanswered_try_said_is_not_taken_for_known() -> None:
    """It may have made the record with one alarm; the next try finds that and says nothing new."""
    plant = Plant()
    await plant.put(ITEM, raised=alarm())
    await plant.records.write(lambda w: store_failed(w, (MAIN, ID), "time-out", 1))
    await joined(plant, 4)
    sent = await found_in(plant)
    await plant.records.write(lambda w: store_delivered(w, sent, Delivered("7"), 5))
    assert (await plant.order(ITEM)).told_alarms == 1
