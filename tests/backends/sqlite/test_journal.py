"""The SQLite journal: what the contract suite cannot see from outside."""

import asyncio
from pathlib import Path

from tests.backends.sqlite.support import closed_journal, crashed_journal
from tests.contracts.support import batch_of, message, payloads, read_all

from weft.backends.sqlite.journal import SqliteJournal
from weft.model.message import Batch, QosTwo


async def test_a_restart_goes_on_where_it_ended(tmp_path: Path) -> None:
    """Positions, messages and QoS 2 ids are there after an orderly stop."""
    journal = await SqliteJournal.open(tmp_path)
    assert journal.opening.created
    await journal.append(batch_of(1, 2, 3))
    await journal.append(Batch([], [], [QosTwo("s", 9, False)]))
    await journal.trim(before=2)
    await journal.close()

    again = await SqliteJournal.open(tmp_path, expected_at_least=3)
    assert (again.opening.created, again.opening.clean, again.opening.notes) == (False, True, ())
    assert (again.tail, again.head) == (1, 3)
    assert list(await again.unreleased("s")) == [9]
    assert await again.append(batch_of(4)) == 4
    assert await payloads(again) == [message(n).payload for n in (1, 2, 3, 4)]
    await again.close()


async def test_a_crash_keeps_what_was_acknowledged(tmp_path: Path) -> None:
    """All of it stands in the log; it is replayed, and the report says that it was needed."""
    image = await crashed_journal(tmp_path, 10)

    journal = await SqliteJournal.open(image)

    assert not journal.opening.clean
    assert journal.opening.notes == ()
    assert len(await payloads(journal)) == 30
    await journal.close()


async def test_a_trimmed_journal_gives_space_back(tmp_path: Path) -> None:
    """Retention frees the disk, not only the file."""
    journal = await SqliteJournal.open(tmp_path, reserve_bytes=0)
    for _ in range(200):
        await journal.append(batch_of(*range(100)))
    await journal.trim(before=19_001)
    await journal.close()
    size = (tmp_path / "journal.sqlite").stat().st_size

    assert size < 1_000_000
    again = await SqliteJournal.open(tmp_path)
    assert (again.tail, again.head) == (19_001, 20_000)
    assert len(await payloads(again)) == 1000
    await again.close()


async def test_reading_goes_on_while_the_tail_is_trimmed(tmp_path: Path) -> None:
    """A slow replay meets retention: what is forgotten on purpose is skipped, not damage."""
    await closed_journal(tmp_path, 300)
    journal = await SqliteJournal.open(tmp_path, read_batches=4)
    seen = []
    async for batch in journal.read(0):
        seen.append(batch.first)
        if len(seen) == 10:
            await journal.trim(before=601)
    await journal.close()

    assert seen[:10] == [*range(1, 31, 3)]
    assert seen[-100:] == [*range(601, 901, 3)]
    assert seen == sorted(set(seen))


async def test_a_reader_may_leave_early(tmp_path: Path) -> None:
    """A rule's trial is cancelled half way; nothing hangs and nothing is lost."""
    await closed_journal(tmp_path, 100)
    journal = await SqliteJournal.open(tmp_path, read_batches=2)
    async for batch in journal.read(0):
        if batch.first > 10:
            break

    assert await journal.append(batch_of(1)) == 301
    assert len(await read_all(journal)) == 101
    await journal.close()


async def test_a_replay_shares_routes(tmp_path: Path) -> None:
    """Caches per route hold over the whole replay, batch after batch."""
    await closed_journal(tmp_path, 50)
    journal = await SqliteJournal.open(tmp_path, read_batches=3)

    routes = {id(e.route) for batch in await read_all(journal) for e in batch.envelopes}

    assert len(routes) == 1
    await journal.close()


async def test_the_loop_is_free_while_a_batch_is_written(tmp_path: Path) -> None:
    """The disk's wait happens in a thread: others go on."""
    journal = await SqliteJournal.open(tmp_path)
    appending = asyncio.ensure_future(journal.append(batch_of(*range(1000))))
    turns = 0
    while not appending.done():
        turns += 1
        await asyncio.sleep(0)
    await journal.close()

    assert turns > 1
