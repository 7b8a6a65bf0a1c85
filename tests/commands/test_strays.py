"""Strays: what is answered to a command that is gone changes no other."""

import pytest
from msgspec.structs import replace
from tests.commands.support import ACME, ALICE, PUMP, Station, key

from weft.commands.drafts import refusal_of
from weft.commands.strays import PER_DEVICE_MAX
from weft.errors import NotFound, StorageError
from weft.model.moments import to_rfc3339


async def test_an_answer_to_what_nobody_asked_changes_nothing() -> None:
    station = Station()
    await station.pump()
    sent = await station.commands.send(ALICE, PUMP, "restart")
    await station.commands.forget(ACME, PUMP)
    station.answer(sent, {})
    await station.commands.checkpoint()
    with pytest.raises(NotFound):
        await station.commands.get(*key(sent))


async def test_an_answer_to_what_never_was_is_in_the_inbox_and_says_so() -> None:
    """A device invents a request id, or answers after the device was made anew."""
    station = Station()
    await station.pump()
    sent = await station.commands.send(ALICE, PUMP, "restart")
    position = station.answer(replace(sent, request_id="r-99"), {"done": True})
    await station.commands.checkpoint()
    refused = station.refused[position]
    assert refused.reason.code == "unknown_command"
    assert "never got a command with the request id 'r-99'" in refused.reason.detail
    assert "weft command list pump-7" in refused.reason.remedy
    assert refused.envelope is station.journal[position - 1][0]


async def test_a_late_answer_is_in_the_inbox_with_the_state_and_the_moment_of_the_end() -> None:
    """In memory or on disk only, the words are the same; a crash adds none."""
    for stored_first in (False, True):
        station = Station()
        await station.pump()
        sent = await station.commands.send(ALICE, PUMP, "restart", ttl_s=10)
        station.clock.turn(11)
        station.commands.sweep(station.clock.now())
        if stored_first:
            await station.commands.checkpoint()
        position = station.answer(sent, {"status": "succeeded"})
        await station.commands.checkpoint()
        refused = station.refused[position]
        assert refused.reason.code == "late_answer"
        assert f"had expired at {to_rfc3339(sent.expires_at)}" in refused.reason.detail
        assert "longer time to live" in refused.reason.remedy
        await station.restart()
        await station.commands.checkpoint()
        assert list(station.refused) == [position]


async def test_the_same_answer_again_is_a_note_and_no_refusal() -> None:
    """Delivery is at least once, and so are answers; another answer is refused."""
    station = Station()
    await station.pump()
    sent = await station.commands.send(ALICE, PUMP, "restart")
    for _ in range(2):
        station.answer(sent, {"status": "succeeded", "output": 7})
    await station.commands.checkpoint()
    station.answer(sent, {"status": "succeeded", "output": 7})
    await station.commands.checkpoint()
    assert station.refused == {}
    position = station.answer(sent, {"status": "failed"})
    await station.commands.checkpoint()
    assert "had succeeded (by device)" in station.refused[position].reason.detail
    assert (await station.commands.get(*key(sent))).late_count == 3


async def test_what_a_crash_interrupted_is_refused_after_it() -> None:
    """The power fails before the checkpoint: the journal is read again, and nothing is lost."""
    station = Station()
    await station.pump()
    sent = await station.commands.send(ALICE, PUMP, "restart")
    station.answer(sent, {})
    await station.commands.checkpoint()
    position = station.answer(sent, {"status": "failed"})
    await station.restart()
    await station.commands.checkpoint()
    assert list(station.refused) == [position]


async def test_a_flood_keeps_the_newest_of_a_device_and_counts_the_rest() -> None:
    station = Station()
    await station.pump()
    sent = await station.commands.send(ALICE, PUMP, "restart")
    for number in range(PER_DEVICE_MAX + 5):
        last = station.answer(replace(sent, request_id=f"r-{number}"), {})
    await station.commands.checkpoint()
    assert len(station.refused) == PER_DEVICE_MAX
    assert last in station.refused
    assert sum(one.left_out_before for one in station.refused.values()) == 5


async def test_a_disk_that_fails_loses_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    station = Station()
    await station.pump()
    sent = await station.commands.send(ALICE, PUMP, "restart")
    await station.commands.checkpoint()
    positions = [station.answer(replace(sent, request_id=name), {}) for name in ("r-1", "r-2")]

    async def fails(_work: object) -> None:
        raise StorageError("The disk is full.")

    with monkeypatch.context() as patch:
        patch.setattr(station.records, "write", fails)
        with pytest.raises(StorageError):
            await station.commands.checkpoint()
    await station.commands.checkpoint()
    assert sorted(station.refused) == positions


async def test_what_weft_says_for_a_session_is_not_refused_as_a_message_of_the_device() -> None:
    station = Station()
    pump = await station.pump()
    sent = await station.commands.send(ALICE, PUMP, "restart")
    station.commands.refused(pump, sent.topic)
    [(envelope, answer)] = [refusal_of(sent, station.clock.now(), "The server is gone.")]
    station.answer(sent, {"status": "succeeded"})
    station.commit(envelope, answer)
    await station.commands.checkpoint()
    assert station.refused == {}


async def test_a_dialects_number_of_a_command_that_has_ended_is_no_stranger() -> None:
    """ThingsBoard's devices answer by a number: how and when that command ended is said."""
    station = Station()
    await station.pump()
    sent = await station.commands.send(ALICE, PUMP, "restart", ttl_s=10)
    other = await station.commands.send(ALICE, PUMP, "restart")
    station.clock.turn(11)
    station.commands.sweep(station.clock.now())
    await station.commands.checkpoint()
    late, invented, still_open = (
        station.answer(replace(sent, request_id=str(number)), {"done": True})
        for number in (sent.position, 99, other.position)
    )
    await station.commands.checkpoint()
    codes = {position: one.reason.code for position, one in station.refused.items()}
    assert codes == {
        late: "late_answer",
        invented: "unknown_command",
        still_open: "unknown_command",
    }
    assert (await station.commands.get(*key(sent))).late_count == 1
    assert (await station.commands.get(*key(other))).late_count == 0
