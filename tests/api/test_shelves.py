"""Places over the API: geofences, routes and trips are listed, shown, saved and deleted alike."""

from typing import Any

import pytest
from tests.api.support import OTHER, World

LINE = {
    "type": "Feature",
    "geometry": {"type": "LineString", "coordinates": [[12.37, 51.34], [12.4, 51.4]]},
    "properties": {},
}
STOP = {
    "type": "Feature",
    "geometry": {"type": "Point", "coordinates": [12.4, 51.4]},
    "properties": {"name": "customer", "arrive_s": 1200, "depart_s": 2100},
}
ROUTE = {"type": "FeatureCollection", "features": [LINE, STOP]}
FENCE = {
    "type": "Feature",
    "geometry": {"type": "Point", "coordinates": [12.4, 51.3]},
    "properties": {"radius_m": 200},
}
TRIP = {
    "route": "halle",
    "device_id": "truck-1",
    "starts_at": "2026-03-02T06:00:00Z",
    "ends_at": "2026-03-02T18:00:00Z",
}


async def make(world: World, noun: str, name: str) -> Any:
    token = world.admin()
    match noun:
        case "geofence":
            return await world.call("PUT", f"/geofences/{name}", token=token, body=FENCE)
        case "route":
            return await world.call("PUT", f"/routes/{name}", token=token, body=ROUTE)
        case _:
            await world.call("PUT", "/routes/halle", token=token, body=ROUTE)
            if world.devices.find(world.badges.known[token].principal.tenant, "truck-1") is None:
                await world.device("truck-1")
            return await world.call("POST", "/trips", token=token, body={"name": name, **TRIP})


@pytest.mark.parametrize("noun", ["geofence", "route", "trip"])
async def test_places_are_listed_page_by_page_shown_and_deleted(world: World, noun: str) -> None:
    """Three of each, two on a page; a stale version deletes none; another tenant sees none."""
    token, path = world.admin(), f"/{noun}s"
    for name in ("a", "b", "c"):
        made = await make(world, noun, name)
        assert made.status in (200, 201), made.json
        assert made.headers["etag"] == '"1"'
    first = await world.call("GET", f"{path}?limit=2", token=token)
    assert [one["name"] for one in first.json["items"]] == ["a", "b"]
    rest = await world.call("GET", f"{path}?cursor={first.json['next']}", token=token)
    assert [one["name"] for one in rest.json["items"]] == ["c"]
    shown = await world.call("GET", f"{path}/b", token=token)
    assert (shown.json["name"], shown.json["version"], shown.headers["etag"]) == ("b", 1, '"1"')
    stale = {"if-match": '"7"'}
    assert (await world.call("DELETE", f"{path}/b", token=token, headers=stale)).status == 412
    theirs = world.admin(OTHER)
    assert (await world.call("GET", f"{path}/b", token=theirs)).status == 404
    assert (await world.call("GET", path, token=theirs)).json["items"] == []
    assert (await world.call("DELETE", f"{path}/b", token=token)).status == 204
    assert (await world.call("GET", f"{path}/b", token=token)).status == 404
