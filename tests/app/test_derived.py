"""Derived telemetry in a whole Weft: a message goes in, and what is computed of it is telemetry."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from tests.app.support import LAST_NS, add_pump, eventually, opened, send, served

from weft.app.compose import MACHINE, MAIN, Weft
from weft.errors import StorageError
from weft.model.ids import DeviceId
from weft.model.message import DERIVED
from weft.model.moments import to_rfc3339
from weft.ports import HistoryQuery
from weft.rules.derived.deriver import position_of
from weft.rules.derived.model import DerivationDocument
from weft.rules.model import Selector

PUMP = DeviceId("pump-7")
POWER = DerivationDocument("power", "voltage * current", Selector(devices=("pump-7",)), "W")


async def samples(weft: Weft, key: str, device: DeviceId = PUMP) -> list[tuple[int, Any]]:
    """Return what history has of a key, with the moments."""
    query = HistoryQuery(MAIN, (device,), (key,), 0, LAST_NS)
    found = (await weft.path.history.query(query)).columns
    return list(zip(found["at"], found["value"], strict=True))


async def derived_of(weft: Weft) -> list[int]:
    """Return the positions that the derived messages in the journal are of."""
    journal = weft.stores.journal
    return [
        position_of(envelope)
        async for batch in journal.read(journal.tail - 1)
        for envelope in batch.envelopes
        if envelope.session == DERIVED
    ]


async def test_what_is_computed_is_telemetry_of_the_device(tmp_path: Path) -> None:
    """It stands in history and twin at the moment of what it is of, and a rule reads it."""
    async with served(tmp_path) as weft:
        pump = await add_pump(weft)
        await weft.path.derived.derivations.save(MACHINE, "power", POWER)
        rule = {
            "name": "too-much",
            "selector": {"devices": ["pump-7"]},
            "when": "power > 1000.0",
            "severity": "major",
        }
        await weft.path.rules.create(MACHINE, rule)
        await send(weft, pump, b'{"voltage": 230.0}')
        await send(weft, pump, b'{"voltage": 230.0, "current": 2.0}')
        await send(weft, pump, b'{"temperature": 20.0}')
        await send(weft, pump, b'{"current": 10.0}')
        assert [value for _at, value in await eventually_two(weft)] == [460.0, 2300.0]
        raw = await samples(weft, "current")
        assert [at for at, _ in await samples(weft, "power")] == [at for at, _ in raw]
        assert weft.path.twins.get(MAIN, PUMP).telemetry["power"].value == 2300.0
        (alarm,) = await eventually(lambda: weft.path.alarms.list(MAIN))
        assert alarm.rule_id == "too-much"


async def eventually_two(weft: Weft) -> list[tuple[int, Any]]:
    """Return the samples of the power, once there are two."""

    async def found() -> list[tuple[int, Any]]:
        held = await samples(weft, "power")
        return held if len(held) >= 2 else []

    held: list[tuple[int, Any]] = await eventually(found)
    return held


async def test_a_restart_computes_nothing_twice(tmp_path: Path) -> None:
    """The journal is read again from the checkpoint; what it holds is owed no more."""
    async with served(tmp_path) as weft:
        pump = await add_pump(weft)
        await weft.path.derived.derivations.save(MACHINE, "power", POWER)
        sent = [await send(weft, pump, b'{"voltage": 230.0, "current": 2.0}') for _ in range(3)]
        await eventually(lambda: _owes_nothing(weft))
    async with served(tmp_path) as weft:
        assert await derived_of(weft) == sent
        await eventually(lambda: _owes_nothing(weft))
        assert await derived_of(weft) == sent


async def test_what_was_owed_at_a_crash_is_added_after_it(tmp_path: Path) -> None:
    """The message is on disk, and what is computed of it was not: it comes behind the restart."""
    async with served(tmp_path) as weft:
        pump = await add_pump(weft)
        await weft.path.derived.derivations.save(MACHINE, "power", POWER)
        weft.path.derived.deriver.start(lambda *_: None, lambda _: None)  # never written
        sent = await send(weft, pump, b'{"voltage": 230.0, "current": 2.0}')
        assert await derived_of(weft) == []
    async with served(tmp_path) as weft:
        await eventually(lambda: _owes_nothing(weft))
        assert await derived_of(weft) == [sent]
        assert [value for _at, value in await samples(weft, "power")] == [460.0]


async def _owes_nothing(weft: Weft) -> bool:
    try:
        await weft.path.derived.deriver.wait_done(weft.stores.journal.head)
    except StorageError:
        return False
    return True


async def test_a_deleted_device_leaves_nothing_computed(tmp_path: Path) -> None:
    """Its namesake begins with an empty history."""
    async with served(tmp_path) as weft:
        pump = await add_pump(weft)
        await weft.path.derived.derivations.save(MACHINE, "power", POWER)
        await send(weft, pump, b'{"voltage": 230.0, "current": 2.0}')
        await weft.identity.devices.delete(MACHINE, PUMP)
        await add_pump(weft)
        assert await samples(weft, "power") == []
    async with opened(tmp_path) as weft:
        assert await samples(weft, "power") == []


async def test_a_loop_is_refused_by_name(tmp_path: Path) -> None:
    """Three steps that come back to the first."""
    async with opened(tmp_path) as weft:
        derivations = weft.path.derived.derivations
        for name, read in (("a", "x"), ("b", "a_out"), ("c", "b_out")):
            await derivations.save(
                MACHINE, name, DerivationDocument(f"{name}_out", f"{read} * 2.0")
            )
        with pytest.raises(Exception, match=r"a \(a_out\) -> b \(b_out\) -> c \(c_out\) -> a"):
            await derivations.save(MACHINE, "a", DerivationDocument("a_out", "c_out * 2.0"))


async def test_late_data_corrects_what_was_computed(tmp_path: Path) -> None:
    """History shows the corrected value, the twin the newest, and the note both."""
    async with served(tmp_path) as weft:
        pump = await add_pump(weft)
        mean = DerivationDocument("usual", "mean(temperature, 1h)", Selector(devices=("pump-7",)))
        await weft.path.derived.derivations.save(MACHINE, "usual", mean)
        began = weft.clock.now()
        await asyncio.sleep(0.004)  # so that nothing of what follows is of the future
        for behind, value in ((1, 2.0), (3, 6.0), (2, 3.0)):
            at = to_rfc3339(began + behind * 1_000_000)
            payload = {"ts": at, "values": {"temperature": value}}
            await send(weft, pump, json.dumps(payload).encode())
        await eventually(lambda: _owes_nothing(weft))
        assert [value for _at, value in await samples(weft, "usual")] == [2.0, 4.0]
        await weft.path.derived.recomputings.sweep()
        assert [value for _at, value in await samples(weft, "usual")] == [2.0, 2.5, 11 / 3]
        assert weft.path.twins.get(MAIN, PUMP).telemetry["usual"].value == pytest.approx(11 / 3)
        (note,) = await weft.path.derived.recomputings.list(MAIN)
        assert [(one.old, one.new) for one in note.changes] == [(None, 2.5), (4.0, 11 / 3)]
