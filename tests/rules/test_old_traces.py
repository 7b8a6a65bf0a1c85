"""Old traces: forgotten a time behind the end of their alarm, unless a work order holds them."""

from typing import Any

import pytest
from tests.connectors.support import MAIN, NOON, OTHER, alarm, entry, order_of

from weft.backends.memory.records import MemoryRecords
from weft.model.alarm import AlarmState, WorkOrder
from weft.model.fault import FaultAlarm
from weft.model.ids import FaultId, RuleId, TenantId
from weft.rules import old_traces as module
from weft.rules.kinds import ALARMS, FAULT_ALARMS, TRACES, WORK_ORDERS
from weft.rules.old_traces import DAY_NS, OldTraces
from weft.rules.tracing import AlarmTrace
from weft.supervision import FakeClock


class Kept:
    """Alarms with traces, each a day younger than the one before."""

    def __init__(self) -> None:
        self.records = MemoryRecords()
        self.clock = FakeClock(NOON)
        self.old = OldTraces(self.records, self.clock, keep_days=90)

    async def put(self, number: int, *, tenant: TenantId = MAIN, **changes: Any) -> str:
        raised_at = NOON + number * DAY_NS
        ended = {"state": AlarmState.CLEARED, "cleared_at": raised_at + 1, "cleared_by": "rule"}
        one = alarm(number, tenant=tenant, raised_at=raised_at, **(ended | changes))
        key = f"{number:04d}"  # as ids are: in the order of time
        await self.records.write(lambda w: w.put(ALARMS, tenant, key, one))
        await self.records.write(lambda w: w.put(TRACES, tenant, key, AlarmTrace(reason="x")))
        return key

    async def order(self, number: int, **changes: Any) -> None:
        order: WorkOrder = order_of(entry(number), **changes)
        await self.records.write(lambda w: w.put(WORK_ORDERS, MAIN, str(number), order))

    async def left(self, tenant: TenantId = MAIN) -> list[str]:
        found = await self.records.read(lambda reader: reader.list(TRACES, tenant, limit=500))
        return [record.key for record in found]


async def test_a_trace_is_kept_so_many_days_behind_the_end_of_its_alarm() -> None:
    """Of three days' alarms the first two are old enough; an open one is kept, however old."""
    kept = Kept()
    for number in range(3):
        await kept.put(number)
    await kept.put(0, tenant=OTHER, state=AlarmState.ACTIVE, cleared_at=None, cleared_by=None)
    kept.clock.turn(91.5 * 86_400)
    assert await kept.old.forget() == 2
    assert await kept.left() == ["0002"]
    assert await kept.left(OTHER) == ["0000"]
    assert await kept.old.forget() == 0


async def test_with_a_work_order_a_trace_stays_as_long_as_that() -> None:
    """Of the alarm itself, or of the fault that it is a part of."""
    kept = Kept()
    mine, part, alone = [await kept.put(number) for number in range(3)]
    await kept.order(1, alarm_id=mine)
    of_fault = FaultAlarm(FaultId("f-1"), part, "pump-7", RuleId("hot"), NOON, NOON + 1)  # type: ignore[arg-type]  # ids in short
    await kept.records.write(lambda w: w.put(FAULT_ALARMS, MAIN, part, of_fault))
    await kept.order(2, fault_id="f-1")
    kept.clock.turn(200 * 86_400)
    assert await kept.old.forget() == 1
    assert await kept.left() == [mine, part]
    assert alone not in await kept.left()


async def test_a_bounded_number_is_looked_at_and_the_rest_the_next_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Ten old ones, four looked at in an hour: in the third all are gone, and it begins anew."""
    monkeypatch.setattr(module, "AT_ONCE", 2)
    monkeypatch.setattr(module, "LOOKS", 2)
    kept = Kept()
    for number in range(10):
        await kept.put(number)
    kept.clock.turn(300 * 86_400)
    assert [await kept.old.forget() for _ in range(4)] == [4, 4, 2, 0]
    await kept.put(0)
    assert await kept.old.forget() == 1


async def test_an_alarm_that_is_gone_leaves_no_trace() -> None:
    """Nobody can ask for it."""
    kept = Kept()
    await kept.records.write(lambda w: w.put(TRACES, MAIN, "0000", AlarmTrace()))
    assert await kept.old.forget() == 1
