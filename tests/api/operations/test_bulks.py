"""Bulks over the API: many devices, one request, and how far it is."""

from tests.api.support import World

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
