"""Assets over the API: made in a tree, moved, and deleted only as far as was asked."""

from typing import Any

from tests.api.support import OTHER, World

from weft.security.actions import Role


async def plant(world: World, token: str) -> None:
    """A site with a hall and a line."""
    for name, kind, parent in (
        ("north", "site", None),
        ("hall-2", "building", "north"),
        ("line-1", "line", "hall-2"),
    ):
        body = {"asset_id": name, "kind": kind, "parent": parent}
        made = await world.call("POST", "/assets", token=token, body=body)
        assert made.status == 201, made


async def names(world: World, token: str, path: str) -> list[Any]:
    return [one["asset_id"] for one in (await world.call("GET", path, token=token)).json["items"]]


async def test_a_plant_is_made_seen_and_changed(world: World) -> None:
    """An asset shows where it stands, and a stale change is refused."""
    token = world.admin()
    await plant(world, token)
    seen = await world.call("GET", "/assets/line-1", token=token)
    assert (seen.json["path"], seen.headers["etag"]) == ("/north/hall-2/line-1", '"1"')
    assert "tenant" not in seen.json

    headers = {"If-Match": '"1"'}
    patch = {"parent": "north", "tags": ["critical"], "position": {"latitude": 1, "longitude": 2}}
    moved = await world.call("PATCH", "/assets/line-1", token=token, body=patch, headers=headers)
    assert (moved.json["path"], moved.json["tags"]) == ("/north/line-1", ["critical"])
    assert moved.json["position"]["source"] == "fixed"
    stale = await world.call("PATCH", "/assets/line-1", token=token, body=patch, headers=headers)
    assert (stale.status, stale.json["code"]) == (412, "stale_version")


async def test_lists_and_children_come_by_page(world: World) -> None:
    """Each list goes on where its page before ended."""
    token = world.admin()
    await plant(world, token)
    assert await names(world, token, "/assets") == ["hall-2", "line-1", "north"]
    assert await names(world, token, "/assets?parent=") == ["north"]
    assert await names(world, token, "/assets?kind=line") == ["line-1"]
    for number in range(3):
        body = {"asset_id": f"press-{number}", "kind": "machine", "parent": "line-1"}
        await world.call("POST", "/assets", token=token, body=body)
    first = await world.call("GET", "/assets/line-1/children?limit=2", token=token)
    assert [one["asset_id"] for one in first.json["items"]] == ["press-0", "press-1"]
    rest = f"/assets/line-1/children?limit=2&cursor={first.json['next']}"
    assert await names(world, token, rest) == ["press-2"]


async def test_a_delete_goes_as_far_as_was_asked(world: World) -> None:
    """With others below it, only when that is said."""
    token = world.admin()
    await plant(world, token)
    refused = await world.call("DELETE", "/assets/hall-2", token=token)
    assert (refused.status, refused.json["code"]) == (409, "conflict")
    assert "--recursive" in refused.json["remedy"]
    gone = await world.call("DELETE", "/assets/hall-2?recursive=true", token=token)
    assert gone.status == 204
    assert await names(world, token, "/assets") == ["north"]


async def test_no_cycle_over_the_api(world: World) -> None:
    """A conflict, in words."""
    token = world.admin()
    await plant(world, token)
    body = {"parent": "line-1"}
    refused = await world.call("PATCH", "/assets/north", token=token, body=body)
    assert (refused.status, refused.json["code"]) == (409, "conflict")


async def test_tn_1_another_tenants_asset_is_not_there(world: World) -> None:
    """Not told apart from one that never was, by any operation."""
    await plant(world, world.admin(OTHER))
    token = world.admin()
    for method, path, body in (
        ("GET", "/assets/north", None),
        ("GET", "/assets/north/children", None),
        ("PATCH", "/assets/north", {"label": "x"}),
        ("DELETE", "/assets/north?recursive=true", None),
        ("POST", "/assets", {"kind": "line", "parent": "north"}),
    ):
        answer = await world.call(method, path, token=token, body=body)
        assert answer.status == 404, (method, path)
    assert await names(world, token, "/assets") == []
    assert world.assets.get(OTHER, "north").label == ""


async def test_each_role_does_what_it_is_for(world: World) -> None:
    """A viewer reads, an operator arranges, and only an administrator deletes."""
    await plant(world, world.admin())
    viewer = world.person("vera", Role.VIEWER)
    operator = world.person("otto", Role.OPERATOR)
    body = {"label": "x"}
    assert (await world.call("GET", "/assets/north", token=viewer)).status == 200
    assert (await world.call("PATCH", "/assets/north", token=viewer, body=body)).status == 403
    assert (await world.call("PATCH", "/assets/north", token=operator, body=body)).status == 200
    assert (await world.call("DELETE", "/assets/line-1", token=operator)).status == 403
