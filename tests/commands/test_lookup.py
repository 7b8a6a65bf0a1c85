"""Lookup: commands are found, listed and waited for."""

import asyncio

import pytest
from tests.commands.support import ACME, ALICE, PUMP, Station, key

from weft.commands.settings import CommandSettings
from weft.errors import QuotaExceeded
from weft.model.command import CommandState
from weft.registry import listing

SENT, DELIVERED = CommandState.SENT, CommandState.DELIVERED


async def test_whoever_waits_hears_of_the_outcome_at_once() -> None:
    station = Station(CommandSettings(waiting_max=1))
    await station.pump()
    sent = await station.commands.send(ALICE, PUMP, "restart")
    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(station.commands.wait(*key(sent), wait_s=30))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        with pytest.raises(QuotaExceeded, match="wait for outcomes"):
            await station.commands.wait(*key(sent), wait_s=1)
        station.answer(sent, {})
    assert waiting.result().state is CommandState.SUCCEEDED
    assert (await station.commands.wait(*key(sent), wait_s=30)).state is CommandState.SUCCEEDED


async def test_a_wait_is_over_with_its_time_and_with_weft() -> None:
    station = Station()
    await station.pump()
    sent = await station.commands.send(ALICE, PUMP, "restart")
    assert (await station.commands.wait(*key(sent), wait_s=0.01)).state is SENT
    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(station.commands.wait(*key(sent), wait_s=30))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        station.commands.close()
    assert waiting.result().state is SENT


async def test_commands_are_listed_newest_first_and_by_state() -> None:
    station = Station()
    await station.pump()
    sent = []
    for _ in range(3):
        sent.append(await station.commands.send(ALICE, PUMP, "restart"))
        station.clock.turn(1)
    station.answer(sent[1], {})
    listed = await station.commands.list(ACME, PUMP, state=CommandState.SENT)
    assert {one.request_id for one in listed} == {sent[0].request_id, sent[2].request_id}
    assert len(await station.commands.list(ACME, PUMP)) == 3
    assert [one.request_id for one in station.commands.open_for(ACME, PUMP)] == [
        sent[0].request_id,
        sent[2].request_id,
    ]


async def test_a_page_by_state_does_not_read_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    """A page that has seen enough is short, says where to go on, and nothing is missed."""
    monkeypatch.setattr(listing, "EXAMINED_MAX", 2)
    station = Station()
    await station.pump()
    sent = []
    for _ in range(5):
        sent.append(await station.commands.send(ALICE, PUMP, "restart"))
        station.clock.turn(1)
    last = min(sent, key=lambda one: one.request_id)
    station.answer(last, {})
    await station.commands.checkpoint()
    pages, after = [], ""
    while True:
        part = await station.commands.list(ACME, PUMP, state=CommandState.SUCCEEDED, after=after)
        pages.append([one.request_id for one in part])
        if part.after is None:
            break
        after = part.after
    assert [one for page in pages for one in page] == [last.request_id]
    assert pages[0] == []
