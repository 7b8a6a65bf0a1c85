"""Mending: what `weft doctor` does when told to, to a data folder that nobody has open.

Nothing is thrown away: damaged files are set aside, and what could not be saved is named,
position by position.
"""

import asyncio
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from weft.app.compose import Weft
from weft.app.folder import DataFolder
from weft.app.stores import PLATFORM, POSITIONS
from weft.backends.duckdb.files import set_aside
from weft.backends.duckdb.history import DuckDbHistory
from weft.backends.sqlite.journal import SqliteJournal
from weft.backends.sqlite.records import SqliteRecords
from weft.backends.sqlite.repair import RepairReport, repair
from weft.config import Config
from weft.errors import StorageError
from weft.model.moments import to_rfc3339
from weft.ports import Reader
from weft.supervision import SystemClock

HISTORY = "history.duckdb"


class Rebuilt(Struct, frozen=True):
    """What a rebuilding of history did."""

    aside: str  # where the old file went; empty if there was none
    replayed: int
    position: int


class Reach(Struct, frozen=True):
    """Which messages the journal still holds."""

    tail: int
    head: int
    since: str  # moment of receipt of the oldest


def repair_folder(folder: Path) -> RepairReport:
    """Repair records and journal where they are damaged."""
    return repair(folder, expected_at_least=asyncio.run(_furthest(folder)))


async def _furthest(folder: Path) -> int:
    """Return the newest position that anything has durably seen, from what can be read."""
    positions = [0]
    try:
        if (folder / HISTORY).exists():
            history = await DuckDbHistory.open(folder)
            positions.append(history.position)
            await history.close()
    except StorageError:
        positions.append(0)  # damaged as well: it knows nothing, and is rebuilt on its own
    try:
        records = await SqliteRecords.open(folder)
        positions += await records.read(_positions)
        await records.close()
    except StorageError:
        positions.append(0)  # the repair that follows says what is wrong with it
    return max(positions)


def _positions(reader: Reader) -> list[int]:
    return [found.value for found in reader.list(POSITIONS, PLATFORM, limit=100)]


def told_of(report: RepairReport) -> Iterator[str]:
    """Say in sentences what a repair did."""
    if report.kept_aside is None:
        yield "Nothing was damaged; nothing was changed."
        return
    yield from report.notes
    yield f"The damaged files are in {report.kept_aside}."
    for first, last in report.positions_dropped:
        count = last - first + 1
        span = f"position {first}" if count == 1 else f"positions {first} to {last}"
        messages = "1 message" if count == 1 else f"{count:,} messages"
        yield f"Dropped from the journal: {span} ({messages})."
    for record in report.records_dropped:
        yield f"Dropped from the records: {record}."
    if not report.positions_dropped and not report.records_dropped:
        yield "Nothing was lost."


async def find_reach(folder: Path) -> Reach:
    """Return what history can be rebuilt from."""
    journal = await SqliteJournal.open(folder)
    try:
        since = ""
        async for batch in journal.read(journal.tail - 1):
            since = to_rfc3339(batch.envelopes[0].received_at)
            break
        return Reach(journal.tail, journal.head, since)
    finally:
        await journal.close()


async def rebuild_history(config: Config, folder: DataFolder) -> Rebuilt:
    """Set history's file aside and read the journal again into a new one."""
    aside = await asyncio.to_thread(set_aside, folder.path, SystemClock())
    async with Weft.open(config, folder) as weft:
        await weft.path.history.flush()
        return Rebuilt(str(aside or ""), weft.replayed, weft.stores.history.position)
