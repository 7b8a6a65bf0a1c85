"""A Sparkplug edge node, few lines long, against a running Weft as its host."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiomqtt
from tests.interop.support import OPERATOR, RunningWeft, running_weft, until

from weft.ingest.dialects.sparkplug import REBIRTH
from weft.model.command import Command, CommandState
from weft.model.ids import DeviceId, TenantId
from weft.registry.devices import DevicePatch
from weft.wire.payload.sparkplug import DataType, Metric, Payload, decode, encode

MAIN, EDGE, MOTOR = TenantId("main"), DeviceId("edge-1"), DeviceId("motor")
TEMPERATURE = Metric("temperature", 1, datatype=DataType.DOUBLE, value=21.5)
SPEED = Metric("speed", 2, datatype=DataType.INT32, value=900)
CONTROL = Metric(REBIRTH, datatype=DataType.BOOLEAN, value=False)


class Node:
    """An edge node with one device, `motor`."""

    def __init__(self, weft: RunningWeft, client: aiomqtt.Client) -> None:
        self.weft = weft
        self.path = weft.weft.path
        self.client = client
        self.seq = 0

    async def send(self, kind: str, *metrics: Metric) -> None:
        self.seq = 0 if kind == "NBIRTH" else (self.seq + 1) % 256
        payload = Payload(metrics, timestamp=time.time_ns() // 1_000_000, seq=self.seq)
        below = "/motor" if kind.startswith("D") else ""
        await self.client.publish(f"spBv1.0/plant/{kind}/edge-1{below}", encode(payload))

    async def hear(self) -> tuple[str, Payload]:
        """The next command."""
        async with asyncio.timeout(20):
            while True:
                message = await anext(self.client.messages)
                if "CMD" in str(message.topic):
                    assert isinstance(message.payload, bytes)
                    return str(message.topic), decode(message.payload)

    def latest(self, device: DeviceId) -> dict[str, Any]:
        telemetry = self.path.twins.get(MAIN, device).telemetry
        return {name: latest.value for name, latest in telemetry.items()}

    async def ended(self, sent: Command) -> Command:
        return await self.path.commands.wait(MAIN, sent.device_id, sent.request_id, wait_s=20.0)


@asynccontextmanager
async def edge(folder: Path, *settings: str) -> AsyncIterator[Node]:
    async with running_weft(folder, *settings) as weft:
        account = await weft.add_device("edge-1")
        await weft.weft.identity.devices.patch(OPERATOR, "edge-1", DevicePatch(adds_children=True))
        client = aiomqtt.Client(
            "127.0.0.1", weft.mqtt_port, username=account.username, password=account.token
        )
        async with client:
            await client.subscribe("spBv1.0/plant/NCMD/edge-1/#", qos=1)
            await client.subscribe("spBv1.0/plant/DCMD/edge-1/#", qos=1)
            yield Node(weft, client)


async def born(folder_node: Node) -> None:
    """Both births, and until the values are in the twins."""
    await folder_node.send("NBIRTH", CONTROL, TEMPERATURE)
    await folder_node.send("DBIRTH", SPEED)
    await until(lambda: folder_node.latest(MOTOR), 20.0)


async def test_births_make_devices_and_values(tmp_path: Path) -> None:
    """The device below is added, its presence known, its values in its own twin."""
    async with edge(tmp_path) as node:
        await born(node)
        assert node.latest(EDGE) == {"temperature": 21.5}
        assert node.latest(MOTOR) == {"speed": 900}
        presence = node.weft.weft.identity.presence
        uid = node.weft.weft.identity.devices.get(MAIN, "motor").uid
        await until(lambda: presence.is_connected(uid), 20.0)
        await node.send("DDEATH")
        await until(lambda: not presence.is_connected(uid), 20.0)


async def test_data_without_a_birth_has_the_node_asked_for_one(tmp_path: Path) -> None:
    """As after a restart of ours; what could not be read is in the inbox until then."""
    async with edge(tmp_path) as node:
        await node.send("NDATA", Metric(alias=1, value=20.0))
        topic, command = await node.hear()
        assert topic == "spBv1.0/plant/NCMD/edge-1"
        assert [(one.name, one.value) for one in command.metrics] == [(REBIRTH, True)]
        (kept,) = await node.path.rejections.list(MAIN)
        assert kept.value.code == "payload_invalid"
        await node.send("NBIRTH", CONTROL, TEMPERATURE)
        await until(lambda: node.latest(EDGE), 20.0)


async def test_a_command_is_a_write_and_succeeds_when_the_value_comes_back(
    tmp_path: Path,
) -> None:
    async with edge(tmp_path) as node:
        await born(node)
        sent = await node.path.commands.send(OPERATOR, MOTOR, "write", {"speed": 750})
        topic, command = await node.hear()
        assert topic == "spBv1.0/plant/DCMD/edge-1/motor"
        (metric,) = command.metrics
        assert (metric.name, metric.alias, metric.value) == ("speed", 2, 750)
        await node.send("DDATA", Metric(alias=2, value=900))
        await node.send("DDATA", Metric(alias=2, value=750))
        assert (await node.ended(sent)).state is CommandState.SUCCEEDED


async def test_what_no_birth_names_is_not_written(tmp_path: Path) -> None:
    """The sender reads why; nothing goes to the node."""
    async with edge(tmp_path) as node:
        await born(node)
        sent = await node.path.commands.send(OPERATOR, MOTOR, "write", {"sped": 750})
        ended = await node.ended(sent)
        assert ended.state is CommandState.REJECTED
        assert "'sped'" in ended.error


async def test_a_write_to_a_float_succeeds_though_a_float_is_coarser(tmp_path: Path) -> None:
    """21.7 is not exact in 32 bits: what comes back is the float next to it."""
    async with edge(tmp_path) as node:
        setpoint = Metric("setpoint", 1, datatype=DataType.FLOAT, value=20.0)
        curve = Metric("curve", 2, datatype=DataType.FLOAT_ARRAY, value=(1.0,))
        await node.send("NBIRTH", CONTROL)
        await node.send("DBIRTH", setpoint, curve)
        await until(lambda: node.latest(MOTOR), 20.0)
        wanted = {"setpoint": 21.7, "curve": [0.1, 0.2]}
        sent = await node.path.commands.send(OPERATOR, MOTOR, "write", wanted)
        _, command = await node.hear()
        await node.send("DDATA", *command.metrics)
        assert (await node.ended(sent)).state is CommandState.SUCCEEDED


async def test_what_cannot_be_written_is_rejected_and_holds_up_nothing(tmp_path: Path) -> None:
    """Each has its outcome with the reason; the command behind them is written."""
    async with edge(tmp_path) as node:
        await node.send("NBIRTH", CONTROL)
        await node.send("DBIRTH", SPEED, Metric("gain", 3, datatype=DataType.FLOAT, value=1.0))
        await until(lambda: node.latest(MOTOR), 20.0)
        await node.client.unsubscribe("spBv1.0/plant/DCMD/edge-1/#")
        commands = node.path.commands
        wrong = [
            await commands.send(OPERATOR, MOTOR, "write", wanted)
            for wanted in ({"speed": {"rpm": 1}}, {"speed": [1, 2]}, {"gain": 1e40})
        ]
        right = await commands.send(OPERATOR, MOTOR, "write", {"speed": 750})
        await node.client.subscribe("spBv1.0/plant/DCMD/edge-1/#", qos=1)
        await node.send("DBIRTH", SPEED, Metric("gain", 3, datatype=DataType.FLOAT, value=1.0))
        _, command = await node.hear()
        assert [one.value for one in command.metrics] == [750]
        for one in wrong:
            ended = await node.ended(one)
            assert ended.state is CommandState.REJECTED
            assert "does not carry" in ended.error
        await node.send("DDATA", Metric(alias=2, value=750))
        assert (await node.ended(right)).state is CommandState.SUCCEEDED


async def test_a_rebirth_can_be_asked_for(tmp_path: Path) -> None:
    async with edge(tmp_path) as node:
        await born(node)
        sent = await node.path.commands.send(OPERATOR, EDGE, "rebirth")
        _, command = await node.hear()
        assert command.metrics[0].name == REBIRTH
        assert (await node.ended(sent)).state is CommandState.SUCCEEDED


async def test_the_hosts_state_is_told_to_nodes_that_wait_for_it(tmp_path: Path) -> None:
    """Retained, also for who comes later; nothing is told where no host is named."""
    async with edge(tmp_path, "sparkplug.host_id=weft") as node:
        granted = await node.client.subscribe("spBv1.0/STATE/weft", qos=1)
        assert not granted[0].is_failure
        async with asyncio.timeout(20):
            message = await anext(node.client.messages)
        assert str(message.topic) == "spBv1.0/STATE/weft"
        assert isinstance(message.payload, bytes)
        state = json.loads(message.payload)
        assert state["online"] is True
        assert abs(state["timestamp"] / 1_000 - time.time()) < 600
        denied = await node.client.publish("spBv1.0/STATE/weft", b"{}", qos=1)
        assert denied is None
        assert len(await node.path.rejections.list(MAIN)) == 1
