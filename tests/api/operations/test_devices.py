"""Devices over the API: made, seen, changed, moved, deleted; and only in one's own tenant."""

from tests.api.support import MAIN, OTHER, World

from weft.model.principal import Principal, PrincipalKind
from weft.security.actions import Role
from weft.security.connections import Connection


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


def connect(world: World, name: str) -> Connection:
    """Let a device come in by MQTT."""
    uid = world.devices.get(MAIN, name).uid
    own = Principal(MAIN, PrincipalKind.DEVICE, name, uid)
    return world.connections.register(
        Connection(own, "mqtt", "192.0.2.7:4000", lambda _reason: None)
    )


async def test_a_list_says_who_is_connected_and_when_each_was_heard(world: World) -> None:
    """In the page itself: nobody asks for a thousand devices one by one."""
    pump = await world.device("pump-7")
    await world.device("pump-8")
    await world.call("POST", "/devices/me/telemetry", token=pump, body={"rpm": 1})
    token = world.admin()
    posted, _ = (await world.call("GET", "/devices", token=token)).json["items"]
    assert posted["connected"] is True  # it keeps no connection, and was heard just now
    world.clock.turn(world.settings.post_silence_s)
    world.silences.sweep()
    token = world.admin()
    held = connect(world, "pump-8")
    first, second = (await world.call("GET", "/devices", token=token)).json["items"]
    assert (first["connected"], second["connected"]) == (False, True)
    assert first["last_seen_at"]
    assert second["last_seen_at"] is None
    world.connections.unregister(held)
    _, left = (await world.call("GET", "/devices", token=token)).json["items"]
    assert left["connected"] is False


async def test_those_that_are_connected_come_page_by_page(world: World) -> None:
    """With the other conditions, and another tenant's never."""
    token = world.admin()
    for number in range(6):
        await world.device(f"d-{number}")
        if number % 2:
            connect(world, f"d-{number}")
    await world.device("theirs", tenant=OTHER)

    async def seen(query: str) -> list[str]:
        found: list[str] = []
        cursor = ""
        while True:
            page = (await world.call("GET", f"/devices?limit=2&{query}{cursor}", token=token)).json
            found += [one["device_id"] for one in page["items"]]
            if page["next"] is None:
                return found
            cursor = f"&cursor={page['next']}"

    assert await seen("connected=true") == ["d-1", "d-3", "d-5"]
    assert await seen("connected=false") == ["d-0", "d-2", "d-4"]
    assert await seen("connected=true&filter=device.id%20!=%20'd-3'") == ["d-1", "d-5"]
    assert await seen("connected=true&lifecycle=suspended") == []


async def test_who_may_not_read_connections_learns_none_from_a_list(world: World) -> None:
    """Neither by a column nor by a question."""
    await world.device("pump-7")
    connect(world, "pump-7")
    token = world.admin()
    body = {"name": "erp", "scopes": ["devices:read"]}
    key = (await world.call("POST", "/keys", token=token, body=body)).json["token"]
    (row,) = (await world.call("GET", "/devices", token=key)).json["items"]
    assert (row["connected"], row["last_seen_at"]) == (None, None)
    asked = await world.call("GET", "/devices?connected=true", token=key)
    assert (asked.status, asked.json["code"]) == (403, "forbidden")
