"""A disk that fails, and files that are damaged: nothing acknowledged is lost, nothing is silent.

Whole servers as processes. Faults come from the kernel (a limit on file sizes) or from a
preloaded library; damage is done to the files of a server that was killed.
"""

import asyncio
import os
import resource
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from tests.flows.support import connected, make_device, until, until_told
from tests.soak import checks
from tests.soak.device import Device
from tests.soak.server import ServerProcess
from tests.soak.warm import Warm

HERE = Path(__file__).parent
SHIM = HERE.parent / "backends" / "sqlite" / "faults.c"
EIO, ENOSPC = 5, 28
UNLIMITED = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
SERVER_BUSY = 0x89  # 0x88 is for CONNACK alone (MQTT 5, 3.14.2.1)

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="needs Linux")]


class Disk:
    """The disk of a server, as it is told to behave."""

    def fail(self, server: ServerProcess) -> None: ...

    def heal(self, server: ServerProcess) -> None: ...


class LimitedFiles(Disk):
    """No file may grow: the kernel refuses every write (EFBIG), those to the log as well."""

    def fail(self, server: ServerProcess) -> None:
        assert server.process is not None
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))

    def heal(self, server: ServerProcess) -> None:
        assert server.process is not None
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, UNLIMITED)


class FaultyDisk(Disk):
    """Every write and sync below the data folder fails with an error of the test's choice."""

    def __init__(self, control: Path, error: int) -> None:
        self._control = control
        self._error = error
        self._turn = 0

    def fail(self, server: ServerProcess) -> None:
        self._tell(f"1 {self._error} 1 0")

    def heal(self, server: ServerProcess) -> None:
        self._tell("heal")

    def _tell(self, text: str) -> None:
        self._turn += 1
        self._control.with_suffix(".new").write_text(f"{text} {self._turn}")
        self._control.with_suffix(".new").rename(self._control)
        taken = self._control.with_suffix(".taken")
        while not taken.exists() or taken.read_text() != f"{text} {self._turn}":
            os.sched_yield()


@pytest.fixture(scope="module")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("needs a C compiler to make writes and syncs fail")
    library = tmp_path_factory.mktemp("shim") / "faults.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, str(SHIM), "-ldl"], check=True)
    return library


@pytest.fixture(params=["no file may grow", "disk full", "sync fails"])
def disk_and_server(
    request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[tuple[Disk, ServerProcess]]:
    data = tmp_path / "faulty"
    if request.param == "no file may grow":
        yield LimitedFiles(), ServerProcess(data)
        return
    control = tmp_path / "control"
    environment = {
        "LD_PRELOAD": str(request.getfixturevalue("shim")),
        "FAULT_CONTROL": str(control),
    }
    entry = (str(HERE / "faulty_server.py"),)
    error = ENOSPC if request.param == "disk full" else EIO
    yield FaultyDisk(control, error), ServerProcess(data, environment=environment, entry=entry)


async def test_a_failing_disk_stops_acknowledgements_and_nothing_else(
    disk_and_server: tuple[Disk, ServerProcess],
) -> None:
    """The disk fails under a device; it is told, sends again, and all is there after the repair."""
    disk, server = disk_and_server
    token = await make_device(server.data, "pump-7")
    await server.start()
    try:
        async with connected(server, "pump-7", token) as pump:
            for serial in range(1, 21):
                pump.publish(serial, 1.0, qos=1 + serial % 2)
            await until(lambda: not pump.open, "twenty readings are acknowledged")
            disk.fail(server)
            for serial in range(21, 31):
                pump.publish(serial, 1.0, qos=1 + serial % 2)
            await until(lambda: pump.ended == SERVER_BUSY, "the connection ends with a reason")
            assert pump.book.acknowledged == set(range(1, 21))
            await _require_told(server)
            assert pump.book.acknowledged == set(range(1, 21))
            disk.heal(server)
            await until(lambda: not pump.open, "everything is acknowledged after the repair")
            pump.publish(31, 1.0, qos=1)
            await until(lambda: not pump.open, "it goes on without a restart")
            await until_told(lambda: _is_well(server), "health is ok again")
            await _require_all(server, pump, 31)
        assert await server.stop() == 0, server.said()
        await checks.check_journal(server.data, [pump])
    finally:
        await _end(server)


async def _require_told(server: ServerProcess) -> None:
    """HTTP senders get 503 with what happened and what to do; health names the part."""
    answer = await server.ask("POST", "/devices/pump-7/telemetry", {"serial": 99})
    assert answer.status_code == 503, answer.text
    problem = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert problem["code"] == "storage_failed"
    assert "journal.sqlite" in problem["detail"] or "disk" in problem["detail"].lower()
    assert problem["remedy"]
    health = await server.get("/health")
    assert health["status"] == "degraded"
    assert health["parts"]["journal"] != "ok"


async def _is_well(server: ServerProcess) -> bool:
    return bool((await server.get("/health"))["status"] == "ok")


async def _require_all(server: ServerProcess, pump: Device, newest: int) -> None:
    expected = set(range(1, newest + 1))
    assert pump.book.acknowledged == expected
    seen = checks.Seen()
    await checks.check_history(server, [pump], seen, expected, "2020-01-01T00:00:00Z")
    assert seen.at.keys() == expected
    await checks.check_twins(server, [pump], {"pump-7": newest})


async def _end(server: ServerProcess) -> None:
    if server.process is not None and server.process.poll() is None:
        await server.kill()


# --- damaged files ------------------------------------------------------------------------

MESSAGES = 300


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory, warm: Warm) -> Path:
    """A data folder as `kill -9` left it, after some hundred messages."""
    data = tmp_path_factory.mktemp("killed") / "data"
    asyncio.run(_fill_and_kill(data, warm))
    return data


async def _fill_and_kill(data: Path, warm: Warm) -> None:
    token = await make_device(data, "pump-7")
    server = ServerProcess(data, warm=warm)
    try:
        await server.start()  # and stop, so that the database file itself holds some of it
        await _send(server, token, 1)
        await server.stop()
        await server.start()
        await _send(server, token, MESSAGES + 1)
        # A question has history take in what has come: it has its own copy from now on.
        await server.pages("/history", devices="pump-7", keys="serial", limit=10_000)
    finally:
        await server.kill()


async def _send(server: ServerProcess, token: str, first: int) -> None:
    async with connected(server, "pump-7", token) as pump:
        for serial in range(first, first + MESSAGES):
            await until(lambda: pump.open < 20, "there is room for one more")
            pump.publish(serial, 1.0, qos=1)
        await until(lambda: not pump.open, "all are acknowledged")


def flip_in_journal(data: Path) -> None:
    _flip(data / "journal.sqlite", 0.6)


def flip_in_log(data: Path) -> None:
    _flip(data / "journal.sqlite-wal", 0.3)


def flip_in_records(data: Path) -> None:
    path = data / "records.sqlite"
    _fold_in_log(path)
    # It is small and mostly empty: hit the device itself.
    _flip(path, (path.read_bytes().rindex(b"pump-7") + 5) / path.stat().st_size)


def cut_last_page(data: Path) -> None:
    path = data / "journal.sqlite"
    _fold_in_log(path)
    os.truncate(path, path.stat().st_size - 4096)


def tear_last_page(data: Path) -> None:
    path = data / "journal.sqlite"
    _fold_in_log(path)
    at = path.read_bytes().rindex(b"serial")  # of the last page that holds a message
    with path.open("r+b") as file:
        file.seek(at)
        file.write(bytes(4096 - at % 4096))


def _fold_in_log(path: Path) -> None:
    """Write the log's pages into the file; otherwise it holds newer copies of damaged ones."""
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _flip(path: Path, place: float) -> None:
    with path.open("r+b") as file:
        at = round(path.stat().st_size * place)
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes((byte ^ 0x10,)))


def flip_in_history(data: Path) -> None:
    _flip(data / "history.duckdb", 0.3)


REPAIR, REBUILD = "--repair", "--rebuild-history"
DAMAGES: list[tuple[Callable[[Path], None], str, str]] = [
    (flip_in_journal, "journal", REPAIR),
    (flip_in_log, "journal.sqlite-wal", REPAIR),
    (flip_in_records, "records.sqlite", REPAIR),
    (flip_in_history, "history.duckdb", REBUILD),
    (cut_last_page, "journal.sqlite", REPAIR),
    (tear_last_page, "journal", REPAIR),
]


@pytest.mark.parametrize("damaged", DAMAGES, ids=[damage.__name__ for damage, *_ in DAMAGES])
async def test_damaged_files_are_named_and_never_served_in_silence(
    killed: Path, tmp_path: Path, warm: Warm, damaged: tuple[Callable[[Path], None], str, str]
) -> None:
    """A bit flips or a page is torn: no start, but what to do; that done, it serves again."""
    damage, named, remedy = damaged
    data = tmp_path / "data"
    shutil.copytree(killed, data)
    damage(data)
    server = ServerProcess(data)
    said = await _refuses_to_start(server)
    assert named in said, said
    assert "Traceback" not in said, said
    assert f"weft doctor {remedy}" in said, said

    mended = await asyncio.to_thread(_mend, data, remedy)
    assert "Traceback" not in mended, mended
    assert "damaged" in mended, "it is said where the damaged originals are"
    server = ServerProcess(data, warm=warm)
    await server.start()
    try:
        if damage is flip_in_records:
            assert "pump-7" in mended, "it is said what was dropped"
            return
        rows = await server.pages("/history", devices="pump-7", keys="serial", limit=10_000)
        kept = sorted(row["value"] for row in rows)
        assert kept == list(range(1, 2 * MESSAGES + 1)), "history has its own copy, or a new one"
    finally:
        await _end(server)


async def _refuses_to_start(server: ServerProcess) -> str:
    process = server.spawn()
    try:
        code = await asyncio.to_thread(process.wait, 60)
    except subprocess.TimeoutExpired:
        pytest.fail("Weft serves damaged data")
    finally:
        await _end(server)
    assert code != 0
    return server.said()


def _mend(data: Path, remedy: str) -> str:
    """Do what the message said; return what it told."""
    command = [sys.executable, "-m", "weft", "doctor", "--data", str(data), remedy, "--yes"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return done.stdout + done.stderr
