"""Connections over the API: who is there, and cutting one."""

from typing import Any

import pytest
from tests.api.support import MAIN, OTHER, World

from weft.api.operations import connections
from weft.model.principal import Principal, PrincipalKind
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


async def test_when_a_device_was_connected_is_kept(world: World) -> None:
    """Newest first, with how it ended; a page at a time."""
    token, _ = await connected(world)
    (live,) = world.connections.of_tenant(MAIN)
    world.clock.turn(60)
    world.connections.unregister(live, "it left")
    await connected_again(world)
    path = "/devices/fan-1/connections?limit=1"
    first = (await world.call("GET", path, token=token)).json
    assert [(one["ended_at"], one["protocol"]) for one in first["items"]] == [(None, "coaps")]
    second = (await world.call("GET", f"{path}&cursor={first['next']}", token=token)).json
    (ended,) = second["items"]
    assert (ended["protocol"], ended["reason"], ended["gateway"]) == ("mqtt", "it left", None)
    assert second["next"] is None


async def connected_again(world: World) -> None:
    device = world.devices.get(MAIN, "fan-1")
    principal = Principal(MAIN, PrincipalKind.DEVICE, "fan-1", device.uid)
    world.connections.register(Connection(principal, "coaps", "10.0.0.9:6", lambda _reason: None))


async def test_a_devices_newest_messages_are_shown_with_what_was_read(world: World) -> None:
    """Those that were refused too, with the reason."""
    pump, fan = await world.device("pump-7"), await world.device("fan-1")
    for token, body in ((pump, {"rpm": 1}), (fan, {"rpm": 2}), (pump, {"rpm": 3})):
        await world.call("POST", "/devices/me/telemetry", token=token, body=body)
    await world.call("POST", "/devices/me/telemetry", token=pump, body=[])
    found = (await world.call("GET", "/devices/pump-7/messages", token=world.admin())).json
    refused, newest, oldest = found["items"]
    assert (newest["payload"], newest["operation"]) == ('{"rpm":3}', "telemetry")
    assert newest["decoded"][0]["values"] == {"rpm": 3}
    assert oldest["decoded"][0]["values"] == {"rpm": 1}
    assert refused["refused"]["code"] == "payload_invalid"
    limited = await world.call("GET", "/devices/pump-7/messages?limit=1", token=world.admin())
    assert len(limited.json["items"]) == 1


async def messages(world: World, query: str = "") -> Any:
    found = await world.call("GET", f"/devices/pump-7/messages{query}", token=world.admin())
    assert found.status == 200, found
    return found.json


def positions(found: Any) -> list[int]:
    return [one["position"] for one in found["items"]]


async def test_messages_of_a_quiet_device_are_found_behind_those_of_all_others(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten messages of a fan came since: its last ones are shown, and how far back that was."""
    monkeypatch.setattr(connections, "TAIL_POSITIONS", 4)
    pump, fan = await world.device("pump-7"), await world.device("fan-1")
    for number in range(3):
        await world.call("POST", "/devices/me/telemetry", token=pump, body={"rpm": number})
        world.clock.turn(1)
    for number in range(10):
        await world.call("POST", "/devices/me/telemetry", token=fan, body={"rpm": number})
        world.clock.turn(1)
    found = await messages(world)
    assert positions(found) == [3, 2]
    assert found["searched_from"] == 2
    assert found["searched_since"] == found["items"][-1]["received_at"]
    rest = await messages(world, "?before=2")
    assert (positions(rest), rest["searched_from"]) == ([1], None)
    await world.call("POST", "/devices/me/events/leak", token=pump, body={})
    for number in range(10):
        await world.call("POST", "/devices/me/telemetry", token=fan, body={"rpm": number})
    assert positions(await messages(world)) == [14]


async def test_where_nothing_is_found_it_is_said_how_far_back_that_was_looked(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A refused message is not known to any list but the inbox: one asks on, and finds it."""
    monkeypatch.setattr(connections, "TAIL_POSITIONS", 4)
    pump, fan = await world.device("pump-7"), await world.device("fan-1")
    await world.call("POST", "/devices/me/telemetry", token=pump, body=[])
    for number in range(9):
        await world.call("POST", "/devices/me/telemetry", token=fan, body={"rpm": number})
    found = await messages(world)
    assert (positions(found), found["searched_from"]) == ([], 7)
    assert found["searched_since"]
    further = await messages(world, "?before=7")
    assert (positions(further), further["searched_from"]) == ([], 3)
    last = await messages(world, "?before=3")
    assert (positions(last), last["searched_from"]) == ([1], None)
    assert positions(await messages(world, "?before=1")) == []


async def test_a_page_that_is_full_goes_on_behind_its_last_message(world: World) -> None:
    pump = await world.device("pump-7")
    for number in range(5):
        await world.call("POST", "/devices/me/telemetry", token=pump, body={"rpm": number})
    first = await messages(world, "?limit=3")
    assert (positions(first), first["searched_from"]) == ([5, 4, 3], 3)
    second = await messages(world, "?limit=3&before=3")
    assert (positions(second), second["searched_from"]) == ([2, 1], None)
