"""Edges: what the newest sample says against the one before it, and for how long it has.

A late sample is passed over, for what came after it is known already. One of the same
moment replaces the newest.
"""

from collections.abc import Callable
from typing import Any

from msgspec import UNSET

from weft.errors import Invalid
from weft.rules.feeds.base import NEVER, Cost, Feed, Origin, Settings

TEXT_MAX = 256  # of a text or a list that is compared with the one before, in characters


class Pair:
    """The two newest samples, and what is told of them."""

    __slots__ = ("_at", "_before", "_newest", "_tell", "due")

    def __init__(self, tell: Callable[[Any, Any], Any]) -> None:
        self._tell = tell
        self._at = 0
        self._newest: Any = UNSET
        self._before: Any = UNSET
        self.due = NEVER

    def take(self, at: int, received: int, value: Any) -> Any:
        """Take one sample in; return what is told of it and the one before."""
        if value.__class__ is str:
            value = value[:TEXT_MAX]
        elif value.__class__ is list or value.__class__ is dict:
            value = repr(value)[:TEXT_MAX]
        if at > self._at or received < self._at:
            self._before, self._newest, self._at = self._newest, value, at
        elif at == self._at:
            self._newest = value
        return self._tell(self._before, self._newest)

    def advance(self, now: int) -> Any:  # noqa: ARG002  time alone changes nothing
        """Return what is told."""
        return self._tell(self._before, self._newest)

    def state(self) -> Any:
        """Return both samples; a list of one or none where there is none."""
        return [self._at, [v for v in (self._newest, self._before) if v is not UNSET]]

    def restore(self, state: Any) -> Any:
        """Take back what `state` gave."""
        self._at, values = state
        self._newest, self._before = [*values, UNSET, UNSET][:2]
        return UNSET if self._newest is UNSET else self._tell(self._before, self._newest)


def _differs(before: Any, newest: Any) -> bool:
    if before is UNSET:
        return False
    numbers = {before.__class__, newest.__class__} <= {int, float}
    alike = numbers or before.__class__ is newest.__class__
    return not alike or bool(before != newest)


PAIRS: dict[str, Callable[[Any, Any], Any]] = {
    "changed": _differs,
    "previous": lambda before, _newest: before,
    "rising": lambda before, newest: before is False and newest is True,
    "falling": lambda before, newest: before is True and newest is False,
}


class Held:
    """Whether a condition has held for a time: by the samples' moments, or by the clock."""

    __slots__ = ("_at", "_since_at", "_told", "_wait", "due")

    def __init__(self, wait_ns: int) -> None:
        self._wait = wait_ns
        self._at = 0
        self._since_at = -1  # -1: it does not hold
        self._told: Any = UNSET
        self.due = NEVER

    def take(self, at: int, received: int, value: Any) -> Any:
        """Take in whether it holds."""
        if at < self._at <= received:
            return self._told
        self._at = at
        if not value:
            self._since_at, self.due, self._told = -1, NEVER, False
            return False
        if self._since_at < 0 or at < self._since_at:
            self._since_at, self.due, self._told = at, received + self._wait, False
        if at - self._since_at >= self._wait:
            self.due, self._told = NEVER, True
        return self._told

    def advance(self, now: int) -> Any:
        """It was true when last heard of, and has been for long enough."""
        if now >= self.due:
            self.due, self._told = NEVER, True
        return self._told

    def state(self) -> Any:
        """Return since when it holds and what was told."""
        told = None if self._told is UNSET else self._told
        return [self._at, self._since_at, told, None if self.due == NEVER else self.due]

    def restore(self, state: Any) -> Any:
        """Take back what `state` gave."""
        self._at, self._since_at, told, due = state
        self._told = UNSET if told is None else told
        self.due = NEVER if due is None else due
        return self._told


class Hysteresis:
    """True from `on` until `off`, and in between as it was."""

    __slots__ = ("_at", "_off", "_on", "_told", "due")

    def __init__(self, on: float, off: float) -> None:
        self._on = on
        self._off = off
        self._at = 0
        self._told: Any = UNSET
        self.due = NEVER

    def take(self, at: int, received: int, value: Any) -> Any:
        """Take one sample in; return on which side it stands."""
        if at < self._at <= received or value != value:  # noqa: PLR0124  not a number
            return self._told
        self._at = at
        sign = 1 if self._on > self._off else -1
        if sign * value >= sign * self._on:
            self._told = True
        elif sign * value <= sign * self._off or self._told is UNSET:
            self._told = False
        return self._told

    def advance(self, now: int) -> Any:  # noqa: ARG002  time alone changes nothing
        """Return on which side it stands."""
        return self._told

    def state(self) -> Any:
        """Return the side and when it was last looked at."""
        return [self._at, None if self._told is UNSET else self._told]

    def restore(self, state: Any) -> Any:
        """Take back what `state` gave."""
        self._at, told = state
        self._told = UNSET if told is None else told
        return self._told


def make_pair(name: str, _settings: Settings, _origin: Origin) -> Feed:
    """Make a look at the two newest samples."""
    return Pair(PAIRS[name])


def make_held(settings: Settings, _origin: Origin) -> Feed:
    """Make the `for` of an expression."""
    return Held(settings["time"])


def make_hysteresis(settings: Settings, _origin: Origin) -> Feed:
    """Make a switch with two thresholds; raise `Invalid` when they are one."""
    on, off = settings["on"], settings["off"]
    if on == off:
        raise Invalid("on and off are the same.", remedy="Write x > limit, or set them apart.")
    return Hysteresis(on, off)


def edge_cost(_settings: Settings) -> Cost:
    """Bound what is kept: two samples at most."""
    return Cost(state_bytes=4_096, sample_ns=1_000)
