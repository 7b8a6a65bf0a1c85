"""What is more than the contract: kept over restarts and kills, undone when it fails, copied."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest
from tests.history.support import FAN, MAIN, PUMP, ask, points, rows

from weft.backends.duckdb.history import DuckDbHistory
from weft.errors import StorageError, Unavailable
from weft.history.settings import HistorySettings

KILLED = """
import asyncio, sys
from pathlib import Path
from tests.history.support import rows
from weft.backends.duckdb.history import DuckDbHistory
from weft.history.settings import HistorySettings

async def main():
    store = await DuckDbHistory.open(Path(sys.argv[1]), HistorySettings(settle_points=40))
    position = store.position
    while True:
        batch = [rows([(p, p) for p in range(position + 1, position + 11)], position=position + 1)]
        position += 10
        await store.append(batch, position)
        print(position, flush=True)

asyncio.run(main())
"""


async def test_position_and_samples_are_there_after_a_restart(tmp_path: Path) -> None:
    """Numbers of series go on where they were."""
    store = await DuckDbHistory.open(tmp_path)
    await store.append([rows([(0, 1), (1, "x")])], 2)
    await store.close()

    store = await DuckDbHistory.open(tmp_path)
    assert store.position == 2
    await store.append([rows([(2, 3)]), rows([(0, 9)], device=FAN)], 4)
    assert points(await store.query(ask())) == [(0, 1), (1, "x"), (2, 3)]
    assert points(await store.query(ask(devices=(FAN,)))) == [(0, 9)]
    await store.close()


async def test_a_kill_loses_and_doubles_nothing(tmp_path: Path) -> None:
    """Killed in the middle of writing: samples reach exactly to the stored position."""
    process = await asyncio.to_thread(
        subprocess.Popen,
        [sys.executable, "-c", KILLED, str(tmp_path)],
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[3],
    )
    assert process.stdout is not None
    said = 0
    for _line in range(15):
        said = int(await asyncio.to_thread(process.stdout.readline))
    os.kill(process.pid, signal.SIGKILL)
    await asyncio.to_thread(process.wait)

    store = await DuckDbHistory.open(tmp_path)
    assert store.position >= said
    assert points(await store.query(ask())) == [(p, p) for p in range(1, store.position + 1)]
    await store.close()


async def test_a_failed_append_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk fails between points and position: neither is there, new names included."""
    store = await DuckDbHistory.open(tmp_path)
    await store.append([rows([(0, 1)])], 1)
    insert = store._insert

    def fail_at_series(table: str, columns: object) -> None:
        if table == "series":
            raise duckdb.IOException("No space left on device")
        insert(table, columns)  # type: ignore[arg-type]

    monkeypatch.setattr(store, "_insert", fail_at_series)
    with pytest.raises(StorageError, match="No space left"):
        await store.append([rows([(1, 2)]), rows([(0, 5)], device=FAN)], 3)
    monkeypatch.undo()

    assert store.position == 1
    assert points(await store.query(ask())) == [(0, 1)]
    assert await store.keys(MAIN, FAN) == []
    await store.append([rows([(1, 2)]), rows([(0, 5)], device=FAN)], 3)
    assert points(await store.query(ask(devices=(FAN, PUMP)))) == [(0, 5), (0, 1), (1, 2)]
    await store.close()


async def test_new_points_are_sorted_by_themselves(tmp_path: Path) -> None:
    """Nobody has to remember to."""
    store = await DuckDbHistory.open(tmp_path, HistorySettings(settle_points=10))
    await store.append([rows([(i, i) for i in range(9)])], 9)
    assert store._recent == 9
    await store.append([rows([(9, 9)], position=10)], 10)
    assert store._recent == 0
    assert len(points(await store.query(ask()))) == 10
    await store.close()


async def test_a_copy_is_made_while_devices_go_on_sending(tmp_path: Path) -> None:
    """The copy's samples reach exactly to the copy's position."""
    (tmp_path / "copy").mkdir()
    store = await DuckDbHistory.open(tmp_path)
    await store.append([rows([(i, i) for i in range(10)])], 10)

    async def send() -> None:
        for position in range(11, 40):
            await store.append([rows([(position, 0)], position=position)], position)

    async with asyncio.TaskGroup() as group:
        group.create_task(send())
        group.create_task(store.copy_to(str(tmp_path / "copy")))

    copy = await DuckDbHistory.open(tmp_path / "copy")
    assert len(points(await copy.query(ask()))) == copy.position
    assert store.position == 39
    await copy.close()
    await store.close()


async def test_a_query_that_takes_too_long_is_stopped(tmp_path: Path) -> None:
    """One careless chart does not hold up all others."""
    settings = HistorySettings(query_timeout_s=0.5)
    store = await DuckDbHistory.open(tmp_path, settings)
    sql = "SELECT count(*) FROM range(100000000) a, range(100000) b"
    with pytest.raises(Unavailable, match="too long"):
        await store._read("to answer", lambda: store._reading.execute(sql).fetchall())
    await store.append([rows([(0, 1)])], 1)
    assert points(await store.query(ask())) == [(0, 1)]
    await store.close()


@pytest.mark.parametrize("merged", [False, True])
async def test_trimming_by_size_gives_space_back(tmp_path: Path, *, merged: bool) -> None:
    """A disk that fills up keeps the newest."""
    settings = HistorySettings(settle_points=300_000)
    store = await DuckDbHistory.open(tmp_path, settings)
    for part in range(4):
        first = part * 300_000
        samples = [(i / 100, i % 977 * 1.37) for i in range(first, first + 300_000)]
        await store.append([rows(samples, position=first + 1)], first + 300_000)
    if merged:
        await store.compact()
    await store._write("to test", lambda: store._connection.execute("CHECKPOINT"))
    before = await store.size_bytes()
    forgotten = await store.trim(max_bytes=before * 2 // 3)
    assert 300_000 < forgotten < 900_000
    assert await store.size_bytes() < before * 3 // 4  # blocks are freed whole
    assert points(await store.query(ask(limit=1, descending=True, end=2**62))) != []
    await store.close()
