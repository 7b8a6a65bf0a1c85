"""Schedules: times of the week on the wall clock of a place, its summer time included.

`Mon-Fri 06:00-22:00, Sat 08:00-12:00`: days, then from and to; `22:00-06:00` ends on the
next day; `00:00-24:00` is all day. An hour that a place skips is skipped, and one that it
has twice counts twice, for a shift that is worked by the wall clock is.
"""

import re
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from msgspec import UNSET

from weft.errors import Invalid
from weft.rules.feeds.base import NEVER, NS_PER_S, Cost, Feed, Origin, Settings

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
HOLIDAYS_MAX = 200
_AHEAD_DAYS = 9  # a schedule that has a day has it within a week
_DAY_MINUTES = 24 * 60
_TIMES = re.compile(r"(\d\d):(\d\d)-(\d\d):(\d\d)", re.ASCII)

Times = tuple[frozenset[int], int, int]  # weekdays, from and to in minutes of the day


class Schedule:
    """The times of one text in one place; shared by all devices of its rules."""

    def __init__(self, text: str, zone: ZoneInfo, holidays: frozenset[date]) -> None:
        self._times = read_times(text)
        self._zone = zone
        self._holidays = holidays
        self._known = (0, 0, False)  # from, until, open: where it was last asked

    def at(self, moment: int) -> tuple[bool, int]:
        """Return whether it is open, and until when that holds (NEVER: for more than a week)."""
        since, until, answer = self._known
        if not since <= moment < until:
            answer, until = self._open(moment), self._change(moment)
            self._known = (moment, until, answer)
        return answer, until

    def _open(self, moment: int) -> bool:
        local = datetime.fromtimestamp(moment // NS_PER_S, self._zone)
        minutes = local.hour * 60 + local.minute
        return self._covers(local.date(), minutes) or self._covers(
            local.date() - timedelta(days=1), minutes + _DAY_MINUTES
        )

    def _covers(self, day: date, minutes: int) -> bool:
        if day in self._holidays:
            return False
        weekday = day.weekday()
        return any(
            weekday in days and begins <= minutes < ends for days, begins, ends in self._times
        )

    def _change(self, moment: int) -> int:
        """Return the next moment with another answer."""
        answer = self._open(moment)
        for second in self._candidates(moment // NS_PER_S):
            if self._open(second * NS_PER_S) is not answer:
                return second * NS_PER_S
        return NEVER

    def _candidates(self, now: int) -> list[int]:
        """Return the seconds at which the wall clock reaches a boundary, or jumps."""
        today = datetime.fromtimestamp(now, self._zone).date()
        edges = {
            edge % _DAY_MINUTES for _days, begins, ends in self._times for edge in (begins, ends)
        }
        found: set[int] = set()
        for ahead in range(_AHEAD_DAYS):
            day = today + timedelta(days=ahead)
            for edge in {*edges, 0}:
                wall = datetime(
                    day.year, day.month, day.day, edge // 60, edge % 60, tzinfo=self._zone
                )
                found |= {int(wall.replace(fold=fold).timestamp()) for fold in (0, 1)}
        found |= self._jumps(now)
        return sorted(second for second in found if second > now)

    def _jumps(self, now: int) -> set[int]:
        """Return when the place's offset changes, to the second."""
        found = set[int]()
        for ahead in range(_AHEAD_DAYS):
            low, high = now + ahead * 86_400, now + (ahead + 1) * 86_400
            if self._offset(low) == self._offset(high):
                continue
            before = self._offset(low)
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (middle, high) if self._offset(middle) == before else (low, middle)
            found.add(high)
        return found

    def _offset(self, second: int) -> timedelta | None:
        return datetime.fromtimestamp(second, self._zone).utcoffset()


class During:
    """Whether it is within a schedule, by a sample's own moment or by the clock."""

    __slots__ = ("_schedule", "_told", "due")

    def __init__(self, schedule: Schedule, began_at: int) -> None:
        self._schedule = schedule
        self._told: Any = UNSET
        self.due = began_at

    def take(self, at: int, received: int, value: Any) -> Any:  # noqa: ARG002  the moment counts
        """Return whether a sample of this moment is within."""
        self._told = self._schedule.at(at)[0]
        self.due = self._schedule.at(received)[1]
        return self._told

    def advance(self, now: int) -> Any:
        """Return whether it is within now."""
        self._told, self.due = self._schedule.at(now)
        return self._told

    def state(self) -> Any:
        """Return what was told and until when."""
        return [
            None if self._told is UNSET else self._told,
            None if self.due == NEVER else self.due,
        ]

    def restore(self, state: Any) -> Any:
        """Take back what `state` gave."""
        told, due = state
        self._told = UNSET if told is None else told
        self.due = NEVER if due is None else due
        return self._told


def make_during(settings: Settings, origin: Origin) -> Feed:
    """Make a look at a schedule; raise `Invalid` for one that cannot be read."""
    holidays = tuple(settings.get("holidays", ()))
    return During(_schedule(settings["times"], settings["zone"], holidays), origin.began_at)


def during_cost(_settings: Settings) -> Cost:
    """Bound what is kept: an answer and a moment."""
    return Cost(state_bytes=64, sample_ns=1_000)


def read_schedule(times: str, zone: str, holidays: tuple[str, ...] = ()) -> Schedule:
    """Return the times of the week of a place; raise `Invalid` for what cannot be read."""
    return _schedule(times, zone, holidays)


@lru_cache(maxsize=1_024)
def _schedule(text: str, zone: str, holidays: tuple[Any, ...]) -> Schedule:
    if len(holidays) > HOLIDAYS_MAX:
        raise Invalid(
            f"{len(holidays)} holidays are given; at most {HOLIDAYS_MAX} are taken.",
            remedy="Leave out those of past years.",
        )
    return Schedule(text, _zone(zone), frozenset(_date(one) for one in holidays))


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        cities = sorted(one for one in available_timezones() if name.lower() in one.lower())
        meant = f"Did you mean {cities[0]!r}?" if name and cities else "Write Europe/Berlin or UTC."
        raise Invalid(f"{name[:40]!r} is no time zone.", remedy=meant) from error


def _date(text: Any) -> date:
    try:
        return date.fromisoformat(text)
    except (TypeError, ValueError) as error:
        raise Invalid(f"{str(text)[:40]!r} is no date.", remedy="Write 2026-12-25.") from error


def read_times(text: str) -> tuple[Times, ...]:
    """Read `Mon-Fri 06:00-22:00, Sat 08:00-12:00`; raise `Invalid` saying what is wrong."""
    times: list[Times] = []
    for part in text.split(","):
        words = part.split()
        if not words or len(words) > 2:
            raise _unreadable(part)
        days = _days(words[0]) if len(words) == 2 else frozenset(range(7))
        times.append((days, *_minutes(words[-1])))
    return tuple(times)


def _days(word: str) -> frozenset[int]:
    ends = word.split("-")
    if len(ends) > 2 or not set(ends) <= set(DAYS):
        raise _unreadable(word)
    first, last = DAYS.index(ends[0]), DAYS.index(ends[-1])
    return frozenset((first + step) % 7 for step in range((last - first) % 7 + 1))


def _minutes(word: str) -> tuple[int, int]:
    match = _TIMES.fullmatch(word)
    if match is None:
        raise _unreadable(word)
    from_hour, from_minute, to_hour, to_minute = map(int, match.groups())
    begins, ends = from_hour * 60 + from_minute, to_hour * 60 + to_minute
    if from_minute > 59 or to_minute > 59 or begins >= _DAY_MINUTES or ends > _DAY_MINUTES:
        raise _unreadable(word)
    if begins == ends:
        raise Invalid(f"{word!r} is no time at all.", remedy="All day is 00:00-24:00.")
    return begins, ends if ends > begins else ends + _DAY_MINUTES


def _unreadable(part: str) -> Invalid:
    return Invalid(
        f"{part.strip()[:40]!r} is no time of the week.",
        remedy="Write Mon-Fri 06:00-22:00, several of them with commas between.",
    )
