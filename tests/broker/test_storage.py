"""What is on disk, how little a checkpoint writes, and what a restart brings back."""

from collections.abc import Callable
from typing import Any

import pytest
from tests.broker.support import ALICE, BOB, MAIN, FakeLink, Station

from weft.backends.memory.records import MemoryRecords
from weft.broker import Session, Will
from weft.broker.storage import CHUNK_ITEMS, POSITIONS, QUEUES, SESSIONS, Changes
from weft.errors import Damaged, StorageError
from weft.ports import Kind, Reader, Writer


class CountingRecords(MemoryRecords):
    """Remembers what each transaction wrote, and fails when told to."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[tuple[str, str, bool]] = []
        self.transactions = 0
        self.error: Exception | None = None

    async def write(self, work: Callable[[Writer], Any]) -> Any:
        if self.error is not None:
            raise self.error
        self.transactions += 1

        def watched(writer: Writer) -> Any:
            return work(_Watched(writer, self.written))  # type: ignore[arg-type]  # stands in

        return await super().write(watched)

    def taken(self) -> list[tuple[str, str, bool]]:
        found, self.written = self.written, []
        return found


class _Watched:
    def __init__(self, writer: Writer, written: list[tuple[str, str, bool]]) -> None:
        self._writer = writer
        self._written = written

    def put(self, kind: Kind[Any], tenant: Any, key: str, value: Any) -> None:
        self._written.append((kind.name, key, True))
        self._writer.put(kind, tenant, key, value)

    def delete(self, kind: Kind[Any], tenant: Any, key: str) -> None:
        self._written.append((kind.name, key, False))
        self._writer.delete(kind, tenant, key)


async def away(station: Station, qos: int = 1) -> Session:
    session, link = await station.connect(expiry_s=3600)
    await station.subscribe(session, "t/#", qos=qos)
    station.broker.detach(session, link, will_wanted=False)
    return session


async def drain(station: Station, link: FakeLink, session: Session) -> list[bytes]:
    """Acknowledge until nothing comes any more."""
    found = []
    while batch := link.taken():
        for one in batch:
            found.append(one.payload)
            station.broker.acknowledged(session, one.packet_id)
    return found


async def count(station: Station, kind: Kind[Any]) -> int:
    def work(reader: Reader) -> int:
        return reader.count(kind, MAIN)

    return int(await station.records.read(work))


async def test_one_more_message_does_not_rewrite_the_queue() -> None:
    """A thousand messages wait; the next one costs two small records and the position."""
    records = CountingRecords()
    station = Station(records=records)
    await away(station)
    for i in range(1000):
        station.publish("t/a", b"%d" % i, qos=1)
    await station.broker.checkpoint()
    records.taken()

    station.publish("t/a", b"one more", qos=1)
    await station.broker.checkpoint()

    assert sorted(name for name, _, _ in records.taken()) == [
        "broker_queue",
        "broker_session",
        "projection",
    ]


async def test_messages_that_came_and_went_between_checkpoints_are_never_written() -> None:
    """A subscriber that keeps up costs the disk nothing but its own record."""
    records = CountingRecords()
    station = Station(records=records)
    session, link = await station.connect(expiry_s=3600)
    await station.subscribe(session, "t/#", qos=1)
    records.taken()

    for i in range(500):
        station.publish("t/a", b"%d" % i, qos=1)
        station.broker.acknowledged(session, link.taken()[0].packet_id)
    await station.broker.checkpoint()

    assert "broker_queue" not in {name for name, _, _ in records.taken()}


async def test_nothing_changed_writes_nothing() -> None:
    """An idle broker leaves the disk alone."""
    records = CountingRecords()
    station = Station(records=records)
    station.publish("nobody/listens")
    await station.broker.checkpoint()
    transactions = records.transactions

    await station.broker.checkpoint()

    assert records.transactions == transactions
    assert station.broker.position == 1
    assert station.broker.backlog == 0


async def test_a_session_that_dies_with_its_link_is_never_written() -> None:
    """A thousand devices that connect, subscribe and leave are no load on the disk."""
    records = CountingRecords()
    station = Station(records=records)
    session, link = await station.connect(expiry_s=0)
    await station.subscribe(session, "t/#", qos=2)
    station.broker.detach(session, link, will_wanted=False)
    await station.broker.checkpoint()

    assert records.transactions == 0


async def test_a_queue_is_taken_back_in_order_after_a_restart() -> None:
    """More than one chunk, part of it acknowledged, part of it behind the checkpoint."""
    station = Station()
    session = await away(station)
    total = 3 * CHUNK_ITEMS
    for i in range(total):
        station.publish("t/a", b"%d" % i, qos=1)
    await station.broker.checkpoint()
    assert await count(station, QUEUES) == 3
    session, link = await station.connect(expiry_s=3600, receive_maximum=10)
    for one in link.taken()[:7]:
        station.broker.acknowledged(session, one.packet_id)
    await station.broker.checkpoint()
    station.publish("t/a", b"behind", qos=1)

    await station.restart()
    session, link = await station.connect(expiry_s=3600)

    assert await drain(station, link, session) == [b"%d" % i for i in range(7, total)] + [b"behind"]
    await station.broker.checkpoint()
    assert await count(station, QUEUES) == 0


async def test_applying_a_batch_twice_queues_nothing_twice() -> None:
    """The journal is replayed from a position that the broker was already past."""
    station = Station()
    session = await away(station)
    envelopes = [station.envelope("t/a", b"%d" % i, qos=1) for i in range(4)]
    station.apply(*envelopes)
    station.journal.clear()
    station.apply(*envelopes, station.envelope("t/a", b"new", qos=1))

    assert [item.message.payload for item in session.queue] == [b"0", b"1", b"2", b"3", b"new"]


async def test_a_restart_keeps_packet_ids_of_qos_2() -> None:
    """Sent before, released after: the peer sees one message under one packet id."""
    station = Station()
    session, link = await station.connect(expiry_s=3600)
    await station.subscribe(session, "t/#", qos=2)
    station.publish("t/a", b"first", qos=2)
    station.publish("t/a", b"second", qos=2)
    await station.broker.checkpoint()
    first, second = link.taken()
    station.broker.received(session, first.packet_id)
    await station.broker.checkpoint()

    await station.restart()
    session, link = await station.connect(expiry_s=3600)

    assert link.released == [first.packet_id]
    assert [(one.packet_id, one.payload, one.dup) for one in link.deliveries] == [
        (second.packet_id, b"second", True)
    ]


async def test_a_subscription_is_on_disk_before_it_is_answered() -> None:
    """SUBACK came, then the power failed: it is subscribed all the same."""
    station = Station()
    session, _ = await station.connect(expiry_s=3600)
    await station.subscribe(session, "t/#", "$share/g/jobs", qos=1, identifier=3)

    await station.restart()
    station.publish("t/a", b"x", qos=1)
    station.publish("jobs", b"y", qos=1)
    attached, link = await station.attach(expiry_s=3600)
    station.broker.resume(attached.session)

    assert attached.present
    assert [(one.payload, one.subscription_ids) for one in link.deliveries] == [
        (b"x", (3,)),
        (b"y", (3,)),
    ]


async def test_a_session_that_ended_leaves_no_record() -> None:
    """Clean start throws away session and queue; a restart does not bring them back."""
    station = Station()
    await away(station)
    station.publish("t/a", qos=1)
    await station.broker.checkpoint()
    assert (await count(station, SESSIONS), await count(station, QUEUES)) == (1, 1)

    await station.connect(clean_start=True)

    assert (await count(station, SESSIONS), await count(station, QUEUES)) == (0, 0)
    await station.restart()
    attached, _ = await station.attach(expiry_s=3600)
    assert not attached.present


async def test_a_failed_checkpoint_loses_nothing_and_says_so() -> None:
    """The disk is full for a while; what was not written is written with the next one."""
    records = CountingRecords()
    station = Station(records=records)
    session, link = await station.connect(expiry_s=3600)
    await station.subscribe(session, "t/#", qos=2)
    for i in range(3):
        station.publish("t/a", b"%d" % i, qos=2)
    position = station.broker.position
    records.error = StorageError("disk full")

    with pytest.raises(StorageError):
        await station.broker.checkpoint()
    assert station.broker.position == position
    assert link.deliveries == []
    station.publish("t/a", b"3", qos=2)
    records.error = None
    await station.broker.checkpoint()

    assert link.payloads == [b"0", b"1", b"2", b"3"]
    await station.restart()
    _, link = await station.connect(expiry_s=3600)
    assert link.payloads == [b"0", b"1", b"2", b"3"]


async def test_a_connection_whose_session_cannot_be_written_is_not_answered() -> None:
    """The device is told to come back later, not that all is well."""
    records = CountingRecords()
    station = Station(records=records)
    records.error = StorageError("disk full")

    with pytest.raises(StorageError):
        await station.attach(expiry_s=3600)

    assert station.broker.count_sessions(MAIN) == (0, 1)


async def test_a_will_survives_a_planned_stop() -> None:
    """We ended the connection, not the device: it has its delay from the next start on."""
    station = Station()
    will = Will("status", b"lost", delay_s=30)
    session, link = await station.connect(expiry_s=3600, will=will)
    station.broker.detach(session, link, will_wanted=None)
    await station.broker.sweep(station.clock.now())
    await station.broker.checkpoint()
    station.clock.turn(100)

    await station.restart()
    await station.broker.sweep(station.clock.now())
    assert station.wills == []

    station.clock.turn(31)
    await station.broker.sweep(station.clock.now())
    assert [one.payload for _, one in station.wills] == [b"lost"]


async def test_a_will_survives_a_restart() -> None:
    """We crashed; the device does not come back; its will is published after its delay."""
    station = Station()
    await station.connect(expiry_s=3600, will=Will("status", b"lost", delay_s=30))
    await station.broker.checkpoint()

    await station.restart()
    station.clock.turn(29)
    await station.broker.sweep(station.clock.now())
    assert station.wills == []
    station.clock.turn(1)
    await station.broker.sweep(station.clock.now())

    assert [(who, will.payload) for who, will in station.wills] == [(ALICE, b"lost")]


async def test_the_position_is_written_with_the_state() -> None:
    """One record per projection, in the platform's own tenant."""
    station = Station()
    station.publish("a", who=BOB)
    await station.broker.checkpoint()

    def work(reader: Reader) -> int:
        tenants = reader.tenants(POSITIONS)
        return int(reader.get(POSITIONS, tenants[0], "broker").value)

    assert await station.records.read(work) == 1


async def test_of_several_changes_of_one_record_the_last_counts() -> None:
    """Put and deleted before it was written: deleted."""
    changes = Changes()
    changes.put(POSITIONS, MAIN, "k", 1)
    changes.put(POSITIONS, MAIN, "k", 2)
    changes.put(POSITIONS, MAIN, "gone", 1)
    changes.delete(POSITIONS, MAIN, "gone")
    records = MemoryRecords()

    await records.write(changes.write)

    def work(reader: Reader) -> list[tuple[str, int]]:
        return [(one.key, one.value) for one in reader.list(POSITIONS, MAIN)]

    assert len(changes) == 2
    assert await records.read(work) == [("k", 2)]


@pytest.mark.parametrize("kind", [SESSIONS, QUEUES])
async def test_damaged_records_stop_the_start(kind: Kind[Any]) -> None:
    """A record is missing that was written together with others: we do not guess."""
    station = Station()
    session, _ = await station.connect(expiry_s=3600)
    await station.subscribe(session, "t/#", qos=1)
    station.publish("t/a", qos=1)
    await station.broker.checkpoint()

    def lose(writer: Writer) -> None:
        for record in writer.list(kind, MAIN):
            writer.delete(kind, MAIN, record.key)

    await station.records.write(lose)

    with pytest.raises(Damaged):
        await station.restart()
