"""Groups and filters over the API: saved, paged, and readable only by who may read the values."""

from typing import Any

import pytest
from tests.api.support import OTHER, World

from weft.security.actions import Role


async def fleet(world: World, token: str) -> None:
    """Three devices, two of them critical."""
    for name, tags in (("p-1", ["critical"]), ("p-2", []), ("p-3", ["critical"])):
        body = {"device_id": name, "tags": tags, "attributes": {"hall": 2}}
        made = await world.call("POST", "/devices", token=token, body=body)
        assert made.json["tags"] == tags


async def test_a_group_is_saved_asked_changed_and_deleted(world: World) -> None:
    """From an expression to its devices, page by page."""
    token = world.admin()
    await fleet(world, token)
    body = {"name": "critical", "expression": "'critical' in device.tags"}
    made = await world.call("POST", "/groups", token=token, body=body)
    assert (made.status, made.headers["etag"]) == (201, '"1"')
    listed = await world.call("GET", "/groups", token=token)
    assert [one["name"] for one in listed.json["items"]] == ["critical"]
    first = await world.call("GET", "/groups/critical/devices?limit=1", token=token)
    assert [one["device_id"] for one in first.json["items"]] == ["p-1"]
    path = f"/groups/critical/devices?limit=1&cursor={first.json['next']}"
    rest = await world.call("GET", path, token=token)
    assert [one["device_id"] for one in rest.json["items"]] == ["p-3"]
    assert rest.json["next"] is None

    body = {"expression": "", "members": ["p-2"]}
    sent: Any = {"body": body, "headers": {"If-Match": '"1"'}}
    changed = await world.call("PATCH", "/groups/critical", token=token, **sent)
    assert (changed.json["members"], changed.json["version"]) == (["p-2"], 2)
    stale = await world.call("PATCH", "/groups/critical", token=token, **sent)
    assert stale.status == 412
    assert (await world.call("DELETE", "/groups/critical", token=token)).status == 204
    assert (await world.call("GET", "/groups/critical", token=token)).status == 404


async def test_devices_and_assets_are_listed_by_filter(world: World) -> None:
    """Beside the other parameters; a wrong one says where it is wrong."""
    token = world.admin()
    await fleet(world, token)
    await world.call("POST", "/assets", token=token, body={"asset_id": "n", "kind": "site"})
    for path, names in (
        ("/devices?filter='critical'+in+device.tags%26%26attributes.hall==2", ["p-1", "p-3"]),
        ("/devices?filter=true&type=", ["p-1", "p-2", "p-3"]),
        ("/devices?filter=true&lifecycle=suspended", []),
        ("/devices?filter=true&type=pump", []),
    ):
        page = await world.call("GET", path, token=token)
        assert [one["device_id"] for one in page.json["items"]] == names, path
    for path, count in (
        ("/assets?filter=asset.kind=='site'", 1),
        ("/assets?filter=true&kind=line", 0),
        ("/assets?filter=true&parent=", 1),
    ):
        assert len((await world.call("GET", path, token=token)).json["items"]) == count, path
    wrong = await world.call("GET", "/devices?filter=device.lifecycl=='x'", token=token)
    assert wrong.status == 422
    assert "Column 7" in wrong.json["detail"]
    assert wrong.json["remedy"] == "Did you mean 'lifecycle'?"


@pytest.mark.parametrize("path", ["/devices?filter=telemetry.t+%3E+1", "/groups/hot/devices"])
async def test_asking_by_a_value_takes_the_right_to_read_it(world: World, path: str) -> None:
    """A key for devices does not read telemetry through a filter, nor through a group."""
    token = world.admin()
    body = {"name": "hot", "expression": "telemetry.t > 1"}
    await world.call("POST", "/groups", token=token, body=body)
    for scopes, status in ((["devices:read"], 403), (["devices:read", "telemetry:read"], 200)):
        body = {"name": f"k{len(scopes)}", "scopes": scopes}
        key = (await world.call("POST", "/keys", token=token, body=body)).json
        answer = await world.call("GET", path, token=key["token"])
        assert answer.status == status, answer


async def test_a_viewer_reads_groups_and_does_not_write(world: World) -> None:
    """Each role does what it is for."""
    viewer, operator = world.person("vera", Role.VIEWER), world.person("otto", Role.OPERATOR)
    body = {"name": "all", "expression": "true"}
    assert (await world.call("POST", "/groups", token=viewer, body=body)).status == 403
    assert (await world.call("POST", "/groups", token=operator, body=body)).status == 201
    assert (await world.call("GET", "/groups/all", token=viewer)).status == 200


async def test_tn_1_another_tenants_group_is_not_there(world: World) -> None:
    """By none of the operations."""
    body = {"name": "all", "expression": "true"}
    await world.call("POST", "/groups", token=world.admin(OTHER), body=body)
    token = world.admin()
    for method, path, sent in (
        ("GET", "/groups/all", None),
        ("GET", "/groups/all/devices", None),
        ("PATCH", "/groups/all", {"label": "x"}),
        ("DELETE", "/groups/all", None),
    ):
        answer = await world.call(method, path, token=token, body=sent)
        assert answer.status == 404, (method, path)
