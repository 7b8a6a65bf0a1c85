"""Sending: a command is kept before it is published, and checked before it is kept."""

import asyncio

import pytest
from tests.commands.support import ACME, ALICE, PUMP, Station, key

from weft.commands.settings import CommandSettings
from weft.errors import Conflict, Invalid, NotFound, QuotaExceeded, TooLarge
from weft.model.command import CommandState
from weft.model.device import Lifecycle
from weft.model.ids import DeviceId
from weft.registry.tenants import Quotas

SENT, DELIVERED = CommandState.SENT, CommandState.DELIVERED


async def test_input_is_checked_against_the_declared_command() -> None:
    station = Station()
    await station.pump()
    with pytest.raises(Invalid, match=r"input\.rpm is 9000, above the maximum of 3000"):
        await station.commands.send(ALICE, PUMP, "set_speed", {"rpm": 9000})
    with pytest.raises(Invalid, match="declares no command 'sing'"):
        await station.commands.send(ALICE, PUMP, "sing")
    assert station.journal == []


async def test_a_device_without_a_type_takes_any_command_but_not_any_size() -> None:
    station = Station(CommandSettings(input_max_bytes=100))
    await station.device()
    await station.commands.send(ALICE, PUMP, "sing", {"song": ["a", 1, None]})
    with pytest.raises(TooLarge):
        await station.commands.send(ALICE, PUMP, "sing", {"song": "x" * 100})
    with pytest.raises(Invalid, match="64 bits"):
        await station.commands.send(ALICE, PUMP, "sing", {"pitch": 2**64})
    with pytest.raises(Invalid, match="'result' cannot be"):
        await station.commands.send(ALICE, PUMP, "result")
    with pytest.raises(Invalid, match="cannot wait for 0 s"):
        await station.commands.send(ALICE, PUMP, "sing", ttl_s=0)


async def test_a_device_that_is_not_active_takes_no_commands() -> None:
    station = Station()
    await station.device()
    await station.devices.move(ALICE, PUMP, Lifecycle.SUSPENDED)
    with pytest.raises(Conflict, match="suspended"):
        await station.commands.send(ALICE, PUMP, "restart")
    with pytest.raises(NotFound):
        await station.commands.send(ALICE, DeviceId("nobody"), "restart")


async def test_the_same_request_id_is_the_same_command() -> None:
    """A caller that lost the answer asks again: the device hears of it once."""
    station = Station()
    await station.pump()
    first, again = await asyncio.gather(
        station.commands.send(ALICE, PUMP, "restart", request_id="r-1"),
        station.commands.send(ALICE, PUMP, "restart", request_id="r-1"),
    )
    assert first.request_id == again.request_id == "r-1"
    assert len(station.journal) == 1
    station.answer(first, {})
    once_more = await station.commands.send(ALICE, PUMP, "restart", request_id="r-1")
    assert once_more.state is CommandState.SUCCEEDED
    with pytest.raises(Conflict, match="used for another command"):
        await station.commands.send(ALICE, PUMP, "set_speed", {"rpm": 1}, request_id="r-1")


async def test_open_commands_are_limited_per_device_and_per_tenant() -> None:
    station = Station(CommandSettings(open_per_device=2))
    await station.tenants.create(ALICE, ACME, quotas=Quotas(open_commands=3))
    await station.device()
    await station.device("pump-8")
    for _ in range(2):
        await station.commands.send(ALICE, PUMP, "restart")
    with pytest.raises(QuotaExceeded, match="2 commands to 'pump-7'"):
        await station.commands.send(ALICE, PUMP, "restart")
    sent = await station.commands.send(ALICE, DeviceId("pump-8"), "restart")
    with pytest.raises(QuotaExceeded, match="tenant has 3 commands"):
        await station.commands.send(ALICE, DeviceId("pump-8"), "restart")
    station.answer(sent, {})
    await station.commands.send(ALICE, DeviceId("pump-8"), "restart")


async def test_a_command_that_was_kept_and_not_published_is_published_after_a_crash() -> None:
    """The disk of the journal was full, then the power failed."""
    station = Station()
    await station.pump()
    station.full = True
    kept = await station.commands.send(ALICE, PUMP, "restart")
    assert kept.state is CommandState.QUEUED
    await station.restart()
    station.full = False
    await station.commands.publish_waiting()
    await station.commands.publish_waiting()
    assert len(station.journal) == 1
    assert (await station.commands.get(*key(kept))).state is SENT
