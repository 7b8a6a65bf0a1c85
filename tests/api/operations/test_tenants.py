"""Tenants over the API: for the platform's administrators only."""

from tests.api.support import World

from weft.security.actions import Role


async def test_a_tenant_is_made_and_changed(world: World) -> None:
    """Its quotas hold from then on."""
    token = world.person("root", Role.PLATFORM_ADMIN)
    made = await world.call("POST", "/tenants", token=token, body={"tenant_id": "north"})
    assert (made.status, made.json["name"]) == (201, "north")
    again = await world.call("POST", "/tenants", token=token, body={"tenant_id": "north"})
    assert again.status == 409
    changed = await world.call(
        "PATCH",
        "/tenants/north",
        token=token,
        body={"quotas": {"devices": 1}},
        headers={"if-match": made.headers["etag"]},
    )
    assert changed.json["quotas"]["devices"] == 1
    stale = await world.call(
        "PATCH", "/tenants/north", token=token, body={}, headers={"if-match": '"1"'}
    )
    assert stale.status == 412
    assert len((await world.call("GET", "/tenants", token=token)).json["items"]) == 1
    assert (await world.call("GET", "/tenants/south", token=token)).status == 404


async def test_a_tenants_own_administrator_sees_no_tenants(world: World) -> None:
    """Not even its own."""
    assert (await world.call("GET", "/tenants", token=world.admin())).status == 403
