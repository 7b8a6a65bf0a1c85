"""Migration: devices go to another version of their type, when that would not break them."""

from typing import Any

import msgspec
import pytest
from tests.registry.support import ALICE, MAIN, PUMP, Registry

from weft.errors import Invalid, NotFound
from weft.ingest.decode import Decoders
from weft.ingest.migration import Migration, Move
from weft.model.device import Device
from weft.model.ids import DeviceId
from weft.model.message import Committed, Envelope, Operation, Route
from weft.registry.devices import NewDevice
from weft.twins.twins import Twins

NARROWER = PUMP.replace("120", "100")
NOW = 1_772_366_400_000_000_000


class Plant:
    """Pumps of one type, with what each said last."""

    def __init__(self) -> None:
        self.registry = Registry()
        self.twins = Twins(self.registry.records, self.registry.audit)
        self.migration = Migration(
            self.registry.records,
            self.registry.audit,
            self.registry.types,
            self.registry.devices,
            self.twins,
        )
        self._position = 0

    async def pump(self, name: str, temperature: float | None = None) -> None:
        """Make a pump that has measured a temperature."""
        await self.registry.devices.create(ALICE, NewDevice(name, type_name="pump"))
        if temperature is not None:
            self.say(name, Operation.TELEMETRY, {"temperature": temperature})

    def say(self, name: str, operation: Operation, values: dict[str, Any]) -> None:
        """Let a pump say something that its version takes."""
        pump = self.device(name)
        followed = self.registry.types.followed_by(pump)
        assert followed is not None
        decode = Decoders(followed).for_operation(operation, "")
        assert decode is not None
        route = Route(MAIN, "device", name, "", operation, DeviceId(name), "pump", followed.version)
        payload = msgspec.json.encode(values)
        self._position += 1
        envelope = Envelope(route, NOW, payload)
        self.twins.apply(Committed(self._position, [envelope], [decode(payload, NOW)]))

    def device(self, name: str) -> Device:
        """Return a pump as it is kept."""
        return self.registry.devices.get(MAIN, name)

    def follows(self, name: str) -> int:
        """Return the version that a pump follows."""
        followed = self.registry.types.followed_by(self.device(name))
        assert followed is not None
        return followed.version


@pytest.fixture
async def plant() -> Plant:
    """Two pumps that fit the narrower version, and one that is too hot for it."""
    made = Plant()
    await made.registry.types.save(ALICE, "pump", PUMP)
    await made.pump("cool", 50.0)
    await made.pump("hot", 110.0)
    await made.pump("silent")
    await made.registry.types.save(ALICE, "pump", NARROWER, allow_breaking=True)
    return made


async def test_a_dry_run_lists_what_would_fail_and_changes_nothing(plant: Plant) -> None:
    """The operator sees the hot pump and why, before anything is moved."""
    report = await plant.migration.run(ALICE, "pump", Move(dry_run=True))
    assert (report.to, report.looked_at, report.moved, report.unchanged) == (2, 3, 2, 0)
    (failing,) = report.failing
    assert (failing.device_id, failing.follows) == ("hot", 1)
    assert "temperature" in failing.reason
    assert [plant.follows(name) for name in ("cool", "hot", "silent")] == [1, 1, 1]
    assert "device.migrate" not in plant.registry.audit.actions()


async def test_devices_that_fit_move_and_the_others_stay(plant: Plant) -> None:
    """Each on record; asked again, nothing is left but the one that cannot go."""
    report = await plant.migration.run(ALICE, "pump", Move())
    assert (report.moved, [one.device_id for one in report.failing]) == (2, ["hot"])
    assert [plant.follows(name) for name in ("cool", "hot", "silent")] == [2, 1, 2]
    assert plant.registry.audit.actions().count("device.migrate") == 2
    again = await plant.migration.run(ALICE, "pump", Move())
    assert (again.moved, again.unchanged, len(again.failing)) == (0, 2, 1)

    restarted = await plant.registry.restarted()
    assert restarted.devices.get(MAIN, "cool").type_version == 2


async def test_by_force_all_move(plant: Plant) -> None:
    """The hot pump is mended first thing tomorrow; it is still named."""
    report = await plant.migration.run(ALICE, "pump", Move(force=True))
    assert (report.moved, report.unchanged, len(report.failing)) == (3, 0, 1)
    assert plant.follows("hot") == 2


async def test_reported_properties_are_tried_as_well(plant: Plant) -> None:
    """A property that is gone from the type would be refused at the next report."""
    plant.say("cool", Operation.REPORTED, {"rpm": 900})
    without = NARROWER.replace("rpm: {type: integer, minimum: 0}", "speed: {type: integer}", 1)
    await plant.registry.types.save(ALICE, "pump", without, allow_breaking=True)
    report = await plant.migration.run(ALICE, "pump", Move(devices=("cool",), dry_run=True))
    assert "rpm" in report.failing[0].reason


async def test_only_those_that_are_asked_for_are_looked_at(plant: Plant) -> None:
    """By name, or by the version that they follow."""
    one = await plant.migration.run(ALICE, "pump", Move(devices=("cool", "cool")))
    assert (one.looked_at, one.moved) == (1, 1)
    since = await plant.migration.run(ALICE, "pump", Move(since=2, to=1))
    assert (since.looked_at, since.moved, since.unchanged) == (3, 1, 2)
    assert plant.follows("cool") == 1


async def test_a_fleet_is_moved_part_by_part(plant: Plant) -> None:
    """Each part says where to go on; the last says that it is the last."""
    moved, after, parts = 0, "", 0
    while True:
        report = await plant.migration.run(ALICE, "pump", Move(limit=2, after=after, force=True))
        moved, parts = moved + report.moved, parts + 1
        if report.next is None:
            break
        after = report.next
    assert (moved, parts) == (3, 2)


async def test_what_is_not_there_is_told(plant: Plant) -> None:
    """A version, a device, a device of another type."""
    with pytest.raises(NotFound):
        await plant.migration.run(ALICE, "pump", Move(to=7))
    with pytest.raises(NotFound):
        await plant.migration.run(ALICE, "pump", Move(devices=("nobody",)))
    await plant.registry.devices.create(ALICE, NewDevice("free"))
    with pytest.raises(Invalid, match="free"):
        await plant.migration.run(ALICE, "pump", Move(devices=("free",)))


async def test_a_mapping_of_the_other_version_does_not_get_in_the_way(plant: Plant) -> None:
    """What is kept of a device has the type's keys, not those that its messages have."""
    mapped = NARROWER + "mapping: {telemetry: {temperature: t}}\n"
    await plant.registry.types.save(ALICE, "pump", mapped, allow_breaking=True)
    report = await plant.migration.run(ALICE, "pump", Move(devices=("cool",)))
    assert (report.moved, report.failing) == (1, [])
