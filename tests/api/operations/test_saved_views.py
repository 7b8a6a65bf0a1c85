"""Saved views over the API: who may save, who may open, and that a view is no right."""

from tests.api.support import OTHER, World

from weft.security.actions import Role

VIEW = {"name": "Pumps", "query": {"devices": ["pump-7"]}, "shared": True}


async def test_a_view_is_saved_listed_changed_and_deleted(world: World) -> None:
    """With a version that a writer names."""
    token = world.person("olga", Role.OPERATOR)
    made = await world.call("POST", "/views", token=token, body=VIEW)
    assert (made.status, made.json["own"], made.headers["etag"]) == (201, True, '"1"')
    path = f"/views/{made.json['view_id']}"
    patch = {"body": {"name": "All pumps"}, "headers": {"If-Match": '"1"'}}
    assert (await world.call("PATCH", path, token=token, **patch)).json["version"] == 2
    assert (await world.call("PATCH", path, token=token, **patch)).status == 412
    listed = (await world.call("GET", "/views?limit=1", token=token)).json
    assert [one["name"] for one in listed["items"]] == ["All pumps"]
    assert (await world.call("DELETE", path, token=token)).status == 204
    assert (await world.call("GET", path, token=token)).status == 404


async def test_who_opens_a_shared_view_may_not_change_it(world: World) -> None:
    """Another of the tenant reads it; another tenant does not know of it."""
    made = (await world.call("POST", "/views", token=world.admin(), body=VIEW)).json
    path = f"/views/{made['view_id']}"
    viewer = world.person("vera", Role.VIEWER)
    assert (await world.call("GET", path, token=viewer)).json["own"] is False
    assert (await world.call("DELETE", path, token=viewer)).status == 403
    assert (await world.call("GET", path, token=world.admin(OTHER))).status == 404
    assert (await world.call("GET", "/views", token=world.admin(OTHER))).json["items"] == []
    assert (await world.call("GET", "/views", token=world.person("nobody"))).status == 403


async def test_what_is_no_view_is_refused(world: World) -> None:
    """Without a name, or of no page."""
    token = world.admin()
    for body in ({**VIEW, "name": ""}, {**VIEW, "page": "kitchen"}, {"name": "x"}):
        assert (await world.call("POST", "/views", token=token, body=body)).status == 422, body
