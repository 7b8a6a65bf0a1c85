"""People over the API: invited, given roles, disabled, deleted."""

from tests.api.operations.test_sessions import signed_up
from tests.api.support import OTHER, World


async def test_an_administrator_invites_and_a_person_comes(world: World) -> None:
    """The link is shown once, and leads to a user with the roles it gives."""
    access = (await signed_up(world))["access_token"]
    invited = await world.call(
        "POST", "/users/invitations", token=access, body={"roles": ["viewer"]}
    )
    assert invited.json["link"].endswith(invited.json["token"])
    body = {
        "token": invited.json["token"],
        "name": "vera",
        "password": "nine violet turbines hum",
    }
    vera = (await world.call("POST", "/sign-up", body=body)).json["access_token"]
    assert (await world.call("GET", "/devices", token=vera)).status == 200
    assert (await world.call("POST", "/devices", token=vera, body={})).status == 403
    roles = await world.call("PUT", "/users/vera/roles", token=access, body={"roles": ["operator"]})
    assert roles.json["roles"] == ["operator"]
    names = [u["name"] for u in (await world.call("GET", "/users", token=access)).json["items"]]
    assert sorted(names) == ["alice", "vera"]


async def test_a_disabled_user_is_out_at_once(world: World) -> None:
    """And back when enabled, after signing in again; a deleted one is gone."""
    access = (await signed_up(world))["access_token"]
    invited = await world.call(
        "POST", "/users/invitations", token=access, body={"roles": ["viewer"]}
    )
    body = {
        "token": invited.json["token"],
        "name": "vera",
        "password": "nine violet turbines hum",
    }
    vera = (await world.call("POST", "/sign-up", body=body)).json["access_token"]
    disabled = await world.call("POST", "/users/vera/disable", token=access)
    assert disabled.json["disabled_at"]
    assert (await world.call("GET", "/whoami", token=vera)).status == 401
    assert (await world.call("POST", "/users/vera/disable", token=access)).status in {200, 409}
    assert (await world.call("POST", "/users/vera/enable", token=access)).status == 200
    login = {"name": "vera", "password": "nine violet turbines hum"}
    assert (await world.call("POST", "/sessions", body=login)).status == 201
    assert (await world.call("DELETE", "/users/vera", token=access)).status == 204
    assert (await world.call("GET", "/users/vera", token=access)).status == 404


async def test_another_tenants_users_are_not_there(world: World) -> None:
    """By any operation (TN-1)."""
    await signed_up(world)
    token = world.admin(OTHER)
    assert (await world.call("GET", "/users/alice", token=token)).status == 404
    assert (await world.call("DELETE", "/users/alice", token=token)).status == 404
    assert (await world.call("POST", "/users/alice/disable", token=token)).status == 404
