"""A Sparkplug B edge node from PyPI (pysparkplug), unchanged, with Weft as its host.

What its own ways mean for us: it sends births and data at QoS 0 and answers no rebirth by
itself (its application connects anew), and its NDEATH of a clean leave names the next birth
instead of the last, so that it is its connection's end that says that it has left.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.interop.clients import Client, client
from tests.interop.support import MAIN, OPERATOR, RunningWeft, running_weft, until

from weft.model.command import Command, CommandState
from weft.model.ids import DeviceId
from weft.registry.devices import DevicePatch

pytestmark = pytest.mark.timeout(120)

SCRIPT = Path(__file__).parent / "clients" / "edge_node.py"
EDGE, MOTOR = DeviceId("edge-1"), DeviceId("motor")
WAIT_S = 30.0


class Plant:
    """Weft, and the edge node with its motor."""

    def __init__(self, weft: RunningWeft, node: Client) -> None:
        self.weft = weft
        self.node = node
        self.path = weft.weft.path

    def latest(self, device_id: DeviceId) -> dict[str, Any]:
        telemetry = self.path.twins.get(MAIN, device_id).telemetry
        return {name: one.value for name, one in telemetry.items()}

    def is_there(self, device_id: DeviceId) -> bool:
        identity = self.weft.weft.identity
        device = identity.devices.find(MAIN, device_id)
        return device is not None and identity.presence.is_connected(device.uid)

    async def command(self, device_id: DeviceId, name: str, **input_: Any) -> Command:
        """Send a command and wait for its outcome."""
        commands = self.path.commands
        sent = await commands.send(OPERATOR, device_id, name, input_)
        return await commands.wait(MAIN, device_id, sent.request_id, wait_s=WAIT_S)


@asynccontextmanager
async def plant(folder: Path) -> AsyncIterator[Plant]:
    """The edge node has been born, and its motor too."""
    async with running_weft(folder, "sparkplug.host_id=weft") as weft:
        account = await weft.add_device(EDGE)
        await weft.weft.identity.devices.patch(OPERATOR, EDGE, DevicePatch(adds_children=True))
        told = (weft.host, str(weft.mqtt_port), account.username, account.token, "weft")
        async with client("sparkplug", SCRIPT, *told) as node:
            here = Plant(weft, node)
            await until(lambda: here.is_there(MOTOR), WAIT_S)
            yield here


async def test_an_edge_node_and_its_device_are_born_and_send_data(tmp_path: Path) -> None:
    """The device is added as the edge node's; values are in both twins; the host's state came."""
    async with plant(tmp_path) as here:
        assert (await here.node.hear("state"))["online"] is True
        assert here.latest(EDGE) == {"temperature": 21.5}
        assert here.latest(MOTOR) == {"speed": 900}
        devices = here.weft.weft.identity.devices
        assert devices.get(MAIN, MOTOR).gateway == devices.get(MAIN, EDGE).uid
        await here.node.tell("data")
        await until(lambda: here.latest(MOTOR) == {"speed": 901}, WAIT_S)
        assert here.latest(EDGE) == {"temperature": 22.25}
        assert await here.path.rejections.list(MAIN) == []


async def test_a_command_is_written_and_succeeds_when_the_value_is_back(tmp_path: Path) -> None:
    """By the metrics it writes, and by the name of one; delivered before it has succeeded."""
    async with plant(tmp_path) as here:
        ended = await here.command(MOTOR, "write", speed=750)
        assert (await here.node.hear("DCMD"))["written"] == {"speed": 750}
        assert ended.state is CommandState.SUCCEEDED
        assert ended.delivered_at is not None
        assert here.latest(MOTOR) == {"speed": 750}
        assert (await here.command(MOTOR, "speed", value=640)).state is CommandState.SUCCEEDED
        refused = await here.command(MOTOR, "write", sped=1)
        assert (refused.state, "'sped'" in refused.error) == (CommandState.REJECTED, True)


async def test_a_rebirth_is_asked_for_and_comes(tmp_path: Path) -> None:
    """The node is there again, and a command goes on as before."""
    async with plant(tmp_path) as here:
        assert (await here.node.hear("state"))["online"] is True
        assert (await here.command(EDGE, "rebirth")).state is CommandState.SUCCEEDED
        assert (await here.node.hear("NCMD"))["written"] == {"Node Control/Rebirth": True}
        await here.node.hear("state")  # its new connection hears it again
        await until(lambda: here.is_there(MOTOR), WAIT_S)
        assert (await here.command(MOTOR, "write", speed=700)).state is CommandState.SUCCEEDED


async def test_deaths_are_seen_in_presence(tmp_path: Path) -> None:
    """A device leaves and comes back; then its edge node leaves, and takes it along."""
    async with plant(tmp_path) as here:
        await here.node.tell("device leaves")
        await until(lambda: not here.is_there(MOTOR), WAIT_S)
        assert here.is_there(EDGE)
        await here.node.tell("device comes")
        await until(lambda: here.is_there(MOTOR), WAIT_S)
        await here.node.tell("leave")
        await until(lambda: not here.is_there(EDGE) and not here.is_there(MOTOR), WAIT_S)


async def test_an_edge_node_that_is_cut_off_is_dead(tmp_path: Path) -> None:
    """Its will is its NDEATH: nobody has to wait for a time-out of the host's."""
    async with plant(tmp_path) as here:
        await here.node.tell("end")  # without a word to the broker
        await until(lambda: not here.is_there(EDGE) and not here.is_there(MOTOR), WAIT_S)
        devices, presence = here.weft.weft.identity.devices, here.weft.weft.identity.presence
        (spell,) = await presence.list(MAIN, devices.get(MAIN, MOTOR).uid)
        assert spell.value.reason in {"its edge node died", "its gateway left"}
