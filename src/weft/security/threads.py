"""Threads for what waits on a far side and cannot be awaited: name look-ups, and SMTP.

They are few and no other's: a server that says nothing, or a silent name server, never keeps
a thread that a sign-in needs. Who asks has turns, and a turn ends with its thread, not with
whoever gave up waiting for it: a thread cannot be ended from outside.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any, TypeVar

from weft.errors import ConnectorError
from weft.supervision.turns import Turns

T = TypeVar("T")


class Threads:
    """So many threads, and of one name only `each`; use it from one event loop."""

    def __init__(self, places: int = 8, *, each: int | None = None) -> None:
        self._pool = ThreadPoolExecutor(places, thread_name_prefix="outbound")
        self._turns = Turns(places, each=each)

    async def run(self, name: str, work: Callable[..., T], *given: Any, wait_s: float) -> T:
        """Run `work` in a thread and return what it returns.

        Raise `ConnectorError` where no thread is free within `wait_s`: nothing was begun then.
        """
        try:
            async with asyncio.timeout(wait_s):
                await self._turns.take(name)
        except TimeoutError as error:
            raise ConnectorError(
                f"No thread was free within {wait_s:g} s.",
                remedy="Other far sides take long to answer; this is tried again.",
            ) from error
        loop = asyncio.get_running_loop()
        try:
            running = self._pool.submit(work, *given)
        except BaseException:
            self._turns.give_back(name)
            raise

        def ended(_running: Future[T]) -> None:
            with suppress(RuntimeError):  # the loop has ended, and with it who waits for turns
                loop.call_soon_threadsafe(self._turns.give_back, name)

        running.add_done_callback(ended)
        return await asyncio.wrap_future(running)
