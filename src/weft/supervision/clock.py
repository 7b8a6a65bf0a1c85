"""Clocks: the system's, and one that tests turn by hand."""

import time

NS_PER_S = 1_000_000_000


class SystemClock:
    """The machine's UTC clock."""

    def now(self) -> int:
        """Nanoseconds UTC since 1970."""
        return time.time_ns()


class FakeClock:
    """A clock that stands until it is turned."""

    def __init__(self, start: int = 1_772_366_400 * NS_PER_S) -> None:  # 2026-03-01T12:00:00Z
        self._now = start

    def now(self) -> int:
        """Nanoseconds UTC since 1970."""
        return self._now

    def turn(self, seconds: float) -> None:
        """Let time pass."""
        self._now += round(seconds * NS_PER_S)
