"""Chart: a picture of one key over all of its points, as a page asks for it.

Ten million samples of one device, a quarter of a second apart, are kept as history keeps them
(sorted runs of what came before, and what has come since). Measured is a chart of 1,000 pixels
of all of them (lowest, highest and mean of each), of a tenth, and of a thousandth, from the
question to the JSON; and beside it a chart of a tenth whose samples came twice, which has to be
resolved. On a machine that does other things the CPU is what can be compared.

    python -m benchmarks.chart [--points 10000000]
"""

import argparse
import asyncio
import math
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from benchmarks import support
from weft.api.pictures import Asked, picture_of
from weft.backends.duckdb.history import DuckDbHistory
from weft.history.history import History
from weft.history.settings import HistorySettings
from weft.model.ids import DeviceId, TenantId
from weft.ports import Rows
from weft.supervision import SystemClock

DESCRIPTION = "a chart of 1,000 pixels over 10 million points, in milliseconds"
MAIN = TenantId("main")
STEP_NS = 250_000_000
START = 1_700_000_000 * 10**9
BATCH = 500_000
PIXELS = 1_000


def rows(first: int, count: int, device: str, position: int) -> Rows:
    """Return samples of a slow wave."""
    numbers = range(first, first + count)
    values = [round(20 + 5 * math.sin(number / 50_000), 3) for number in numbers]
    at = [START + number * STEP_NS for number in numbers]
    return Rows([MAIN] * count, [device] * count, at, [position] * count, ("t",), (values,))


async def fill(store: DuckDbHistory, points: int, device: str, position: int) -> int:
    """Keep samples; return the position behind them."""
    for first in range(0, points, BATCH):
        position += 1
        await store.append([rows(first, min(BATCH, points - first), device, position)], position)
    return position


async def charted(history: History, device: str, points: int, rounds: int) -> tuple[float, float]:
    """Return milliseconds to a chart of the newest `points`, the median, and of CPU, the least."""
    took: list[float] = []
    used: list[float] = []
    end = START + points * STEP_NS
    asked = Asked(
        MAIN, (DeviceId(device),), ("t",), START, end, pixels=PIXELS,
        aggregates=("min", "max", "mean", "count"),
    )  # fmt: skip
    for _ in range(rounds):
        begun, before = time.perf_counter(), time.process_time()
        picture = await picture_of(history, asked)
        size = len(msgspec.json.encode(picture))
        took.append((time.perf_counter() - begun) * 1e3)
        used.append((time.process_time() - before) * 1e3)
        assert size > PIXELS
    return statistics.median(took), min(used)


async def measure(points: int, rounds: int) -> dict[str, float]:
    """Fill a history and draw it."""
    found: dict[str, float] = {}
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        settings = HistorySettings()
        store = await DuckDbHistory.open(Path(folder), settings)
        history = History(store, SystemClock(), settings)
        position = await fill(store, points, "pump", 0)
        for name, part in (("all", 1), ("tenth", 10), ("thousandth", 1_000)):
            took, used = await charted(history, "pump", points // part, rounds)
            found[f"{name}_ms"], found[f"{name}_cpu_ms"] = took, used
        twice = points // 10
        position = await fill(store, twice, "twice", position)
        await fill(store, twice, "twice", position)
        took, used = await charted(history, "twice", twice, rounds)
        found["twice_ms"], found["twice_cpu_ms"] = took, used
        await history.close()
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=DESCRIPTION)
    parser.add_argument("--points", type=int, default=10_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args(arguments)
    found = asyncio.run(measure(given.points, given.rounds))
    support.report("chart", [(name, f"{value:.0f} ms") for name, value in found.items()], **found)


if __name__ == "__main__":
    main()
