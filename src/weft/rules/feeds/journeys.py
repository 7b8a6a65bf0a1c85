"""Journeys in rules: off the planned route, late, at a stop, past it.

Each looks at the trip that the device is on at the sample's own moment; without one nothing
is deviated from and nothing late: 0, false or an empty text, so that an alarm clears when
its trip ends, by the clock if the vehicle has fallen silent. A late sample is passed over.
The clock counts in the vehicle's own time: one that sends from its memory is as late as its
newest sample, and its trip is not over before its samples say so.
"""

from collections.abc import Callable
from typing import Any

from msgspec import UNSET

from weft.rules.feeds.base import NEVER, NS_PER_S, Cost, Feed, Origin, Settings
from weft.rules.places.lookup import Found, Journey
from weft.rules.places.plans import Place
from weft.rules.places.tracking import Track

# (journey, track, name of a stop or None, moment) -> value
Tell = Callable[[Journey, Track, str | None, int], Any]


class Journeying:
    """One question about the trip that a device is on."""

    __slots__ = (
        "_found", "_lag", "_none", "_origin", "_seen_at", "_stop", "_tell", "_told", "_track",
        "_trip", "due",
    )  # fmt: skip

    def __init__(self, tell: Tell, none: Any, stop: str | None, origin: Origin) -> None:
        """`none` is told without a trip."""
        self._tell = tell
        self._none = none
        self._stop = stop
        self._origin = origin
        self._found: Found | None = None
        self._trip = ""
        self._track: Track | None = None
        self._seen_at = 0
        self._lag = 0  # how long after its moment the newest position was received
        self._told: Any = UNSET
        self.due = NEVER

    def take(self, at: int, received: int, value: Any) -> Any:
        """Take a position in: latitude and longitude."""
        latitude, longitude = value
        there = -90 <= latitude <= 90 and -180 <= longitude <= 180
        if not there or at <= self._seen_at <= received:
            return self._told
        self._seen_at, self._lag = at, max(received - at, 0)
        journey = self._journey(at, received)
        self._told = self._none
        self.due = NEVER
        if journey is not None and self._track is not None:
            if self._track.at > at:  # our own clock was set back
                self._track = Track(journey.plan.version)
            self._track.move(journey.plan, at, latitude, longitude)
            self._told = self._tell(journey, self._track, self._stop, at)
            self.due = max(self._next(journey, at) + self._lag, received + 1)
        return self._told

    def advance(self, now: int) -> Any:
        """A trip has ended, or a halt has become too long."""
        if now < self.due:
            return self._told
        own = now - self._lag
        journey = self._look_up(own, now)
        self.due, self._told = NEVER, self._none
        # What is known of a trip that is over stays: positions of it may still be on their way.
        same = journey is not None and journey.trip.uid == self._trip
        if journey is not None and same and self._track is not None:
            self._told = self._tell(journey, self._track, self._stop, own)
            self.due = max(self._next(journey, own) + self._lag, now + 1)
        return self._told

    def _look_up(self, at: int, received: int) -> Journey | None:
        places, found = self._origin.places, self._found
        if places is None:
            return None
        if found is None or not found.holds(places.changes, at, received):
            found = places.journey(self._origin.tenant, self._origin.device_id, at, received)
            self._found = found
        return found.journey

    def _journey(self, at: int, received: int) -> Journey | None:
        """Return the journey of a position, and begin anew where it is another one."""
        journey = self._look_up(at, received)
        if journey is None:
            self._trip, self._track = "", None
        elif self._trip != journey.trip.uid or self._track is None:
            self._trip, self._track = journey.trip.uid, Track(journey.plan.version)
        elif self._track.version != journey.plan.version:
            # The line is another one: where it was on the old one says nothing of this.
            self._track.version, self._track.along_m = journey.plan.version, -1.0
        return journey

    def _next(self, journey: Journey, at: int) -> int:
        """Return when time alone changes the answer: the trip ends, or a halt is too long."""
        due: int = min(journey.trip.ends_at, self._found.until_at if self._found else NEVER)
        track = self._track
        here = track.standing_at(journey.plan) if track else None
        if track is not None and here is not None and here.dwell_max is not None:
            too_long = track.served[here.stop.name][0] + here.dwell_max + 1
            due = too_long if at < too_long < due else due
        return due

    def state(self) -> Any:
        """Return the trip and what is known of it."""
        return [
            self._trip,
            self._track.state() if self._track else None,
            self._seen_at,
            None if self.due == NEVER else self.due,
            None if self._told is UNSET else self._told,
            self._lag,
        ]

    def restore(self, state: Any) -> Any:
        """Take back what `state` gave; what was kept by an older Weft has no lag."""
        self._trip, track, self._seen_at, due, told, *lag = state
        self._lag = lag[0] if lag else 0
        self._track = Track.of(track) if track else None
        self.due = NEVER if due is None else due
        self._told = UNSET if told is None else told
        return self._told


def _named(journey: Journey, name: str) -> Place | None:
    return next((one for one in journey.plan.places if one.stop.name == name), None)


def _off_route(_journey: Journey, track: Track, _stop: str | None, _at: int) -> float:
    return track.off_m


def _target(journey: Journey, track: Track, name: str | None) -> Place | None:
    following = track.following(journey.plan)
    if name is None:
        return following[0] if following else None
    return next((one for one in following if one.stop.name == name), None)


def _eta(journey: Journey, track: Track, stop: str | None, _at: int) -> Any:
    target = _target(journey, track, stop)
    if target is None:
        return UNSET
    return track.arrives_in_ns(journey.plan, journey.trip.starts_at, target) / NS_PER_S


def _late_by(journey: Journey, track: Track, stop: str | None, _at: int) -> float:
    target = _target(journey, track, stop)
    if target is None:
        return 0.0
    starts_at = journey.trip.starts_at
    arrives: float = track.at - starts_at + track.arrives_in_ns(journey.plan, starts_at, target)
    return (arrives - target.arrive) / NS_PER_S


def _dwell(journey: Journey, track: Track, stop: str | None, at: int) -> float:
    here = track.standing_at(journey.plan)
    if here is None or stop not in {None, here.stop.name}:
        return 0.0
    return (at - track.served[here.stop.name][0]) / NS_PER_S


def _overstays(journey: Journey, track: Track, stop: str | None, at: int) -> bool:
    here = track.standing_at(journey.plan)
    if here is None or here.dwell_max is None or stop not in {None, here.stop.name}:
        return False
    return at - track.served[here.stop.name][0] > here.dwell_max


def _missed_stop(journey: Journey, track: Track, stop: str | None, _at: int) -> bool:
    if stop is None:
        return any(track.missed(journey.plan, one) for one in journey.plan.places)
    place = _named(journey, stop)
    return place is not None and track.missed(journey.plan, place)


def _next_stop(journey: Journey, track: Track, _stop: str | None, _at: int) -> str:
    target = _target(journey, track, None)
    return target.stop.name if target else ""


TELLS: dict[str, tuple[Tell, Any]] = {
    "off_route": (_off_route, 0.0),
    "eta": (_eta, UNSET),
    "late_by": (_late_by, 0.0),
    "dwell": (_dwell, 0.0),
    "overstays": (_overstays, False),
    "missed_stop": (_missed_stop, False),
    "next_stop": (_next_stop, ""),
}


def make_journeying(name: str, settings: Settings, origin: Origin) -> Feed:
    """Make a question about the trip that a device is on."""
    tell, none = TELLS[name]
    return Journeying(tell, none, settings.get("stop"), origin)


def journey_cost(_settings: Settings) -> Cost:
    """Bound what is kept: two moments for each of 100 stops; and what a long line costs."""
    return Cost(state_bytes=16_384, sample_ns=30_000)
