"""Absence: whether nothing came for a time. The clock of receipt alone tells it.

A late sample is a sign of life like any other. Of a device that never said it, silence
began when the device was made, or when the rule was.
"""

from typing import Any

from msgspec import UNSET

from weft.rules.feeds.base import NEVER, Cost, Feed, Origin, Settings


class Silent:
    """Whether no sample came for a time."""

    __slots__ = ("_heard", "_wait", "due")

    def __init__(self, wait_ns: int, began_at: int) -> None:
        self._wait = wait_ns
        self._heard = False
        self.due = began_at + wait_ns

    def take(self, at: int, received: int, value: Any) -> Any:  # noqa: ARG002  that it came counts
        """Take a sign of life in."""
        self._heard = True
        self.due = received + self._wait
        return False

    def advance(self, now: int) -> Any:
        """Return whether it has been silent for long enough."""
        if now >= self.due:
            self.due = NEVER
        return self._told

    @property
    def _told(self) -> Any:
        if self.due == NEVER:
            return True
        return False if self._heard else UNSET

    def state(self) -> Any:
        """Return when silence counts, if it does not yet."""
        return [self._heard, None if self.due == NEVER else self.due]

    def restore(self, state: Any) -> Any:
        """Take back what `state` gave."""
        self._heard, due = state
        self.due = NEVER if due is None else due
        return self._told


def make_silent(settings: Settings, origin: Origin) -> Feed:
    """Make a watch over one key, which begins with the device or the rule."""
    return Silent(settings["time"], origin.began_at)


def silent_cost(_settings: Settings) -> Cost:
    """Bound what is kept: one moment."""
    return Cost(state_bytes=64, sample_ns=500)
