"""The device API as requests: what waits is bounded, and ends when it must."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.interop.support import MAIN, OPERATOR, RunningWeft, running_weft, until

from weft.errors import Forbidden, Invalid, NotFound, PayloadInvalid, QuotaExceeded
from weft.ingest.dialects.thingsboard.requests import (
    WAIT_MAX_S,
    WAIT_S,
    WAITING_PER_DEVICE,
    Asking,
    Requests,
    Waiter,
    wait_s_of,
)
from weft.model.command import CommandState
from weft.model.device import Lifecycle
from weft.model.ids import DeviceId
from weft.model.principal import Principal, PrincipalKind

PUMP = DeviceId("pump-7")


class Device:
    """A pump that asks."""

    def __init__(self, weft: RunningWeft, uid: str) -> None:
        self.weft = weft
        principal = Principal(MAIN, PrincipalKind.DEVICE, PUMP, uid)
        self.asking = Asking(principal, "127.0.0.1")
        self.waiters: list[Waiter] = []

    @property
    def requests(self) -> Requests:
        return self.weft.weft.path.thingsboard

    async def post(self, path: str, body: Any) -> Any:
        said = await self.requests.post(self.asking, path.split("/"), json.dumps(body).encode())
        return None if said is None else json.loads(said)

    async def get(self, path: str, query: Mapping[str, str] | None = None) -> Any:
        waiter = Waiter()
        self.waiters.append(waiter)
        said = await self.requests.get(self.asking, path.split("/"), query or {}, waiter)
        return None if said is None else json.loads(said)

    async def waits(self, count: int = 1) -> None:
        await until(lambda: len(self.requests._waiting.get(self.asking.key, ())) == count)

    async def desire(self, patch: dict[str, Any]) -> None:
        twins = self.weft.weft.path.twins
        await twins.desire(OPERATOR, PUMP, patch, version=twins.get(MAIN, PUMP).desired_version)


@asynccontextmanager
async def pump(folder: Path) -> AsyncIterator[Device]:
    async with running_weft(folder) as weft:
        await weft.add_device(PUMP)
        yield Device(weft, weft.weft.identity.devices.get(MAIN, PUMP).uid)


async def test_what_is_posted_goes_through_the_gate(tmp_path: Path) -> None:
    """Kept when it is acknowledged, and refused with the reason, which lies in the inbox too."""
    async with pump(tmp_path) as device:
        assert await device.post("telemetry", {"temperature": "21.5"}) is None
        assert await device.post("attributes", {"firmware": "1.2"}) is None
        twin = device.weft.weft.path.twins.get(MAIN, PUMP)
        assert twin.telemetry["temperature"].value == "21.5"
        assert twin.reported == {"firmware": "1.2"}
        with pytest.raises(PayloadInvalid):
            await device.post("telemetry", "no object")
        with pytest.raises(Invalid, match="claim"):
            await device.post("claim", {"secretKey": "s"})


async def test_attributes_are_answered_by_side(tmp_path: Path) -> None:
    async with pump(tmp_path) as device:
        await device.post("attributes", {"firmware": "1.2"})
        await device.desire({"interval": 5})
        everything = {"client": {"firmware": "1.2"}, "shared": {"interval": 5}}
        assert await device.get("attributes") == everything
        # What ThingsBoard's own Python client sends; over there it is ignored as well.
        assert await device.get("attributes", {"client_keys": "firmware"}) == everything
        assert await device.get("attributes", {"clientKeys": "firmware,x"}) == {
            "client": {"firmware": "1.2"}
        }


@pytest.mark.parametrize("path", ["attributes", "attributes/updates", "rpc"])
async def test_au_2_what_a_device_may_not_read_is_not_answered(tmp_path: Path, path: str) -> None:
    """Decided on as twin and commands are anywhere: a device that is not in use reads nothing."""
    async with pump(tmp_path) as device:
        await device.desire({"interval": 5})
        await device.weft.weft.path.commands.send(OPERATOR, PUMP, "open", {})
        await device.weft.weft.identity.devices.move(OPERATOR, PUMP, Lifecycle.SUSPENDED)
        with pytest.raises(Forbidden):
            await device.get(path, {"timeout": "0"})


@pytest.mark.parametrize("path", ["attributes/updates", "rpc"])
async def test_au_2_a_right_that_ends_during_a_wait_is_noticed_behind_it(
    tmp_path: Path, path: str
) -> None:
    """What came meanwhile is not told to who asked while it still might."""
    async with pump(tmp_path) as device:

        async def refused() -> None:
            with pytest.raises(Forbidden):
                await device.get(path, {"timeout": "60000"})

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(refused())
            await device.waits()
            await device.weft.weft.identity.devices.move(OPERATOR, PUMP, Lifecycle.SUSPENDED)
            device.requests._wake(*device.asking.key)


async def test_a_call_by_a_device_is_answered_at_once(tmp_path: Path) -> None:
    async with pump(tmp_path) as device:
        said = await device.post("rpc", {"method": "leak", "params": {"litres": 2}})
        assert said["event"] == "leak"
        with pytest.raises(PayloadInvalid):
            await device.post("rpc", {"params": {}})


async def test_a_command_is_handed_out_once_and_answered(tmp_path: Path) -> None:
    async with pump(tmp_path) as device:
        commands = device.weft.weft.path.commands
        async with asyncio.TaskGroup() as tasks:
            waiting = tasks.create_task(device.get("rpc", {"timeout": "60000"}))
            await device.waits()
            sent = await commands.send(OPERATOR, PUMP, "open", {"percent": 40})
        call = waiting.result()
        assert call == {"id": sent.position, "method": "open", "params": {"percent": 40}}
        assert await device.get("rpc", {"timeout": "0"}) is None
        assert (await commands.get(MAIN, PUMP, sent.request_id)).state is CommandState.DELIVERED
        assert await device.post(f"rpc/{sent.position}", {"done": True}) is None
        ended = await commands.wait(MAIN, PUMP, sent.request_id, wait_s=20)
        assert (ended.state, ended.output) == (CommandState.SUCCEEDED, {"done": True})
        with pytest.raises(NotFound):
            await device.post(f"rpc/{sent.position}", {"done": True})


async def test_a_call_that_was_not_answered_comes_again_with_its_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer to the poll was lost; a poll that waits is told when the pause is over."""
    async with pump(tmp_path) as device:
        commands = device.weft.weft.path.commands
        sent = await commands.send(OPERATOR, PUMP, "open", {"percent": 40})
        first = await device.get("rpc", {"timeout": "0"})
        assert first["id"] == sent.position
        assert await device.get("rpc", {"timeout": "0"}) is None
        monkeypatch.setattr(commands._handing, "_pause", 50_000_000)
        assert await device.get("rpc", {"timeout": "60000"}) == first
        assert (await commands.get(MAIN, PUMP, sent.request_id)).hand_outs == 2


async def test_a_late_answer_is_refused_to_its_device_and_kept(tmp_path: Path) -> None:
    """The device is told that its call has ended; people find what it said in the inbox."""
    async with pump(tmp_path) as device:
        path = device.weft.weft.path
        sent = await path.commands.send(OPERATOR, PUMP, "open")
        assert (await device.get("rpc", {"timeout": "0"}))["id"] == sent.position
        await path.commands.cancel(OPERATOR, PUMP, sent.request_id)
        with pytest.raises(NotFound):
            await device.post(f"rpc/{sent.position}", {"done": True})
        await path.commands.checkpoint()
        [record] = await path.rejections.list(MAIN, where=("code", "late_answer"))
        assert sent.request_id in record.value.detail
        assert (await path.commands.get(MAIN, PUMP, sent.request_id)).late_count == 1


async def test_changes_between_two_polls_are_not_lost(tmp_path: Path) -> None:
    """The first poll begins to look; over there what came in between was never told."""
    async with pump(tmp_path) as device:
        await device.desire({"site": "north"})
        assert await device.get("attributes/updates", {"timeout": "0"}) is None
        await device.desire({"interval": 5})
        await device.desire({"site": None})
        news = {"interval": 5, "deleted": ["site"]}
        assert await device.get("attributes/updates", {"timeout": "0"}) == news
        async with asyncio.TaskGroup() as tasks:
            waiting = tasks.create_task(device.get("attributes/updates", {"timeout": "60000"}))
            await device.waits()
            await device.desire({"interval": 6})
        assert waiting.result() == {"interval": 6}


async def test_so_many_requests_of_one_device_wait_and_no_more(tmp_path: Path) -> None:
    async with pump(tmp_path) as device:
        async with asyncio.TaskGroup() as tasks:
            waiting = [
                tasks.create_task(device.get("rpc", {"timeout": "60000"}))
                for _ in range(WAITING_PER_DEVICE)
            ]
            await device.waits(WAITING_PER_DEVICE)
            with pytest.raises(QuotaExceeded):
                await device.get("rpc")
            for waiter in device.waiters:
                waiter.end("revoked")
        assert [one.result() for one in waiting] == [None] * WAITING_PER_DEVICE
        assert device.requests._waiting == {}


async def test_nobody_waits_for_a_weft_that_stops(tmp_path: Path) -> None:
    async with pump(tmp_path) as device:
        async with asyncio.TaskGroup() as tasks:
            waiting = tasks.create_task(device.get("rpc", {"timeout": "60000"}))
            await device.waits()
            device.requests.close()
        assert waiting.result() is None


@pytest.mark.parametrize("path", ["nonsense", "attributes/x", "rpc/1/2", ""])
async def test_what_is_not_there_is_told(tmp_path: Path, path: str) -> None:
    async with pump(tmp_path) as device:
        with pytest.raises(NotFound):
            await device.get(path)
        with pytest.raises(NotFound):
            await device.post(path, {})
        with pytest.raises(NotFound, match="Firmware"):
            await device.get("firmware")


def test_a_wait_is_named_in_milliseconds_and_bounded() -> None:
    assert wait_s_of("") == WAIT_S
    assert wait_s_of("1500") == 1.5
    assert wait_s_of("999999999") == WAIT_MAX_S
    for text in ("x", "-1", "1.5", "1" * 10, "١"):
        with pytest.raises(Invalid):
            wait_s_of(text)
