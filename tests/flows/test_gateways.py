"""A gateway and its rooms over MQTT, in native words: introduced, measured, told what to do."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiomqtt
from tests.app.support import served
from tests.flows.support import until

from weft.app.compose import MACHINE, MAIN, Weft
from weft.model.command import CommandState
from weft.model.ids import DeviceId
from weft.model.principal import Principal, PrincipalKind
from weft.registry.devices import NewDevice

ROOM = DeviceId("Room-1")
WAIT_S = 30.0


class Gateway:
    """A gateway that is connected, and what it hears."""

    def __init__(self, weft: Weft, client: aiomqtt.Client) -> None:
        self.weft = weft
        self.client = client

    async def say(self, topic: str, said: Any) -> int:
        """Publish at QoS 1; return the reason code of its acknowledgement."""
        return await published(self.client, topic, json.dumps(said).encode())

    async def hear(self) -> tuple[str, Any]:
        async with asyncio.timeout(WAIT_S):
            message = await anext(aiter(self.client.messages))
        return message.topic.value, json.loads(bytes(message.payload))

    async def listen(self, filter_: str) -> bool:
        """Subscribe; whether that was granted."""
        (code,) = await self.client.subscribe(filter_, qos=1)
        return not code.is_failure

    async def connect_room(self, **more: Any) -> None:
        """Introduce the room, and learn its id."""
        assert await self.listen("gateway/devices")
        await self.say("gateway/connect", {"device": "Room 1", **more})
        assert await self.hear() == ("gateway/devices", {"device": "Room 1", "id": ROOM})

    def room_is_there(self) -> bool:
        room = self.weft.identity.devices.find(MAIN, ROOM)
        return room is not None and self.weft.identity.presence.is_connected(room.uid)


async def published(client: aiomqtt.Client, topic: str, payload: bytes) -> int:
    codes: asyncio.Queue[int] = asyncio.Queue()
    loop, paho = asyncio.get_running_loop(), client._client
    before = paho.on_publish

    def acknowledged(one: Any, data: Any, mid: int, code: Any, properties: Any) -> None:
        loop.call_soon_threadsafe(codes.put_nowait, code.value)
        if before is not None:
            before(one, data, mid, code, properties)

    paho.on_publish = acknowledged
    try:
        await client.publish(topic, payload, qos=1)
        async with asyncio.timeout(WAIT_S):
            return await codes.get()
    finally:
        paho.on_publish = before


async def add_gateway(weft: Weft, name: str, *, adds_children: bool = True) -> str:
    """Make a gateway; return its secret."""
    new = NewDevice(device_id=DeviceId(name), adds_children=adds_children)
    device = await weft.identity.devices.create(MACHINE, new)
    return (await weft.identity.credentials.issue_secret(MACHINE, device)).token


@asynccontextmanager
async def connected(weft: Weft, name: str, token: str) -> AsyncIterator[Gateway]:
    host, _, port = weft.endpoints.mqtt.rpartition(":")
    async with aiomqtt.Client(
        host, int(port), username=name, password=token, protocol=aiomqtt.ProtocolVersion.V5
    ) as client:
        yield Gateway(weft, client)


async def test_a_gateway_introduces_a_device_and_speaks_for_it(tmp_path: Path) -> None:
    """Telemetry by the gateway's own name or the device's topic; when it leaves, that is kept."""
    async with served(tmp_path) as weft:
        await weft.identity.types.save(MACHINE, "room", {"telemetry": {"co2": {"type": "integer"}}})
        token = await add_gateway(weft, "gw-1")
        async with connected(weft, "gw-1", token) as gateway:
            await gateway.connect_room(type="room")
            room = weft.identity.devices.get(MAIN, ROOM)
            assert (room.alias, room.type_name) == ("Room 1", "room")
            assert gateway.room_is_there()
            told = [{"ts": 1_772_366_400_000, "values": {"co2": 500}}, {"co2": 501}]
            assert await gateway.say("gateway/telemetry", {"Room 1": told}) == 0
            latest = weft.path.twins.get(MAIN, ROOM).telemetry
            assert latest["co2"].value == 501
            assert await gateway.say(f"devices/{ROOM}/telemetry", {"co2": 502}) == 0
            await gateway.say("gateway/disconnect", {"device": "Room 1"})
            await until(lambda: not gateway.room_is_there(), "the room has left")
            (spell,) = await weft.identity.presence.list(MAIN, room.uid)
            assert (spell.value.peer, spell.value.protocol) == ("gw-1", "gateway")
            assert (spell.value.through, spell.value.reason) == (
                weft.identity.devices.get(MAIN, "gw-1").uid,
                "its gateway says so",
            )


async def test_what_a_gateway_connected_is_gone_when_it_goes_itself(tmp_path: Path) -> None:
    async with served(tmp_path) as weft:
        token = await add_gateway(weft, "gw-1")
        async with connected(weft, "gw-1", token) as gateway:
            await gateway.connect_room()
            assert gateway.room_is_there()
        await until(lambda: not gateway.room_is_there(), "the room went with its gateway")


async def test_a_command_to_a_device_is_delivered_when_its_gateway_has_acknowledged_it(
    tmp_path: Path,
) -> None:
    """And ends with what the gateway answers in the device's name."""
    async with served(tmp_path) as weft:
        token, commands = await add_gateway(weft, "gw-1"), weft.path.commands
        async with connected(weft, "gw-1", token) as gateway:
            await gateway.connect_room()
            assert await gateway.listen(f"devices/{ROOM}/commands/+/+")
            sent = await commands.send(MACHINE, ROOM, "open_window", {"percent": 40})
            topic, payload = await gateway.hear()
            assert (topic, payload) == (sent.topic, {"percent": 40})

            def delivered() -> bool:
                open_ones = commands.open_for(MAIN, ROOM)
                return [one.state for one in open_ones] == [CommandState.DELIVERED]

            await until(delivered, "the gateway has acknowledged the command")
            await gateway.say(sent.result_topic, {"status": "succeeded", "output": {"percent": 38}})
            ended = await commands.wait(MAIN, ROOM, sent.request_id, wait_s=WAIT_S)
        assert (ended.state, ended.output) == (CommandState.SUCCEEDED, {"percent": 38})
        assert ended.sent_at <= ended.delivered_at <= ended.ended_at


async def test_a_command_waits_until_the_gateway_listens_for_its_device(tmp_path: Path) -> None:
    """Sent and not delivered: nobody had it, so nobody is told that somebody has."""
    async with served(tmp_path) as weft:
        token, commands = await add_gateway(weft, "gw-1"), weft.path.commands
        async with connected(weft, "gw-1", token) as gateway:
            await gateway.connect_room()
        sent = await commands.send(MACHINE, ROOM, "open_window", {})
        assert (sent.state, sent.delivered_at) == (CommandState.SENT, None)
        async with connected(weft, "gw-1", token) as gateway:
            assert await gateway.listen(f"devices/{ROOM}/commands/#")
            assert (await gateway.hear())[0] == sent.topic
            await gateway.say(sent.result_topic, {})
            ended = await commands.wait(MAIN, ROOM, sent.request_id, wait_s=WAIT_S)
        assert ended.state is CommandState.SUCCEEDED


async def test_a_gateway_that_may_not_add_devices_is_told(tmp_path: Path) -> None:
    """By a reason code at once, and in the inbox in words; nothing was added."""
    async with served(tmp_path) as weft:
        token = await add_gateway(weft, "gw-1", adds_children=False)
        async with connected(weft, "gw-1", token) as gateway:
            assert await gateway.say("gateway/connect", {"device": "Room 1"}) >= 128
            assert await gateway.say("gateway/telemetry", {"Room 1": {"co2": 500}}) >= 128
            assert weft.identity.devices.find(MAIN, ROOM) is None
            for kept in await weft.path.rejections.list(MAIN):
                assert "adds_children" in kept.value.remedy


async def test_id_4_another_gateways_device_is_out_of_reach(tmp_path: Path) -> None:
    """Its topics are refused, and its name means nobody: only the gateway's own word counts."""
    async with served(tmp_path) as weft:
        first, second = await add_gateway(weft, "gw-1"), await add_gateway(weft, "gw-2")
        async with (
            connected(weft, "gw-1", first) as owner,
            connected(weft, "gw-2", second) as two,
        ):
            await owner.connect_room()
            assert not await two.listen(f"devices/{ROOM}/commands/#")
            assert await two.say(f"devices/{ROOM}/telemetry", {"co2": 1}) >= 128
            private = f"devices/{ROOM}/dialects/gateway/disconnect"
            assert await two.say(private, {"device": "Room 1"}) >= 128
            assert await two.say("gateway/disconnect", {"device": "Room 1"}) >= 128
            await two.say("gateway/telemetry", {"Room 1": {"co2": 1}})  # a room of its own
            assert weft.path.twins.get(MAIN, ROOM).telemetry == {}
            devices = weft.identity.devices
            owns = [one.device_id for one in devices.children_of(devices.get(MAIN, "gw-1"))]
            assert owns == [ROOM]
            assert owner.room_is_there()


async def test_tn_1_another_tenants_device_of_that_name_is_somebody_else(tmp_path: Path) -> None:
    """The tenant comes with the credential: nothing that a gateway says names another."""
    async with served(tmp_path) as weft:
        identity = weft.identity
        other = await identity.tenants.create(MACHINE, "other")
        theirs = Principal(other.id, PrincipalKind.SYSTEM, "weft", "system")
        await identity.devices.create(theirs, NewDevice(device_id=ROOM))
        token = await add_gateway(weft, "gw-1")
        async with connected(weft, "gw-1", token) as gateway:
            await gateway.connect_room()
            await gateway.say("gateway/telemetry", {"Room 1": {"co2": 500}})
            assert weft.path.twins.get(MAIN, ROOM).telemetry["co2"].value == 500
            assert weft.path.twins.get(other.id, ROOM).telemetry == {}
            room = identity.devices.get(other.id, ROOM)
            assert (room.gateway, identity.presence.is_connected(room.uid)) == ("", False)
