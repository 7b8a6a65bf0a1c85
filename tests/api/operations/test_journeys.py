"""Planned routes and trips over the API: ETags, pages, tenants, roles."""

from typing import Any

from tests.api.support import OTHER, World
from tests.rules.places.support import road

from weft.security.actions import Role

TRIP = {
    "name": "monday",
    "route": "tour",
    "device_id": "truck-1",
    "starts_at": "2026-03-02T06:00:00Z",
    "ends_at": "2026-03-02T18:00:00Z",
}


async def fleet(world: World, token: str) -> None:
    """A truck and a route."""
    await world.call("POST", "/devices", token=token, body={"device_id": "truck-1"})
    saved = await world.call("PUT", "/routes/tour", token=token, body=road())
    assert saved.status == 200


async def test_a_route_is_saved_read_and_deleted(world: World) -> None:
    """As GeoJSON in both directions."""
    token = world.admin()
    await fleet(world, token)
    shown = await world.call("GET", "/routes/tour", token=token)
    assert shown.headers["etag"] == '"1"'
    again = await world.call("PUT", "/routes/tour", token=token, body=shown.json["document"])
    assert again.json["version"] == 1
    listed = await world.call("GET", "/routes", token=token)
    assert listed.json["items"][0]["stops"] == ["depot", "middle", "end"]
    stale = await world.call("DELETE", "/routes/tour", token=token, headers={"If-Match": '"7"'})
    assert stale.status == 412
    assert (await world.call("DELETE", "/routes/tour", token=token)).status == 204
    bad = await world.call("PUT", "/routes/tour", token=token, body={"type": "Feature"})
    assert bad.status == 422


async def test_a_trip_is_made_changed_ended_and_deleted(world: World) -> None:
    """Its route stays while it is there."""
    token = world.admin()
    await fleet(world, token)
    made = await world.call("POST", "/trips", token=token, body=TRIP)
    assert (made.status, made.headers["etag"]) == (201, '"1"')
    assert (await world.call("POST", "/trips", token=token, body=TRIP)).status == 409
    assert (await world.call("DELETE", "/routes/tour", token=token)).status == 409
    sent: Any = {"body": {"ends_at": "2026-03-02T12:00:00Z"}, "headers": {"If-Match": '"1"'}}
    changed = await world.call("PATCH", "/trips/monday", token=token, **sent)
    assert (changed.json["ends_at"], changed.json["version"]) == ("2026-03-02T12:00:00Z", 2)
    assert (await world.call("PATCH", "/trips/monday", token=token, **sent)).status == 412
    page = await world.call("GET", "/trips?limit=1", token=token)
    assert [one["name"] for one in page.json["items"]] == ["monday"]
    assert (await world.call("GET", "/trips/monday", token=token)).json["device_id"] == "truck-1"
    assert (await world.call("DELETE", "/trips/monday", token=token)).status == 204
    assert (await world.call("GET", "/trips/monday", token=token)).status == 404


async def test_a_trip_that_cannot_be_is_refused(world: World) -> None:
    """Of nothing, along nothing, at no moment."""
    token = world.admin()
    await fleet(world, token)
    for change, status in (
        ({"device_id": None}, 422),
        ({"asset_id": "x"}, 422),
        ({"device_id": "nobody"}, 404),
        ({"route": "none"}, 404),
        ({"starts_at": "monday"}, 422),
        ({"ends_at": "2026-03-02T05:00:00Z"}, 422),
    ):
        answer = await world.call("POST", "/trips", token=token, body={**TRIP, **change})
        assert answer.status == status, change


async def test_tn_1_another_tenants_routes_and_trips_are_not_there(world: World) -> None:
    """By none of the operations."""
    theirs = world.admin(OTHER)
    await fleet(world, theirs)
    assert (await world.call("POST", "/trips", token=theirs, body=TRIP)).status == 201
    token = world.admin()
    for method, path, body in (
        ("GET", "/routes/tour", None),
        ("DELETE", "/routes/tour", None),
        ("GET", "/trips/monday", None),
        ("PATCH", "/trips/monday", {"label": "x"}),
        ("DELETE", "/trips/monday", None),
        ("POST", "/trips", TRIP),
    ):
        answer = await world.call(method, path, token=token, body=body)
        assert answer.status == 404, (method, path)
    assert (await world.call("GET", "/routes", token=token)).json["items"] == []
    assert (await world.call("GET", "/trips", token=token)).json["items"] == []


async def test_a_viewer_plans_nothing(world: World) -> None:
    """Reading is all."""
    await fleet(world, world.admin())
    viewer = world.person("vera", Role.VIEWER)
    assert (await world.call("PUT", "/routes/x", token=viewer, body=road())).status == 403
    assert (await world.call("POST", "/trips", token=viewer, body=TRIP)).status == 403
    assert (await world.call("GET", "/routes/tour", token=viewer)).status == 200
