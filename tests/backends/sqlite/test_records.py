"""The SQLite records: what the contract suite cannot see from outside."""

import asyncio
import sqlite3
from pathlib import Path

import pytest
from tests.backends.sqlite.support import NOTES, crashed_records
from tests.contracts.support import MAIN

from weft.backends.sqlite.records import SqliteRecords
from weft.errors import Damaged
from weft.ports import Kind, Writer


async def test_writers_that_wait_share_a_commit(tmp_path: Path) -> None:
    """Group commit: two hundred writes wait for a few syncs, not for two hundred."""
    records = await SqliteRecords.open(tmp_path)
    before = records._database.marker.value
    await asyncio.gather(
        *(records.write(lambda w, n=n: w.insert(NOTES, MAIN, f"n{n}", f"{n}")) for n in range(200))  # type: ignore[misc]  # default binds it
    )
    commits = records._database.marker.value - before
    await records.close()

    assert commits <= 3


async def test_waiting_writers_are_bounded(tmp_path: Path) -> None:
    """More writers than there is room for: they wait their turn, and all get it."""
    records = await SqliteRecords.open(tmp_path, max_waiting=3, max_group=2)
    await asyncio.gather(
        *(records.write(lambda w, n=n: w.insert(NOTES, MAIN, f"n{n}", f"{n}")) for n in range(20))  # type: ignore[misc]  # default binds it
    )
    assert await records.read(lambda r: r.count(NOTES, MAIN)) == 20
    await records.close()


async def test_a_writer_that_is_cancelled_holds_nobody_up(tmp_path: Path) -> None:
    """A client hangs up while its write waits; the others are served."""
    records = await SqliteRecords.open(tmp_path)
    first = asyncio.ensure_future(records.write(lambda w: w.put(NOTES, MAIN, "a", "1")))
    second = asyncio.ensure_future(records.write(lambda w: w.put(NOTES, MAIN, "b", "2")))
    await asyncio.sleep(0)
    second.cancel()

    assert (await first).key == "a"
    assert (await records.write(lambda w: w.put(NOTES, MAIN, "c", "3"))).key == "c"
    await records.close()


async def test_a_stop_iteration_reaches_its_caller(tmp_path: Path) -> None:
    """`next()` on nothing inside `work`: futures cannot carry it, so outcomes do."""
    records = await SqliteRecords.open(tmp_path)

    def work(writer: Writer) -> str:
        return next(iter(writer.list(NOTES, MAIN))).key

    with pytest.raises(RuntimeError) as caught:
        await records.write(work)
    assert isinstance(caught.value.__cause__, StopIteration)
    await records.close()


async def test_what_was_asked_before_the_close_is_finished(tmp_path: Path) -> None:
    """A stop waits for the writes that are under way."""
    records = await SqliteRecords.open(tmp_path)
    writing = asyncio.ensure_future(records.write(lambda w: w.insert(NOTES, MAIN, "a", "1")))
    await asyncio.sleep(0)
    await records.close()

    assert (await writing).version == 1
    again = await SqliteRecords.open(tmp_path)
    assert await again.read(lambda r: r.count(NOTES, MAIN)) == 1
    await again.close()


async def test_a_crash_keeps_what_was_acknowledged(tmp_path: Path) -> None:
    """Thirty notes stand in the log alone; all are there, and found by their text."""
    records = await SqliteRecords.open(await crashed_records(tmp_path, 30))

    assert not records.opening.clean
    assert await records.read(lambda r: r.count(NOTES, MAIN)) == 30
    await records.close()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE record SET body = x'a162' WHERE key = 'a'",
        "UPDATE record SET version = 7 WHERE key = 'a'",
        "UPDATE record_index SET text = 'other'",
        "DELETE FROM record_index",
        "UPDATE progress SET commits = 0",
    ],
)
async def test_a_change_by_hand_is_damage(tmp_path: Path, statement: str) -> None:
    """Someone edits the database: what does not verify is not used."""
    records = await SqliteRecords.open(tmp_path)
    await records.write(lambda w: w.insert(NOTES, MAIN, "a", "1"))
    await records.close()
    connection = sqlite3.connect(tmp_path / "records.sqlite")
    with connection:
        connection.execute(statement)
    connection.close()

    with pytest.raises(Damaged):
        await SqliteRecords.open(tmp_path)


async def test_a_value_of_another_form_is_told(tmp_path: Path) -> None:
    """A record written by another version of Weft does not decode: named, not guessed."""
    records = await SqliteRecords.open(tmp_path)
    await records.write(lambda w: w.insert(Kind("thing", str), MAIN, "a", "text"))

    with pytest.raises(Damaged, match="thing 'a'"):
        await records.read(lambda r: r.get(Kind("thing", int), MAIN, "a"))
    await records.close()
