"""Rules on the real store: what was written in one life is there in the next."""

import asyncio
from pathlib import Path

import pytest
from tests.rules.support import ALICE, ORDER, Plant, device, hot

from weft.backends.sqlite.records import SqliteRecords
from weft.errors import StorageError
from weft.model.alarm import AlarmState
from weft.rules.kinds import ALARMS, OUTBOX


async def test_a_whole_story_survives_a_restart(tmp_path: Path) -> None:
    """Rule, alarm, order and state are read back by a new process from the same folder."""
    records = await SqliteRecords.open(tmp_path)
    plant = Plant(records=records)  # type: ignore[arg-type]  # the same port
    await plant.rules.create(ALICE, hot(actions=[ORDER], clear="temperature < 75"))
    await plant.hear(0, {"temperature": 90.0})
    await plant.engine.checkpoint()
    await records.close()

    records = await SqliteRecords.open(tmp_path)
    again = Plant(records=records)  # type: ignore[arg-type]  # the same port
    again.line = plant.line
    await again.engine.load()
    assert again.engine.position == 1
    await again.hear(1, {"temperature": 80.0})
    await again.hear(2, {"temperature": 70.0})
    (alarm,) = await again.raised()
    assert (alarm.state, alarm.clearing_position) == (AlarmState.CLEARED, 3)
    assert len(await again.orders()) == 1
    await records.close()


async def test_many_devices_in_one_breath(tmp_path: Path) -> None:
    """Three hundred machines overheat at once, with two writers and a checkpoint racing."""
    records = await SqliteRecords.open(tmp_path)
    names = [f"d{number}" for number in range(300)]
    plant = Plant(*map(device, names), records=records)  # type: ignore[arg-type]  # the same port
    await plant.rules.create(ALICE, hot(actions=[ORDER]))
    for name in names:
        plant.engine.apply(plant.line.say(0, {"temperature": 90.0}, name=name))
    await asyncio.gather(plant.engine.flush(), plant.engine.checkpoint(), plant.engine.flush())
    assert len(await plant.all(ALARMS)) == len(await plant.all(OUTBOX)) == 300
    assert plant.engine.backlog == 0
    await records.close()


async def test_a_disk_that_fails_loses_no_request(monkeypatch: pytest.MonkeyPatch) -> None:
    """The write fails once; the requests wait, the position stays, the next try has all."""
    plant = Plant()
    await plant.rules.create(ALICE, hot())
    plant.engine.apply(plant.line.say(0, {"temperature": 90.0}))
    write = plant.records.write

    async def fail(_work: object) -> None:
        raise StorageError("the disk is full")

    monkeypatch.setattr(plant.records, "write", fail)
    for step in (plant.engine.flush, plant.engine.checkpoint, plant.engine.run):
        with pytest.raises(StorageError):
            await step()
    assert plant.engine.position == 0
    assert plant.engine.backlog == 2
    monkeypatch.setattr(plant.records, "write", write)
    await plant.engine.checkpoint()
    assert len(await plant.raised()) == 1
    assert (plant.engine.position, plant.engine.backlog) == (1, 0)
    again = await plant.restart()
    assert again.engine.position == 1
    await again.hear(1, {"temperature": 20.0})
    assert [one.state for one in await again.raised()] == [AlarmState.CLEARED]
