"""What Weft takes when idle, how soon it is ready, and how long a crash takes to recover from.

Memory is that of `weft up` on a new folder, some seconds after it is ready, and again after
messages were handled. Ready is when MQTT and HTTP answer, counted from the start of the
process. For recovery, messages are written into the journal alone, as a crash before the
first checkpoint would leave it; the next start reads all of them into every projection.
To reach: 120 MB, 3 s, and 20 s for a million messages.

    python -m benchmarks.idle [--messages 1000000]        0 leaves the recovery out
"""

import argparse
import asyncio
import time
from pathlib import Path

import msgspec

from benchmarks.support import (
    make_fleet,
    report,
    rss_mb,
    temporary_folder,
    weft_process,
)
from weft.app.compose import MACHINE
from weft.backends.sqlite.journal import SqliteJournal
from weft.model.ids import DeviceId
from weft.model.message import Batch, Envelope, Operation, Route

SETTLE_S = 6.0
BATCH = 5_000
DEVICES = 100


async def fill_journal(folder: Path, messages: int) -> None:
    """Write messages of a fleet into the journal, and nothing else."""
    journal = await SqliteJournal.open(folder)
    routes = [
        Route(
            MACHINE.tenant,
            "device",
            f"machine-{number:05d}",
            f"devices/machine-{number:05d}/telemetry",
            Operation.TELEMETRY,
            DeviceId(f"machine-{number:05d}"),
            "machine",
            1,
        )
        for number in range(DEVICES)
    ]
    start = time.time_ns() - messages * 1_000_000
    for first in range(0, messages, BATCH):
        envelopes = [
            Envelope(
                routes[number % DEVICES],
                start + number * 1_000_000,
                msgspec.json.encode(
                    {
                        "temperature": 60 + number % 17 / 10,
                        "vibration": 1 + number % 13 / 100,
                        "rotations": 1400 + number % 50,
                    }
                ),
                qos=1,
            )
            for number in range(first, min(first + BATCH, messages))
        ]
        await journal.append(Batch(envelopes))
    await journal.close()


def time_to_ready(folder: Path, timeout_s: float) -> tuple[float, float]:
    """Start on a folder; return seconds until it serves, and its memory some seconds later."""
    began = time.monotonic()
    with weft_process(folder, timeout_s=timeout_s) as (server, _, _):
        ready_s = time.monotonic() - began
        time.sleep(SETTLE_S)
        return ready_s, rss_mb(server.pid)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=1_000_000)
    given = parser.parse_args()
    with temporary_folder() as folder:
        first_s, idle_mb = time_to_ready(folder / "new", 30)
        again_s, _ = time_to_ready(folder / "new", 30)
        rows = [
            ("idle, new folder", f"{idle_mb:.0f} MB"),
            ("ready, new folder", f"{first_s:.2f} s"),
            ("ready, second start", f"{again_s:.2f} s"),
        ]
        figures = {"idle_mb": round(idle_mb, 1), "ready_s": round(max(first_s, again_s), 2)}
        if given.messages:
            data = folder / "crashed"
            make_fleet(data, DEVICES, [])
            asyncio.run(fill_journal(data, given.messages))
            recovery_s, after_mb = time_to_ready(data, 600)
            rows += [
                (f"ready after {given.messages:,} messages", f"{recovery_s:.1f} s"),
                ("idle after them", f"{after_mb:.0f} MB"),
            ]
            figures |= {"recovery_s": round(recovery_s, 2), "after_mb": round(after_mb, 1)}
    report("idle, start and recovery", rows, messages=given.messages, **figures)


if __name__ == "__main__":
    main()
