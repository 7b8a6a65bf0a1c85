"""Fences in rules: inside, outside, entering, leaving, and how far away.

A receiver wanders by some metres while nothing moves. With a margin, which may be what it
says of its own accuracy, a position nearer to the border than that says nothing; with a
time, a side counts once samples have been there for so long. Without them each sample is
taken at its word.

A late sample is passed over, for what came after it is known already. The version of the
fence that was in force when a sample was received judges it.
"""

from typing import Any

from msgspec import UNSET

from weft.rules.feeds.base import NEVER, Cost, Feed, Origin, Settings


class Fenced:
    """On which side of a fence a device is."""

    __slots__ = (
        "_at", "_last", "_name", "_origin", "_pending_at", "_side", "_tell", "_wait", "due",
    )  # fmt: skip

    def __init__(self, tell: str, settings: Settings, origin: Origin) -> None:
        self._tell = tell
        self._name: str = settings["fence"]
        self._wait: int = settings.get("time", 0)
        self._origin = origin
        self._at = 0
        self._side: Any = UNSET  # True inside, False outside
        self._last: Any = UNSET  # what was told
        self._pending_at = -1  # since when samples say the other side; -1: they do not
        self.due = NEVER

    def take(self, at: int, received: int, value: Any) -> Any:
        """Take a position in: latitude, longitude and perhaps a margin in metres."""
        if at < self._at <= received:
            return self._told(UNSET)
        before = self._side
        says = self._says(received, value)
        if says is UNSET:
            return self._told(before)
        self._at = at
        if before is UNSET or (says is not before and not self._wait):
            self._side = says
            self._pending_at, self.due = -1, NEVER
        elif says is before:
            self._pending_at, self.due = -1, NEVER
        else:
            if self._pending_at < 0 or at < self._pending_at:
                self._pending_at, self.due = at, received + self._wait
            if at - self._pending_at >= self._wait:
                self._side = says
                self._pending_at, self.due = -1, NEVER
        return self._told(before)

    def _says(self, received: int, value: Any) -> Any:
        """Return the side that a position is on, or UNSET where it cannot be told."""
        places = self._origin.places
        shape = None if places is None else places.shape(self._origin.tenant, self._name, received)
        latitude, longitude = value[0], value[1]
        if shape is None or not (-90 <= latitude <= 90 and -180 <= longitude <= 180):
            return UNSET
        doubt = value[2] if len(value) == 3 else 0.0
        if not doubt > 0:
            return shape.inside(latitude, longitude)
        margin = shape.margin_m(latitude, longitude)
        if -doubt < margin < doubt and self._side is not UNSET:
            return UNSET
        return margin >= 0

    def advance(self, now: int) -> Any:
        """It was on the other side when last heard of, and has been for long enough."""
        before = self._side
        if now >= self.due:
            self._side = not self._side
            self._pending_at, self.due = -1, NEVER
        return self._told(before)

    def _told(self, before: Any) -> Any:
        side = self._side
        if side is UNSET:
            return UNSET
        match self._tell:
            case "inside":
                told = side
            case "outside":
                told = not side
            case "enters":
                told = side and before is False
            case _:
                told = before is True and not side
        self._last = told
        return told

    def state(self) -> Any:
        """Return the side, since when samples say the other, and what was told."""
        side = None if self._side is UNSET else self._side
        last = None if self._last is UNSET else self._last
        return [self._at, side, self._pending_at, None if self.due == NEVER else self.due, last]

    def restore(self, state: Any) -> Any:
        """Take back what `state` gave."""
        self._at, side, self._pending_at, due, last = state
        self._side = UNSET if side is None else side
        self._last = UNSET if last is None else last
        self.due = NEVER if due is None else due
        return self._last


class Away:
    """How far a device is from a fence."""

    __slots__ = ("_at", "_name", "_origin", "_told", "due")

    def __init__(self, settings: Settings, origin: Origin) -> None:
        self._name: str = settings["fence"]
        self._origin = origin
        self._at = 0
        self._told: Any = UNSET
        self.due = NEVER

    def take(self, at: int, received: int, value: Any) -> Any:
        """Return the metres from a position to the fence; 0 inside."""
        latitude, longitude = value
        places = self._origin.places
        shape = None if places is None else places.shape(self._origin.tenant, self._name, received)
        there = -90 <= latitude <= 90 and -180 <= longitude <= 180
        if shape is None or not there or at < self._at <= received:
            return self._told
        self._at = at
        self._told = max(-shape.margin_m(latitude, longitude), 0.0)
        return self._told

    def advance(self, now: int) -> Any:  # noqa: ARG002  time alone moves nobody
        """Return the distance when last heard of."""
        return self._told

    def state(self) -> Any:
        """Return the distance, and of when it is."""
        return [self._at, None if self._told is UNSET else self._told]

    def restore(self, state: Any) -> Any:
        """Take back what `state` gave."""
        self._at, told = state
        self._told = UNSET if told is None else told
        return self._told


def make_fenced(tell: str, settings: Settings, origin: Origin) -> Feed:
    """Make a look at a fence."""
    return Fenced(tell, settings, origin)


def make_away(settings: Settings, origin: Origin) -> Feed:
    """Make a measure of the way to a fence."""
    return Away(settings, origin)


def fence_cost(_settings: Settings) -> Cost:
    """Bound what is kept: a side and two moments; and what 1,000 corners cost."""
    return Cost(state_bytes=128, sample_ns=20_000)
