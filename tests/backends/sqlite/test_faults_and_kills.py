"""A failing disk and a killed process: what was acknowledged is there, what failed is not."""

import random
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.backends.sqlite.support import NOTES, run
from tests.contracts.support import MAIN, batch_of, payloads

from weft.backends.sqlite.database import Tuning
from weft.backends.sqlite.journal import SqliteJournal
from weft.backends.sqlite.records import SqliteRecords
from weft.errors import StorageError
from weft.model.ids import TenantId
from weft.ports import Kind

HERE = Path(__file__).parent
EIO, ENOSPC = 5, 28


@pytest.fixture(scope="module")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    compiler = shutil.which("cc")
    if compiler is None or sys.platform != "linux":
        pytest.skip("needs a C compiler and Linux to make writes and syncs fail")
    library = tmp_path_factory.mktemp("shim") / "faults.so"
    source = str(HERE / "faults.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    return library


@pytest.mark.slow
@pytest.mark.parametrize(
    ("code", "stays", "torn"),
    [(EIO, 0, 0), (EIO, 0, 1), (ENOSPC, 1, 1), (EIO, 1, 0)],
    ids=["one fault", "one torn write", "disk full for a while", "disk gone for a while"],
)
def test_every_write_and_sync_may_fail(
    shim: Path, tmp_path: Path, code: int, stays: int, torn: int
) -> None:
    """DU-2: the n-th write, truncation or sync fails, for every n until a run is clean.

    After each, nothing of what failed is seen, the next write works or fails cleanly, no
    position is given twice, and a restart finds exactly what was acknowledged.
    """
    child = subprocess.run(
        [sys.executable, HERE / "faulty_child.py", tmp_path, str(code), str(stays), str(torn)],
        env={"LD_PRELOAD": str(shim), "PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert child.returncode == 0, child.stdout + child.stderr
    assert child.stdout.count("places") == 2


async def _fits(journal: SqliteJournal, numbers: range) -> bool:
    try:
        await journal.append(batch_of(*numbers))
    except StorageError:
        return False
    return True


def test_a_full_file_refuses_and_goes_on_when_there_is_room(tmp_path: Path) -> None:
    """SQLITE_FULL: the batch is refused in words; after a trim the next one fits."""

    async def story() -> None:
        journal = await SqliteJournal.open(tmp_path, tuning=Tuning(max_pages=200), reserve_bytes=0)
        acknowledged = 0
        while await _fits(journal, range(acknowledged, acknowledged + 50)):
            acknowledged += 50
        assert acknowledged
        assert len(await payloads(journal)) == journal.head == acknowledged
        with pytest.raises(StorageError, match="full"):
            await journal.append(batch_of(*range(acknowledged, acknowledged + 50)))
        await journal.trim(before=acknowledged // 2)
        assert await journal.append(batch_of(1, 2)) == acknowledged + 1
        await journal.close()

    run(story())


def test_full_records_refuse_the_write_alone(tmp_path: Path) -> None:
    """A record too many is refused; those before it stay, and reading goes on."""

    async def story() -> None:
        records = await SqliteRecords.open(tmp_path, tuning=Tuning(max_pages=60))
        made = 0
        texts = (f"{n} " * 1000 for n in range(1000))
        with pytest.raises(StorageError, match="full"):  # noqa: PT012  the loop ends by it
            for text in texts:
                await records.write(lambda w, n=made, t=text: w.insert(NOTES, MAIN, f"n{n}", t))  # type: ignore[misc]  # defaults bind them
                made += 1
        assert await records.read(lambda r: r.count(NOTES, MAIN)) == made
        assert await records.write(lambda w: w.delete(NOTES, MAIN, "n0"))
        await records.close()

    run(story())


def test_a_file_size_limit_is_a_storage_error(tmp_path: Path) -> None:
    """RLIMIT_FSIZE: the kernel refuses to write on; the journal says so and goes on later."""

    async def story() -> None:
        journal = await SqliteJournal.open(tmp_path)
        await journal.append(batch_of(1))
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, hard))
        try:
            while await _fits(journal, range(100)):
                assert journal.head < 5000
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        head = journal.head
        assert await journal.append(batch_of(1)) == head + 1
        assert len(await payloads(journal)) == head + 1
        await journal.close()

    run(story())


def _kill_after(folder: Path, seconds: float) -> dict[str, int]:
    """Let the child work for a while, kill it, and return the last of what it acknowledged."""
    child = subprocess.Popen(
        [sys.executable, HERE / "killed_child.py", folder],
        env={"PYTHONPATH": ":".join(sys.path)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout
    last = {"journal": 0, "records": 0}
    line = child.stdout.readline()
    end = time.monotonic() + seconds
    while line and time.monotonic() < end:
        _take(last, line)
        line = child.stdout.readline()
    child.kill()
    for late in [line, *child.stdout.readlines()]:
        _take(last, late)
    child.stdout.close()
    child.wait()
    return last


def _take(last: dict[str, int], line: str) -> None:
    if line.endswith("\n"):
        what, number = line.split()
        last[what] = int(number)


@pytest.mark.slow
def test_thirty_kills_lose_nothing_acknowledged(tmp_path: Path) -> None:
    """`kill -9` at random moments: every acknowledged message and count is there, once."""
    counter = Kind("counter", int)

    async def check(last: dict[str, int]) -> None:
        journal = await SqliteJournal.open(tmp_path, expected_at_least=last["journal"])
        assert journal.opening.notes in ((), journal.opening.notes[:1])
        expected = [b"message %d" % n for n in range(journal.tail, journal.head + 1)]
        assert await payloads(journal) == expected
        await journal.close()
        records = await SqliteRecords.open(tmp_path)
        found = await records.read(lambda r: r.find(counter, TenantId("main"), "c"))
        assert (found.value if found else 0) in {last["records"], last["records"] + 1}
        await records.close()

    chance = random.Random(11)
    for _ in range(30):
        run(check(_kill_after(tmp_path, chance.uniform(0.0, 0.25))))
