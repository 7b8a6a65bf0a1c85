"""Chores: work that is due now and then, none of which may stop another, or the server.

A fault that a chore is expected to meet waits for its next turn. Any other exception is a
bug: it parks the chore that met it and nothing else. Whoever watches is told once for each
run of the same failure, `trouble` says what is wrong for as long as it is, and the chore
is tried again with growing pauses, for a bug often goes away with what provoked it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence

Work = Callable[[], Awaitable[object]]  # what it returns is of no interest here
Watcher = Callable[["Chore", Exception], None]  # is told the chore and what it met

Place = tuple[type[Exception], str, int]  # kind, file and line

PAUSE_S = 10.0  # of a chore that met a bug, before its second try
PAUSE_MAX_S = 3600.0


class Chore:
    """One thing that is done again and again, and how that goes."""

    def __init__(self, name: str, work: Work) -> None:
        self.name = name
        self.trouble = ""  # what it met last: a fault in its words, a bug by its kind
        self.is_parked = False  # by a bug; else what troubles it was expected
        self._place: Place | None = None  # the exception itself would keep its frames alive
        self.retry_at = 0.0  # of the loop's clock; nothing is tried before
        self._pause_s = PAUSE_S
        self._work = work

    async def take_turn(
        self, now: float, expected: tuple[type[Exception], ...], failed: Watcher
    ) -> None:
        """Do the work if it is not parked; keep every exception from going further."""
        if now < self.retry_at:
            return
        try:
            await self._work()
        except expected as error:
            self._met(error, failed, is_bug=False)
            self.retry_at, self._pause_s = 0.0, PAUSE_S
        except Exception as error:  # noqa: BLE001  told to the watcher, and kept in `trouble`
            self._met(error, failed, is_bug=True)
            self.retry_at = now + self._pause_s
            self._pause_s = min(2 * self._pause_s, PAUSE_MAX_S)
        else:
            self.trouble, self.is_parked, self._place = "", False, None
            self.retry_at, self._pause_s = 0.0, PAUSE_S

    def _met(self, error: Exception, failed: Watcher, *, is_bug: bool) -> None:
        before, self._place = self._place, _place_of(error)
        self.trouble = type(error).__name__ if is_bug else str(error)
        self.is_parked = is_bug
        if before != self._place:
            failed(self, error)


class Chores:
    """Chores of one interval, done one after the other."""

    def __init__(
        self,
        interval_s: float,
        chores: Iterable[tuple[str, Work]],
        *,
        expected: tuple[type[Exception], ...],
        failed: Watcher,
    ) -> None:
        self._interval_s = interval_s
        self._chores: Sequence[Chore] = [Chore(name, work) for name, work in chores]
        self._expected = expected
        self._failed = failed

    @property
    def troubled(self) -> list[Chore]:
        """Those that failed when they were last tried."""
        return [chore for chore in self._chores if chore.trouble]

    async def run(self) -> None:
        """Take turns until cancelled; the first one comes after one interval."""
        while True:
            await asyncio.sleep(self._interval_s)
            await self.take_turn()

    async def take_turn(self) -> None:
        """Do each chore once, except those that are parked."""
        time = asyncio.get_running_loop().time
        for chore in self._chores:
            await chore.take_turn(time(), self._expected, self._failed)


def _place_of(error: Exception) -> Place:
    """Return what tells one failure from another: its kind, and the line that raised it."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return type(error), "", 0
    return type(error), trace.tb_frame.f_code.co_filename, trace.tb_lineno
