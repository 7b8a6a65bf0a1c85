"""A change in one station is seen by those that remember what it said."""

import shutil
from pathlib import Path

import pytest
from tests.app.support import HOT, add_pump, eventually, send, served, temperatures

from weft.app.compose import MACHINE, MAIN, Weft
from weft.errors import AlreadyExists, NotFound, StorageError
from weft.history.events import EventSpan
from weft.ingest.submit import Message
from weft.model.alarm import AlarmState
from weft.model.ids import DeviceId
from weft.model.message import Envelope, Operation

PUMP = DeviceId("pump-7")


async def messages(weft: Weft) -> list[Envelope]:
    """Return what the journal has."""
    return [one async for batch in weft.stores.journal.read(0) for one in batch.envelopes]


async def test_a_wish_reaches_the_device_as_a_message(tmp_path: Path) -> None:
    """What an operator desires becomes a retained message on the device's own topic."""
    async with served(tmp_path) as weft:
        await add_pump(weft)
        await weft.path.twins.desire(MACHINE, PUMP, {"rpm": 900}, version=0)

        async def sent() -> list[Envelope]:
            return [one for one in await messages(weft) if one.route.operation is Operation.DESIRED]

        (delta,) = await eventually(sent)
        assert delta.route.topic == "devices/pump-7/properties/desired"
        assert delta.retain
        assert b"900" in delta.payload


async def test_a_deleted_device_leaves_nothing_behind(tmp_path: Path) -> None:
    """No twin, no history; the journal forgets with its time."""
    async with served(tmp_path) as weft:
        pump = await add_pump(weft)
        await send(weft, pump, b'{"temperature": 20.0}')
        await weft.identity.devices.delete(MACHINE, PUMP)

        async def gone() -> bool:
            return not await temperatures(weft)

        await eventually(gone)
        with pytest.raises(NotFound):
            weft.identity.devices.get(MAIN, PUMP)
        assert not weft.path.twins.get(MAIN, PUMP).telemetry


async def test_id_1_a_namesake_starts_empty_whatever_was_on_its_way(tmp_path: Path) -> None:
    """The old pump's last message is being written while it is deleted; then the power fails."""
    alive, crashed = tmp_path / "alive", tmp_path / "crashed"
    async with served(alive) as weft:
        path, pump = weft.path, await add_pump(weft)
        await path.rules.create(MACHINE, HOT)
        await path.twins.desire(MACHINE, PUMP, {"rpm": 900}, version=0)
        session = path.gate.open(pump, "test")
        for topic in (
            "devices/me/telemetry",
            "devices/me/properties/reported",
            "devices/me/events/hot",
        ):
            path.gate.admit(session, Message(topic, b'{"temperature": 99.0}'), weft.clock.now())
        await weft.identity.devices.delete(MACHINE, PUMP)
        await add_pump(weft)
        shutil.copytree(alive, crashed)
        await require_unknown(weft)
    async with served(crashed) as weft:
        await require_unknown(weft)


async def test_a_delete_that_the_disk_broke_off_is_finished_at_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until then its name is taken: what is deleted by name would be its namesake's."""

    async def full(*_: object) -> None:
        raise StorageError("The disk is full.")

    async with served(tmp_path) as weft:
        await send(weft, await add_pump(weft), b'{"temperature": 20.0}')
        with monkeypatch.context() as patch:
            patch.setattr(weft.path.history, "delete_device", full)
            await weft.identity.devices.delete(MACHINE, PUMP)
        with pytest.raises(AlreadyExists, match="still being forgotten"):
            await add_pump(weft)
    async with served(tmp_path) as weft:
        await add_pump(weft)
        await require_unknown(weft)


async def require_unknown(weft: Weft) -> None:
    """Nothing of the first pump-7 is there for the second one."""
    twin = weft.path.twins.get(MAIN, PUMP)
    assert (twin.telemetry, twin.reported, twin.desired, twin.last_seen_at) == ({}, {}, {}, 0)
    assert await temperatures(weft) == []
    assert await weft.path.events.list_events(MAIN, PUMP, EventSpan()) == []
    filter_ = f"devices/{PUMP}/#"
    assert weft.path.broker.retained.match(MAIN, filter_, weft.clock.now()) == []
    alarms = await weft.path.alarms.list(MAIN)
    assert [one.state for one in alarms if one.state is not AlarmState.CLEARED] == []
