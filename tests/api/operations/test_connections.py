"""Connections over the API: who is there, and cutting one."""

from tests.api.support import MAIN, OTHER, World

from weft.security.connections import Connection


async def connected(world: World) -> tuple[str, list[str]]:
    await world.device("pump-7")
    principal = world.authenticator.by_bearer(await world.device("fan-1"), "127.0.0.1")
    reasons: list[str] = []
    world.connections.register(
        Connection(principal, "mqtt", "10.0.0.9:5", reasons.append, counters=lambda: {"in": 3})
    )
    return world.admin(), reasons


async def test_connections_are_listed_and_cut(world: World) -> None:
    """The act is on record, with who was cut."""
    token, reasons = await connected(world)
    listed = (await world.call("GET", "/connections", token=token)).json["items"]
    assert [(item["principal"], item["counters"]) for item in listed] == [
        ("device:fan-1", {"in": 3})
    ]
    path = f"/connections/{listed[0]['number']}"
    assert (await world.call("DELETE", path, token=world.admin(OTHER))).status == 404
    assert (await world.call("DELETE", path, token=token)).status == 204
    assert reasons == ["cut by user:admin"]
    assert (await world.call("DELETE", path, token=token)).status == 404
    records = await world.audit.list_records(MAIN, limit=1)
    assert records[0].value.action == "connection.cut"


async def test_a_device_is_connected_or_not(world: World) -> None:
    """The first thing that one asks."""
    token, _ = await connected(world)
    fan = await world.call("GET", "/devices/fan-1/connection", token=token)
    pump = await world.call("GET", "/devices/pump-7/connection", token=token)
    assert (fan.json["connected"], pump.json["connected"]) == (True, False)


async def test_a_failed_first_connection_says_why_to_the_owner(world: World) -> None:
    """The device reads 401 and nothing more; its owner reads the reason."""
    secret = await world.device("pump-7")
    wrong = "A" if secret[30] != "A" else "B"
    await world.call("GET", "/whoami", token=secret)
    mistyped = secret[:30] + wrong + secret[31:]
    assert (await world.call("GET", "/whoami", token=mistyped)).status == 401
    found = await world.call("GET", "/devices/pump-7/attempts", token=world.admin())
    assert [one["accepted"] for one in found.json["items"]].count(True) == 1
    assert (await world.call("GET", "/devices/x/attempts", token=world.admin())).status == 404
