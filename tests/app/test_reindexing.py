"""Re-indexing: what an earlier Weft wrote is found by what is new, once, over a crash."""

import importlib
import pkgutil
from pathlib import Path
from typing import Any

import pytest
from tests.app.support import opened
from tests.connectors.support import MAIN, OTHER, alarm

import weft
from weft.app import reindexing as module
from weft.app.reindexing import CHANGED, INDEXED, Indexed, reindex
from weft.backends.memory.records import MemoryRecords
from weft.backends.sqlite.records import SqliteRecords
from weft.model.alarm import Alarm
from weft.model.ids import TenantId
from weft.ports import Kind, Records
from weft.rules.kinds import ALARMS

BEFORE = Kind("alarm", Alarm, index=lambda one: {"state": one.state})  # as the first Weft had it


async def write_before(records: Records, count: int, tenant: TenantId = MAIN) -> None:
    for number in range(count):
        one = alarm(number, tenant=tenant)
        await records.write(lambda w, one=one: w.insert(BEFORE, tenant, one.alarm_id, one))  # type: ignore[misc]  # bound now


async def standing(records: Records, tenant: TenantId = MAIN) -> int:
    return await records.read(lambda reader: reader.count(ALARMS, tenant, where=("open", "yes")))


async def test_alarms_of_an_earlier_weft_are_found_by_what_is_new(tmp_path: Path) -> None:
    """The plant had three alarms when it was updated; they are in the list of open ones."""
    records = await SqliteRecords.open(tmp_path)
    await write_before(records, 3)
    await records.close()
    async with opened(tmp_path) as weft:
        assert await standing(weft.stores.records) == 3
        counts = (await weft.path.alarms.overview(MAIN)).counts
        assert sum(sum(states.values()) for states in counts.values()) == 3
        assert await reindex(weft.stores.documents) == 0


async def test_it_is_done_once_for_each_tenant() -> None:
    """What is indexed already is not gone through at the next start."""
    records = MemoryRecords()
    await write_before(records, 2)
    await write_before(records, 1, OTHER)
    assert await reindex(records) == 3
    assert (await standing(records), await standing(records, OTHER)) == (2, 1)
    await write_before(records, 1, TenantId("third"))
    assert await reindex(records) == 1
    held = await records.read(lambda reader: reader.get(INDEXED, MAIN, "alarm"))
    assert held.value == Indexed(edition=ALARMS.edition)


async def test_a_crash_goes_on_where_it_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two at a time; killed behind the second part, it looks at no record twice."""
    monkeypatch.setattr(module, "AT_ONCE", 2)
    records, looked_at = MemoryRecords(), list[str]()
    await write_before(records, 7)
    write = records.write

    async def dies(work: Any) -> Any:
        if len(looked_at) == 2:
            looked_at.append("killed")
            raise KeyboardInterrupt
        looked_at.append("part")
        return await write(work)

    monkeypatch.setattr(records, "write", dies)
    with pytest.raises(KeyboardInterrupt):
        await reindex(records)
    assert await standing(records) == 4
    assert await reindex(records) == 3
    assert await standing(records) == 7


async def test_two_of_before_that_share_what_may_stand_once_keep_their_old_index() -> None:
    """Weft starts; the log names the one that is not found by it."""
    records = MemoryRecords()
    await write_before(records, 2)
    now = Kind("alarm", Alarm, index=lambda one: {"one": "x"}, unique=frozenset({"one"}), edition=2)
    assert await reindex(records, [now]) == 1
    assert await records.read(lambda reader: reader.count(now, MAIN, where=("one", "x"))) == 1


def test_every_kind_whose_index_has_changed_is_gone_through() -> None:
    """Whoever raises an edition and forgets the list learns it here."""
    found: dict[str, Kind[Any]] = {}
    for info in pkgutil.walk_packages(weft.__path__, "weft."):
        if not info.name.endswith("__main__"):
            values = vars(importlib.import_module(info.name)).values()
            found |= {one.name: one for one in values if isinstance(one, Kind)}
    changed = {name for name, kind in found.items() if kind.edition > 1}
    assert changed == {kind.name for kind in CHANGED}
