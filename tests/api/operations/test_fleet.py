"""The fleet as a map over the API: marks, a list beside it, trails, tenants, roles."""

from typing import Any

import pytest
from tests.api.support import OTHER, World

from weft.api.operations import fleet
from weft.security.actions import Role

START = 1_772_366_400_000  # 2026-03-01T12:00:00Z, ms


async def moving(world: World) -> str:
    """A truck that has driven east for ten minutes, beside one that stands."""
    truck = await world.device("truck-1")
    readings = [
        {"ts": START + n * 60_000, "values": {"latitude": 51.0, "longitude": 12.0 + n / 10}}
        for n in range(10)
    ]
    sent = await world.call("POST", "/devices/me/telemetry", token=truck, body=readings)
    assert sent.status == 200, sent
    token = world.admin()
    body = {"device_id": "depot", "attributes": {"latitude": 51.0, "longitude": 12.0}}
    assert (await world.call("POST", "/devices", token=token, body=body)).status == 201
    return token


async def get(world: World, path: str, token: str) -> Any:
    answer = await world.call("GET", path, token=token)
    assert answer.status == 200, answer
    return answer.json


async def test_a_map_shows_the_newest_places(world: World) -> None:
    """Two marks from near, one cluster from far above, none where nothing is."""
    token = await moving(world)
    near = await get(world, "/fleet/map?west=11&south=50&east=14&north=52&zoom=12", token)
    shown = {mark["device_id"]: mark["longitude"] for mark in near["marks"]}
    assert shown == {"truck-1": 12.9, "depot": 12.0}
    moments = {mark["device_id"]: mark.get("at") for mark in near["marks"]}
    assert moments == {"truck-1": "2026-03-01T12:09:00Z", "depot": None}
    far = await get(world, "/fleet/map", token)
    assert [mark["count"] for mark in far["marks"]] == [2]
    assert far["devices"] == 2
    empty = await get(world, "/fleet/map?west=0&south=0&east=1&north=1&zoom=12", token)
    assert empty["marks"] == []


async def test_the_list_beside_the_map_follows_the_view_in_pages(world: World) -> None:
    """Each device once, by name."""
    token = await moving(world)
    first = await get(world, "/fleet/devices?limit=1", token)
    assert [one["device_id"] for one in first["items"]] == ["depot"]
    second = await get(world, f"/fleet/devices?limit=1&cursor={first['next']}", token)
    (truck,) = second["items"]
    assert (truck["device_id"], truck["latitude"], second["next"]) == ("truck-1", 51.0, None)
    west = await get(world, "/fleet/devices?east=12.5", token)
    assert [one["device_id"] for one in west["items"]] == ["depot"]


async def test_a_part_of_the_map_that_cannot_be_is_refused(world: World) -> None:
    """Upside down, or beyond the Earth."""
    token = world.admin()
    for path in ("/fleet/map?south=10&north=5", "/fleet/devices?west=-500", "/fleet/map?zoom=99"):
        assert (await world.call("GET", path, token=token)).status == 422, path


async def test_a_trail_is_where_a_device_has_been(world: World) -> None:
    """All of it, or the same way in fewer points."""
    token = await moving(world)
    span = "start=2026-03-01T12:00:00Z&end=2026-03-01T13:00:00Z"
    whole = await get(world, f"/devices/truck-1/trail?{span}", token)
    assert whole["at_ms"] == [START + n * 60_000 for n in range(10)]
    assert whole["longitude"][-1] == 12.9
    fewer = await get(world, f"/devices/truck-1/trail?{span}&points=3", token)
    assert (len(fewer["at_ms"]), fewer["samples"]) == (3, 20)
    part = await get(
        world,
        f"/devices/truck-1/trail?{span}&end=2026-03-01T12:02:00Z".replace(
            "&end=2026-03-01T13:00:00Z", "", 1
        ),
        token,
    )
    assert part["at_ms"] == [START, START + 60_000]
    nobody = await world.call("GET", "/devices/nobody/trail", token=token)
    assert nobody.status == 404


async def test_a_trail_of_too_much_is_refused(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the number, and what to do."""
    token = await moving(world)
    monkeypatch.setattr(fleet, "TRAIL_SAMPLES_MAX", 5)
    path = "/devices/truck-1/trail?start=2026-03-01T12:00:00Z&end=2026-03-01T13:00:00Z"
    answer = await world.call("GET", path, token=token)
    assert (answer.status, answer.json["code"]) == (413, "too_large")
    assert "shorter" in answer.json["remedy"]


async def test_who_may_not_read_twins_sees_no_map(world: World) -> None:
    """A device, and somebody without a role; a viewer does."""
    await moving(world)
    device = await world.device("pump-7")
    for path in ("/fleet/map", "/fleet/devices", "/fleet/live", "/devices/truck-1/trail"):
        assert (await world.call("GET", path, token=device)).status == 403, path
        nobody = await world.call("GET", path, token=world.person("nobody"))
        assert nobody.status == 403, path
    viewer = world.person("vera", Role.VIEWER)
    assert (await world.call("GET", "/fleet/map", token=viewer)).status == 200


async def test_tn_1_another_tenants_fleet_is_not_there(world: World) -> None:
    """By none of the operations, by none of their cursors."""
    ours = await moving(world)
    theirs = world.admin(OTHER)
    assert (await get(world, "/fleet/map", theirs))["devices"] == 0
    assert (await get(world, "/fleet/devices", theirs))["items"] == []
    assert (await world.call("GET", "/devices/truck-1/trail", token=theirs)).status == 404
    cursor = (await get(world, "/fleet/devices?limit=1", ours))["next"]
    foreign = await world.call("GET", f"/fleet/devices?cursor={cursor}", token=theirs)
    assert foreign.status == 422
