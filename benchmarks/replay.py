"""How fast a rule runs over history: samples a second, and CPU for each.

Run: python -m benchmarks.replay [--samples 2000000] [--devices 1000]. A plant's history is
made in DuckDB first: temperatures that wander, above 80 degrees about once in 700 samples.
`wall` is what one waits on this machine as it is; `cpu` is what it takes of a core.
"""

import argparse
import asyncio
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
from tests.rules.support import MAIN, START, S, around, device, hot

from weft.backends.duckdb.history import DuckDbHistory
from weft.backends.memory.journal import MemoryJournal
from weft.model.ids import TenantId
from weft.model.message import Committed
from weft.ports import Rows
from weft.rules.past.asking import warm_up_for
from weft.rules.past.model import Asked
from weft.rules.past.run import Given, Run
from weft.rules.past.settings import ReplaySettings

AT_ONCE = 50_000
RULES: dict[str, dict[str, Any]] = {
    "a threshold": hot(),
    "two keys, hysteresis, for": hot(
        when="temperature > 80 && pressure > 1", clear="temperature < 78", **{"for": "30s"}
    ),
    "a threshold, every sample seen": hot(when="temperature > 80 || device.id == 'none'"),
    "a mean of 5 minutes": hot(when="mean(temperature, 5m) > 75"),
    "a mean of 1 minute, waits": hot(
        when="mean(temperature, 1m) > 72.5", **{"for": "30s"}, clear_for="1m"
    ),
    "max and count, an hour": hot(
        when="max(temperature, 1h) > 85 && count(temperature, 1h) > 1000", clear_for="5m"
    ),
    "a rate of 5 minutes": hot(when="rate(temperature, 5m) > 0.05", **{"for": "10s"}),
    "a deviation of 5 minutes": hot(when="stddev(temperature, 5m) > 4.5"),
    "a feed of a feed, exact": hot(when="mean(max(temperature, 2 samples), 5m) > 85"),
}


class ForgottenJournal(MemoryJournal):
    """A journal that has been used and keeps nothing any more."""

    @property
    def head(self) -> int:
        """It was once written to."""
        return 1

    @property
    def tail(self) -> int:
        """All of it is gone."""
        return 2

    async def first_after(self, at: int) -> int:  # noqa: ARG002  of any
        """There is none."""
        return 2


async def nothing(
    _after: int, _until: int, _tenant: TenantId | None = None
) -> AsyncIterator[Committed]:
    """Read a journal that has forgotten everything."""
    for batch in ():
        yield batch


async def fill(store: DuckDbHistory, samples: int, names: list[str]) -> None:
    """Store temperatures and pressures, a device a second."""
    random = np.random.default_rng(1)
    for start in range(0, samples, AT_ONCE):
        count = min(AT_ONCE, samples - start)
        places = range(start, start + count)
        columns = (random.normal(71, 3, count).tolist(), random.normal(2, 0.1, count).tolist())
        rows = Rows(
            tenants=[MAIN] * count,
            devices=[names[place % len(names)] for place in places],
            at=[START + place // len(names) * S for place in places],
            positions=list(places),
            keys=("temperature", "pressure"),
            columns=columns,
        )
        await store.append([rows], start + count)
    await store.compact()


async def measure(samples: int, devices: int) -> None:
    """Print a line for each rule."""
    names = [f"d{place}" for place in range(devices)]
    plant = around(*(device(name) for name in names))
    with tempfile.TemporaryDirectory() as folder:
        store = await DuckDbHistory.open(Path(folder))
        await fill(store, samples, names)
        given = Given(ForgottenJournal(), nothing, store, plant)
        for title, document in RULES.items():
            warm_up = warm_up_for(document, MAIN, plant)
            end = START + (samples // devices + 1) * S
            asked = Asked("overheating", document, 0, START, end, warm_up)
            run = Run(given, MAIN, asked, ReplaySettings(share=1.0))
            wall, cpu = time.perf_counter(), time.process_time()
            await run.run()
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            read = run.progress.samples
            print(
                f"{title:32} {read:>9,} samples  {read / wall:>11,.0f}/s wall  "
                f"{read / cpu:>11,.0f}/s cpu  {cpu / read * 1e6:6.3f} µs  "
                f"{len(run.side.firings):,} firings, {run.path.value}"
            )
        await store.close()


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=2_000_000)
    parser.add_argument("--devices", type=int, default=1_000)
    chosen = parser.parse_args()
    asyncio.run(measure(chosen.samples, chosen.devices))


if __name__ == "__main__":
    main()
