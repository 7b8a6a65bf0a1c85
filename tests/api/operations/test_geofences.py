"""Geofences over the API: GeoJSON in and out, ETags, pages, tenants, roles."""

from typing import Any

import pytest
from tests.api.support import OTHER, World

from weft.security.actions import Role

SQUARE = {
    "type": "Polygon",
    "coordinates": [[[12.0, 51.0], [12.1, 51.0], [12.1, 51.1], [12.0, 51.1], [12.0, 51.0]]],
}
CIRCLE = {
    "type": "Feature",
    "geometry": {"type": "Point", "coordinates": [12.5, 51.5]},
    "properties": {"radius_m": 300, "label": "Customer"},
}


async def test_a_fence_is_saved_read_changed_and_deleted(world: World) -> None:
    """By the version that was read."""
    token = world.admin()
    made = await world.call("PUT", "/geofences/depot", token=token, body=SQUARE)
    assert (made.status, made.headers["etag"]) == (200, '"1"')
    assert made.json["in_force_at"] is None
    sent: Any = {"body": CIRCLE, "headers": {"If-Match": '"1"'}}
    changed = await world.call("PUT", "/geofences/depot", token=token, **sent)
    assert (changed.json["version"], changed.json["label"]) == (2, "Customer")
    assert changed.json["in_force_at"] is not None
    stale = await world.call("PUT", "/geofences/depot", token=token, **sent)
    assert stale.status == 412
    shown = await world.call("GET", "/geofences/depot", token=token)
    assert shown.json["feature"]["properties"]["radius_m"] == 300
    assert (await world.call("DELETE", "/geofences/depot", token=token)).status == 204
    assert (await world.call("GET", "/geofences/depot", token=token)).status == 404


async def test_fences_come_in_pages_and_as_one_collection(world: World) -> None:
    """What is exported is imported elsewhere."""
    token = world.admin()
    for name in ("a", "b", "c"):
        await world.call("PUT", f"/geofences/{name}", token=token, body=CIRCLE)
    page = await world.call("GET", "/geofences?limit=2", token=token)
    assert [one["name"] for one in page.json["items"]] == ["a", "b"]
    assert page.json["items"][0]["kind"] == "Point"
    rest = await world.call("GET", f"/geofences?cursor={page.json['next']}", token=token)
    assert [one["name"] for one in rest.json["items"]] == ["c"]
    collection = await world.call("GET", "/geofence-collection", token=token)
    assert collection.headers["content-type"] == "application/geo+json"
    there = await world.call(
        "POST", "/geofence-collection", token=world.admin(OTHER), body=collection.json
    )
    assert there.json == {"features": 3, "changed": 3}


@pytest.mark.parametrize(
    "body",
    [
        {"type": "Point", "coordinates": [12, 51]},
        {"type": "Polygon", "coordinates": [[[0, 89], [1, 89], [1, 88], [0, 89]]]},
        {"type": "Polygon", "coordinates": {"a": 1}},
        {"type": 7},
        {"type": "Feature", "geometry": 7},
        {},
    ],
)
async def test_what_is_no_fence_is_refused(world: World, body: dict[str, Any]) -> None:
    """Each with a remedy."""
    answer = await world.call("PUT", "/geofences/depot", token=world.admin(), body=body)
    assert answer.status == 422
    assert answer.json["remedy"]


async def test_a_viewer_reads_and_an_operator_draws(world: World) -> None:
    """Each role does what it is for."""
    viewer, operator = world.person("vera", Role.VIEWER), world.person("otto", Role.OPERATOR)
    assert (await world.call("PUT", "/geofences/d", token=viewer, body=SQUARE)).status == 403
    assert (await world.call("PUT", "/geofences/d", token=operator, body=SQUARE)).status == 200
    assert (await world.call("GET", "/geofences/d", token=viewer)).status == 200
    assert (await world.call("DELETE", "/geofences/d", token=viewer)).status == 403


async def test_tn_1_another_tenants_fence_is_not_there(world: World) -> None:
    """By none of the operations, and in no rule."""
    await world.call("PUT", "/geofences/depot", token=world.admin(OTHER), body=SQUARE)
    token = world.admin()
    assert (await world.call("GET", "/geofences/depot", token=token)).status == 404
    assert (await world.call("DELETE", "/geofences/depot", token=token)).status == 404
    assert (await world.call("GET", "/geofences", token=token)).json["items"] == []
    exported = await world.call("GET", "/geofence-collection", token=token)
    assert exported.json["features"] == []
    rule = {"name": "r", "when": "inside(lat, lon, 'depot')", "severity": "warning"}
    answer = await world.call(
        "POST", "/rules", token=token, body={**rule, "selector": {"devices": ["x"]}}
    )
    assert answer.status == 422
    assert "no fence 'depot'" in answer.json["detail"]
