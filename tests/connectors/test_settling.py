"""Settling: entry and work order move together, and never backwards."""

from msgspec import structs
from tests.connectors.support import MAIN, Plant, alarm, entry, order_of

from weft.connectors.base import Delivered
from weft.connectors.settling import (
    ERROR_CHARACTERS,
    find_pending,
    store_delivered,
    store_failed,
)
from weft.model.alarm import OutboxState, WorkOrderState
from weft.rules.kinds import OUTBOX

ITEM = entry()
ID = ITEM.action.action_id


async def test_a_late_failure_does_not_undo_a_delivery() -> None:
    """Two tries overlap around a restart; the one that worked counts."""
    plant = Plant()
    await plant.put(ITEM, raised=alarm())
    await plant.records.write(lambda w: store_delivered(w, MAIN, ID, Delivered("7", "Open"), 5))
    late = await plant.records.write(lambda w: store_failed(w, MAIN, ID, "time-out", None))
    assert late is None
    assert (await plant.entry(ITEM)).state is OutboxState.DELIVERED
    assert (await plant.order(ITEM)).state is WorkOrderState.OPEN


async def test_a_second_delivery_changes_nothing() -> None:
    """The first answer's remote id stays."""
    plant = Plant()
    await plant.put(ITEM)
    await plant.records.write(lambda w: store_delivered(w, MAIN, ID, Delivered("7"), 5))
    await plant.records.write(lambda w: store_delivered(w, MAIN, ID, Delivered("8"), 6))
    assert (await plant.entry(ITEM)).remote_id == "7"


async def test_a_failure_to_be_tried_again_leaves_the_work_order_requested() -> None:
    """Only giving up fails the work order."""
    plant = Plant()
    await plant.put(ITEM)
    await plant.records.write(lambda w: store_failed(w, MAIN, ID, "x" * 9_000, 77))
    stored = await plant.entry(ITEM)
    assert (stored.state, stored.next_attempt_at) == (OutboxState.PENDING, 77)
    assert len(stored.last_error) == ERROR_CHARACTERS
    assert await plant.order(ITEM) == order_of(ITEM)


async def test_versions_grow_with_each_change() -> None:
    """Readers tell old from new by it."""
    plant = Plant()
    await plant.put(ITEM)
    await plant.records.write(lambda w: store_failed(w, MAIN, ID, "x", 77))
    await plant.records.write(lambda w: store_delivered(w, MAIN, ID, Delivered("7"), 5))
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
