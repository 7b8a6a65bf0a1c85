"""Ending: the first answer counts, or the sender, or time; each once."""

import asyncio

import pytest
from tests.commands.support import ACME, ALICE, PUMP, Station, key

from weft.errors import Conflict, StorageError
from weft.model.command import CommandState

SENT, DELIVERED = CommandState.SENT, CommandState.DELIVERED


async def test_what_nobody_answers_expires_on_time_and_a_late_answer_is_a_note() -> None:
    """The pump comes back a minute too late: what was decided stays decided."""
    station = Station()
    await station.pump()
    sent = await station.commands.send(ALICE, PUMP, "restart", ttl_s=10)
    station.clock.turn(9)
    station.commands.sweep(station.clock.now())
    assert (await station.commands.get(*key(sent))).state is SENT
    station.clock.turn(2)
    station.commands.sweep(station.clock.now())
    expired = await station.commands.get(*key(sent))
    assert (expired.state, expired.ended_by) == ("expired", "time")
    assert expired.ended_at == sent.expires_at
    await station.commands.checkpoint()
    position = station.answer(sent, {"status": "succeeded"})
    await station.commands.checkpoint()
    noted = await station.commands.get(*key(sent))
    assert noted.state is CommandState.EXPIRED
    assert noted.late is not None
    assert (noted.late.position, noted.late_count) == (position, 1)


async def test_an_answer_after_the_time_is_late_though_nobody_has_swept_yet() -> None:
    """The outcome hangs on moments in the journal, not on when a timer ran."""
    station = Station()
    await station.pump()
    sent = await station.commands.send(ALICE, PUMP, "restart", ttl_s=10)
    station.clock.turn(11)
    station.answer(sent, {"status": "succeeded"})
    ended = await station.commands.get(*key(sent))
    assert (ended.state, ended.late_count) == ("expired", 1)


async def test_the_first_answer_counts() -> None:
    station = Station()
    await station.pump()
    sent = await station.commands.send(ALICE, PUMP, "restart")
    station.answer(sent, {"status": "failed", "error": "valve stuck"})
    station.answer(sent, {"status": "succeeded"})
    ended = await station.commands.get(*key(sent))
    assert (ended.state, ended.error, ended.late_count) == ("failed", "valve stuck", 1)


async def test_a_command_is_taken_back_by_its_sender_once() -> None:
    """It ends as rejected, on record; a device that did it all the same is noted."""
    station = Station()
    await station.pump()
    sent = await station.commands.send(ALICE, PUMP, "restart")
    ended, again = await asyncio.gather(
        station.commands.cancel(ALICE, PUMP, sent.request_id, reason="wrong pump"),
        station.commands.cancel(ALICE, PUMP, sent.request_id),
    )
    assert ended == again
    assert (ended.state, ended.ended_by) == ("rejected", "user:alice")
    assert ended.error == "Cancelled: wrong pump"
    station.answer(sent, {})
    await station.commands.checkpoint()
    assert (await station.commands.get(*key(sent))).late_count == 1
    actions = [one.value.action for one in await station.audit.list_records(ACME)]
    assert actions.count("command.cancel") == 1


async def test_what_has_ended_cannot_be_taken_back() -> None:
    station = Station()
    await station.pump()
    sent = await station.commands.send(ALICE, PUMP, "restart")
    station.answer(sent, {"status": "rejected", "error": "busy"})
    with pytest.raises(Conflict, match="has rejected already"):
        await station.commands.cancel(ALICE, PUMP, sent.request_id)


async def test_an_answer_during_a_cancel_that_fails_is_the_outcome_after_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The disk fails under the cancel while the pump answers: nothing is lost."""
    station = Station()
    await station.pump()
    sent = await station.commands.send(ALICE, PUMP, "restart")

    async def fails(_work: object) -> None:
        station.answer(sent, {"status": "succeeded"})
        raise StorageError("The disk is full.")

    with monkeypatch.context() as patch:
        patch.setattr(station.records, "write", fails)
        with pytest.raises(StorageError):
            await station.commands.cancel(ALICE, PUMP, sent.request_id)
    assert (await station.commands.get(*key(sent))).state is CommandState.SUCCEEDED
