"""Bulks over the API: many devices, one request, and how far it is."""

from tests.api.support import OTHER, World

from weft.security.actions import Role


async def test_a_bulk_is_sent_and_its_progress_shown(world: World) -> None:
    """Two pumps and one that is not there: two commands, one failure, nothing hindered."""
    token = world.admin()
    for name in ("pump-1", "pump-2"):
        await world.device(name)
    body = {"name": "restart", "devices": ["pump-1", "ghost", "pump-2"], "ttl_s": 60}
    started = await world.call("POST", "/commands/bulk", token=token, body=body)
    assert (started.status, started.json["waiting"], started.json["done"]) == (202, 3, False)
    while await world.bulks.send_some():
        continue
    path = f"/commands/bulk/{started.json['bulk_id']}"
    seen = (await world.call("GET", path, token=token)).json
    assert (seen["waiting"], seen["failed"], seen["states"]["sent"]) == (0, 1, 2)
    assert seen["failures"][0]["device_id"] == "ghost"
    for name in ("pump-1", "pump-2"):
        listed = await world.call("GET", f"/devices/{name}/commands", token=token)
        (command,) = listed.json["items"]
        assert command["bulk_id"] == seen["bulk_id"]
        one = f"/devices/{name}/commands/{command['request_id']}/cancel"
        await world.call("POST", one, token=token)
    ended = (await world.call("GET", path, token=token)).json
    assert (ended["done"], ended["states"]["rejected"]) == (True, 2)


async def test_a_viewer_sends_no_bulk(world: World) -> None:
    body = {"name": "restart", "devices": ["pump-1"]}
    viewer = world.person("vera", Role.VIEWER)
    assert (await world.call("POST", "/commands/bulk", token=viewer, body=body)).status == 403


async def test_a_bulk_goes_to_a_group_as_it_is_when_it_is_sent(world: World) -> None:
    """A pump that is tagged later gets nothing of it; an empty group is said to be one."""
    token = world.admin()
    for name in ("pump-1", "pump-2", "pump-3"):
        await world.device(name)
    group = {"name": "critical", "expression": "'critical' in device.tags"}
    await world.call("POST", "/groups", token=token, body=group)
    body = {"name": "restart", "group": "critical"}
    empty = await world.call("POST", "/commands/bulk", token=token, body=body)
    assert (empty.status, empty.json["code"]) == (404, "not_found")
    for name in ("pump-1", "pump-3"):
        await world.call("PATCH", f"/devices/{name}", token=token, body={"tags": ["critical"]})
    started = await world.call("POST", "/commands/bulk", token=token, body=body)
    assert (started.status, started.json["devices"]) == (202, 2)
    await world.call("PATCH", "/devices/pump-2", token=token, body={"tags": ["critical"]})
    while await world.bulks.send_some():
        continue
    for name, count in (("pump-1", 1), ("pump-2", 0), ("pump-3", 1)):
        listed = await world.call("GET", f"/devices/{name}/commands", token=token)
        assert len(listed.json["items"]) == count, name
    both = await world.call("POST", "/commands/bulk", token=token, body=body | {"type": "pump"})
    assert both.status == 422


async def test_tn_1_a_bulk_does_not_go_to_another_tenants_group(world: World) -> None:
    """The group is not there."""
    group = {"name": "all", "expression": "true"}
    await world.call("POST", "/groups", token=world.admin(OTHER), body=group)
    body = {"name": "restart", "group": "all"}
    answer = await world.call("POST", "/commands/bulk", token=world.admin(), body=body)
    assert answer.status == 404
