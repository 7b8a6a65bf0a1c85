"""History: points a second by batch size, bytes a point, and 24 h of one key among 10M points.

    python benchmarks/history.py [--points 10000000]

Every figure comes from this one run. CPU is of the whole process, the database's threads
included; "python" is what gathering and columns take of it while they hold the interpreter.
"""
# ruff: noqa: SLF001  the steps inside are measured one by one

import argparse
import asyncio
import random
import resource
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType
from rich.console import Console
from rich.table import Table

from weft.backends.duckdb.files import used_bytes
from weft.backends.duckdb.history import DuckDbHistory
from weft.backends.duckdb.points import make_points
from weft.history.history import History
from weft.history.settings import HistorySettings
from weft.history.shapes import to_rows
from weft.model.ids import DeviceId, TenantId
from weft.model.message import Committed, Envelope, Operation, Route
from weft.model.telemetry import Reading
from weft.ports import HistoryQuery
from weft.supervision import SystemClock

Values = msgspec.defstruct(
    "Values",
    [(key, float | UnsetType, UNSET) for key in ("temperature", "vibration", "current")],
)
KEYS = 3
DEVICES = 1_000
DAY_NS = 86_400 * 10**9
START = 1_772_366_400 * 10**9
BATCH = 500  # messages a journal commit
MAIN = TenantId("main")
ROUTES = [
    Route(MAIN, "device", f"d{i}", "", Operation.TELEMETRY, DeviceId(f"machine-{i}"))
    for i in range(DEVICES)
]


def cpu_s() -> float:
    """Seconds of CPU that this process has used."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def messages(first: int, count: int, step_ns: int) -> list[Committed]:
    """Return `count` messages of 3 values from 1,000 devices in turn, as journal batches."""
    batches = []
    for low in range(first, first + count, BATCH):
        numbers = range(low, min(low + BATCH, first + count))
        envelopes = [Envelope(ROUTES[n % DEVICES], 0, b"") for n in numbers]
        decoded = [[Reading(_moment(n, step_ns), _values())] for n in numbers]
        batches.append(Committed(low + 1, envelopes, decoded))
    return batches


def _moment(number: int, step_ns: int) -> int:
    return START + number // DEVICES * step_ns + random.randrange(500) * 1_000_000


def _values() -> Any:
    draw = random.gauss
    return Values(round(draw(60, 2), 1), round(draw(2, 0.3), 2), round(draw(12, 1), 1))


async def append_rate(folder: Path, batch_points: int, total: int) -> tuple[float, float]:
    """Return (points a second, CPU µs a message) with one flush per `batch_points` points."""
    store = await DuckDbHistory.open(folder)
    history = History(store, SystemClock(), HistorySettings())
    count = batch_points // KEYS
    spent_s = used_s = 0.0
    for first in range(0, total // KEYS, count):
        batches = messages(first, count, 10**9)
        started_s, before_s = time.perf_counter(), cpu_s()
        for batch in batches:
            history.apply(batch)
        await history.flush()
        spent_s += time.perf_counter() - started_s
        used_s += cpu_s() - before_s
    await store.close()
    return total / spent_s, used_s / (total / KEYS) * 1e6


async def python_costs() -> dict[str, float]:
    """Return µs a message that each step takes in Python."""
    with tempfile.TemporaryDirectory() as folder:
        store = await DuckDbHistory.open(Path(folder))
        history = History(store, SystemClock(), HistorySettings())
        count = 30_000
        batches = messages(0, count, 10**9)
        steps: dict[str, float] = {}
        started_s = time.perf_counter()
        for batch in batches:
            history.apply(batch)
        steps["apply"] = time.perf_counter() - started_s
        taken = list(history._by_class.items())
        started_s = time.perf_counter()
        rows = to_rows(taken)
        steps["columns"] = time.perf_counter() - started_s
        make_points(rows, store._names)  # the names are known from the second batch on
        started_s = time.perf_counter()
        make_points(rows, store._names)
        steps["arrays"] = time.perf_counter() - started_s
        await store.close()
    return {name: spent / count * 1e6 for name, spent in steps.items()}


async def fill(store: DuckDbHistory, points: int) -> None:
    """Store `points` points spread evenly over 24 hours."""
    history = History(store, SystemClock(), HistorySettings())
    total = points // KEYS
    step_ns = DAY_NS * DEVICES // total
    for first in range(0, total, 30_000):
        for batch in messages(first, min(30_000, total - first), step_ns):
            history.apply(batch)
        await history.flush()


async def read_ms(store: DuckDbHistory, **changes: Any) -> tuple[float, int]:
    """Return (median ms, rows) of reading one key of one device."""
    asked: dict[str, Any] = {
        "tenant": MAIN,
        "devices": (DeviceId("machine-77"),),
        "keys": ("vibration",),
        "start": START,
        "end": START + DAY_NS,
    }
    query = HistoryQuery(**asked | changes)
    spent = []
    rows = 0
    for _turn in range(15):
        started_s = time.perf_counter()
        table = await store.query(query)
        spent.append(time.perf_counter() - started_s)
        rows = len(table.columns["at"])
    return statistics.median(spent) * 1e3, rows


async def main(points: int) -> None:
    """Measure and print."""
    table = Table("what", "figure", title="history")
    for name, micros in (await python_costs()).items():
        table.add_row(f"python: {name}", f"{micros:.2f} µs a message of {KEYS} values")
    for batch_points in (5_000, 50_000, 90_000):
        total = batch_points * (40 if batch_points < 10_000 else 20)
        with tempfile.TemporaryDirectory() as folder:
            rate, micros = await append_rate(Path(folder), batch_points, total)
        table.add_row(
            f"append, batches of {batch_points:,} points",
            f"{rate / 1e6:.2f}M points/s, {micros:.2f} µs of CPU a message",
        )
    minute = {"bucket_ns": 60 * 10**9}
    with tempfile.TemporaryDirectory() as folder:
        store = await DuckDbHistory.open(Path(folder))
        await fill(store, points)
        await _reads(store, table, "as written", minute)
        started_s, before_s = time.perf_counter(), cpu_s()
        await store.compact()
        table.add_row(
            "compact", f"{time.perf_counter() - started_s:.1f} s, {cpu_s() - before_s:.1f} s of CPU"
        )
        await _reads(store, table, "compacted", minute)
        bytes_used = used_bytes(store._connection, store._path)
        table.add_row("on disk, compacted", f"{bytes_used / points:.2f} B a point")
        await store.close()
    Console().print(table)


async def _reads(store: DuckDbHistory, table: Table, state: str, minute: dict[str, Any]) -> None:
    millis, rows = await read_ms(store, **minute)
    table.add_row(f"24 h in 1-min means, {state}", f"{millis:.1f} ms, {rows} rows")
    millis, rows = await read_ms(store, max_points=500)
    table.add_row(f"24 h as a picture, {state}", f"{millis:.1f} ms, {rows} rows")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=10_000_000)
    asyncio.run(main(parser.parse_args().points))
