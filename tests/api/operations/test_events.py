"""Events of a device over the API: what it said happened, for as long as they are kept."""

from typing import Any

from tests.api.support import OTHER, World


async def said(world: World, device: str = "pump-7") -> str:
    """Let a device say three things, a minute apart; return an administrator's token."""
    token = await world.device(device)
    for name, body in (("leak", {"litres": 2}), ("dry", {"since": "9:00"}), ("leak", {})):
        sent = await world.call("POST", f"/devices/me/events/{name}", token=token, body=body)
        assert sent.status == 200, sent
        world.clock.turn(60)
    return world.admin()


async def key(world: World, scope: str) -> str:
    """Make a service key; return its token."""
    body = {"name": scope.replace(":", "-"), "scopes": [scope]}
    made = await world.call("POST", "/keys", token=world.admin(), body=body)
    return str(made.json["token"])


async def listed(world: World, token: str, query: str = "") -> Any:
    found = await world.call("GET", f"/devices/pump-7/events{query}", token=token)
    assert found.status == 200, found
    return found.json


async def test_a_devices_events_are_listed_newest_first(world: World) -> None:
    """With what was read from each, and where its message stands."""
    token = await said(world)
    found = await listed(world, token)
    assert found["next"] is None
    assert [(one["name"], one["values"]) for one in found["items"]] == [
        ("leak", {}),
        ("dry", {"since": "9:00"}),
        ("leak", {"litres": 2}),
    ]
    newest = found["items"][0]
    assert (newest["position"], newest["payload_bytes"]) == (3, 2)


async def test_they_are_found_by_name_and_time(world: World) -> None:
    token = await said(world)
    every = (await listed(world, token))["items"]
    by_name = await listed(world, token, "?name=leak")
    assert [one["position"] for one in by_name["items"]] == [3, 1]
    middle, newest = every[1]["received_at"], every[0]["received_at"]
    by_time = await listed(world, token, f"?start={middle}&end={newest}")
    assert [one["position"] for one in by_time["items"]] == [2]
    path = f"/devices/pump-7/events?start={newest}&end={middle}"
    assert (await world.call("GET", path, token=token)).status == 422
    assert (await world.call("GET", "/devices/pump-7/events?start=noon", token=token)).status == 422


async def test_they_are_read_page_by_page(world: World) -> None:
    """What comes meanwhile does not move the pages; a cursor of elsewhere is refused."""
    token = await said(world)
    first = await listed(world, token, "?limit=2")
    assert [one["position"] for one in first["items"]] == [3, 2]
    await said(world, "fan-1")
    second = await listed(world, token, f"?limit=2&cursor={first['next']}")
    assert ([one["position"] for one in second["items"]], second["next"]) == ([1], None)
    path = f"/devices/pump-7/events?cursor={first['next'][:-3]}AAA"
    assert (await world.call("GET", path, token=token)).status == 422


async def test_of_each_device_the_newest_are_kept(world: World) -> None:
    """The world keeps five."""
    token = await said(world)
    again = await world.device("fan-1")
    for _ in range(7):
        await world.call("POST", "/devices/me/events/turn", token=again, body={})
    fans = (await world.call("GET", "/devices/fan-1/events", token=token)).json["items"]
    assert len(fans) == 5
    assert len((await listed(world, token))["items"]) == 3


async def test_tn_1_events_of_another_tenant_are_not_there(world: World) -> None:
    """Not by the device's name, and not where a namesake is: each sees its own."""
    await said(world)
    stranger = world.admin(OTHER)
    assert (await world.call("GET", "/devices/pump-7/events", token=stranger)).status == 404
    made = await world.call("POST", "/devices", token=stranger, body={"device_id": "pump-7"})
    assert made.status == 201
    assert (await listed(world, stranger))["items"] == []


async def test_who_may_not_read_what_devices_say_is_refused(world: World) -> None:
    await said(world)
    narrow = await key(world, "devices:read")
    wide = await key(world, "telemetry:read")
    path = "/devices/pump-7/events"
    assert (await world.call("GET", path, token=narrow)).status == 403
    assert (await world.call("GET", path, token=wide)).status == 200
