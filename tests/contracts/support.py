"""What the contract suites share: every backend by name, and messages to keep in them.

A new backend is one line in `RECORDS` or `JOURNALS`.
"""

from collections.abc import Awaitable, Callable
from pathlib import Path

from weft.backends.memory.journal import MemoryJournal
from weft.backends.memory.records import MemoryRecords
from weft.backends.sqlite.journal import SqliteJournal
from weft.backends.sqlite.records import SqliteRecords
from weft.errors import StorageError
from weft.model.ids import DeviceId, TenantId
from weft.model.message import Batch, Committed, Envelope, Operation, QosTwo, Route
from weft.ports import Journal, Records

MAIN = TenantId("main")
START_AT = 1_772_366_400_000_000_000


async def _memory_records(_folder: Path) -> Records:
    return MemoryRecords()


async def _memory_journal(_folder: Path) -> Journal:
    return MemoryJournal()


async def _sqlite_records(folder: Path) -> Records:
    return await SqliteRecords.open(folder)


async def _sqlite_journal(folder: Path) -> Journal:
    return await SqliteJournal.open(folder)


RECORDS: dict[str, Callable[[Path], Awaitable[Records]]] = {
    "memory": _memory_records,
    "sqlite": _sqlite_records,
}
JOURNALS: dict[str, Callable[[Path], Awaitable[Journal]]] = {
    "memory": _memory_journal,
    "sqlite": _sqlite_journal,
}


def route_of(device: str) -> Route:
    return Route(
        MAIN,
        "device",
        device,
        f"devices/{device}/telemetry",
        Operation.TELEMETRY,
        DeviceId(device),
        "press",
        1,
    )


def message(number: int, *, device: str = "press-1", at: int | None = None) -> Envelope:
    """Return a message that tells itself from all others by its payload."""
    return Envelope(
        route_of(device),
        START_AT + number if at is None else at,
        b'{"number":%d,"temperature":21.4,"pressure":1.03,"state":"running","spare":"%064d"}'
        % (number, number),
        qos=1,
        packet_id=number % 65_535 + 1,
        session=device,
    )


def batch_of(*numbers: int, qos_two: list[QosTwo] | None = None) -> Batch:
    envelopes = [message(number) for number in numbers]
    return Batch(envelopes, [None] * len(envelopes), qos_two or [])


async def read_all(journal: Journal, after: int = 0, until: int | None = None) -> list[Committed]:
    return [batch async for batch in journal.read(after, until=until)]


async def payloads(journal: Journal, after: int = 0, until: int | None = None) -> list[bytes]:
    return [e.payload for batch in await read_all(journal, after, until) for e in batch.envelopes]


class FaultyJournal:
    """A journal whose appends fail when told to; everything else is the inner one's."""

    def __init__(self, inner: Journal) -> None:
        self._inner = inner
        self.failing = False

    def __getattr__(self, name: str) -> object:
        return getattr(self._inner, name)

    async def append(self, batch: Batch) -> int:
        if self.failing:
            raise StorageError("The disk is full.", remedy="Free space.")
        return await self._inner.append(batch)


class FaultyRecords:
    """Records whose writes fail when told to; everything else is the inner one's."""

    def __init__(self, inner: Records) -> None:
        self._inner = inner
        self.failing = False

    def __getattr__(self, name: str) -> object:
        return getattr(self._inner, name)

    async def write(self, work: Callable[..., object]) -> object:
        if self.failing:
            raise StorageError("The disk is full.", remedy="Free space.")
        return await self._inner.write(work)
