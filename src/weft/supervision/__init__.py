"""Keeping things running: the clock, tasks that are watched, and stopping in order."""

from weft.supervision.clock import FakeClock, SystemClock
from weft.supervision.tasks import keep_running, run_every, run_in_groups

__all__ = ["FakeClock", "SystemClock", "keep_running", "run_every", "run_in_groups"]
