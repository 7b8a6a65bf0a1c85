"""The message path: stations that hear of each other, put together as they are in life."""

from pathlib import Path

import pytest
from tests.app.support import HOT, add_pump, eventually, send, served, temperatures

from weft.app.compose import MACHINE, MAIN, Weft
from weft.errors import Invalid
from weft.model.device import Device
from weft.model.ids import DeviceId
from weft.registry.devices import DevicePatch

PUMP = DeviceId("pump-7")


async def test_a_rule_works_from_the_moment_it_is_made(tmp_path: Path) -> None:
    """No restart, and not on what came before it."""
    async with served(tmp_path) as weft:
        pump = await add_pump(weft)
        await send(weft, pump, b'{"temperature": 99.0}')
        await weft.path.rules.create(MACHINE, HOT)
        assert not await weft.path.alarms.list(MAIN)
        position = await send(weft, pump, b'{"temperature": 98.0}')
        (alarm,) = await eventually(lambda: weft.path.alarms.list(MAIN))
        assert [one.position for one in alarm.evidence] == [position]


async def test_a_new_version_of_a_type_holds_for_the_next_message(tmp_path: Path) -> None:
    """The gate remembers how to decode, and forgets it when the registry changes."""
    async with served(tmp_path) as weft:
        types = weft.identity.types
        narrow = {"telemetry": {"temperature": {"type": "number", "maximum": 200}}}
        await types.save(MACHINE, "pump", narrow)
        pump = await add_pump(weft)
        await set_type(weft, "pump")
        with pytest.raises(Invalid, match="200"):
            await send(weft, pump, b'{"temperature": 400}')
        await types.save(MACHINE, "pump", {"telemetry": {"temperature": {"type": "number"}}})
        await send(weft, pump, b'{"temperature": 400}')


async def test_what_was_refused_is_kept_with_its_reason(tmp_path: Path) -> None:
    """Nothing is ignored in silence: the inbox has it after a restart as well."""
    async with served(tmp_path) as weft:
        pump = await add_pump(weft)
        with pytest.raises(Invalid):
            await send(weft, pump, b'{"temperature": ')
    async with served(tmp_path) as weft:
        found = await weft.path.rejections.list(MAIN)
        assert len(found) == 1
        assert not await temperatures(weft)


async def test_samples_are_decoded_as_they_were_when_they_came(tmp_path: Path) -> None:
    """A rule that is tried on the past sees what a rule then would have seen."""
    async with served(tmp_path) as weft:
        pump = await add_pump(weft)
        position = await send(weft, pump, b'{"ts": 1772366400000, "values": {"rpm": 900}}')
        (batch,) = [one async for one in weft.path.samples(position - 1, position)]
        (readings,) = batch.decoded
        assert [(one.at, dict(one.values)) for one in readings] == [
            (1_772_366_400_000_000_000, {"rpm": 900})
        ]


async def set_type(weft: Weft, name: str) -> Device:
    """Give the pump a type."""
    return await weft.identity.devices.patch(MACHINE, PUMP, DevicePatch(type_name=name))
