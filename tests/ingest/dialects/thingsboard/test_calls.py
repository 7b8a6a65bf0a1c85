"""Commands as calls: each reaches the device once, whatever ends in between."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiomqtt
import pytest
from tests.interop.support import MAIN, OPERATOR, RunningWeft, running_weft, until

from weft.commands.kinds import number_of
from weft.errors import NotFound
from weft.ingest.dialects.thingsboard.answers import ThingsBoardAnswers
from weft.ingest.dialects.thingsboard.calls import Calls
from weft.model.command import Command, CommandState
from weft.model.ids import DeviceId
from weft.registry.devices import NewDevice

PUMP, GATEWAY, ROOM = DeviceId("pump-7"), DeviceId("gateway-1"), DeviceId("room-1")
REQUESTS = "v1/devices/me/rpc/request/+"


@asynccontextmanager
async def connected(
    weft: RunningWeft, token: str, filter_: str = REQUESTS, *, client_id: str = "", qos: int = 1
) -> AsyncIterator[aiomqtt.Client]:
    """A device that listens for calls; with a client id, its session outlives it."""
    keeps = {"clean_session": False, "identifier": client_id} if client_id else {}
    async with aiomqtt.Client("127.0.0.1", weft.mqtt_port, username=token, **keeps) as client:
        if filter_:
            await client.subscribe(filter_, qos=qos)
        yield client


async def hear(client: aiomqtt.Client) -> tuple[str, Any]:
    async with asyncio.timeout(20):
        async for message in client.messages:
            assert isinstance(message.payload, bytes)
            return str(message.topic), json.loads(message.payload)
    raise AssertionError("the stream ended")


async def state_of(weft: RunningWeft, command: Command) -> Command:
    return await weft.weft.path.commands.get(MAIN, command.device_id, command.request_id)


async def wait_for(weft: RunningWeft, command: Command, state: CommandState) -> None:
    async with asyncio.timeout(20):
        while (await state_of(weft, command)).state is not state:  # noqa: ASYNC110  as `until`
            await asyncio.sleep(0.005)


def calls_of(weft: RunningWeft) -> Calls:
    answers = weft.weft.path.desk._answerers["thingsboard"]
    assert isinstance(answers, ThingsBoardAnswers)
    return answers.given.calls


async def idle(weft: RunningWeft) -> None:
    await until(lambda: not weft.weft.path.desk._waiting)


async def test_a_call_is_numbered_as_its_command_lies_in_the_journal(tmp_path: Path) -> None:
    """An integer of 32 bits, the same whenever it is asked for."""
    async with running_weft(tmp_path) as weft:
        token = (await weft.add_device(PUMP)).token
        async with connected(weft, token) as pump:
            sent = await weft.weft.path.commands.send(OPERATOR, PUMP, "open", {"percent": 40})
            topic, said = await hear(pump)
            assert topic == f"v1/devices/me/rpc/request/{sent.position}"
            assert said == {"method": "open", "params": {"percent": 40}}
            await wait_for(weft, sent, CommandState.DELIVERED)
            await pump.publish(topic.replace("request", "response"), b'"done"', qos=1)
            await wait_for(weft, sent, CommandState.SUCCEEDED)
            ended = await state_of(weft, sent)
            assert (ended.output, ended.ended_by) == ("done", "device")


async def test_a_call_that_arrived_is_not_made_again(tmp_path: Path) -> None:
    """The device reconnects with nothing kept for it, and the valve moves once."""
    async with running_weft(tmp_path) as weft:
        token = (await weft.add_device(PUMP)).token
        commands = weft.weft.path.commands
        async with connected(weft, token) as pump:
            sent = await commands.send(OPERATOR, PUMP, "open", {})
            await hear(pump)
            await wait_for(weft, sent, CommandState.DELIVERED)
        async with connected(weft, token) as pump:
            await idle(weft)
            again = await commands.send(OPERATOR, PUMP, "close", {})
            topic, said = await hear(pump)
            assert (said["method"], topic.rpartition("/")[2]) == ("close", str(again.position))


async def test_a_call_that_nobody_acknowledged_is_made_when_the_device_is_back(
    tmp_path: Path,
) -> None:
    """At QoS 0 nobody knows whether it arrived; over there it is sent again as well."""
    async with running_weft(tmp_path) as weft:
        token = (await weft.add_device(PUMP)).token
        sent = await weft.weft.path.commands.send(OPERATOR, PUMP, "open", {})
        for _ in range(2):
            async with connected(weft, token, qos=0) as pump:
                topic, said = await hear(pump)
                assert (said["method"], topic.rpartition("/")[2]) == ("open", str(sent.position))


async def test_a_call_that_waits_in_a_session_is_not_made_twice_after_a_restart(
    tmp_path: Path,
) -> None:
    """The session is kept on disk with the call in it; what was told in memory is lost."""
    async with running_weft(tmp_path) as weft:
        token = (await weft.add_device(PUMP)).token
        async with connected(weft, token, client_id="p"):
            pass
        first = await weft.weft.path.commands.send(OPERATOR, PUMP, "open", {})
        await idle(weft)
    async with running_weft(tmp_path) as weft:
        second = await weft.weft.path.commands.send(OPERATOR, PUMP, "close", {})
        await idle(weft)
        async with connected(weft, token, client_id="p") as pump:
            heard = [await hear(pump), await hear(pump)]
            numbers = [topic.rpartition("/")[2] for topic, _ in heard]
            assert numbers == [str(first.position), str(second.position)]
            third = await weft.weft.path.commands.send(OPERATOR, PUMP, "stop", {})
            assert (await hear(pump))[0].endswith(f"/{third.position}")
            for command in (first, second, third):
                answer = f"v1/devices/me/rpc/response/{command.position}"
                await pump.publish(answer, b"{}", qos=1)
                await wait_for(weft, command, CommandState.SUCCEEDED)


async def test_a_command_that_is_taken_back_is_not_called_later(tmp_path: Path) -> None:
    """It waits in the session of a device that is away, and nobody wants it any more."""
    async with running_weft(tmp_path) as weft:
        token = (await weft.add_device(PUMP)).token
        commands = weft.weft.path.commands
        async with connected(weft, token, client_id="p"):
            pass
        first = await commands.send(OPERATOR, PUMP, "open", {})
        second = await commands.send(OPERATOR, PUMP, "close", {})
        await idle(weft)
        await commands.cancel(OPERATOR, PUMP, first.request_id)
        await idle(weft)
        async with connected(weft, token, client_id="p") as pump:
            topic, said = await hear(pump)
            assert (said["method"], topic.rpartition("/")[2]) == ("close", str(second.position))


async def test_a_gateways_call_names_the_device_and_is_delivered(tmp_path: Path) -> None:
    async with running_weft(tmp_path) as weft:
        token = (await weft.add_device(GATEWAY)).token
        new = NewDevice(device_id=ROOM, gateway=GATEWAY, alias="Room 1")
        await weft.weft.identity.devices.create(OPERATOR, new)
        sent = await weft.weft.path.commands.send(OPERATOR, ROOM, "open", {"percent": 1})
        async with connected(weft, token, "v1/gateway/+") as gateway:
            topic, said = await hear(gateway)
            assert topic == "v1/gateway/rpc"
            data = {"id": sent.position, "method": "open", "params": {"percent": 1}}
            assert said == {"device": "Room 1", "data": data}
            await wait_for(weft, sent, CommandState.DELIVERED)
            answer = {"device": "Room 1", "id": sent.position, "data": {"error": "stuck"}}
            await gateway.publish("v1/gateway/rpc", json.dumps(answer), qos=1)
            await wait_for(weft, sent, CommandState.FAILED)
            assert (await state_of(weft, sent)).error == "stuck"


async def test_an_answer_to_no_call_changes_nothing(tmp_path: Path) -> None:
    async with running_weft(tmp_path) as weft:
        token = (await weft.add_device(PUMP)).token
        sent = await weft.weft.path.commands.send(OPERATOR, PUMP, "open", {})
        async with connected(weft, token, "") as pump:
            await pump.publish("v1/devices/me/rpc/response/999999", b"{}", qos=1)
            await idle(weft)
            assert (await state_of(weft, sent)).state is CommandState.SENT
        with pytest.raises(NotFound, match="999999"):
            calls_of(weft).get(MAIN, PUMP, 999_999)
        assert calls_of(weft).get(MAIN, PUMP, number_of(sent)).request_id == sent.request_id


async def test_what_is_no_call_is_no_acknowledgement(tmp_path: Path) -> None:
    async with running_weft(tmp_path) as weft:
        token = (await weft.add_device(PUMP)).token
        sent = await weft.weft.path.commands.send(OPERATOR, PUMP, "open", {})
        for rest in ("down/me/attributes", "down/me/rpc/request/x", "down/gateway/rpc/a/b"):
            calls_of(weft).acknowledged(MAIN, PUMP, rest)
        assert (await state_of(weft, sent)).state is CommandState.SENT
        calls_of(weft).acknowledged(MAIN, PUMP, f"down/v2/r/req/j/{sent.position}")
        assert (await state_of(weft, sent)).state is CommandState.DELIVERED
        assert token
