"""Commands over the API: sent, waited for, taken back, seen live."""

import asyncio

from tests.api.support import World
from tests.api.test_live import watching

from weft.api.changes import tell_changes
from weft.security.actions import Role

PATH = "/devices/pump-7/commands"


async def test_a_command_is_sent_and_its_outcome_waited_for(world: World) -> None:
    """An operator asks and waits; the pump answers over HTTP's result topic; both agree."""
    pump, token = await world.device("pump-7"), world.admin()
    sent = await world.call("POST", PATH, token=token, body={"name": "set", "input": {"rpm": 9}})
    assert (sent.status, sent.json["state"]) == (202, "sent")
    one = f"{PATH}/{sent.json['request_id']}"
    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(world.call("GET", one + "?wait_s=30", token=token))
        await asyncio.sleep(0)
        principal = world.authenticator.prove_bearer(pump, "127.0.0.1").principal
        topic = f"devices/pump-7/commands/{sent.json['request_id']}/result"
        await world.ingest.submit(principal, topic, b'{"rpm": 9}', address="test")
    seen = waiting.result().json
    assert (seen["state"], seen["output"], seen["ended_by"]) == ("succeeded", {"rpm": 9}, "device")
    listed = await world.call("GET", PATH + "?state=succeeded", token=token)
    assert [item["request_id"] for item in listed.json["items"]] == [sent.json["request_id"]]


async def test_the_same_key_sends_once(world: World) -> None:
    await world.device("pump-7")
    token, headers = world.admin(), {"idempotency-key": "k-1"}
    body = {"name": "restart"}
    first = await world.call("POST", PATH, token=token, body=body, headers=headers)
    again = await world.call("POST", PATH, token=token, body=body, headers=headers)
    assert first.json["request_id"] == again.json["request_id"]


async def test_a_command_is_taken_back(world: World) -> None:
    await world.device("pump-7")
    token = world.admin()
    sent = await world.call("POST", PATH, token=token, body={"name": "restart"})
    one = f"{PATH}/{sent.json['request_id']}"
    ended = await world.call("POST", one + "/cancel", token=token, body={"reason": "wrong pump"})
    assert (ended.json["state"], ended.json["error"]) == ("rejected", "Cancelled: wrong pump")
    assert ended.json["ended_by"] == "user:admin"


async def test_a_viewer_sees_commands_and_sends_none(world: World) -> None:
    """A device sees its own and nobody else's."""
    pump, other = await world.device("pump-7"), await world.device("pump-8")
    await world.call("POST", PATH, token=world.admin(), body={"name": "restart"})
    viewer = world.person("vera", Role.VIEWER)
    assert (await world.call("GET", PATH, token=viewer)).status == 200
    refused = await world.call("POST", PATH, token=viewer, body={"name": "restart"})
    assert refused.status == 403
    own = await world.call("GET", "/devices/me/commands", token=pump)
    assert len(own.json["items"]) == 1
    assert (await world.call("GET", PATH, token=other)).status == 403
    assert (await world.call("POST", PATH, token=pump, body={"name": "restart"})).status == 403


async def test_each_step_is_seen_live(world: World) -> None:
    tell_changes(world.live, world.alarms, world.twins, world.work_orders, world.commands)
    await world.device("pump-7")
    async with watching(world, world.admin(), "/live?kinds=command") as reader:
        await world.call("POST", PATH, token=world.admin(), body={"name": "restart"})
        steps = [await reader.event() for _ in range(2)]
    assert [one["data"]["change"] for one in steps] == ["queued", "sent"]
    assert steps[1]["data"]["record"]["name"] == "restart"
