"""A device changes hands over the API."""

from tests.api.support import OTHER, World

from weft.security.actions import Role


async def test_a_device_is_released_and_claimed(world: World) -> None:
    """Its token works on, in the owner's tenant."""
    token = await world.device("pump-7")
    made = await world.call("POST", "/devices/pump-7/claim-code", token=world.admin())
    assert made.status == 201
    shown = {"serial": made.json["serial"], "code": made.json["code"]}
    owner = world.admin(OTHER)
    done = await world.call("POST", "/claim", token=owner, body=shown)
    assert done.status == 201
    assert done.json["device"]["device_id"] == "pump-7"
    assert done.json["secrets"] == 1
    assert (await world.call("GET", "/whoami", token=token)).json["tenant"] == OTHER
    assert (await world.call("GET", "/devices/pump-7", token=world.admin())).status == 404
    sent = await world.call("POST", "/devices/me/telemetry", token=token, body={"rpm": 1})
    assert sent.status == 200
    again = await world.call("POST", "/claim", token=world.admin(), body=shown)
    assert again.status == 409
    assert OTHER not in again.content.decode()


async def test_a_code_can_be_taken_back(world: World) -> None:
    """Before it is used."""
    await world.device("pump-7")
    path = "/devices/pump-7/claim-code"
    made = await world.call("POST", path, token=world.admin(), body={"life_s": 60})
    assert (await world.call("DELETE", path, token=world.admin())).status == 204
    shown = {"serial": "pump-7", "code": made.json["code"]}
    done = await world.call("POST", "/claim", token=world.admin(OTHER), body=shown)
    assert done.status == 404


async def test_only_administrators_release_and_claim(world: World) -> None:
    """A device of the tenant is not given away by whoever reads it."""
    token = await world.device("pump-7")
    viewer = world.person("vera", Role.VIEWER, Role.OPERATOR)
    path = "/devices/pump-7/claim-code"
    for who in (viewer, token):
        assert (await world.call("POST", path, token=who)).status == 403
    shown = {"serial": "pump-7", "code": "0000"}
    assert (await world.call("POST", "/claim", token=viewer, body=shown)).status == 403
    assert (await world.call("POST", path, token=world.admin(OTHER))).status == 404


async def test_a_gateway_brings_what_is_behind_it(world: World) -> None:
    """One of those is refused by itself, with its gateway's name."""
    for body in ({"device_id": "gate"}, {"device_id": "room-1", "gateway": "gate"}):
        made = await world.call("POST", "/devices", token=world.admin(), body=body)
        assert made.status == 201
    alone = await world.call("POST", "/devices/room-1/claim-code", token=world.admin())
    assert alone.status == 409
    assert "'gate'" in alone.json["detail"]
    code = await world.call("POST", "/devices/gate/claim-code", token=world.admin())
    shown = {"serial": "gate", "code": code.json["code"], "prefix": "north-"}
    done = await world.call("POST", "/claim", token=world.admin(OTHER), body=shown)
    assert (done.status, done.json["children"]) == (201, 1)
    room = await world.call("GET", "/devices/north-room-1", token=world.admin(OTHER))
    assert (room.json["gateway"], room.json["alias"]) == ("gate", "room-1")
