"""Service keys over the API: shown once, scoped, revoked at once."""

from tests.api.support import OTHER, World

ERP = {"name": "erp", "scopes": ["devices:read"]}


async def test_a_key_does_what_its_scopes_say(world: World) -> None:
    """And nothing that is for people (AZ-6)."""
    admin = world.admin()
    made = await world.call("POST", "/keys", token=admin, body=ERP)
    token, key_id = made.json["token"], made.json["key"]["key_id"]
    assert (await world.call("GET", "/devices", token=token)).status == 200
    for method, path in (
        ("POST", "/devices"),
        ("GET", "/keys"),
        ("GET", "/users"),
        ("GET", "/audit"),
    ):
        assert (await world.call(method, path, token=token)).status == 403
    shown = await world.call("GET", f"/keys/{key_id}", token=admin)
    assert "digest" not in shown.json
    assert token not in shown.content.decode()
    assert (await world.call("DELETE", f"/keys/{key_id}", token=admin)).status == 204
    assert (await world.call("GET", "/devices", token=token)).status == 401
    assert (await world.call("DELETE", f"/keys/{key_id}", token=admin)).status == 409


async def test_another_tenants_key_is_not_there(world: World) -> None:
    """Neither shown nor revoked."""
    made = await world.call("POST", "/keys", token=world.admin(OTHER), body=ERP)
    path = f"/keys/{made.json['key']['key_id']}"
    assert (await world.call("GET", path, token=world.admin())).status == 404
    assert (await world.call("DELETE", path, token=world.admin())).status == 404
    assert (await world.call("GET", "/keys", token=world.admin())).json["items"] == []


async def test_a_scope_that_is_not_there_is_named(world: World) -> None:
    """With those that are."""
    body = {"name": "erp", "scopes": ["everything"]}
    answer = await world.call("POST", "/keys", token=world.admin(), body=body)
    assert answer.status == 422
    assert "devices:read" in answer.json["remedy"]
