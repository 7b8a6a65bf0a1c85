"""Access over the API: decisions explained, sessions of others seen and ended, in one tenant."""

import asyncio
from typing import Any

import pytest
from tests.api.support import MAIN, OTHER, World
from tests.api.test_live import watching

from weft.api.streams import Filter
from weft.model.principal import Principal, PrincipalKind
from weft.security.actions import Role


async def sign_up(world: World, name: str, role: str) -> str:
    """Let a person come in by a link; return the access token."""
    invited = await world.call(
        "POST", "/users/invitations", token=world.admin(), body={"roles": [role]}
    )
    body = {
        "token": invited.json["token"],
        "name": name,
        "password": "mauve-teapot-orbits-quietly",
    }
    made = await world.call("POST", "/sign-up", body=body)
    assert made.status == 201, made
    return str(made.json["access_token"])


async def explain(world: World, token: str, **asked: str) -> Any:
    query = "&".join(f"{name}={value}" for name, value in asked.items())
    return await world.call("GET", f"/policy/explain?{query}", token=token)


async def test_a_decision_is_explained_for_users_keys_and_devices(world: World) -> None:
    """As it would be made now, with what they hold and what would do."""
    token = world.admin()
    await sign_up(world, "vera", "viewer")
    found = (await explain(world, token, name="vera", action="device.delete")).json
    assert (found["allowed"], found["holds"]) == (False, ["viewer"])
    assert found["by_roles"] == ["tenant_admin"]
    assert "no role" in found["reason"]
    assert (await explain(world, token, name="vera", action="device.read")).json["allowed"]
    body = {"name": "erp", "scopes": ["telemetry:read"]}
    key = (await world.call("POST", "/keys", token=token, body=body)).json["key"]["key_id"]
    asked = {"kind": "key", "name": key}
    assert (await explain(world, token, action="history.read", **asked)).json["allowed"]
    people = (await explain(world, token, action="key.create", **asked)).json
    assert (people["allowed"], people["by_scope"]) == (False, None)
    await world.device("pump-7")
    asked = {"kind": "device", "name": "pump-7", "action": "telemetry.write"}
    own = (await explain(world, token, target="device:pump-7", **asked)).json
    assert (own["allowed"], own["holds"]) == (True, ["active"])
    assert not (await explain(world, token, target="device:fan-1", **asked)).json["allowed"]


async def test_what_does_not_exist_is_not_explained(world: World) -> None:
    """Neither an action nor a person; nor for who may not ask."""
    token = world.admin()
    assert (await explain(world, token, name="nobody", action="device.read")).status == 404
    await sign_up(world, "vera", "viewer")
    assert (await explain(world, token, name="vera", action="device.fly")).status == 422
    viewer = world.person("vera", Role.VIEWER)
    assert (await explain(world, viewer, name="vera", action="device.read")).status == 403


async def test_sessions_of_others_are_listed_and_ended(world: World) -> None:
    """Whoever is signed out is out at once, and the audit says by whom."""
    admin = world.admin()
    vera = await sign_up(world, "vera", "viewer")
    assert (await world.call("GET", "/whoami", token=vera)).status == 200
    (held,) = (await world.call("GET", "/users/vera/sessions", token=admin)).json["items"]
    path = f"/users/vera/sessions/{held['session_id']}"
    viewer = world.person("walter", Role.VIEWER)
    assert (await world.call("DELETE", path, token=viewer)).status == 403
    assert (await world.call("DELETE", path, token=admin)).status == 204
    assert (await world.call("GET", "/whoami", token=vera)).status == 401
    assert (await world.call("DELETE", path, token=admin)).status == 404
    trail = (await world.call("GET", "/audit?action=user.sign_out", token=admin)).json["items"]
    assert [one["actor"] for one in trail] == ["admin"]


async def test_who_is_signed_in_is_listed_for_all_people_at_once(world: World) -> None:
    """Page by page, with whose it is; who may not see people does not see this."""
    admin = world.admin()
    vera = await sign_up(world, "vera", "viewer")
    await sign_up(world, "walter", "operator")
    body = {"name": "vera", "password": "mauve-teapot-orbits-quietly"}
    assert (await world.call("POST", "/sessions", body=body)).status == 201
    found: list[dict[str, Any]] = []
    cursor = ""
    while cursor is not None:
        path = f"/user-sessions?limit=1{cursor and '&cursor='}{cursor}"
        page = (await world.call("GET", path, token=admin)).json
        assert len(page["items"]) <= 1
        found += page["items"]
        cursor = page.get("next")
    assert sorted(one["name"] for one in found) == ["vera", "vera", "walter"]
    assert len({one["session_id"] for one in found}) == 3
    assert not any(one["current"] or one["browser"] for one in found)
    assert (await world.call("GET", "/user-sessions", token=vera)).status == 403
    ended = next(one for one in found if one["name"] == "walter")
    path = f"/users/walter/sessions/{ended['session_id']}"
    assert (await world.call("DELETE", path, token=admin)).status == 204
    left = (await world.call("GET", "/user-sessions", token=admin)).json["items"]
    assert [one["name"] for one in left] == ["vera", "vera"]


async def test_the_session_that_asks_is_told_from_the_others(world: World) -> None:
    """Whoever cuts their own is to know it."""
    chief = await sign_up(world, "vera", "tenant_admin")
    await sign_up(world, "walter", "operator")
    found = (await world.call("GET", "/user-sessions", token=chief)).json["items"]
    assert {one["name"]: one["current"] for one in found} == {"vera": True, "walter": False}


async def test_what_a_signed_out_user_holds_open_is_cut(world: World) -> None:
    """A stream does not outlive the session that it came by."""
    await sign_up(world, "vera", "viewer")
    user = await world.people.get(MAIN, "vera")
    principal = Principal(MAIN, PrincipalKind.USER, "vera", user.uid)
    stream = world.live.open(principal, Filter(), "127.0.0.1")
    admin = world.admin()
    (held,) = (await world.call("GET", "/users/vera/sessions", token=admin)).json["items"]
    await world.call("DELETE", f"/users/vera/sessions/{held['session_id']}", token=admin)
    assert stream.ended.is_set()


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/live"),
        ("GET", "/fleet/live?every_s=0.5"),
        ("PUT", "/types/pump/simulation?every_s=0.5"),
    ],
)
async def test_what_another_session_holds_open_stays(world: World, method: str, path: str) -> None:
    """Signed out on the lost telephone, one goes on watching at the desk."""
    admin = world.admin()
    kind = {"telemetry": {"t": {"type": "number", "minimum": 0, "maximum": 50}}}
    assert (await world.call("PUT", "/types/pump", token=admin, body=kind)).status == 200
    lost = await sign_up(world, "vera", "tenant_admin")
    (held,) = (await world.call("GET", "/users/vera/sessions", token=admin)).json["items"]
    body = {"name": "vera", "password": "mauve-teapot-orbits-quietly"}
    desk = (await world.call("POST", "/sessions", body=body)).json["access_token"]
    user = await world.people.get(MAIN, "vera")
    async with (
        watching(world, lost, path, method) as cut,
        watching(world, desk, path, method) as kept,
    ):
        assert len(world.connections.of_principal(user.uid)) == 2
        ended = f"/users/vera/sessions/{held['session_id']}"
        assert (await world.call("DELETE", ended, token=admin)).status == 204
        await asyncio.wait_for(cut.ended.wait(), 5)
        (left,) = world.connections.of_principal(user.uid)
        assert left.credential_id not in {"", held["session_id"]}
        assert not kept.ended.is_set()


async def test_tn_1_another_tenants_people_are_not_there(world: World) -> None:
    """Neither explained, nor listed, nor signed out."""
    await sign_up(world, "vera", "viewer")
    (held,) = (await world.call("GET", "/users/vera/sessions", token=world.admin())).json["items"]
    theirs = world.admin(OTHER)
    assert (await explain(world, theirs, name="vera", action="device.read")).status == 404
    for method, path in (
        ("GET", "/users/vera/sessions"),
        ("DELETE", f"/users/vera/sessions/{held['session_id']}"),
    ):
        assert (await world.call(method, path, token=theirs)).status == 404
    assert (await world.call("GET", "/user-sessions", token=theirs)).json["items"] == []
