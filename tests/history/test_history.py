"""The projection: nothing twice, nothing missing, and readers see what was acknowledged."""

from collections.abc import Sequence
from typing import Any

import pytest
from tests.history.support import MAIN, PUMP, T0, S, ask, points

from weft.backends.memory.history import MemoryHistory
from weft.errors import StorageError
from weft.history.history import History
from weft.history.settings import HistorySettings
from weft.model.ids import DeviceId
from weft.model.message import Committed, Envelope, Operation, Route
from weft.model.telemetry import Reading
from weft.ports import Rows
from weft.supervision import FakeClock

ROUTE = Route(MAIN, "device", PUMP, "devices/pump-7/telemetry", Operation.TELEMETRY, PUMP)
EVENT = Route(MAIN, "device", PUMP, "devices/pump-7/events/x", Operation.EVENT, PUMP)


class FailingStore(MemoryHistory):
    """A disk that is full for the first `failures` appends."""

    def __init__(self, failures: int) -> None:
        super().__init__()
        self.failures = failures
        self.appends = 0
        self.compacted = 0

    async def compact(self) -> None:
        """Count how often."""
        self.compacted += 1

    async def append(self, rows: Sequence[Rows], position: int) -> None:
        """Fail, or store."""
        self.appends += 1
        if self.failures:
            self.failures -= 1
            raise StorageError("the disk is full")
        await super().append(rows, position)


def batch(first: int, *seconds: float, route: Route = ROUTE, value: Any = 1.0) -> Committed:
    """Messages of one reading each."""
    envelopes = [Envelope(route, T0, b"") for _second in seconds]
    decoded = [[Reading(T0 + round(second * S), {"t": value})] for second in seconds]
    return Committed(first, envelopes, decoded)


def make(store: MemoryHistory | None = None, **settings: Any) -> History:
    return History(store or MemoryHistory(), FakeClock(T0), HistorySettings(**settings))


async def test_a_reader_sees_what_was_acknowledged() -> None:
    """Nobody waits for the next second to see the sample that was just sent."""
    history = make()
    history.apply(batch(1, 0, 1))
    assert history.backlog == 2
    assert history.position == 0
    assert points(await history.query(ask())) == [(0, 1.0), (1, 1.0)]
    assert history.backlog == 0
    assert history.position == 2
    assert await history.keys(MAIN, PUMP) == ["t"]


async def test_a_replayed_batch_changes_nothing() -> None:
    """After a crash the journal is read again, a batch or a part of one too early."""
    store = MemoryHistory()
    history = make(store)
    history.apply(batch(1, 0, 1, 2))
    await history.checkpoint()

    again = make(store)
    again.apply(batch(1, 0, 1, 2, value=9.0))
    again.apply(batch(2, 1, 2, 3, value=9.0))
    again.apply(batch(5, 4))
    assert [value for _at, value in points(await again.query(ask()))] == [1, 1, 1, 9, 1]
    assert again.position == 5


async def test_messages_without_readings_move_the_position() -> None:
    """Events and plain messages are behind us, and are not read again."""
    history = make()
    history.apply(batch(1, 0, route=EVENT))
    history.apply(Committed(2, [Envelope(ROUTE, T0, b"")], [None]))
    await history.checkpoint()
    assert history.position == 2
    assert points(await history.query(ask())) == []


async def test_one_message_may_hold_several_readings() -> None:
    """A device that was out of reach sends an hour at once."""
    history = make()
    readings = [Reading(T0 + i * S, {"t": i}) for i in range(3)]
    history.apply(Committed(1, [Envelope(ROUTE, T0, b"")], [readings]))
    assert points(await history.query(ask())) == [(0, 0), (1, 1), (2, 2)]


async def test_what_could_not_be_stored_is_stored_later_and_once() -> None:
    """The disk is full for two seconds while devices go on sending."""
    store = FailingStore(2)
    history = make(store)
    history.apply(batch(1, 0))
    with pytest.raises(StorageError):
        await history.checkpoint()
    history.apply(batch(2, 1, 2))
    with pytest.raises(StorageError):
        await history.checkpoint()
    assert (history.backlog, history.position) == (3, 0)
    await history.checkpoint()
    assert (history.backlog, history.position) == (0, 3)
    assert points(await history.query(ask())) == [(0, 1.0), (1, 1.0), (2, 1.0)]


async def test_nothing_new_costs_nothing() -> None:
    """An idle weft does not write to its disk each second."""
    store = FailingStore(0)
    history = make(store)
    await history.checkpoint()
    history.apply(batch(1, 0))
    await history.checkpoint()
    await history.checkpoint()
    assert store.appends == 1


async def test_a_deleted_device_goes_with_what_is_on_its_way() -> None:
    """The last second's samples do not come back under its name."""
    history = make()
    history.apply(batch(1, 0))
    await history.delete_device(MAIN, PUMP)
    await history.delete_device(MAIN, DeviceId("never-there"))
    history.apply(batch(2, 5))
    assert points(await history.query(ask())) == [(5, 1.0)]


async def test_what_is_too_old_goes_when_the_house_is_kept() -> None:
    """A day is kept; yesterday's first half goes."""
    history = make(keep_days=1.0)
    history.apply(batch(1, -100_000, -90_000, -80_000, 0))
    await history.flush()
    assert await history.housekeep() == 2
    left = await history.query(ask(start=0))
    assert [at for at, _value in points(left)] == [-80_000, 0]


async def test_the_house_may_be_kept_each_minute() -> None:
    """Compacting rewrites much, so it is done once an hour."""
    store = FailingStore(0)
    clock = FakeClock(T0)
    history = History(store, clock, HistorySettings(compact_every_s=3600))
    for _minute in range(150):
        clock.turn(60)
        await history.housekeep()
    assert store.compacted == 2


async def test_closing_hands_over_what_there_is() -> None:
    """A clean stop leaves nothing to replay."""
    store = FailingStore(0)
    history = make(store)
    history.apply(batch(1, 0, 1))
    await history.close()
    assert store.appends == 1
    assert store.position == 2


async def test_a_message_of_many_readings_weighs_as_many() -> None:
    """A day of minutes in one message, sent by a thousand devices: the door closes in time."""
    store = FailingStore(failures=1)
    history = make(store)
    readings = [Reading(T0 + number, {"t": 1.0}) for number in range(1_000)]
    history.apply(Committed(1, [Envelope(ROUTE, T0, b"")], [readings]))
    assert history.backlog == 1_000
    with pytest.raises(StorageError):
        await history.flush()
    assert history.backlog == 1_000
    await history.flush()
    assert history.backlog == 0
