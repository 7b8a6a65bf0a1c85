"""Where devices are, seen from above: newest places, drawn together by a grid."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.api.support import MAIN, OTHER, World, running

from weft.model.asset import AttachmentRole, PositionKeys
from weft.model.ids import DeviceId, TenantId
from weft.model.message import Committed, Envelope, Operation, Route
from weft.model.telemetry import Reading
from weft.registry.assets import NewAsset
from weft.registry.device_documents import DevicePatch
from weft.registry.devices import NewDevice
from weft.twins import fleet as fleets
from weft.twins.fleet import Fleet
from weft.twins.plane import View

WORLD = View()


class Told:
    """Devices of one world that say where they are."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.fleet: Fleet = world.services.fleet
        self._next = 1

    async def device(self, name: str, tenant: TenantId = MAIN, **attributes: object) -> None:
        actor = self.world.badges.known[self.world.admin(tenant)].principal
        await self.world.devices.create(actor, NewDevice(name, attributes=dict(attributes)))

    def says(self, name: str, tenant: TenantId = MAIN, at: int = 0, **values: object) -> None:
        route = Route(tenant, "device", name, "t", Operation.TELEMETRY, DeviceId(name))
        at = at or self._next
        batch = Committed(self._next, [Envelope(route, at, b"")], [[Reading(at, values)]])
        self._next += 1
        self.world.twins.apply(batch)

    async def seen(
        self, view: View = WORLD, tenant: TenantId = MAIN
    ) -> dict[str, tuple[float, float]]:
        await self.fleet.refresh(tenant)
        found = self.fleet.list_places(tenant, view, limit=10_000)
        return {one.device.device_id: (one.latitude, one.longitude) for one in found}


@pytest.fixture
async def told(tmp_path: Path) -> AsyncIterator[Told]:
    async with running(World(tmp_path)) as world:
        yield Told(world)


async def test_a_device_is_where_it_said_last(told: Told) -> None:
    """Each look shows what was said up to it; a late position moves nobody back."""
    await told.device("truck-1")
    assert await told.seen() == {}
    told.says("truck-1", at=100, latitude=51.34, longitude=12.38)
    assert await told.seen() == {"truck-1": (51.34, 12.38)}
    told.says("truck-1", at=200, latitude=52.0, longitude=13.0)
    told.says("truck-1", at=150, latitude=10.0, longitude=10.0)
    assert await told.seen() == {"truck-1": (52.0, 13.0)}


async def test_what_was_said_before_a_checkpoint_is_seen_behind_it(told: Told) -> None:
    """Storing the twins hides nobody from the map, whoever looks when."""
    await told.device("truck-1")
    await told.seen()
    told.says("truck-1", latitude=1.0, longitude=2.0)
    await told.world.twins.checkpoint()
    assert await told.seen() == {"truck-1": (1.0, 2.0)}


async def test_who_hangs_up_takes_nobody_off_the_map(
    told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A viewer goes in the middle of a look, the first or a later one: the next sees all."""
    monkeypatch.setattr(fleets, "LOOKED_UP_AT_ONCE", 2)
    names = [f"truck-{number}" for number in range(6)]
    for name in names:
        await told.device(name)
    for longitude in (1.0, 2.0):
        for name in names:
            told.says(name, latitude=1.0, longitude=longitude)
        await told.world.twins.checkpoint()  # from here on each is heard of once
        looking = asyncio.create_task(told.fleet.refresh(MAIN))
        await asyncio.sleep(0)
        looking.cancel()
        await asyncio.wait([looking])
        assert looking.cancelled()
        assert await told.seen() == dict.fromkeys(names, (1.0, longitude))


async def test_who_comes_during_the_first_look_sees_all(
    told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second viewer does not take what the first has got so far for the whole fleet."""
    monkeypatch.setattr(fleets, "LOOKED_UP_AT_ONCE", 2)
    for number in range(6):
        await told.device(f"d-{number}", latitude=1.0, longitude=float(number))
    async with asyncio.TaskGroup() as tasks:
        first = tasks.create_task(told.fleet.refresh(MAIN))
        await asyncio.sleep(0)
        assert told.fleet.marks(MAIN, WORLD, limit=10).devices < 6
        assert not first.done()
        assert len(await told.seen()) == 6


async def test_places_are_found_by_several_names(told: Told) -> None:
    """lat and lon, the keys of an asset, and attributes of what never moves."""
    world = told.world
    await told.device("short")
    told.says("short", lat=1, lon=2)
    await told.device("fixed", latitude=3.0, longitude=4.0)
    await told.device("tracker")
    actor = world.badges.known[world.admin()].principal
    keys = PositionKeys(latitude="gps_n", longitude="gps_e")
    await world.assets.create(actor, NewAsset("trailer", "trailer", position_keys=keys))
    await world.attachments.attach(actor, "tracker", AttachmentRole.OBSERVES, "trailer")
    told.says("tracker", gps_n=5.0, gps_e=6.0, latitude=80.0, longitude=80.0)
    expected = {"short": (1.0, 2.0), "fixed": (3.0, 4.0), "tracker": (5.0, 6.0)}
    assert await told.seen() == expected
    await world.devices.patch(actor, "fixed", DevicePatch(attributes={"latitude": 7.0}))
    assert (await told.seen())["fixed"] == (7.0, 4.0)


async def test_one_device_is_asked_for_where_the_map_shows_it(told: Told) -> None:
    """By any of its names for a position, with the moment it measured; None where nothing says."""
    await told.device("lng")
    told.says("lng", at=5, lat=1, lng=2)
    await told.device("fixed", lat=3.0, lng=4.0)
    await told.device("nowhere")
    found = {
        name: told.fleet.find_place(told.world.devices.get(MAIN, name))
        for name in ("lng", "fixed", "nowhere")
    }
    assert found.pop("nowhere") is None
    places = {name: (one.latitude, one.longitude, one.at) for name, one in found.items() if one}
    assert places == {"lng": (1.0, 2.0, 5), "fixed": (3.0, 4.0, 0)}
    assert {name: place[:2] for name, place in places.items()} == await told.seen()


async def test_what_is_no_place_is_not_shown(told: Told) -> None:
    """Nobody is at latitude 900, at true, or at a word; whoever was somewhere is gone then."""
    await told.device("truck-1")
    for value in (900.0, True, "north", None):
        told.says("truck-1", latitude=1.0, longitude=1.0)
        assert await told.seen() == {"truck-1": (1.0, 1.0)}
        told.says("truck-1", latitude=value, longitude=1.0)
        assert await told.seen() == {}


async def test_a_deleted_device_leaves_the_map(told: Told) -> None:
    """Its slot is used again; its namesake is not where it was."""
    world = told.world
    actor = world.badges.known[world.admin()].principal
    await told.device("truck-1", latitude=1.0, longitude=1.0)
    assert len(await told.seen()) == 1
    await world.devices.delete(actor, "truck-1")
    assert await told.seen() == {}
    await told.device("truck-2", latitude=2.0, longitude=2.0)
    assert await told.seen() == {"truck-2": (2.0, 2.0)}


async def test_tn_1_no_tenant_sees_another_tenants_fleet(told: Told) -> None:
    """Not their devices, not their counts."""
    await told.device("theirs", OTHER, latitude=1.0, longitude=1.0)
    await told.device("ours", latitude=2.0, longitude=2.0)
    assert set(await told.seen(tenant=MAIN)) == {"ours"}
    assert set(await told.seen(tenant=OTHER)) == {"theirs"}
    assert told.fleet.marks(MAIN, WORLD, limit=10).devices == 1


async def test_near_devices_are_one_mark_and_part_when_one_comes_closer(told: Told) -> None:
    """From far above a cluster with its bounds, from near two devices with their moments."""
    await told.device("a")
    await told.device("b")
    told.says("a", at=7, latitude=51.340, longitude=12.380)
    told.says("b", at=8, latitude=51.341, longitude=12.381)
    await told.fleet.refresh(MAIN)
    (one,) = told.fleet.marks(MAIN, View(zoom=3), limit=100).marks
    assert (one.count, one.device_id) == (2, None)
    assert one.bounds == (12.38, 51.34, 12.381, 51.341)
    assert 51.34 < one.latitude < 51.341
    near = told.fleet.marks(MAIN, View(zoom=17), limit=100).marks
    assert {mark.device_id: mark.at for mark in near} == {"a": 7, "b": 8}


async def test_a_view_shows_what_lies_in_it_across_the_date_line_as_well(told: Told) -> None:
    """Fiji lies on both sides of it."""
    await told.device("west", latitude=-17.0, longitude=179.5)
    await told.device("east", latitude=-17.0, longitude=-179.5)
    await told.device("leipzig", latitude=51.3, longitude=12.4)
    fiji = View(west=175.0, south=-25.0, east=-175.0, north=-10.0)
    assert set(await told.seen(fiji)) == {"west", "east"}
    europe = View(west=-10.0, south=35.0, east=40.0, north=70.0)
    assert set(await told.seen(europe)) == {"leipzig"}


async def test_too_many_marks_are_drawn_together_further(told: Told) -> None:
    """A small limit makes a coarser grid, and never drops a device."""
    for number in range(50):
        await told.device(f"d-{number}", latitude=float(number), longitude=float(number * 3))
    await told.fleet.refresh(MAIN)
    found = told.fleet.marks(MAIN, View(zoom=10), limit=5)
    assert len(found.marks) <= 5
    assert found.zoom < 10
    assert sum(mark.count for mark in found.marks) == found.devices == 50
    assert len(told.fleet.marks(MAIN, View(zoom=10), limit=50).marks) == 50
    (all_of_them,) = told.fleet.marks(MAIN, View(zoom=0), limit=1).marks
    assert all_of_them.count == 50


async def test_devices_of_a_type_alone(told: Told) -> None:
    """The others are neither listed nor counted."""
    world = told.world
    actor = world.badges.known[world.admin()].principal
    await world.types.save(
        actor, "truck", {"title": "Truck", "telemetry": {"t": {"type": "number"}}}
    )
    attributes = {"latitude": 1.0, "longitude": 1.0}
    await world.devices.create(actor, NewDevice("truck-1", "truck", attributes=attributes))
    await told.device("pump-1", latitude=1.0, longitude=1.0)
    assert set(await told.seen(View(type_name="truck"))) == {"truck-1"}
    assert told.fleet.marks(MAIN, View(type_name="truck"), limit=10).devices == 1
