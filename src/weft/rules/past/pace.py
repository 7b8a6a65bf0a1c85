"""Pace: long work on the loop in slices, with rests in which devices are served.

Work that is Python all through gains nothing in a thread: it takes the interpreter for 5 ms
at a time there, from a loop that wakes for every packet. In slices of 2 ms live is never
later than that.
"""

import asyncio
import time


class Pace:
    """One long work."""

    def __init__(self, slice_ms: float, share: float) -> None:
        self._slice_s = slice_ms / 1e3
        self._rest = (1 - share) / share
        self._began = time.perf_counter()

    async def rest(self) -> None:
        """Let others run, where the slice is used up."""
        took = time.perf_counter() - self._began
        if took >= self._slice_s:
            await asyncio.sleep(took * self._rest)
            self._began = time.perf_counter()
