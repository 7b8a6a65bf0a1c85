"""Tasks that outlive the faults they are made for: a peer's, a disk's, never our own bugs.

The caller names the faults that it expects. Any other exception is a bug: it is not
retried, it ends the task group and with it the process, so that it is seen.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable

Expected = tuple[type[Exception], ...]


async def keep_running(
    work: Callable[[], Awaitable[None]],
    *,
    expected: Expected,
    failed: Callable[[Exception, float], None],
    pause_s: float = 1.0,
    pause_max_s: float = 60.0,
) -> None:
    """Run `work` again and again until cancelled, pausing longer after each failure in a row.

    `failed` is told the fault and the seconds until the next try.
    """
    pause = pause_s
    while True:
        try:
            await work()
            pause = pause_s
        except expected as error:
            wait = pause * random.uniform(0.5, 1.0)  # noqa: S311  spreads load, guards nothing
            failed(error, wait)
            await asyncio.sleep(wait)
            pause = min(pause * 2, pause_max_s)


async def run_every(
    interval_s: float,
    work: Callable[[], Awaitable[None]],
    *,
    expected: Expected,
    failed: Callable[[Exception], None],
) -> None:
    """Do `work` every `interval_s` seconds until cancelled; a failure waits for the next turn."""
    while True:
        await asyncio.sleep(interval_s)
        try:
            await work()
        except expected as error:
            failed(error)
