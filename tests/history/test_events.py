"""Events of devices: each once, in order, the newest of each, whatever fails meanwhile."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.backends.memory.records import MemoryRecords
from weft.backends.sqlite.records import SqliteRecords
from weft.errors import StorageError
from weft.history.events import (
    HELD_AS_ONE_BYTES,
    POSITION,
    READ_BACK_MESSAGES,
    STORED_AT_ONCE,
    VALUES_MAX_BYTES,
    DeviceEvent,
    DeviceEvents,
    EventSpan,
    event_key,
)
from weft.model.ids import DeviceId, TenantId
from weft.model.message import Committed, Envelope, Operation, Route
from weft.ports import Records, Writer

T = TypeVar("T")

ACME, OTHER = TenantId("acme"), TenantId("other")
PUMP, FAN = DeviceId("pump-7"), DeviceId("fan-1")
ALL = EventSpan(limit=1_000)


class FailingRecords(MemoryRecords):
    """A disk that is full where the test says so."""

    def __init__(self) -> None:
        super().__init__()
        self.failing: Iterator[bool] = iter(())
        self.done_first = False  # the write is on disk, and nobody hears of it

    async def write(self, work: Callable[[Writer], T]) -> T:
        """Fail, or store."""
        fails = next(self.failing, False)
        if fails and not self.done_first:
            raise StorageError("The disk is full.")
        found = await super().write(work)
        if fails:
            raise StorageError("Nobody knows.")
        return found


def event(
    device: DeviceId = PUMP, name: str = "leak", *, at: int = 1, tenant: TenantId = ACME
) -> Envelope:
    topic = f"devices/{device}/events/{name}"
    route = Route(tenant, "device", device, topic, Operation.EVENT, device, name=name)
    return Envelope(route, at, b"{}")


def reading(device: DeviceId = PUMP) -> Envelope:
    route = Route(ACME, "device", device, "devices/x/telemetry", Operation.TELEMETRY, device)
    return Envelope(route, 1, b"{}")


def batch(first: int, *envelopes: Envelope) -> Committed:
    """Messages whose values name their position."""
    decoded: list[Any] = [{"n": first + number} for number in range(len(envelopes))]
    return Committed(first, list(envelopes), decoded)


async def opened(records: Records, per_device: int = 1_000) -> DeviceEvents:
    events = DeviceEvents(records, per_device)
    await events.load(1, 0)
    return events


async def positions(
    events: DeviceEvents, device: DeviceId = PUMP, span: EventSpan = ALL
) -> list[int]:
    return [one.position for one in await events.list_events(ACME, device, span)]


async def test_events_are_kept_by_device_and_other_messages_are_not() -> None:
    """Newest first, with what was read from each, and a reader sees what was acknowledged."""
    events = await opened(MemoryRecords())
    events.apply(batch(1, event(at=5), reading(), event(FAN), event(name="dry", at=9)))
    assert (events.position, events.backlog) == (0, 4)
    newest, oldest = await events.list_events(ACME, PUMP, ALL)
    assert newest == DeviceEvent(4, ACME, PUMP, "dry", 9, 2, {"n": 4})
    assert (oldest.position, oldest.name, oldest.received_at) == (1, "leak", 5)
    assert await positions(events, FAN) == [3]
    assert (events.position, events.backlog) == (4, 0)


async def test_tn_1_a_namesake_in_another_tenant_is_another_device() -> None:
    events = await opened(MemoryRecords())
    events.apply(batch(1, event(), event(tenant=OTHER)))
    assert await positions(events) == [1]
    assert [one.position for one in await events.list_events(OTHER, PUMP, ALL)] == [2]


async def test_what_is_asked_for_is_found_page_by_page() -> None:
    """By name and by time; a page goes on before the last position that was seen."""
    events = await opened(MemoryRecords())
    names = ("leak", "dry")
    events.apply(batch(1, *[event(name=names[n % 2], at=10 * n) for n in range(1, 9)]))
    assert await positions(events, span=EventSpan(name="leak")) == [8, 6, 4, 2]
    assert await positions(events, span=EventSpan(name="leak", limit=2)) == [8, 6]
    assert await positions(events, span=EventSpan(name="leak", limit=2, before=6)) == [4, 2]
    assert await positions(events, span=EventSpan(start=30, end=60)) == [5, 4, 3]
    assert await positions(events, span=EventSpan(limit=3, before=4)) == [3, 2, 1]
    assert await positions(events, span=EventSpan(before=1)) == []
    assert await positions(events, span=EventSpan(name="none")) == []


async def test_of_each_device_the_newest_are_kept_and_a_flood_takes_nobody_elses() -> None:
    """A pump that says the same thing ten times a second pushes out its own words alone."""
    events = await opened(MemoryRecords(), per_device=3)
    events.apply(batch(1, event(FAN), *[event() for _ in range(10)]))
    assert await positions(events) == [11, 10, 9]
    events.apply(batch(12, event(), event()))
    assert await positions(events) == [13, 12, 11]
    assert await positions(events, FAN) == [1]


async def test_the_bound_holds_over_a_restart_and_when_it_is_lowered() -> None:
    records = MemoryRecords()
    before = await opened(records, per_device=5)
    before.apply(batch(1, *[event() for _ in range(5)]))
    await before.checkpoint()
    after = await opened(records, per_device=2)
    after.apply(batch(6, event()))
    assert await positions(after) == [6, 5]


async def test_what_is_read_again_after_a_crash_stands_there_once() -> None:
    """A batch or a part of one too early; what had not been stored is stored now."""
    records = MemoryRecords()
    before = await opened(records)
    before.apply(batch(1, event(), event()))
    await before.checkpoint()
    before.apply(batch(3, event()))  # and the power fails

    after = await opened(records)
    assert after.position == 2
    after.apply(batch(1, event(), event()))
    after.apply(batch(2, event(), event()))
    after.apply(batch(4, event()))
    assert await positions(after) == [4, 3, 2, 1]
    records_of = await records.read(lambda r: r.find(POSITION, TenantId(""), "events"))
    assert records_of is not None
    assert records_of.value == 4


@pytest.mark.parametrize("done_first", [False, True])
async def test_a_full_disk_loses_and_doubles_nothing(done_first: bool) -> None:
    """Also where the write was done, and its outcome was not heard."""
    records = FailingRecords()
    events = await opened(records, per_device=4)
    events.apply(batch(1, event(), event()))
    records.failing, records.done_first = iter([True]), done_first
    with pytest.raises(StorageError):
        await events.checkpoint()
    assert events.position == 0
    events.apply(batch(3, event()))
    assert events.backlog >= 3
    assert await positions(events) == [3, 2, 1]
    events.apply(batch(4, event(), event()))
    assert await positions(events) == [5, 4, 3, 2]
    assert events.backlog == 0


async def test_many_are_stored_some_at_a_time_each_part_with_its_position() -> None:
    """Others have their turn in between; what was stored before a failure is not stored again."""
    records = FailingRecords()
    events = await opened(records, per_device=10_000)
    count = 2 * STORED_AT_ONCE + 10
    events.apply(batch(1, *[event() for _ in range(count)], reading()))
    records.failing = iter([False, True])
    with pytest.raises(StorageError):
        await events.checkpoint()
    assert events.position == STORED_AT_ONCE

    crashed = await opened(records)  # all that it has is there, and the rest is read again
    assert crashed.position == STORED_AT_ONCE
    assert len(await positions(crashed)) == STORED_AT_ONCE
    await events.checkpoint()
    assert events.position == count + 1
    span = EventSpan(limit=10_000)
    assert await positions(events, span=span) == list(range(count, 0, -1))
    named = EventSpan(name="leak", limit=10_000)  # more than are read at once
    assert await positions(events, span=named) == list(range(count, 0, -1))


async def test_of_a_large_event_name_moment_and_size_are_kept() -> None:
    events = await opened(MemoryRecords())
    large = event()
    large.payload = b"x" * (VALUES_MAX_BYTES + 1)
    events.apply(batch(1, large))
    (found,) = await events.list_events(ACME, PUMP, ALL)
    assert (found.values, found.payload_bytes) == (None, VALUES_MAX_BYTES + 1)


async def test_what_is_held_stops_the_door_by_its_bytes() -> None:
    """Few large events take as much memory as many messages do; once stored they take none."""
    events = await opened(MemoryRecords(), per_device=2)
    large = event()
    large.payload = b"x" * VALUES_MAX_BYTES
    events.apply(batch(1, large, large, large))
    held = 2 * (VALUES_MAX_BYTES + HELD_AS_ONE_BYTES) // HELD_AS_ONE_BYTES
    assert events.backlog == held
    await events.checkpoint()
    assert events.backlog == 0


async def test_a_deleted_device_leaves_none_and_its_namesake_begins_anew() -> None:
    """What was not stored yet goes as well; others keep theirs."""
    events = await opened(MemoryRecords(), per_device=STORED_AT_ONCE + 5)
    events.apply(batch(1, event(FAN), *[event() for _ in range(STORED_AT_ONCE + 3)]))
    await events.checkpoint()
    events.apply(batch(STORED_AT_ONCE + 5, event(), event(FAN)))
    await events.forget(ACME, PUMP)
    assert await positions(events) == []
    assert len(await positions(events, FAN)) == 2
    events.apply(batch(STORED_AT_ONCE + 7, event()))
    assert await positions(events) == [STORED_AT_ONCE + 7]


async def test_an_installation_of_before_reads_its_newest_messages_again() -> None:
    """None was stored ever: as many as the journal has, and no more than a start may take."""
    events = DeviceEvents(MemoryRecords(), 10)
    await events.load(tail=101, head=500)
    assert events.position == 100
    await events.load(tail=1, head=READ_BACK_MESSAGES + 50)
    assert events.position == 50
    await events.load(tail=1, head=0)
    assert events.position == 0


async def test_they_are_on_disk_after_a_checkpoint(tmp_path: Path) -> None:
    """The same on SQLite: what was stored is there when the file is opened again."""
    records = await SqliteRecords.open(tmp_path)
    events = await opened(records, per_device=2)
    events.apply(batch(1, event(), event(), event(FAN), event()))
    await events.checkpoint()
    await records.close()
    records = await SqliteRecords.open(tmp_path)
    again = await opened(records, per_device=2)
    assert (again.position, await positions(again)) == (4, [4, 2])
    await records.close()


def test_keys_sort_as_positions_do() -> None:
    keys = [event_key(position) for position in (1, 9, 10, 2**62)]
    assert keys == sorted(keys)


Act = tuple[str, int]


@given(
    st.lists(st.tuples(st.sampled_from(["say", "store", "crash", "full"]), st.integers(0, 2))),
    st.integers(1, 3),
)
async def test_whatever_happens_the_newest_of_each_device_are_there(
    acts: list[Act], per_device: int
) -> None:
    """Messages, checkpoints, full disks and crashes in any order, against a plain list."""
    records = FailingRecords()
    events = await opened(records, per_device)
    journal: list[Envelope] = []
    devices = (PUMP, FAN, DeviceId("third"))

    async def recover() -> DeviceEvents:
        again = await opened(records, per_device)
        if journal:
            again.apply(batch(1, *journal))
        return again

    for act, number in acts:
        if act == "say":
            journal.append(event(devices[number]))
            events.apply(batch(len(journal), journal[-1]))
        elif act == "store":
            await events.checkpoint()
        elif act == "crash":
            events = await recover()
        elif events.backlog:
            records.failing, records.done_first = iter([True]), bool(number)
            with pytest.raises(StorageError):
                await events.checkpoint()
    for device in devices:
        said = [n for n, one in enumerate(journal, 1) if one.route.device_id == device]
        assert await positions(events, device) == said[::-1][:per_device]
