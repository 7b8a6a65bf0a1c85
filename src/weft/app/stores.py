"""What is kept, opened in order: each store tells how far it is, so that a loss is noticed."""

from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from weft.app.reindexing import reindex
from weft.backends.duckdb.history import DuckDbHistory
from weft.backends.sqlite.journal import SqliteJournal
from weft.backends.sqlite.records import SqliteRecords
from weft.connectors.events.describing import DESCRIBE
from weft.connectors.events.noting import NotedRecords
from weft.history.settings import HistorySettings
from weft.model.ids import TenantId
from weft.observability.log import get_logger
from weft.ports import Kind, Reader
from weft.supervision import SystemClock

log = get_logger(__name__)

PLATFORM = TenantId("")
POSITIONS: Kind[int] = Kind("projection", int)


@dataclass(frozen=True)
class Stores:
    """The open stores."""

    records: NotedRecords
    journal: SqliteJournal
    history: DuckDbHistory
    documents: SqliteRecords  # the records without notes, to be copied


async def open_stores(folder: Path, settings: HistorySettings, stack: AsyncExitStack) -> Stores:
    """Open all stores of a data folder; `Damaged` names what is wrong and what to do."""
    records = await SqliteRecords.open(folder)
    stack.push_async_callback(records.close)
    await reindex(records)
    history = await DuckDbHistory.open(folder, settings)
    stack.push_async_callback(history.close)
    reached = max(history.position, await records.read(_furthest))
    journal = await SqliteJournal.open(folder, expected_at_least=reached)
    stack.push_async_callback(journal.close)
    for report in (records.opening, journal.opening):
        for note in report.notes:
            log.error("store_opened", file=report.file, note=note)
    return Stores(NotedRecords(records, SystemClock(), DESCRIBE), journal, history, records)


def _furthest(reader: Reader) -> int:
    """Return the furthest journal position that any projection has stored."""
    positions = [record.value for record in reader.list(POSITIONS, PLATFORM, limit=100)]
    return max(positions, default=0)
