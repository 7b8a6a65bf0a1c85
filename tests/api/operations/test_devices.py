"""Devices over the API: made, seen, changed, moved, deleted; and only in one's own tenant."""

from tests.api.support import OTHER, World

from weft.security.actions import Role


async def test_a_device_is_made_seen_changed_and_deleted(world: World) -> None:
    """The first minutes with a pump, from making it to taking it away."""
    token = world.admin()
    made = await world.call("POST", "/devices", token=token, body={"device_id": "pump-7"})
    assert made.status == 201
    assert made.headers["etag"] == '"1"'
    seen = await world.call("GET", "/devices/pump-7", token=token)
    assert seen.json["lifecycle"] == "active"
    assert "tenant" not in seen.json

    patch = {"label": "Cooling pump"}
    headers = {"If-Match": seen.headers["etag"]}
    changed = await world.call("PATCH", "/devices/pump-7", token=token, body=patch, headers=headers)
    assert changed.json["label"] == "Cooling pump"
    stale = await world.call("PATCH", "/devices/pump-7", token=token, body=patch, headers=headers)
    assert (stale.status, stale.json["code"]) == (412, "stale_version")

    moved = await world.call(
        "POST", "/devices/pump-7/lifecycle", token=token, body={"to": "suspended"}
    )
    assert moved.json["lifecycle"] == "suspended"
    gone = await world.call("DELETE", "/devices/pump-7", token=token)
    assert (gone.status, gone.content) == (204, b"")
    assert (await world.call("GET", "/devices/pump-7", token=token)).status == 404


async def test_pages_follow_each_other(world: World) -> None:
    """Five devices in pages of two: none twice, none left out."""
    token = world.admin()
    for number in range(5):
        await world.call("POST", "/devices", token=token, body={"device_id": f"d-{number}"})
    seen: list[str] = []
    path = "/devices?limit=2"
    while True:
        page = (await world.call("GET", path, token=token)).json
        seen += [item["device_id"] for item in page["items"]]
        if page["next"] is None:
            break
        path = f"/devices?limit=2&cursor={page['next']}"
    assert seen == [f"d-{number}" for number in range(5)]


async def test_another_tenants_device_is_not_there(world: World) -> None:
    """Not told apart from one that never was, by any operation (TN-1)."""
    await world.device("pump-7", tenant=OTHER)
    token = world.admin()
    for method, path, body in (
        ("GET", "/devices/pump-7", None),
        ("PATCH", "/devices/pump-7", {"label": "x"}),
        ("DELETE", "/devices/pump-7", None),
        ("POST", "/devices/pump-7/lifecycle", {"to": "revoked"}),
    ):
        answer = await world.call(method, path, token=token, body=body)
        assert answer.status == 404, method
    assert world.devices.get(OTHER, "pump-7").label == ""


async def test_what_is_not_offered_is_not_set(world: World) -> None:
    """A patch that reaches for the tenant, the uid or the moment of making is refused (AZ-2)."""
    token = world.admin()
    await world.device("pump-7")
    before = world.devices.get(world.badges.known[token].principal.tenant, "pump-7")
    for field in ("tenant", "uid", "created_at", "version", "is_admin"):
        answer = await world.call("PATCH", "/devices/pump-7", token=token, body={field: "x"})
        assert answer.status == 422
    assert world.devices.get(before.tenant, "pump-7") == before


async def test_a_viewer_reads_and_does_not_write(world: World) -> None:
    """Each role does what it is for."""
    await world.device("pump-7")
    token = world.person("vera", Role.VIEWER)
    assert (await world.call("GET", "/devices/pump-7", token=token)).status == 200
    answer = await world.call("DELETE", "/devices/pump-7", token=token)
    assert (answer.status, answer.json["code"]) == (403, "forbidden")


async def test_a_name_is_given_once(world: World) -> None:
    """The second pump-7 is a conflict."""
    token = world.admin()
    body = {"device_id": "pump-7"}
    await world.call("POST", "/devices", token=token, body=body)
    again = await world.call("POST", "/devices", token=token, body=body)
    assert (again.status, again.json["code"]) == (409, "already_exists")


async def test_a_device_sees_itself_as_me(world: World) -> None:
    """A device reads its own record, and no other."""
    token = await world.device("pump-7")
    await world.device("pump-8")
    assert (await world.call("GET", "/devices/me", token=token)).json["device_id"] == "pump-7"
    assert (await world.call("GET", "/devices/pump-8", token=token)).status == 403


async def test_a_gateways_children_come_by_page_and_name_it(world: World) -> None:
    """In the order of what it calls them; another tenant's gateway is not there."""
    token = world.admin()
    await world.device("gateway")
    for name in ("meter-2", "meter-1", "meter-3"):
        body = {"device_id": name, "gateway": "gateway"}
        made = await world.call("POST", "/devices", token=token, body=body)
        assert made.json["gateway"] == "gateway"
    first = await world.call("GET", "/devices/gateway/children?limit=2", token=token)
    assert [one["device_id"] for one in first.json["items"]] == ["meter-1", "meter-2"]
    path = f"/devices/gateway/children?limit=2&cursor={first.json['next']}"
    rest = await world.call("GET", path, token=token)
    assert [one["device_id"] for one in rest.json["items"]] == ["meter-3"]
    theirs = world.admin(OTHER)
    assert (await world.call("GET", "/devices/gateway/children", token=theirs)).status == 404
