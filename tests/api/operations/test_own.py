"""What a device learns over HTTP: long polls and its stream; and how it answers."""

import asyncio
from typing import Any

import pytest
from tests.api.support import MAIN, World
from tests.api.test_live import watching

from weft.commands.settings import CommandSettings

COMMANDS = "/devices/pump-7/commands"
TWIN = "/devices/pump-7/twin"


async def desire(world: World, **values: Any) -> int:
    answer = await world.call(
        "PATCH", TWIN, token=world.admin(), body={"desired": values}, headers={"if-match": "*"}
    )
    assert answer.status == 200, answer
    return int(answer.json["desired_version"])


async def command(world: World, name: str = "set") -> str:
    sent = await world.call(
        "POST", COMMANDS, token=world.admin(), body={"name": name, "input": {"rpm": 9}}
    )
    assert sent.status == 202, sent
    return str(sent.json["request_id"])


async def state_of(world: World, request_id: str) -> dict[str, Any]:
    found = await world.call("GET", f"{COMMANDS}/{request_id}", token=world.admin())
    return dict(found.json)


async def test_a_command_reaches_a_device_that_polls_and_its_answer_ends_it(world: World) -> None:
    """The device waits; an operator sends; the device has it, does it, and says so."""
    pump = await world.device("pump-7")
    async with asyncio.TaskGroup() as tasks:
        poll = tasks.create_task(world.call("GET", "/devices/me/commands?wait_s=30", token=pump))
        await asyncio.sleep(0)
        request_id = await command(world)
    [offered] = poll.result().json["items"]
    assert (offered["request_id"], offered["name"], offered["input"]) == (
        request_id,
        "set",
        {"rpm": 9},
    )
    assert (await state_of(world, request_id))["state"] == "delivered"
    result = {"status": "succeeded", "output": {"rpm": 9}}
    path = f"/devices/me/commands/{request_id}/result"
    answer = await world.call("POST", path, token=pump, body=result)
    assert answer.json == {"position": world.journal.head}
    seen = await state_of(world, request_id)
    assert (seen["state"], seen["output"], seen["ended_by"]) == ("succeeded", {"rpm": 9}, "device")
    again = await world.call("GET", "/devices/me/commands?wait_s=0", token=pump)
    assert again.json["items"] == []


async def test_a_poll_whose_answer_was_lost_is_made_up_for_by_a_later_one(world: World) -> None:
    """The line broke under the answer; the device asks again, and knows the repeat by its id."""
    pump = await world.device("pump-7")
    request_id = await command(world)
    path = "/devices/me/commands?wait_s=0"
    lost = await world.call("GET", path, token=pump)
    assert [one["request_id"] for one in lost.json["items"]] == [request_id]
    assert (await world.call("GET", path, token=pump)).json["items"] == [], "sooner than the pause"
    world.clock.turn(CommandSettings().hand_out_again_s)
    again = await world.call("GET", path, token=pump)
    assert [one["request_id"] for one in again.json["items"]] == [request_id]
    seen = await state_of(world, request_id)
    assert (seen["state"], seen["hand_outs"]) == ("delivered", 2)
    assert seen["handed_out_at"] > seen["delivered_at"]


async def test_two_polls_at_once_are_not_both_handed_a_command(world: World) -> None:
    """One of them has it; the other goes on waiting, and has the next."""
    pump = await world.device("pump-7")
    poll = "/devices/me/commands?wait_s=30"
    async with asyncio.TaskGroup() as tasks:
        polls = [tasks.create_task(world.call("GET", poll, token=pump)) for _ in range(2)]
        await asyncio.sleep(0)
        first = await command(world)
        (done,), _waiting = await asyncio.wait(polls, return_when=asyncio.FIRST_COMPLETED)
        assert [one["request_id"] for one in done.result().json["items"]] == [first]
        second = await command(world)
    handed = [one["request_id"] for ended in polls for one in ended.result().json["items"]]
    assert sorted(handed) == sorted([first, second])


async def test_a_new_stream_begins_with_what_the_one_before_had_and_nobody_answered(
    world: World,
) -> None:
    """The device went down with the command; its record says that it was told twice."""
    pump = await world.device("pump-7")
    request_id = await command(world)
    for _ in range(2):
        async with watching(world, pump, "/devices/me/stream") as reader:
            assert (await reader.event())["data"]["request_id"] == request_id
    seen = await state_of(world, request_id)
    assert (seen["state"], seen["hand_outs"]) == ("delivered", 2)


async def test_an_operator_who_looks_does_not_take_a_command_from_its_device(
    world: World,
) -> None:
    """Only the device itself, or its gateway, has what it reads."""
    await world.device("pump-7")
    request_id = await command(world)
    seen = await world.call("GET", COMMANDS + "?wait_s=0", token=world.admin())
    assert len(seen.json["items"]) == 1
    assert (await state_of(world, request_id))["state"] == "sent"


async def test_an_answer_that_says_nothing_is_refused_and_kept(world: World) -> None:
    pump = await world.device("pump-7")
    request_id = await command(world)
    path = f"/devices/me/commands/{request_id}/result"
    answer = await world.call("POST", path, token=pump, body={"status": "done"})
    assert (answer.status, answer.json["code"]) == (422, "payload_invalid")
    assert (await state_of(world, request_id))["state"] == "sent"


async def test_au_2_a_device_answers_for_itself_only(world: World) -> None:
    """As over MQTT: another's commands are neither read nor answered."""
    await world.device("pump-7")
    other = await world.device("pump-8")
    request_id = await command(world)
    path = f"{COMMANDS}/{request_id}/result"
    assert (await world.call("POST", path, token=other, body={})).status == 403
    for path in (COMMANDS + "?wait_s=0", "/devices/pump-7/properties/desired", TWIN):
        assert (await world.call("GET", path, token=other)).status == 403
    assert (await world.call("GET", "/devices/pump-7/stream", token=other)).status == 403


async def test_a_wish_reaches_a_device_that_polls(world: World) -> None:
    """It names the version that it has; a report closes the delta without a new version."""
    pump = await world.device("pump-7")
    first = await desire(world, rpm=900)
    path = "/devices/me/properties/desired"
    seen = await world.call("GET", path, token=pump)
    assert seen.json == {"version": first, "properties": {"rpm": 900}}
    async with asyncio.TaskGroup() as tasks:
        poll = tasks.create_task(world.call("GET", f"{path}?version={first}&wait_s=30", token=pump))
        await asyncio.sleep(0)
        second = await desire(world, rpm=1200)
    assert poll.result().json == {"version": second, "properties": {"rpm": 1200}}
    await world.call("POST", "/devices/me/properties/reported", token=pump, body={"rpm": 1200})
    assert (await world.call("GET", path, token=pump)).json["properties"] == {}
    reported = await world.call("GET", "/devices/me/properties/reported", token=pump)
    assert reported.json == {"rpm": 1200}


async def test_a_wish_that_is_known_is_waited_for_so_long_and_answered_as_it_is(
    world: World,
) -> None:
    pump = await world.device("pump-7")
    version = await desire(world, rpm=900)
    path = f"/devices/me/properties/desired?version={version}&wait_s=0.01"
    assert (await world.call("GET", path, token=pump)).json["version"] == version


async def test_properties_are_reported_by_patch_too(world: World) -> None:
    """PATCH with the merge patch's own media type (RFC 7396)."""
    pump = await world.device("pump-7")
    headers = {"content-type": "application/merge-patch+json"}
    path = "/devices/me/properties/reported"
    for body in (b'{"firmware": "1", "slot": 2}', b'{"slot": null}'):
        answer = await world.call("PATCH", path, token=pump, body=body, headers=headers)
        assert answer.status == 200, answer
    assert world.twins.get(MAIN, "pump-7").reported == {"firmware": "1"}  # type: ignore[arg-type]  # a plain name


async def test_a_stream_begins_with_what_is_open_and_goes_on(world: World) -> None:
    """What was asked while the device was away comes first; then what is asked now."""
    pump = await world.device("pump-7")
    version = await desire(world, rpm=900)
    waiting = await command(world, "wake")
    async with watching(world, pump, "/devices/me/stream") as reader:
        desired, offered = await reader.event(), await reader.event()
        assert desired["data"] == {"version": version, "properties": {"rpm": 900}}
        assert (offered["event"], offered["data"]["request_id"]) == ("command", waiting)
        now = await command(world)
        assert (await reader.event())["data"]["request_id"] == now
        await desire(world, rpm=1000)
        assert (await reader.event())["data"]["properties"] == {"rpm": 1000}
    assert (await state_of(world, now))["state"] == "delivered"


async def test_a_stream_resumes_behind_the_last_event_that_arrived(world: World) -> None:
    """The line broke with a command under way: it comes again, the one before does not."""
    pump = await world.device("pump-7")
    await desire(world, rpm=900)
    await command(world, "first")
    async with watching(world, pump, "/devices/me/stream") as reader:
        await reader.event()
        seen = await reader.event()
    lost = await command(world, "second")
    headers = {"last_event_id": seen["id"]}
    async with watching(world, pump, "/devices/me/stream", **headers) as reader:
        assert (await reader.event())["data"]["request_id"] == lost
    async with watching(world, pump, "/devices/me/stream") as reader:
        names = [(await reader.event())["event"] for _ in range(3)]
    assert names == ["desired", "command", "command"]


@pytest.mark.parametrize("given", ["7", "a-1", "1-" + "9" * 50, "-"])
async def test_an_id_that_is_none_of_ours_is_refused(world: World, given: str) -> None:
    pump = await world.device("pump-7")
    answer = await world.call(
        "GET", "/devices/me/stream", token=pump, headers={"last-event-id": given}
    )
    assert answer.status == 422


async def test_rv_1_a_stream_of_a_device_ends_with_its_right(world: World) -> None:
    """Suspended in the middle: a last word, and the connection is gone."""
    pump = await world.device("pump-7")
    async with watching(world, pump, "/devices/me/stream") as reader:
        await world.call(
            "POST", "/devices/pump-7/lifecycle", token=world.admin(), body={"to": "suspended"}
        )
        assert (await reader.event())["event"] == "end"
        async with asyncio.timeout(10):
            await reader.ended.wait()
    assert not world.connections.count()
