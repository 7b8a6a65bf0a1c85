"""Consumption: what a counter counted, though it begins anew at 0 now and then.

A sample that is higher than the one before it adds the difference; one that is lower means
that the counter began anew, and adds itself. Of an interval it is what was added since the
interval began by the clock (UTC): the last value in each is the interval's whole, and all
of them together are what the counter went up. What was added over the edge of an interval
belongs to the one in which it was read. A late sample is passed over: what came after it
has counted it already. Time alone changes nothing.
"""

from typing import Any

from msgspec import UNSET

from weft.errors import Invalid
from weft.rules.feeds.base import NEVER, Cost, Feed, Origin, Settings
from weft.rules.feeds.folds import SAMPLE_MAX

INTERVAL_MAX_NS = 366 * 86_400 * 1_000_000_000


class Consumed:
    """The newest counter, and what was added since the last sample, or in the interval."""

    __slots__ = ("_added", "_at", "_counter", "_interval", "_told", "due")

    def __init__(self, interval_ns: int) -> None:
        """`interval_ns` 0: since the sample before."""
        self._interval = interval_ns
        self._at = 0
        self._counter: float | None = None
        self._added = 0.0
        self._told: Any = UNSET
        self.due = NEVER

    def take(self, at: int, received: int, value: Any) -> Any:
        """Take the counter in; return what was added. Of the first sample that is unknown."""
        if at < self._at <= received or not -SAMPLE_MAX < value < SAMPLE_MAX:
            return self._told
        value = float(value)
        before, self._counter = self._counter, value
        began, self._at = self._at, at
        if before is None:
            return self._told
        added = value - before if value >= before else value
        if self._interval and began // self._interval == at // self._interval:
            self._added += added
        else:
            self._added = added
        self._told = self._added
        return self._told

    def advance(self, now: int) -> Any:  # noqa: ARG002  time alone changes nothing
        """Return what was added."""
        return self._told

    def state(self) -> Any:
        """Return the counter, its moment and what was added."""
        return [self._at, self._counter, self._added, self._told is not UNSET]

    def restore(self, state: Any) -> Any:
        """Take back what `state` gave."""
        self._at, self._counter, self._added, is_told = state
        self._told = self._added if is_told else UNSET
        return self._told


def make_consumed(settings: Settings, _origin: Origin) -> Feed:
    """Make the consumption of a counter; raise `Invalid` for an interval that is no interval."""
    interval = settings.get("interval", 0)
    if interval > INTERVAL_MAX_NS:
        raise Invalid("an interval is a year at most.", remedy="Write 15m, 1h or 24h.")
    return Consumed(interval)


def consumed_cost(_settings: Settings) -> Cost:
    """Bound what is kept: one sample and a sum."""
    return Cost(state_bytes=128, sample_ns=600)
