"""Repair: what is intact is saved, what is not is named, the originals are kept."""

import shutil
import sqlite3
from pathlib import Path

import pytest
from tests.backends.sqlite.support import NOTES, closed_journal, crashed_journal, flip_bit, run
from tests.contracts.support import MAIN, batch_of, message, payloads

from weft.backends.sqlite.journal import SqliteJournal
from weft.backends.sqlite.records import SqliteRecords
from weft.backends.sqlite.repair import RepairReport, repair
from weft.errors import StorageError
from weft.model.message import Batch, QosTwo


def _spoil(folder: Path, statement: str) -> None:
    connection = sqlite3.connect(folder / "journal.sqlite")
    with connection:
        connection.execute(statement)
    connection.close()


def test_nothing_is_touched_where_nothing_is_damaged(tmp_path: Path) -> None:
    """An operator runs the repair to be sure."""
    run(closed_journal(tmp_path, 5))
    before = (tmp_path / "journal.sqlite").read_bytes()

    assert repair(tmp_path) == RepairReport()
    assert (tmp_path / "journal.sqlite").read_bytes() == before
    assert not [*tmp_path.glob("damaged-*")]


def test_one_bad_batch_costs_itself_alone(tmp_path: Path) -> None:
    """All others keep their positions; the chain, ids and head go on."""

    async def write() -> None:
        journal = await SqliteJournal.open(tmp_path)
        for number in range(20):
            await journal.append(batch_of(number * 2, number * 2 + 1))
        await journal.append(Batch([], [], [QosTwo("s", 4, False)]))
        await journal.close()

    run(write())
    _spoil(tmp_path, "UPDATE batch SET body = zeroblob(40) WHERE first = 11")

    report = repair(tmp_path)

    assert report.positions_dropped == ((11, 12),)
    assert report.kept_aside
    assert (Path(report.kept_aside) / "journal.sqlite").exists()

    async def check() -> None:
        journal = await SqliteJournal.open(tmp_path)
        expected = [message(n).payload for n in range(40) if n not in {10, 11}]
        assert await payloads(journal) == expected
        assert await payloads(journal, 10, 14) == expected[10:12]
        assert list(await journal.unreleased("s")) == [4]
        assert await journal.append(batch_of(99)) == 41
        assert await journal.trim(before=12) == 11
        assert await journal.trim(before=13) == 13
        await journal.close()

    run(check())
    assert repair(tmp_path) == RepairReport()


def test_a_damaged_log_loses_only_what_was_hit(tmp_path: Path) -> None:
    """SQLite would drop everything behind the damaged frame; most of it is saved."""
    image = run(crashed_journal(tmp_path, 60, 30))
    size = (image / "journal.sqlite-wal").stat().st_size
    flip_bit(image / "journal.sqlite-wal", size // 2)

    report = repair(image)

    assert sum(last - first + 1 for first, last in report.positions_dropped) <= 60

    async def check() -> int:
        journal = await SqliteJournal.open(image)
        found = len(await payloads(journal))
        await journal.close()
        return found

    assert run(check()) >= 1740


def test_an_interrupted_repair_can_be_repeated(tmp_path: Path) -> None:
    """It was killed after the new file came into place, before the old log went."""
    image = run(crashed_journal(tmp_path, 60, 30))
    flip_bit(image / "journal.sqlite-wal", 100_000)
    log = (image / "journal.sqlite-wal").read_bytes()
    first = repair(image)
    (image / "journal.sqlite-wal").write_bytes(log)

    repair(image)

    async def check() -> list[bytes]:
        journal = await SqliteJournal.open(image)
        found = await payloads(journal)
        await journal.close()
        return found

    dropped = {p for a, b in first.positions_dropped for p in range(a, b + 1)}
    expected = [message(n).payload for n in range(1800) if n + 1 not in dropped]
    assert run(check()) == expected


def test_records_are_saved_and_indexed_anew(tmp_path: Path) -> None:
    """One record is damaged and the index is gone: the others are found by it again."""

    async def write() -> None:
        records = await SqliteRecords.open(tmp_path)
        for number in range(10):
            await records.write(lambda w, n=number: w.insert(NOTES, MAIN, f"n{n}", f"text {n}"))  # type: ignore[misc]  # default binds it
        await records.close()

    run(write())
    connection = sqlite3.connect(tmp_path / "records.sqlite")
    with connection:
        connection.execute("UPDATE record SET body = x'00' WHERE key = 'n3'")
        connection.execute("DELETE FROM record_index")
    connection.close()

    report = repair(tmp_path)

    assert report.records_dropped == ("note 'n3' of tenant 'main'",)
    assert any("9 records were saved" in note for note in report.notes)

    async def check() -> None:
        records = await SqliteRecords.open(tmp_path)
        found = await records.read(lambda r: r.list(NOTES, MAIN, where=("text", "text 4")))
        assert [r.key for r in found] == ["n4"]
        assert await records.read(lambda r: r.count(NOTES, MAIN)) == 9
        await records.close()

    run(check())


def test_a_repair_keeps_away_from_a_running_platform(tmp_path: Path) -> None:
    """The lock holds for the repair as well."""

    async def story() -> None:
        journal = await SqliteJournal.open(tmp_path)
        with pytest.raises(StorageError, match="in use"):
            repair(tmp_path)
        await journal.close()

    run(story())


def test_an_empty_folder_has_nothing_to_repair(tmp_path: Path) -> None:
    """Nothing is made, either."""
    assert repair(tmp_path) == RepairReport()
    assert not [*tmp_path.iterdir()]
    shutil.rmtree(tmp_path)
