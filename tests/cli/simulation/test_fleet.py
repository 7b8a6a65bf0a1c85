"""A simulated fleet: many devices over real connections, each with its own troubles."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.app.support import eventually
from tests.cli.simulation.support import TYPE, add_machine, plant

from weft.app.compose import MACHINE, MAIN, Weft
from weft.cli.simulation import fleet as module
from weft.cli.simulation.faults import Fault
from weft.cli.simulation.fleet import Fleet, Member
from weft.cli.simulation.generator import Model
from weft.model.ids import DeviceId


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reconnecting does not wait here."""
    monkeypatch.setattr(module, "RECONNECT_S", 0.01)


@asynccontextmanager
async def running(folder: Path, *names: str) -> AsyncIterator[tuple[Weft, Fleet]]:
    """Run a fleet of these devices against a real Weft."""
    async with plant(folder) as (weft, address):
        credentials = [await add_machine(weft, name) for name in names]
        telemetry = weft.identity.types.get(MAIN, "machine").telemetry
        fleet = Fleet(address, credentials, telemetry, interval_s=0.02)
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(fleet.run())
            try:
                yield weft, fleet
            finally:
                task.cancel()


async def test_every_device_sends_and_what_it_sent_is_kept(tmp_path: Path) -> None:
    """What the fleet counts as sent was acknowledged, so it is in the journal."""
    async with running(tmp_path, "m-1", "m-2", "m-3") as (weft, fleet):

        async def busy() -> bool:
            return all(member.sent >= 3 for member in fleet.members.values())

        await eventually(busy)
        assert fleet.refused == 0
        assert weft.stores.journal.head >= fleet.sent
        for name, member in fleet.members.items():
            assert member.connected
            latest = weft.path.twins.get(MAIN, DeviceId(name)).telemetry
            assert latest.keys() == member.last.keys()


async def test_a_fault_is_on_the_device_it_was_given_to(tmp_path: Path) -> None:
    """Its messages are refused and counted; the others' are not."""
    async with running(tmp_path, "m-1", "m-2") as (_, fleet):
        fleet.break_with("m-2", Fault.OUT_OF_RANGE)

        async def refused() -> bool:
            return fleet.members["m-2"].refused >= 2 and fleet.members["m-1"].sent >= 2

        await eventually(refused)
        assert fleet.members["m-1"].refused == 0
        assert fleet.refused == fleet.members["m-2"].refused


async def test_a_silent_device_stays_connected_and_sends_nothing(tmp_path: Path) -> None:
    """Silence is a fault of the machine, not of its line."""
    async with running(tmp_path, "m-1", "m-2") as (_, fleet):
        fleet.break_with("m-1", Fault.SILENCE)
        before = fleet.members["m-1"].sent

        async def other() -> bool:
            return fleet.members["m-2"].sent >= 5 and fleet.members["m-1"].connected

        await eventually(other)
        assert fleet.members["m-1"].sent <= before + 1  # one may have been under way


async def test_a_device_that_is_cut_comes_back(tmp_path: Path) -> None:
    """As soon as it may; until then its trouble stands beside it, in words."""
    async with running(tmp_path, "m-1") as (weft, fleet):
        member = fleet.members["m-1"]

        async def sent() -> int:
            return member.sent

        await eventually(sent)
        device = weft.identity.devices.get(MAIN, "m-1")
        for one in await weft.identity.credentials.list_credentials(device):
            await weft.identity.credentials.revoke(MACHINE, device, one.credential_id)

        async def refused() -> bool:
            return "refused" in member.trouble and not member.connected

        await eventually(refused)
        member.token = (await weft.identity.credentials.issue_secret(MACHINE, device)).token
        before = member.sent

        async def again() -> bool:
            return member.sent > before

        await eventually(again)
        assert member.trouble == ""


async def test_whoever_watches_hears_of_every_message(tmp_path: Path) -> None:
    """Kept or refused."""
    heard: list[Member] = []
    async with running(tmp_path, "m-1") as (_, fleet):
        fleet.on_message(heard.append)

        async def some() -> bool:
            return len(heard) >= 3

        await eventually(some)
        assert {member.device_id for member in heard} == {"m-1"}


async def test_a_command_waits_for_a_machine_that_was_away(tmp_path: Path) -> None:
    """It had no session when the command was sent, and is offered it when it comes."""
    async with plant(tmp_path) as (weft, address):
        document: dict[str, Any] = {
            **TYPE,
            "commands": {"heat": {"temperature": {"type": "number"}}},
        }
        await weft.identity.types.save(MACHINE, "machine", document)
        credential = await add_machine(weft, "m-1")
        commands, m_1 = weft.path.commands, DeviceId("m-1")
        kept = await commands.send(MACHINE, m_1, "heat", {"temperature": 110}, ttl_s=600)
        taken_back = await commands.send(MACHINE, m_1, "heat", {"temperature": 30}, ttl_s=600)
        await commands.cancel(MACHINE, m_1, taken_back.request_id)
        model = msgspec.convert({"commands": document["commands"], "telemetry": {}}, Model)
        fleet = Fleet(address, [credential], model, interval_s=0.02)
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(fleet.run())
            ended = await commands.wait(MAIN, m_1, kept.request_id, wait_s=30)
            task.cancel()
        assert ended.state == "succeeded"
        assert ended.delivered_at is not None
        late = await commands.get(MAIN, m_1, taken_back.request_id)
        assert (late.state, late.late_count) == ("rejected", 0)
