"""ThingsBoard's Python client, unchanged, as a device of ours."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.interop.clients import Client, client
from tests.interop.support import MAIN, OPERATOR, RunningWeft, running_weft, until

from weft.model.command import Command, CommandState
from weft.model.ids import DeviceId

pytestmark = pytest.mark.timeout(120)

SCRIPT = Path(__file__).parent / "clients" / "device.py"
PUMP = DeviceId("pump-7")


@asynccontextmanager
async def device(folder: Path, what: str) -> AsyncIterator[tuple[RunningWeft, Client]]:
    """A pump that runs the client and does one thing."""
    async with running_weft(folder) as weft:
        token = (await weft.add_device(PUMP)).token
        arguments = (weft.host, str(weft.mqtt_port), token, what)
        async with client("clients", SCRIPT, *arguments) as pump:
            assert await pump.hear("connected")
            yield weft, pump


async def desire(weft: RunningWeft, patch: dict[str, Any]) -> None:
    twins = weft.weft.path.twins
    await twins.desire(OPERATOR, PUMP, patch, version=twins.get(MAIN, PUMP).desired_version)


async def test_telemetry_and_attributes_arrive_with_their_times(tmp_path: Path) -> None:
    """All is acknowledged, and stands in the twin; a number in quotes stays a text."""
    async with device(tmp_path, "telemetry") as (weft, pump):
        assert (await pump.hear("sent"))["codes"] == [0, 0, 0, 0]
        twins = weft.weft.path.twins
        await until(lambda: twins.get(MAIN, PUMP).reported)
        twin = twins.get(MAIN, PUMP)
        assert twin.reported == {"firmware": "1.2"}
        latest = {key: one.value for key, one in twin.telemetry.items()}
        assert latest == {"temperature": 21.5, "mode": "12", "rpm": 901}
        said = b"".join(await weft.payloads())
        assert b'{"ts":1772366400000,"values":{"temperature":20.5}}' in said


async def test_attributes_are_asked_for_and_told_when_they_change(tmp_path: Path) -> None:
    """Client attributes are what the device reported, shared ones what we desire."""
    async with device(tmp_path, "attributes") as (weft, pump):
        asked = await pump.hear("asked")
        assert asked == {
            "what": "asked",
            "attributes": {"client": {"firmware": "1.2"}},
            "error": "",
        }
        await desire(weft, {"interval": 5, "site": "north"})
        assert (await pump.hear("interval"))["of"] == {"interval": 5, "site": "north"}
        assert (await pump.hear("changed"))["attributes"] == {"interval": 5, "site": "north"}
        await desire(weft, {"interval": 6, "site": None})
        assert (await pump.hear("changed"))["attributes"] == {"interval": 6, "deleted": ["site"]}


async def test_a_device_calls_and_is_answered(tmp_path: Path) -> None:
    """The time from us; another method is an event for rules; what cannot be is said."""
    async with device(tmp_path, "calls") as (weft, pump):
        answers: dict[str, Any] = {}
        for _ in range(3):
            said = await pump.hear("answered")
            answers[said["to"]] = said["content"]
        assert abs(answers["getCurrentTime"] - weft.weft.clock.now() // 10**6) < 60_000
        assert answers["leak"]["event"] == "leak"
        assert "method" in answers["no such/method"]["error"]
        assert b'{"litres":2.5}' in await weft.payloads()


async def test_a_device_learns_its_limits_and_keeps_them_itself(tmp_path: Path) -> None:
    """The client asks when it connects, and stays at four fifths of what it is told."""
    async with device(tmp_path, "limits") as (_weft, pump):
        said = await pump.hear("limits")
        assert said["messages"] == 800
        assert said["payload"] == 256 * 1024 * 80 // 100


async def outcome(weft: RunningWeft, name: str, **input_: Any) -> Command:
    commands = weft.weft.path.commands
    sent = await commands.send(OPERATOR, PUMP, name, input_)
    return await commands.wait(MAIN, PUMP, sent.request_id, wait_s=30)


async def test_a_command_is_a_call_and_its_answer_the_outcome(tmp_path: Path) -> None:
    """One that the device says it cannot do has failed, in the device's own words."""
    async with device(tmp_path, "rpc") as (weft, pump):
        assert await pump.hear("listening")
        opened = await outcome(weft, "open", percent=40)
        called = await pump.hear("called")
        assert called["content"] == {"method": "open", "params": {"percent": 40}}
        assert called["id"] == str(opened.position)
        assert (opened.state, opened.output) == (CommandState.SUCCEEDED, {"open": 40})
        stuck = await outcome(weft, "stick")
        assert (stuck.state, stuck.error) == (CommandState.FAILED, "The valve is stuck.")


async def test_a_command_that_was_sent_while_the_device_was_away_is_called_when_it_comes(
    tmp_path: Path,
) -> None:
    """The client keeps no session on the server, so nothing waits for it there."""
    async with running_weft(tmp_path) as weft:
        token = (await weft.add_device(PUMP)).token
        commands = weft.weft.path.commands
        sent = await commands.send(OPERATOR, PUMP, "open", {"percent": 10})
        async with client("clients", SCRIPT, weft.host, str(weft.mqtt_port), token, "rpc") as pump:
            ended = await commands.wait(MAIN, PUMP, sent.request_id, wait_s=30)
            assert (ended.state, ended.output) == (CommandState.SUCCEEDED, {"open": 10})
            assert (await pump.hear("called"))["content"]["method"] == "open"


@pytest.mark.parametrize("with_certificate", [False, True])
async def test_a_device_comes_over_tls_with_its_token_or_its_certificate(
    tmp_path: Path, with_certificate: bool
) -> None:
    """The client pins TLS 1.2 and checks our name; a certificate needs no token."""
    folder = tmp_path / "data"
    async with running_weft(folder, "transports.mqtt.listen_tls=127.0.0.1:0") as weft:
        token = (await weft.add_device(PUMP)).token
        identity = weft.weft.identity
        device = identity.devices.get(MAIN, PUMP)
        issued = (await identity.credentials.issue_certificate(OPERATOR, device)).certificate
        texts = {"root.pem": identity.authority.root_pem}
        if with_certificate:
            texts["pump.pem"] = issued.certificate_pem + issued.chain_pem
            texts["pump.key"] = issued.private_key_pem or ""
        for name, text in texts.items():
            (tmp_path / name).write_text(text)
        port = weft.weft.endpoints.mqtts.rpartition(":")[2]
        files = [str(tmp_path / name) for name in texts]
        arguments = ("localhost", port, "" if with_certificate else token, "telemetry", *files)
        async with client("clients", SCRIPT, *arguments) as pump:
            assert (await pump.hear("sent"))["codes"] == [0, 0, 0, 0]
        await until(lambda: weft.weft.path.twins.get(MAIN, PUMP).reported)
