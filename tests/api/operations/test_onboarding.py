"""The first hour over the API: what came in first or why not, and devices that are made up."""

import asyncio
from typing import Any

from tests.api.support import OTHER, World
from tests.api.test_live import watching

from weft.api.operations.onboarding import beats
from weft.security.actions import Role

TYPE = {"telemetry": {"t": {"type": "number", "minimum": 0, "maximum": 50}}}


async def first(world: World, token: str, **asked: Any) -> Any:
    query = "&".join(f"{name}={value}" for name, value in asked.items())
    answer = await world.call("GET", f"/devices/pump-7/first-message?{query}", token=token)
    assert answer.status == 200, answer
    return answer.json


async def test_a_device_waits_then_its_first_message_is_shown(world: World) -> None:
    """Who waits is answered when it comes, with what was read from it."""
    pump = await world.device("pump-7")
    token = world.admin()
    assert (await first(world, token))["state"] in {"waiting", "tried"}
    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(first(world, token, wait_s=20))
        await asyncio.sleep(0.05)
        sent = await world.call("POST", "/devices/me/telemetry", token=pump, body={"t": 1.5})
        assert sent.status == 200
    found = waiting.result()
    assert found["state"] == "arrived"
    assert found["message"]["decoded"][0]["values"] == {"t": 1.5}
    later = await first(world, token, after=found["message"]["position"])
    assert (later["state"] in {"waiting", "tried"}, later["message"]) == (True, None)


async def test_a_refused_message_and_its_remedy_are_shown(world: World) -> None:
    """It came in, and this is what is wrong with it."""
    token = world.admin()
    await world.call("PUT", "/types/pump", token=token, body=TYPE)
    pump = await world.device("pump-7", type_name="pump")
    sent = await world.call("POST", "/devices/me/telemetry", token=pump, body={"t": "hot"})
    assert sent.status == 422
    found = await first(world, token)
    assert found["state"] == "refused"
    assert found["message"]["refused"]["remedy"]
    assert found["findings"]


async def test_a_device_that_stands_in_its_own_way_says_so(world: World) -> None:
    """Suspended, it will not come: the finding says what to do."""
    await world.device("pump-7")
    token = world.admin()
    body = {"to": "suspended"}
    moved = await world.call("POST", "/devices/pump-7/lifecycle", token=token, body=body)
    assert moved.status == 200
    found = await first(world, token)
    assert found["state"] == "tried"
    assert any("weft device move" in one["remedy"] for one in found["findings"])


async def test_made_up_devices_say_what_their_type_allows(world: World) -> None:
    """Through the gate, under names of their own, until one hangs up."""
    token = world.admin()
    await world.call("PUT", "/types/pump", token=token, body=TYPE)
    path = "/types/pump/simulation?devices=2&every_s=0.5"
    async with watching(world, token, path, method="PUT") as reader:
        progress = (await reader.event())["data"]
    assert progress["refused"] == 0, progress
    assert progress["devices"] == ["sim-pump-1", "sim-pump-2"]
    device = (await world.call("GET", "/devices/sim-pump-1", token=token)).json
    assert device["tags"] == ["simulated"]
    twin = (await world.call("GET", "/devices/sim-pump-1/twin", token=token)).json
    assert 0 <= twin["telemetry"]["t"]["value"] <= 50
    audit = (await world.call("GET", "/audit?action=simulation.run", token=token)).json["items"]
    assert len(audit) == 1


async def test_a_slow_simulation_says_that_it_is_there() -> None:
    """Who listens takes a long silence for a lost connection."""
    ended = asyncio.Event()
    said = [beat async for beat in beats(ended, 0.05, 0.02)]
    assert said == [b": still here\n\n"] * 2
    ended.set()
    assert [beat async for beat in beats(ended, 60, 15)] == []


async def test_a_simulation_touches_no_real_device(world: World) -> None:
    """A device of that name that nobody has marked is left alone; a type of nothing is refused."""
    token = world.admin()
    await world.call("PUT", "/types/pump", token=token, body=TYPE)
    await world.call("PUT", "/types/mute", token=token, body={"telemetry": {}})
    await world.device("sim-pump-1", type_name="pump")
    for name, status in (("pump", 409), ("mute", 422), ("none", 404)):
        answer = await world.call("PUT", f"/types/{name}/simulation", token=token)
        assert answer.status == status, name


async def test_tn_1_and_roles(world: World) -> None:
    """Another tenant's device says nothing to us; who may not make devices simulates none."""
    await world.device("pump-7")
    await world.call("PUT", "/types/pump", token=world.admin(), body=TYPE)
    operator = world.person("olga", Role.OPERATOR)
    for token, waits, simulates in ((world.admin(OTHER), 404, 404), (operator, 200, 403)):
        one = await world.call("GET", "/devices/pump-7/first-message", token=token)
        two = await world.call("PUT", "/types/pump/simulation", token=token)
        assert (one.status, two.status) == (waits, simulates)
