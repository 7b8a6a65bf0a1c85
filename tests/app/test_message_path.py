"""The message path: stations that hear of each other, put together as they are in life."""

import shutil
from pathlib import Path

import pytest
from tests.app.support import HOT, add_pump, eventually, send, served, temperatures

from weft.app.compose import MACHINE, MAIN, Weft
from weft.app.stores import PLATFORM, POSITIONS
from weft.backends.sqlite.records import SqliteRecords
from weft.errors import Invalid
from weft.history.events import EVENTS, EventSpan
from weft.model.device import Device, Lifecycle
from weft.model.ids import DeviceId
from weft.model.principal import Principal, PrincipalKind
from weft.ports import Writer
from weft.registry.children import Children
from weft.registry.devices import DevicePatch, NewDevice

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


async def test_children_that_a_gateway_introduces_make_no_session_look_up_again(
    tmp_path: Path,
) -> None:
    """What it has looked up stands, whoever else comes; a right that ends is felt."""
    async with served(tmp_path) as weft:
        identity, gate = weft.identity, weft.path.gate
        pump = await add_pump(weft)
        owner = await identity.devices.create(
            MACHINE, NewDevice(device_id="hall-1", adds_children=True)
        )
        gateway = Principal(MAIN, PrincipalKind.DEVICE, owner.device_id, owner.uid)
        children = Children(identity.devices, identity.types, identity.policy)
        session = gate.open(Principal(MAIN, PrincipalKind.DEVICE, PUMP, pump.uid), "192.0.2.7:1")
        topic = "devices/me/telemetry"
        gate.refresh(session)
        gate.admission(session, topic)
        stamp = session.stamp
        for number in range(50):
            await children.introduce(gateway, f"sensor-{number}")
            gate.refresh(session)
        assert topic in session.admissions
        assert session.stamp == stamp
        spoken = gate.open(gateway, "192.0.2.8:1")
        gate.refresh(spoken)
        assert gate.admission(spoken, "devices/sensor-49/telemetry").route.device_id == "sensor-49"
        await identity.devices.move(MACHINE, PUMP, Lifecycle.SUSPENDED)
        gate.refresh(session)
        assert not session.admissions


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


async def test_events_outlive_a_crash_each_once(tmp_path: Path) -> None:
    """Some were stored, some stood in the journal alone when the power failed."""
    alive, crashed = tmp_path / "alive", tmp_path / "crashed"
    async with served(alive, "pipeline.checkpoint_s=3600") as weft:
        pump = await add_pump(weft)
        await say(weft, pump, "leak")
        await weft.path.pipeline.checkpoint()
        await say(weft, pump, "dry")
        assert weft.path.events.position < weft.stores.journal.head
        shutil.copytree(alive, crashed)
    for _ in range(2):
        async with served(crashed) as weft:
            found = await weft.path.events.list_events(MAIN, PUMP, EventSpan())
            assert [(one.name, one.values) for one in found] == [
                ("dry", {"litres": 2}),
                ("leak", {"litres": 2}),
            ]


async def test_an_installation_of_before_finds_the_events_in_its_journal(tmp_path: Path) -> None:
    """Its records know nothing of events, neither any nor how far they go."""
    async with served(tmp_path) as weft:
        await say(weft, await add_pump(weft), "leak")
        await weft.path.pipeline.settle()
    records = await SqliteRecords.open(tmp_path)

    def forget(w: Writer) -> None:
        for record in w.list(EVENTS, MAIN):
            w.delete(EVENTS, MAIN, record.key)
        assert w.delete(POSITIONS, PLATFORM, "events")

    await records.write(forget)
    await records.close()
    async with served(tmp_path) as weft:
        (found,) = await weft.path.events.list_events(MAIN, PUMP, EventSpan())
        assert (found.name, found.values) == ("leak", {"litres": 2})


async def say(weft: Weft, pump: Principal, name: str) -> None:
    """Send an event as the pump."""
    topic = f"devices/{PUMP}/events/{name}"
    await weft.path.ingest.submit(pump, topic, b'{"litres": 2}', address="192.0.2.7:1")


async def set_type(weft: Weft, name: str) -> Device:
    """Give the pump a type."""
    return await weft.identity.devices.patch(MACHINE, PUMP, DevicePatch(type_name=name))
