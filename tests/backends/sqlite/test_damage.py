"""Damage is found: a flipped bit or a torn page never loses an acknowledged batch in silence.

Each story damages a copy at one place and opens it. Allowed ends: all that was
acknowledged is read back, or `Damaged` is raised. A repair then says what is gone.
"""

import random
import shutil
from pathlib import Path

import pytest
from tests.backends.sqlite.support import (
    NOTES,
    closed_journal,
    crashed_journal,
    crashed_records,
    flip_bit,
    run,
)
from tests.contracts.support import MAIN, batch_of, message, payloads

from weft.backends.sqlite.journal import SqliteJournal
from weft.backends.sqlite.records import SqliteRecords
from weft.backends.sqlite.repair import repair
from weft.errors import ConfigurationError, Damaged, StorageError


def _require_told(error: StorageError | ConfigurationError) -> None:
    assert error.detail
    assert error.remedy


async def _read_journal(folder: Path) -> list[bytes] | None:
    """Return what a journal holds, or None when it says that it is damaged."""
    try:
        journal = await SqliteJournal.open(folder)
    except (Damaged, ConfigurationError, StorageError) as error:
        _require_told(error)
        return None
    try:
        return await payloads(journal)
    except Damaged as error:
        _require_told(error)
        return None
    finally:
        await journal.close()


def _expect(batches: int, size: int = 3) -> list[bytes]:
    return [message(number).payload for number in range(batches * size)]


def _check_repair(folder: Path, expected: list[bytes]) -> int:
    """Repair a journal; all that is not named as dropped must be there, at its position."""
    report = repair(folder)
    dropped = {p for first, last in report.positions_dropped for p in range(first, last + 1)}

    async def found() -> dict[int, bytes]:
        journal = await SqliteJournal.open(folder)
        try:
            assert journal.head >= len(expected)
            return {
                position: envelope.payload
                async for batch in journal.read(0)
                for position, envelope in enumerate(batch.envelopes, batch.first)
            }
        finally:
            await journal.close()

    kept = {p: payload for p, payload in enumerate(expected, 1) if p not in dropped}
    assert run(found()) == kept
    return len(dropped)


@pytest.mark.parametrize("where", ["journal.sqlite-wal", "journal.sqlite"])
def test_a_flipped_bit_in_a_crashed_journal_is_never_silent(tmp_path: Path, where: str) -> None:
    """At 60 places of the log and the file: everything is there, or it says what is not."""
    original = run(crashed_journal(tmp_path, 40))
    size = (original / where).stat().st_size
    places = random.Random(7).sample(range(size), 60)
    refused = 0
    for number, offset in enumerate(places):
        copy = tmp_path / f"copy-{number}"
        shutil.copytree(original, copy)
        flip_bit(copy / where, offset, offset % 8)
        found = run(_read_journal(copy))
        assert found in (None, _expect(40))
        if found is None:
            refused += 1
            assert _check_repair(copy, _expect(40)) <= 120
        shutil.rmtree(copy)
    assert refused or where == "journal.sqlite"  # the main file is still empty: all is in the log


def test_a_flipped_bit_in_a_closed_journal_is_never_silent(tmp_path: Path) -> None:
    """The same at 80 places of a file at rest; a repair drops little."""
    original = run(closed_journal(tmp_path / "closed", 60))
    size = (original / "journal.sqlite").stat().st_size
    dropped = []
    for number, offset in enumerate(random.Random(8).sample(range(size), 80)):
        copy = tmp_path / f"copy-{number}"
        shutil.copytree(original, copy)
        flip_bit(copy / "journal.sqlite", offset, offset % 8)
        found = run(_read_journal(copy))
        assert found in (None, _expect(60))
        if found is None:
            dropped.append(_check_repair(copy, _expect(60)))
        shutil.rmtree(copy)
    assert len(dropped) > 40
    assert sorted(dropped)[len(dropped) // 2] <= 3  # a bit in a body costs its batch, no more


def test_a_log_cut_anywhere_is_never_silent(tmp_path: Path) -> None:
    """A log that ends early has lost what was acknowledged: the marker tells."""
    original = run(crashed_journal(tmp_path, 12))
    log = (original / "journal.sqlite-wal").read_bytes()
    for number, length in enumerate(random.Random(9).sample(range(len(log)), 25)):
        copy = tmp_path / f"copy-{number}"
        shutil.copytree(original, copy)
        (copy / "journal.sqlite-wal").write_bytes(log[:length])
        assert run(_read_journal(copy)) is None
        _check_repair(copy, _expect(12))


def test_an_unfinished_last_transaction_is_dropped_and_reported(tmp_path: Path) -> None:
    """The power went while a batch was being written: nobody was told that it is kept."""

    async def story() -> None:
        journal = await SqliteJournal.open(tmp_path / "running")
        await journal.append(batch_of(0, 1, 2))
        before = (tmp_path / "running" / "journal.head").read_bytes()
        await journal.append(batch_of(*range(3, 200)))
        shutil.copytree(tmp_path / "running", tmp_path / "torn")
        await journal.close()
        (tmp_path / "torn" / "journal.sqlite-shm").unlink()
        (tmp_path / "torn" / "journal.head").write_bytes(before)
        log = tmp_path / "torn" / "journal.sqlite-wal"
        data = log.read_bytes()
        log.write_bytes(data[:-2000] + bytes(2000))  # the last page never came whole

        torn = await SqliteJournal.open(tmp_path / "torn")
        assert "never finished" in torn.opening.notes[0]
        assert await payloads(torn) == _expect(1)
        assert await torn.append(batch_of(3)) == 4
        await torn.close()

    run(story())


def test_a_deleted_log_is_noticed(tmp_path: Path) -> None:
    """Someone tidies up and removes the -wal file of a crashed journal."""
    image = run(crashed_journal(tmp_path, 5))
    (image / "journal.sqlite-wal").unlink()

    with pytest.raises(Damaged, match=r"acknowledged|no such|empty"):
        run(SqliteJournal.open(image))


def test_a_journal_that_ends_before_what_others_saw_is_damaged(tmp_path: Path) -> None:
    """An old copy of the journal was put beside a history that is further."""
    folder = run(closed_journal(tmp_path / "j", 5))
    (folder / "journal.head").unlink()

    with pytest.raises(Damaged, match="ends at position 15"):
        run(SqliteJournal.open(folder, expected_at_least=16))

    report = repair(folder, expected_at_least=16)
    assert report.positions_dropped == ((16, 16),)

    async def story() -> None:
        journal = await SqliteJournal.open(folder, expected_at_least=16)
        assert await journal.append(batch_of(99)) == 17
        assert await payloads(journal) == [*_expect(5), message(99).payload]
        await journal.close()

    run(story())


@pytest.mark.parametrize("where", ["records.sqlite-wal", "records.sqlite"])
def test_a_flipped_bit_in_records_is_never_silent(tmp_path: Path, where: str) -> None:
    """Every record is read back by key and by index, or the store says that it is damaged."""
    original = run(crashed_records(tmp_path, 30))
    if where == "records.sqlite":
        run(_close_again(original))
    size = (original / where).stat().st_size
    for number, offset in enumerate(random.Random(10).sample(range(size), 60)):
        copy = tmp_path / f"copy-{number}"
        shutil.copytree(original, copy)
        flip_bit(copy / where, offset, offset % 8)
        if not run(_has_all_notes(copy)):
            report = repair(copy)
            assert report.kept_aside
            names = run(_note_names(copy))
            missing = {f"n{n}" for n in range(30)} - names
            named = {f"n{n}" for n in range(30) if f"'n{n}'" in " ".join(report.records_dropped)}
            assert named == missing or any("may have held more" in note for note in report.notes)
            assert run(_finds_by_index(copy)) == names
        shutil.rmtree(copy)


async def _close_again(folder: Path) -> None:
    records = await SqliteRecords.open(folder)
    await records.close()


async def _has_all_notes(folder: Path) -> bool:
    try:
        records = await SqliteRecords.open(folder)
    except (Damaged, ConfigurationError, StorageError) as error:
        _require_told(error)
        return False
    try:
        for number in range(30):
            text = f"text {number} " + "x" * 90
            found = await records.read(lambda r, t=text: r.list(NOTES, MAIN, where=("text", t)))  # type: ignore[misc]  # default binds it
            assert [(r.key, r.value) for r in found] == [(f"n{number}", text)]
        assert await records.read(lambda r: r.count(NOTES, MAIN)) == 30
    finally:
        await records.close()
    return True


async def _note_names(folder: Path) -> set[str]:
    records = await SqliteRecords.open(folder)
    try:
        return {r.key for r in await records.read(lambda r: r.list(NOTES, MAIN))}
    finally:
        await records.close()


async def _finds_by_index(folder: Path) -> set[str]:
    records = await SqliteRecords.open(folder)
    keys: set[str] = set()
    try:
        for number in range(30):
            text = f"text {number} " + "x" * 90
            found = await records.read(lambda r, t=text: r.list(NOTES, MAIN, where=("text", t)))  # type: ignore[misc]  # default binds it
            keys.update(record.key for record in found)
    finally:
        await records.close()
    return keys
