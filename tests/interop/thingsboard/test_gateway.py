"""ThingsBoard's Python gateway client, unchanged, with two devices that we did not know."""

from pathlib import Path
from typing import Any

import pytest
from tests.interop.clients import Client, client
from tests.interop.support import MAIN, OPERATOR, RunningWeft, running_weft

from weft.model.command import CommandState
from weft.model.ids import DeviceId
from weft.registry.devices import DevicePatch

pytestmark = pytest.mark.timeout(120)

SCRIPT = Path(__file__).parent / "clients" / "gateway.py"
BOILER, PUMP = DeviceId("Boiler-1"), DeviceId("Pump-2")
BOILER_TYPE: dict[str, Any] = {
    "title": "Boiler",
    "telemetry": {"temperature": {"type": "number", "unit": "Cel"}},
    "commands": {"reset": {"percent": {"type": "integer"}}},
    "properties": {"firmware": {"type": "string"}, "interval": {"type": "integer"}},
}


async def call(weft: RunningWeft, device_id: DeviceId, name: str) -> tuple[CommandState, Any]:
    """Send a command and wait for its outcome."""
    commands = weft.weft.path.commands
    sent = await commands.send(OPERATOR, device_id, name, {"percent": 40})
    ended = await commands.wait(MAIN, device_id, sent.request_id, wait_s=30)
    return ended.state, ended.output


async def test_a_gateway_speaks_for_its_devices(tmp_path: Path) -> None:
    """They are added as they connect, with the type that we know; each has its own twin."""
    async with running_weft(tmp_path) as weft:
        await weft.add_type("boiler", BOILER_TYPE)
        token = (await weft.add_device("gateway-1")).token
        devices = weft.weft.identity.devices
        await devices.patch(OPERATOR, "gateway-1", DevicePatch(adds_children=True))
        arguments = (weft.host, str(weft.mqtt_port), token)
        async with client("clients", SCRIPT, *arguments) as gateway:
            assert (await gateway.hear("sent"))["codes"] == [0, 0, 0]
            await _answers(weft, gateway)
            boiler, pump = devices.get(MAIN, BOILER), devices.get(MAIN, PUMP)
            assert (boiler.alias, boiler.type_name) == ("Boiler 1", "boiler")
            assert (pump.alias, pump.type_name) == ("Pump 2", None)
            twins = weft.weft.path.twins
            assert twins.get(MAIN, BOILER).telemetry["temperature"].value == 71.5
            assert twins.get(MAIN, PUMP).telemetry["rpm"].value == 901
            await twins.desire(OPERATOR, PUMP, {"limit": 950}, version=0)
            told = (await gateway.hear("changed"))["content"]
            assert told == {"device": "Pump 2", "data": {"limit": 950}}
            assert await call(weft, BOILER, "reset") == (
                CommandState.SUCCEEDED,
                {"done": "reset"},
            )
            called = (await gateway.hear("called"))["content"]
            assert called["device"] == "Boiler 1"
            assert called["data"]["params"] == {"percent": 40}
            await gateway.tell("leave")
            assert (await gateway.hear("left"))["code"] == 0


async def _answers(weft: RunningWeft, gateway: Client) -> None:
    """The answer to one key is its value; to several, all that are there."""
    said = [(await gateway.hear("client"))["content"] for _ in range(2)]
    said.sort(key=lambda one: int(one["id"]))
    assert said == [
        {"id": said[0]["id"], "device": "Boiler 1", "values": {"firmware": "1.2"}},
        {
            "id": said[1]["id"],
            "device": "Boiler 1",
            "values": {"firmware": "1.2", "interval": 4},
        },
    ]
    shared = (await gateway.hear("shared"))["content"]
    assert (shared["device"], shared["values"]) == ("Pump 2", {})
