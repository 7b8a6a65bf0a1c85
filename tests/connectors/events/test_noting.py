"""Noting: a change and its note are one commit, for tenants that want to be told."""

from pathlib import Path

import pytest
from msgspec.structs import replace
from tests.connectors.events.support import Desk
from tests.connectors.support import MAIN, OTHER, alarm, entry, order_of

from weft.connectors.events.kinds import CHANGES
from weft.model.alarm import AlarmState
from weft.model.ids import TenantId
from weft.model.subscription import Change
from weft.ports import Writer
from weft.rules.kinds import ALARMS, WORK_ORDERS


async def changes(desk: Desk, tenant: TenantId = MAIN) -> list[Change]:
    found = await desk.records.read(lambda r: r.list(CHANGES, tenant))
    return [one.value for one in found]


async def test_nothing_is_noted_for_who_asked_for_nothing(tmp_path: Path) -> None:
    """A plant without a business system writes no notes; nor does another tenant's."""
    desk = Desk(tmp_path)
    await desk.put(alarm(1))
    await desk.subscribe("https://cmms.example/")
    await desk.put(alarm(2, tenant=OTHER))
    assert (await changes(desk), await changes(desk, OTHER)) == ([], [])


async def test_a_change_that_is_undone_was_never_noted(tmp_path: Path) -> None:
    """The transaction fails behind the alarm: neither is there."""
    desk = Desk(tmp_path)
    told = []
    desk.records.on_note(lambda: told.append(1))
    await desk.subscribe("https://cmms.example/")

    def work(writer: Writer) -> None:
        writer.insert(ALARMS, MAIN, "a", alarm())
        raise RuntimeError("the disk is full")

    with pytest.raises(RuntimeError):
        await desk.records.write(work)
    assert (await changes(desk), told) == ([], [])


async def test_inserts_puts_and_deletes_are_numbered_without_gaps(tmp_path: Path) -> None:
    """And the listeners are told once a transaction."""
    desk = Desk(tmp_path)
    told = []
    desk.records.on_note(lambda: told.append(1))
    await desk.subscribe("https://cmms.example/")
    order = order_of(entry())

    def work(writer: Writer) -> None:
        writer.insert(ALARMS, MAIN, "a", alarm())
        writer.put(ALARMS, MAIN, "a", replace(alarm(), state=AlarmState.CLEARED))
        writer.put(WORK_ORDERS, MAIN, "o", order)
        writer.put(WORK_ORDERS, MAIN, "o", replace(order, polled_at=7))  # says nothing new
        assert writer.delete(ALARMS, MAIN, "a")
        assert not writer.delete(ALARMS, MAIN, "a")

    await desk.records.write(work)
    found = await changes(desk)
    assert [(one.sequence, one.type) for one in found] == [
        (1, "weft.alarm.raised"),
        (2, "weft.alarm.cleared"),
        (3, "weft.work_order.requested"),
    ]
    assert told == [1]
    await desk.records.close()


async def test_reading_inside_a_noting_transaction_is_as_without(tmp_path: Path) -> None:
    """It is a `Writer` like any other."""
    desk = Desk(tmp_path)

    def work(writer: Writer) -> None:
        writer.insert(ALARMS, MAIN, "a", alarm())
        assert writer.get(ALARMS, MAIN, "a").value == alarm()
        assert writer.count(ALARMS, MAIN) == 1
        assert list(writer.tenants(ALARMS)) == [MAIN]

    await desk.records.write(work)
