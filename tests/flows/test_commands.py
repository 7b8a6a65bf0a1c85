"""Commands over real protocols: sent by an operator, carried out by a device, or too late."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiomqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from tests.app.support import served

from weft.app.compose import MACHINE, MAIN, Weft
from weft.model.command import CommandState
from weft.model.ids import DeviceId
from weft.registry.devices import NewDevice
from weft.supervision import FakeClock, SystemClock

PUMP = DeviceId("pump-7")
COMMANDS = "devices/me/commands/+/+"
WAIT_S = 30.0


async def add_pump(weft: Weft) -> str:
    """Make the pump; return its secret."""
    device = await weft.identity.devices.create(MACHINE, NewDevice(device_id=PUMP))
    return (await weft.identity.credentials.issue_secret(MACHINE, device)).token


@asynccontextmanager
async def pump(weft: Weft, token: str) -> AsyncIterator[aiomqtt.Client]:
    """Connect the pump with a session that outlives its connection."""
    host, _, port = weft.endpoints.mqtt.rpartition(":")
    properties = Properties(PacketTypes.CONNECT)
    properties.SessionExpiryInterval = 3600
    async with aiomqtt.Client(
        host,
        int(port),
        identifier="pump",
        username=PUMP,
        password=token,
        protocol=aiomqtt.ProtocolVersion.V5,
        clean_start=False,
        properties=properties,
    ) as client:
        yield client


async def next_command(client: aiomqtt.Client) -> aiomqtt.Message:
    async with asyncio.timeout(WAIT_S):
        return await anext(aiter(client.messages))


async def test_a_command_waits_in_the_session_of_a_device_that_is_away(tmp_path: Path) -> None:
    """The pump sleeps; it wakes, gets its command with the time that is left, and answers."""
    async with served(tmp_path) as weft:
        token, commands = await add_pump(weft), weft.path.commands
        async with pump(weft, token) as client:
            await client.subscribe(COMMANDS, qos=1)
        sent = await commands.send(MACHINE, PUMP, "set_speed", {"rpm": 900}, ttl_s=600)
        assert sent.state is CommandState.SENT
        async with pump(weft, token) as client:
            message = await next_command(client)
            assert message.topic.value == sent.topic
            assert json.loads(bytes(message.payload)) == {"rpm": 900}
            assert message.properties.MessageExpiryInterval <= 600
            assert message.properties.ResponseTopic == sent.result_topic
            answer = json.dumps({"status": "succeeded", "output": {"rpm": 898}})
            await client.publish(message.properties.ResponseTopic, answer, qos=1)
            ended = await commands.wait(MAIN, PUMP, sent.request_id, wait_s=WAIT_S)
        assert (ended.state, ended.output) == ("succeeded", {"rpm": 898})
        assert ended.sent_at <= ended.delivered_at <= ended.ended_at


async def test_a_command_that_is_too_old_is_never_delivered(tmp_path: Path) -> None:
    """It expires on time though its device is away, and the device is spared it afterwards."""
    async with served(tmp_path) as weft:
        token, commands = await add_pump(weft), weft.path.commands
        async with pump(weft, token) as client:
            await client.subscribe(COMMANDS, qos=1)
        old = await commands.send(MACHINE, PUMP, "open_valve", {}, ttl_s=60)
        fresh = await commands.send(MACHINE, PUMP, "close_valve", {}, ttl_s=3600)
        clock = FakeClock(SystemClock().now())
        clock.turn(61)
        commands.sweep(clock.now())
        ended = await commands.get(MAIN, PUMP, old.request_id)
        assert (ended.state, ended.ended_by) == ("expired", "time")
        async with pump(weft, token) as client:
            assert (await next_command(client)).topic.value == fresh.topic


async def test_an_outcome_survives_a_restart_and_a_command_that_waits_as_well(
    tmp_path: Path,
) -> None:
    """The machine is switched off in the middle of the night shift."""
    async with served(tmp_path) as weft:
        token, commands = await add_pump(weft), weft.path.commands
        done = await commands.send(MACHINE, PUMP, "restart", {}, ttl_s=600)
        async with pump(weft, token) as client:
            await client.subscribe(COMMANDS, qos=1)
            await next_command(client)
            await client.publish(done.result_topic, "{}", qos=1)
            await commands.wait(MAIN, PUMP, done.request_id, wait_s=WAIT_S)
        waiting = await commands.send(MACHINE, PUMP, "restart", {}, ttl_s=600)
    async with served(tmp_path) as weft:
        commands = weft.path.commands
        found = await commands.get(MAIN, PUMP, done.request_id)
        assert found.state is CommandState.SUCCEEDED
        assert [one.request_id for one in commands.open_for(MAIN, PUMP)] == [waiting.request_id]
        async with pump(weft, token) as client:
            assert (await next_command(client)).topic.value == waiting.topic


async def test_what_a_clock_decides_is_swept_by_housekeeping(tmp_path: Path) -> None:
    """Nobody has to ask for a command to learn that its time is over."""
    async with served(tmp_path) as weft:
        await add_pump(weft)
        sent = await weft.path.commands.send(MACHINE, PUMP, "restart", {}, ttl_s=60)
        clock = FakeClock(SystemClock().now())
        clock.turn(61)
        weft.clock = clock
        await weft.housekeeping.every_second.take_turn()
        ended = await weft.path.commands.get(MAIN, PUMP, sent.request_id)
        assert ended.state is CommandState.EXPIRED


async def test_an_answer_to_what_never_was_is_found_in_the_rejection_inbox(tmp_path: Path) -> None:
    """A pump answers a request of its own making: people see what, why and what to do."""
    async with served(tmp_path) as weft:
        token = await add_pump(weft)
        async with pump(weft, token) as client:
            await client.publish("devices/me/commands/r-99/result", b'{"rpm": 9}', qos=1)
        await weft.path.commands.checkpoint()
        [record] = await weft.path.rejections.list(MAIN, where=("code", "unknown_command"))
        found = record.value
        assert (found.device_id, found.payload) == (PUMP, b'{"rpm": 9}')
        assert found.topic == "devices/pump-7/commands/r-99/result"
        assert "weft command list pump-7" in found.remedy
