"""Tasks that outlive the faults they are made for: a peer's, a disk's, never our own bugs.

The caller names the faults that it expects. Any other exception is a bug: it is not
retried, it ends the task group and with it the process, so that it is seen. What is done
now and then, and need not stop the server, is a chore (`chores.py`).
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

Expected = tuple[type[Exception], ...]
Item = TypeVar("Item")


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


async def run_in_groups(
    work: Callable[[Item], Awaitable[None]], items: Sequence[Item], *, at_once: int
) -> None:
    """Do `work` for every item, `at_once` of them together; a group begins behind the one before.

    A failure ends its group, and no further one begins.
    """

    async def do(item: Item) -> None:
        await work(item)

    for start in range(0, len(items), at_once):
        async with asyncio.TaskGroup() as tasks:
            for item in items[start : start + at_once]:
                tasks.create_task(do(item))
