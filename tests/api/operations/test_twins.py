"""Twins over the API: what was told, what is wanted, and the difference."""

from typing import Any

from tests.api.support import World
from tests.api.test_live import watching

from weft.api.changes import tell_changes
from weft.registry.devices import NewDevice


async def test_a_twin_shows_what_was_told_and_what_is_wanted(world: World) -> None:
    """The pump reports 800; we want 900; the delta says so until it follows."""
    pump, token = await world.device("pump-7"), world.admin()
    await world.call("POST", "/devices/me/telemetry", token=pump, body={"temperature": 21.4})
    await world.call("POST", "/devices/me/properties/reported", token=pump, body={"rpm": 800})
    seen = await world.call("GET", "/devices/pump-7/twin", token=token)
    assert seen.json["telemetry"]["temperature"]["value"] == 21.4
    assert seen.json["reported"] == {"rpm": 800}
    wanted = await world.call(
        "PATCH",
        "/devices/pump-7/twin",
        token=token,
        body={"desired": {"rpm": 900}},
        headers={"if-match": seen.headers["etag"]},
    )
    assert (wanted.status, wanted.json["delta"]) == (200, {"rpm": 900})
    await world.call("POST", "/devices/me/properties/reported", token=pump, body={"rpm": 900})
    assert (await world.call("GET", "/devices/me/twin", token=pump)).json["delta"] == {}


async def test_a_twin_says_where_its_device_is_as_the_map_does(world: World) -> None:
    """Measured with its moment, entered without one, by the keys of its asset, or nowhere."""
    token = world.admin()
    truck = await world.device("truck-1")
    actor = world.badges.known[token].principal
    depot = NewDevice(device_id="depot", attributes={"lat": 51.5, "lng": 12.5})
    await world.devices.create(actor, depot)
    keys = {"latitude": "gps_n", "longitude": "gps_e"}
    body = {"asset_id": "trailer", "kind": "trailer", "position_keys": keys}
    assert (await world.call("POST", "/assets", token=token, body=body)).status == 201

    async def position(name: str) -> Any:
        answer = await world.call("GET", f"/devices/{name}/twin", token=token)
        return answer.json["position"]

    assert await position("truck-1") is None
    reading = {"ts": 1_772_366_400_000, "values": {"lat": 1, "lng": 2, "gps_n": 5.0, "gps_e": 6.0}}
    await world.call("POST", "/devices/me/telemetry", token=truck, body=reading)
    measured = {"latitude": 1.0, "longitude": 2.0, "at": "2026-03-01T12:00:00Z"}
    assert await position("truck-1") == measured
    path = "/devices/truck-1/attachments/observes"
    await world.call("PUT", path, token=token, body={"asset": "trailer"})
    assert await position("truck-1") == measured | {"latitude": 5.0, "longitude": 6.0}
    assert await position("depot") == {"latitude": 51.5, "longitude": 12.5, "at": None}
    shown = (await world.call("GET", "/fleet/devices", token=token)).json["items"]
    assert {one["device_id"]: (one["latitude"], one["longitude"]) for one in shown} == {
        "depot": (51.5, 12.5),
        "truck-1": (5.0, 6.0),
    }


async def test_no_wish_overrules_another_unseen(world: World) -> None:
    """Without a version: 428. With an old one: 412. With a star: over any."""
    await world.device("pump-7")
    token, path, body = world.admin(), "/devices/pump-7/twin", {"desired": {"rpm": 900}}
    assert (await world.call("PATCH", path, token=token, body=body)).status == 428
    for etag, status in (('"0"', 200), ('"0"', 412), ("*", 200)):
        answer = await world.call("PATCH", path, token=token, body=body, headers={"if-match": etag})
        assert answer.status == status


async def test_a_wish_against_the_type_is_refused_with_its_place(world: World) -> None:
    """The operator mistypes a speed; nothing is sent to the pump."""
    token = world.admin()
    actor = world.badges.known[token].principal
    speed = {"type": "integer", "maximum": 3000}
    await world.types.save(actor, "pump", {"properties": {"rpm": speed}})
    await world.devices.create(actor, NewDevice(device_id="pump-7", type_name="pump"))
    answer = await world.call(
        "PATCH",
        "/devices/pump-7/twin",
        token=token,
        body={"desired": {"rpm": 9000}},
        headers={"if-match": "*"},
    )
    assert answer.status == 422
    assert answer.json["detail"] == "desired.rpm is 9000, above the maximum of 3000."


async def test_each_property_shows_when_it_was_said_and_by_whom(world: World) -> None:
    pump, token = await world.device("pump-7"), world.admin()
    await world.call("POST", "/devices/me/properties/reported", token=pump, body={"rpm": 800})
    wanted = await world.call(
        "PATCH",
        "/devices/pump-7/twin",
        token=token,
        body={"desired": {"rpm": 900}},
        headers={"if-match": "*"},
    )
    metadata = wanted.json["metadata"]
    assert metadata["reported"]["rpm"]["by"] == "device:pump-7"
    assert metadata["desired"]["rpm"]["by"] == "user:admin"
    assert metadata["desired"]["rpm"]["at"].startswith("2026-03-01T")


async def test_changes_of_properties_are_seen_live_with_old_and_new(world: World) -> None:
    tell_changes(world.live, world.alarms, world.twins, world.work_orders, world.commands)
    pump = await world.device("pump-7")
    async with watching(world, world.admin(), "/live?kinds=property") as reader:
        for rpm in (800, 800, 900):
            body = {"rpm": rpm}
            await world.call("POST", "/devices/me/properties/reported", token=pump, body=body)
        first, second = [await reader.event() for _ in range(2)]
    assert first["data"]["record"]["changes"] == [{"name": "rpm", "old": None, "new": 800}]
    assert second["data"]["record"]["changes"] == [{"name": "rpm", "old": 800, "new": 900}]
    assert second["data"]["change"] == "reported"
