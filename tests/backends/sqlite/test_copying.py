"""Copies of a database in use: one moment of it, complete, for its owner alone."""

import asyncio
import stat
from pathlib import Path

import pytest
from tests.backends.sqlite.support import NOTES
from tests.contracts.support import MAIN, batch_of, payloads

from weft.backends.sqlite.journal import SqliteJournal
from weft.backends.sqlite.records import SqliteRecords
from weft.errors import AlreadyExists


async def test_a_copy_of_a_running_journal_is_one_moment_of_it(tmp_path: Path) -> None:
    """A backup is taken while messages arrive: it opens, and holds all up to some moment."""
    journal = await SqliteJournal.open(tmp_path / "data")
    for number in range(50):
        await journal.append(batch_of(number))

    async def go_on() -> None:
        for number in range(50, 100):
            await journal.append(batch_of(number))

    path, _ = await asyncio.gather(journal.copy_to(tmp_path / "backup"), go_on())
    everything = await payloads(journal)
    await journal.close()

    copy = await SqliteJournal.open(tmp_path / "backup")
    assert copy.head >= 50
    assert await payloads(copy) == everything[: copy.head]
    await copy.close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_a_copy_of_running_records_opens(tmp_path: Path) -> None:
    """The same for documents, with their index."""
    records = await SqliteRecords.open(tmp_path / "data")
    await records.write(lambda w: w.insert(NOTES, MAIN, "a", "hello"))
    await records.copy_to(tmp_path / "backup")
    await records.close()

    copy = await SqliteRecords.open(tmp_path / "backup")
    assert [
        r.key for r in await copy.read(lambda r: r.list(NOTES, MAIN, where=("text", "hello")))
    ] == ["a"]
    await copy.close()


async def test_a_copy_never_replaces_a_file(tmp_path: Path) -> None:
    """Two backups into one folder: the second is refused, the first stays."""
    records = await SqliteRecords.open(tmp_path / "data")
    await records.copy_to(tmp_path / "backup")
    with pytest.raises(AlreadyExists):
        await records.copy_to(tmp_path / "backup")
    await records.close()
