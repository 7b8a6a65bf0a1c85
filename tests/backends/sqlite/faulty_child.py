"""Run in a child process with `faults.c` preloaded: fail the n-th write for every n.

Arguments: folder, errno, whether the fault stays, whether writes are torn. Prints how many
places were tried; any broken promise is an exception.
"""

import asyncio
import contextlib
import ctypes
import shutil
import sys
from pathlib import Path

from weft.backends.sqlite.database import Tuning
from weft.backends.sqlite.journal import SqliteJournal
from weft.backends.sqlite.records import SqliteRecords
from weft.errors import StorageError
from weft.model.ids import TenantId
from weft.model.message import Batch, Envelope, Operation, QosTwo, Route
from weft.ports import Kind, Reader

FAULTS = ctypes.CDLL(None)
MAIN = TenantId("main")
NOTES = Kind("note", str, index=lambda text: {"text": text}, unique=frozenset({"text"}))
REFUSED: list[str] = []
ROUTE = Route(MAIN, "device", "d", "devices/d/telemetry", Operation.TELEMETRY)


def _batch(number: int) -> Batch:
    envelopes = [Envelope(ROUTE, number, b"%d-%d" % (number, i) * 200) for i in range(5)]
    return Batch(envelopes, [None] * 5, [QosTwo("s", number + 1, False)])


async def _content(journal: SqliteJournal) -> dict[int, bytes]:
    return {
        position: envelope.payload
        async for batch in journal.read(0)
        for position, envelope in enumerate(batch.envelopes, batch.first)
    }


def _image(folder: Path, image: Path) -> None:
    shutil.rmtree(image, ignore_errors=True)
    image.mkdir()
    for path in folder.iterdir():
        if not path.name.endswith("-shm"):
            shutil.copy2(path, image / path.name)


async def _journal_story(folder: Path, image: Path) -> None:
    """Append under faults; after each failure nothing of it may be seen, now or later."""
    acknowledged: dict[int, bytes] = {}
    ids: list[int] = []
    try:
        journal = await SqliteJournal.open(folder, tuning=Tuning(checkpoint_pages=10))
    except StorageError:
        journal = None
    for number in range(8 if journal else 0):
        if number == 5:
            FAULTS.fault_heal()
        batch = _batch(number)
        try:
            first = await journal.append(batch)
        except StorageError as error:
            REFUSED.append(error.detail)
        else:
            assert first == len(acknowledged) + 1, (first, len(acknowledged))
            acknowledged |= {first + i: e.payload for i, e in enumerate(batch.envelopes)}
            ids.append(number + 1)
        assert journal.head == len(acknowledged)
        assert await _content(journal) == acknowledged
        assert list(await journal.unreleased("s")) == ids
    if journal:
        _image(folder, image)
        with contextlib.suppress(StorageError):
            await journal.close()
    FAULTS.fault_heal()
    for place in (folder, image) if journal else (folder,):
        again = await SqliteJournal.open(place, expected_at_least=len(acknowledged))
        assert await _content(again) == acknowledged
        assert await again.append(_batch(99)) == len(acknowledged) + 1
        await again.close()


def _notes(reader: Reader) -> list[tuple[str, str, int]]:
    notes = [(r.key, r.value, r.version) for r in reader.list(NOTES, MAIN)]
    for key, value, _ in notes:
        assert [r.key for r in reader.list(NOTES, MAIN, where=("text", value))] == [key]
    return notes


async def _records_story(folder: Path, image: Path) -> None:
    """Write notes under faults; what failed is not there, what was acknowledged is."""
    acknowledged: list[tuple[str, str, int]] = []
    try:
        records = await SqliteRecords.open(folder, tuning=Tuning(checkpoint_pages=10))
    except StorageError:
        records = None
    for number in range(8 if records else 0):
        if number == 5:
            FAULTS.fault_heal()
        key, text = f"n{number}", f"text {number} " * 50
        try:
            await records.write(lambda w, k=key, t=text: w.insert(NOTES, MAIN, k, t))
            acknowledged.append((key, text, 1))
        except StorageError as error:
            REFUSED.append(error.detail)
        assert await records.read(_notes) == acknowledged
    if records:
        _image(folder, image)
        with contextlib.suppress(StorageError):
            await records.close()
    FAULTS.fault_heal()
    for place in (folder, image) if records else (folder,):
        again = await SqliteRecords.open(place)
        assert await again.read(_notes) == acknowledged
        await again.close()


def main() -> None:
    base, code, stays, torn = Path(sys.argv[1]), *map(int, sys.argv[2:5])
    for story in (_journal_story, _records_story):
        for nth in range(1, 400):
            folder, image = base / "faulty", base / "image"
            shutil.rmtree(folder, ignore_errors=True)
            FAULTS.fault_arm(nth, code, stays, torn)
            try:
                asyncio.run(story(folder, image))
            except BaseException:
                print(f"{story.__name__}: fault at operation {nth}", flush=True)
                raise
            if not FAULTS.fault_fired():
                break
        else:
            raise AssertionError("never ran clean")
        print(f"{story.__name__}: {nth - 1} places, {len(REFUSED)} refused", flush=True)
        assert REFUSED
        REFUSED.clear()


main()
