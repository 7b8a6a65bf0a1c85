"""Attachments and relations over the API: where it was on March 3rd, and what feeds what."""

import pytest
from tests.api.support import OTHER, World, running

from weft.api.views import moment


async def fleet(world: World, token: str) -> None:
    """A tracker and two trailers."""
    await world.call("POST", "/devices", token=token, body={"device_id": "tracker"})
    for name in ("trailer-1", "trailer-2"):
        keys = {"latitude": "lat", "longitude": "lon", "altitude": "alt"}
        body = {"asset_id": name, "kind": "trailer", "position_keys": keys}
        made = await world.call("POST", "/assets", token=token, body=body)
        assert made.status == 201, made


async def attach(world: World, token: str, asset: str) -> None:
    path = "/devices/tracker/attachments/observes"
    answer = await world.call("PUT", path, token=token, body={"asset": asset})
    assert (answer.status, answer.json["asset_id"]) == (200, asset)


async def test_a_moment_is_answered_by_where_it_was(world: World) -> None:
    """The question of the issue, asked of a tracker that has moved."""
    token = world.admin()
    await fleet(world, token)
    await attach(world, token, "trailer-1")
    before = moment(world.clock.now())
    world.clock.turn(86_400)
    await attach(world, token, "trailer-2")
    path = "/devices/tracker/attachments"
    then = await world.call("GET", f"{path}?at={before}", token=token)
    assert [one["asset_id"] for one in then.json["items"]] == ["trailer-1"]
    first = await world.call("GET", f"{path}?limit=1", token=token)
    assert [one["asset_id"] for one in first.json["items"]] == ["trailer-2"]
    rest = await world.call("GET", f"{path}?limit=1&cursor={first.json['next']}", token=token)
    assert [one["asset_id"] for one in rest.json["items"]] == ["trailer-1"]
    assert rest.json["items"][0]["until_at"] == first.json["items"][0]["from_at"]
    there = await world.call("GET", "/assets/trailer-1/attachments", token=token)
    assert [one["device_id"] for one in there.json["items"]] == ["tracker"]
    gone = await world.call("DELETE", f"{path}/observes", token=token)
    assert gone.status == 204
    assert (await world.call("DELETE", f"{path}/observes", token=token)).status == 404
    wrong = await world.call("PUT", f"{path}/watches", token=token, body={"asset": "trailer-1"})
    assert (wrong.status, wrong.json["remedy"]) == (422, "Roles are observes and steers.")


async def test_an_asset_is_where_its_device_measured(world: World) -> None:
    """The position moves with the tracker, and what it measured elsewhere stays there."""
    token = world.admin()
    async with running(world):
        await fleet(world, token)
        device = (await world.call("GET", "/assets/trailer-1", token=token)).json
        assert device["position"] is None
        await attach(world, token, "trailer-1")
        world.clock.turn(1)
        sent = await world.call(
            "POST",
            "/devices/tracker/telemetry",
            token=token,
            body={"lat": 52.5, "lon": 4.5, "alt": 3},
        )
        assert sent.status < 300, sent
        await world.pipeline.settle()
        position = (await world.call("GET", "/assets/trailer-1", token=token)).json["position"]
        shown = (position["latitude"], position["longitude"], position["altitude_m"])
        assert shown == (52.5, 4.5, 3.0)
        assert (position["source"], position["device_id"]) == ("device", "tracker")
        world.clock.turn(1)
        await attach(world, token, "trailer-2")
        for name in ("trailer-1", "trailer-2"):
            asset = (await world.call("GET", f"/assets/{name}", token=token)).json
            assert asset["position"] is None


async def test_relations_are_made_listed_and_taken_away(world: World) -> None:
    """From one trailer to the other, seen from both."""
    token = world.admin()
    await fleet(world, token)
    path = "/assets/trailer-1/relations/tows/trailer-2"
    made = await world.call("PUT", path, token=token)
    assert (made.status, made.json["name"]) == (200, "tows")
    for query, count in (("trailer-1/relations", 1), ("trailer-2/relations", 0)):
        page = await world.call("GET", f"/assets/{query}", token=token)
        assert len(page.json["items"]) == count
    inward = await world.call("GET", "/assets/trailer-2/relations?inward=true", token=token)
    assert [one["source"] for one in inward.json["items"]] == ["trailer-1"]
    assert (await world.call("DELETE", path, token=token)).status == 204
    assert (await world.call("DELETE", path, token=token)).status == 404


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", "/devices/tracker/attachments/observes", {"asset": "trailer-1"}),
        ("DELETE", "/devices/tracker/attachments/observes", None),
        ("GET", "/devices/tracker/attachments", None),
        ("GET", "/assets/trailer-1/attachments", None),
        ("GET", "/assets/trailer-1/relations", None),
        ("PUT", "/assets/trailer-1/relations/tows/trailer-2", None),
        ("DELETE", "/assets/trailer-1/relations/tows/trailer-2", None),
    ],
)
async def test_tn_1_another_tenants_plant_is_not_there(
    world: World, method: str, path: str, body: dict[str, str] | None
) -> None:
    """By none of the operations."""
    await fleet(world, world.admin(OTHER))
    assert (await world.call(method, path, token=world.admin(), body=body)).status == 404
