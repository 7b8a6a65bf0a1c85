"""Gather, commit, acknowledge, apply: in this order, and never without the disk."""

import asyncio
from collections.abc import Awaitable
from typing import Any

import pytest
from msgspec import structs
from tests.ingest.support import PUMP_7, Door, FailingJournal, Recorder

from weft.errors import StorageError
from weft.ingest.metrics import PARKED
from weft.ingest.pipeline import Pipeline, PipelineSettings, slice_of
from weft.ingest.submit import Message
from weft.model.message import Batch, Committed, QosTwo

TOPIC = "devices/me/telemetry"


class Peer:
    def __init__(self, door: Door) -> None:
        self.door = door
        self.told: list[Any] = []
        self.failed: list[Any] = []
        self.journal_head_when_told = 0
        self.resumed = 0

    def committed(self, tokens: list[Any], first: int) -> None:
        self.told += tokens
        self.journal_head_when_told = self.door.journal.head

    def commit_failed(self, tokens: list[Any], error: StorageError) -> None:
        self.failed += tokens

    def resume(self) -> None:
        self.resumed += 1


async def test_the_sender_is_told_only_when_the_journal_has_it() -> None:
    async with Door().running() as door:
        peer = Peer(door)
        session = door.gate.open(PUMP_7, "test")
        for number in range(3):
            door.gate.admit(session, Message(TOPIC, b'{"rpm": 1}'), door.clock.now())
            door.pipeline.acknowledge(peer, number)
        assert peer.told == []
        await door.pipeline.drain()
        assert peer.told == [0, 1, 2]
        assert peer.journal_head_when_told == 3
        assert [position for position, *_ in door.recorder.seen] == [1, 2, 3]


async def test_a_failed_commit_acknowledges_nothing_and_the_next_one_works() -> None:
    async with Door().running() as door:
        door.journal.failures = 1
        peer = Peer(door)
        session = door.gate.open(PUMP_7, "test")
        door.gate.admit(session, Message(TOPIC, b'{"rpm": 1}'), door.clock.now())
        door.pipeline.acknowledge(peer, "a")
        with pytest.raises(StorageError):
            await door.pipeline.drain()
        assert (peer.told, peer.failed) == ([], ["a"])
        assert door.pipeline.failing is not None
        position = await door.ingest.submit(PUMP_7, TOPIC, b'{"rpm": 2}', address="test")
        assert position == 1
        assert door.pipeline.failing is None
        assert [payload for _, _, payload, _ in door.recorder.seen] == [b'{"rpm": 2}']


async def test_what_gathers_behind_a_failed_commit_is_refused_with_it() -> None:
    """The disk fails under a message; its repetition over a new connection was on its way."""
    door = Door()
    door.journal.failures = 1
    real, peer, payload = door.journal.append, Peer(door), b'{"rpm": 1}'
    session = door.gate.open(PUMP_7, "test", "pump-7")
    door.gate.admit(session, Message(TOPIC, payload, qos=1, packet_id=7), 1)

    async def append(batch: Batch) -> int:
        if door.journal.failures:  # meanwhile the device comes back, and another one sends
            again = door.gate.open(PUMP_7, "test", "pump-7")
            door.gate.admit(again, Message(TOPIC, payload, qos=1, dup=True, packet_id=7), 2)
            door.pipeline.acknowledge(peer, 7)
            door.gate.admit(door.gate.open(PUMP_7, "test", "other"), Message(TOPIC, payload), 3)
        return await real(batch)

    door.journal.append = append  # type: ignore[method-assign]  a disk that fails slowly
    async with door.running():
        with pytest.raises(StorageError):
            await door.pipeline.drain()
        assert (peer.told, peer.failed) == ([], [7])
        door.gate.admit(session, Message(TOPIC, payload, qos=1, dup=True, packet_id=7), 4)
        await door.pipeline.drain()
    assert [seen[2] for seen in door.recorder.seen] == [payload]


async def test_a_message_that_meets_a_bug_is_parked_and_the_others_go_on() -> None:
    async with Door().running() as door:
        door.recorder.fail_on = b'{"rpm": 2}'
        session = door.gate.open(PUMP_7, "test")
        for rpm in (1, 2, 3):
            payload = b'{"rpm": %d}' % rpm
            door.gate.admit(session, Message(TOPIC, payload), door.clock.now())
        await door.pipeline.drain()
        assert [payload for _, _, payload, _ in door.recorder.seen] == [
            b'{"rpm": 1}',
            b'{"rpm": 3}',
        ]
        assert PARKED.labels("recorder")._value.get() == 1


async def test_a_projection_behind_gets_exactly_what_it_misses_decoded_again() -> None:
    async with Door().running() as door:
        for rpm in range(5):
            await door.ingest.submit(PUMP_7, TOPIC, b'{"rpm": %d}' % rpm, address="test")
        behind, current = Recorder(position=2), Recorder(position=5)
        behind.name, current.name = "behind", "current"
        pipeline = Pipeline(
            door.journal, [behind, current], PipelineSettings(), door.gate.decode_again
        )
        assert await pipeline.recover() == 3
        assert [position for position, *_ in behind.seen] == [3, 4, 5]
        assert behind.seen[0][3][0].values.rpm == 2
        assert current.seen == []


async def test_sources_are_told_to_wait_when_the_batch_is_full() -> None:
    door = Door()
    door.pipeline._settings = PipelineSettings(batch_max_messages=2)
    session = door.gate.open(PUMP_7, "test")
    peer = Peer(door)
    for _ in range(2):
        assert not door.pipeline.full
        door.gate.admit(session, Message(TOPIC, b'{"rpm": 1}'), door.clock.now())
    assert door.pipeline.full
    door.pipeline.resume_later(peer)
    async with door.running():
        await door.pipeline.drain()
    assert peer.resumed == 1


async def test_qos_two_ids_are_kept_with_the_batch() -> None:
    async with Door().running() as door:
        door.pipeline.add_qos_two(QosTwo("s", 7, released=False))
        await door.pipeline.drain()
        assert list(await door.journal.unreleased("s")) == [7]
        door.pipeline.add_qos_two(QosTwo("s", 7, released=True))
        await door.pipeline.drain()
        assert list(await door.journal.unreleased("s")) == []


def test_a_slice_keeps_its_positions() -> None:
    part = slice_of(Committed(10, ["a", "b", "c"], [1, 2, 3]), 1, 2)
    assert (part.first, part.envelopes, part.decoded) == (11, ["b"], [2])


async def test_a_repetition_of_what_was_kept_is_known_after_a_failed_commit() -> None:
    """One message is on disk, the next one is not; the device, cut off, sends both again."""
    async with Door().running() as door:
        session = door.gate.open(PUMP_7, "test", "pump-7")
        kept, lost = (
            Message(TOPIC, b'{"rpm": %d}' % number, qos=1, packet_id=number) for number in (1, 2)
        )
        door.gate.admit(session, kept, 1)
        await door.pipeline.drain()
        door.journal.failures = 1
        door.gate.admit(session, lost, 2)
        with pytest.raises(StorageError):
            await door.pipeline.drain()
        again = door.gate.open(PUMP_7, "test", "pump-7")
        for message in (kept, lost):
            door.gate.admit(again, structs.replace(message, dup=True), 3)
        await door.pipeline.drain()
        assert [payload for _, _, payload, _ in door.recorder.seen] == [kept.payload, lost.payload]


class BrokenJournal(FailingJournal):
    """Raises what no journal may raise."""

    async def append(self, batch: Batch) -> int:
        raise ZeroDivisionError


async def test_a_bug_below_stops_the_pipeline_and_leaves_nobody_waiting() -> None:
    """It stops the process; a stop that waited for one more commit would hang for ever."""
    door, peer = Door(), Peer(Door())
    door.pipeline._journal = BrokenJournal()
    door.gate.admit(door.gate.open(PUMP_7, "test"), Message(TOPIC, b'{"rpm": 1}'), 1)
    door.pipeline.acknowledge(peer, "first")
    with pytest.raises(ZeroDivisionError):
        await door.pipeline.run()
    assert (peer.told, peer.failed) == ([], ["first"])
    door.pipeline.acknowledge(peer, "later")
    assert peer.failed == ["first", "later"]
    with pytest.raises(StorageError, match="stopping"):
        await door.pipeline.drain()


async def test_who_waits_when_the_pipeline_is_cancelled_is_told() -> None:
    """A caller over HTTP gets an answer, though not the one it hoped for."""
    door = Door()
    async with asyncio.TaskGroup() as tasks:
        loop = tasks.create_task(door.pipeline.run())
        await asyncio.sleep(0)
        waiting = tasks.create_task(refused(door.ingest.submit(PUMP_7, TOPIC, b"{}", address="t")))
        await asyncio.sleep(0)
        loop.cancel()
    assert "stopping" in waiting.result()


async def refused(work: Awaitable[object]) -> str:
    with pytest.raises(StorageError) as raised:
        await work
    return raised.value.detail


async def test_a_sender_that_breaks_does_not_keep_the_others_from_being_told() -> None:
    class Broken(Peer):
        def committed(self, tokens: list[Any], first: int) -> None:
            raise ZeroDivisionError

    async with Door().running() as door:
        broken, peer = Broken(door), Peer(door)
        session = door.gate.open(PUMP_7, "test")
        for sender in (broken, peer):
            door.gate.admit(session, Message(TOPIC, b'{"rpm": 1}'), door.clock.now())
            door.pipeline.acknowledge(sender, "x")
        await door.pipeline.drain()
        assert peer.told == ["x"]
        assert broken.failed == ["x"]
        assert len(door.recorder.seen) == 2


class SlowRecorder(Recorder):
    """Its checkpoints take a while; says how many there were at the same time."""

    at_once = most_at_once = 0

    async def checkpoint(self) -> None:
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await asyncio.sleep(0)
        self.at_once -= 1


async def test_checkpoints_do_not_overtake_each_other() -> None:
    """The second would tell of a position whose state the first has taken and may yet lose."""
    slow = SlowRecorder()
    door = Door(projections=[slow])
    await asyncio.gather(door.pipeline.checkpoint(), door.pipeline.checkpoint())
    assert slow.most_at_once == 1


async def test_a_failed_checkpoint_shows_until_one_succeeds() -> None:
    class Failing(Recorder):
        failures = 1

        async def checkpoint(self) -> None:
            if self.failures:
                self.failures -= 1
                raise StorageError("The disk is full.")
            await super().checkpoint()

    async with Door(projections=[Failing()]).running() as door:
        await door.pipeline.checkpoint()
        await door.ingest.submit(PUMP_7, TOPIC, b'{"rpm": 2}', address="test")
        assert door.pipeline.failing is not None
        await door.pipeline.checkpoint()
        assert door.pipeline.failing is None


async def test_settled_means_applied_and_durable_everywhere() -> None:
    late = Recorder()
    async with Door(projections=[late]).running() as door:
        session = door.gate.open(PUMP_7, "test")
        door.gate.admit(session, Message(TOPIC, b'{"rpm": 1}'), 1)
        await door.pipeline.settle()
        assert door.recorder.position == late.position == door.journal.head == 1
        late.seen.clear()
        late.position = 0
        with pytest.raises(StorageError, match="behind position 1"):
            await door.pipeline.settle()


async def test_a_parked_message_does_not_stop_a_delete_for_good() -> None:
    """The last message met a bug of a projection; what stands before it is settled."""
    async with Door().running() as door:
        session = door.gate.open(PUMP_7, "test")
        door.recorder.fail_on = b'{"rpm": 2}'
        for number in (1, 2):
            door.gate.admit(session, Message(TOPIC, b'{"rpm": %d}' % number), 1)
        await door.pipeline.settle()
        assert door.recorder.position == 1


async def test_what_the_journal_no_longer_has_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """A journal restored alone, or a projection left behind: not ignored in silence."""
    door = Door()
    async with door.running():
        for number in range(3):
            await door.ingest.submit(PUMP_7, TOPIC, b'{"rpm": %d}' % number, address="test")
    await door.journal.trim(before=3)
    door.recorder.position = 0
    await door.pipeline.recover()
    assert "replay_incomplete" in capsys.readouterr().out


async def test_it_is_known_up_to_when_everything_was_applied() -> None:
    """Timers of rules may not run ahead of messages that wait for the disk."""
    async with Door().running() as door:
        session = door.gate.open(PUMP_7, "test")
        assert door.pipeline.settled_until(900) == 900
        door.gate.admit(session, Message(TOPIC, b'{"rpm": 1}'), 500)
        door.gate.admit(session, Message(TOPIC, b'{"rpm": 1}'), 600)
        assert door.pipeline.settled_until(900) == 499
        await door.pipeline.drain()
        assert door.pipeline.settled_until(900) == 900
