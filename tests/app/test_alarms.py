"""Alarms, put together: a pump in maintenance orders nothing until its window is over."""

from pathlib import Path

import pytest
from tests.app.support import add_pump, eventually, send, served
from tests.app.test_business import HOOK, RULE, entries

from weft.app.compose import MACHINE, MAIN, Weft
from weft.model.alarm import Alarm
from weft.model.ids import TenantId
from weft.rules.alarms import Wanted
from weft.rules.maintenance import Window, WindowTimes


@pytest.fixture(autouse=True)
def _secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEFT_TEST_HOOK", "s" * 32)


async def held(weft: Weft) -> list[Alarm]:
    return list(await weft.path.alarms.list(MAIN, Wanted(suppressed=True)))


async def test_a_restart_in_the_middle_of_maintenance_forgets_nothing(tmp_path: Path) -> None:
    """Held before the restart, released after it: one alarm, one entry in the outbox."""
    async with served(tmp_path, HOOK) as weft:
        pump = await add_pump(weft)
        await weft.path.rules.create(MACHINE, RULE)
        times = WindowTimes(times="00:00-24:00")
        window = Window(TenantId(""), "overhaul", "", ("pump-7",), (), (), times, 0, "")
        await weft.business.suppression.windows.create(MACHINE, window)
        await send(weft, pump, b'{"temperature": 95.0}')
        (alarm,) = await eventually(lambda: held(weft))
        assert not await weft.business.outbox.list_entries(MAIN)
    async with served(tmp_path, HOOK) as weft:
        assert [one.alarm_id for one in await held(weft)] == [alarm.alarm_id]
        await weft.business.suppression.windows.delete(MACHINE, "overhaul")
        (entry,) = await eventually(lambda: entries(weft))
        assert entry.action.alarm_id == alarm.alarm_id
        assert not await held(weft)
