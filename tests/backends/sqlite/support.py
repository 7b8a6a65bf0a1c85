"""Journals and records as a crash leaves them, and ways to damage them."""

import asyncio
import shutil
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

from tests.contracts.support import MAIN, batch_of

from weft.backends.sqlite.journal import SqliteJournal
from weft.backends.sqlite.records import SqliteRecords
from weft.ports import Kind

T = TypeVar("T")

NOTES = Kind("note", str, index=lambda text: {"text": text}, unique=frozenset({"text"}))


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a story from its beginning to its end."""
    return asyncio.run(work)


def crash_image(folder: Path, image: Path) -> Path:
    """Copy what a `kill -9` at this moment would leave."""
    image.mkdir()
    for path in folder.iterdir():
        if not path.name.endswith("-shm"):
            shutil.copy2(path, image / path.name)
    return image


async def crashed_journal(folder: Path, batches: int, size: int = 3) -> Path:
    """Return a journal of so many batches, all in its log, as a crash leaves it."""
    journal = await SqliteJournal.open(folder / "running")
    for number in range(batches):
        await journal.append(batch_of(*range(number * size, (number + 1) * size)))
    image = crash_image(folder / "running", folder / "crashed")
    await journal.close()
    return image


async def closed_journal(folder: Path, batches: int, size: int = 3) -> Path:
    """Return a journal of so many batches, closed in order."""
    journal = await SqliteJournal.open(folder)
    for number in range(batches):
        await journal.append(batch_of(*range(number * size, (number + 1) * size)))
    await journal.close()
    return folder


async def crashed_records(folder: Path, count: int) -> Path:
    """Return records as a crash leaves them."""
    records = await SqliteRecords.open(folder / "running")
    for number in range(count):
        await records.write(
            lambda w, n=number: w.put(NOTES, MAIN, f"n{n}", f"text {n} " + "x" * 90)  # type: ignore[misc]  # default binds it
        )
    image = crash_image(folder / "running", folder / "crashed")
    await records.close()
    return image


def flip_bit(path: Path, offset: int, bit: int = 3) -> None:
    """Change one bit, as a bad disk or a bad cable does."""
    data = bytearray(path.read_bytes())
    data[offset] ^= 1 << bit
    path.write_bytes(data)
