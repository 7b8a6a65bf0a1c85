"""Tallies: what the members say of one thing, kept so that one message moves one part.

A member's word replaces the one before it; nobody else is looked at. Sums are exact, so the
order in which members speak leaves no rounding behind, and what is told after a restart or a
replay is told to the last bit. A member whose word is UNSET counts as unknown.
"""

import math
from bisect import bisect_left, insort
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from msgspec import UNSET

from weft.model.ids import DeviceId

NAMED_MAX = 20  # members that evidence names
_SHIFT = 1_074  # every finite double is a whole number of 2**-1074


class Tally(Protocol):
    """What all counted members say of one argument."""

    @property
    def words(self) -> Mapping[DeviceId, Any]:
        """What each counted member said last; UNSET while it is unknown."""
        ...

    def put(self, member: DeviceId, word: Any) -> None:
        """Count a member, or replace what it said."""
        ...

    def drop(self, member: DeviceId) -> None:
        """Count a member no more."""
        ...

    def tell(self, name: str) -> Any:
        """Return what a function over the members gives; UNSET while it is unknown."""
        ...

    def named(self, name: str) -> tuple[DeviceId, ...]:
        """Return the members that made it so, in the order of their names, a bounded number."""
        ...


class Truths:
    """Of how many members a condition is true, false and unknown."""

    def __init__(self) -> None:
        self.words: dict[DeviceId, Any] = {}
        self._true = 0
        self._false = 0

    def put(self, member: DeviceId, word: Any) -> None:
        """Count a member, or replace what it said."""
        self._take(self.words.get(member, UNSET), -1)
        self.words[member] = word
        self._take(word, 1)

    def drop(self, member: DeviceId) -> None:
        """Count a member no more."""
        self._take(self.words.pop(member, UNSET), -1)

    def _take(self, word: Any, by: int) -> None:
        if word is True:
            self._true += by
        elif word is False:
            self._false += by

    def tell(self, name: str) -> Any:
        """Return any, all, count or share; UNSET while it is unknown."""
        known = self._true + self._false
        if name == "any" and self._true:
            return True
        if name == "all" and self._false:
            return False
        if not known:
            return UNSET
        if name == "count":
            return self._true
        if name == "share":
            return self._true / known
        if known < len(self.words):
            return UNSET
        return name == "all"

    def named(self, name: str) -> tuple[DeviceId, ...]:
        """Return the members of whom it is true; where `all` is false, those of whom it is."""
        wanted = not (name == "all" and self._false)
        found = sorted(member for member, word in self.words.items() if word is wanted)
        return tuple(found[:NAMED_MAX])


class Numbers:
    """The numbers of members: their exact sum, and all of them in order."""

    def __init__(self) -> None:
        self.words: dict[DeviceId, Any] = {}
        self._sum = 0  # in units of 2**-1074
        self._sorted: list[float] = []

    def put(self, member: DeviceId, word: Any) -> None:
        """Count a member, or replace its number; what is not finite is unknown."""
        self.drop(member)
        known = word if word.__class__ is float and math.isfinite(word) else UNSET
        self.words[member] = known
        if known is not UNSET:
            self._sum += _whole(known)
            insort(self._sorted, known)

    def drop(self, member: DeviceId) -> None:
        """Count a member no more."""
        word = self.words.pop(member, UNSET)
        if word is not UNSET:
            self._sum -= _whole(word)
            del self._sorted[bisect_left(self._sorted, word)]

    def tell(self, name: str) -> Any:
        """Return the sum, mean, smallest or largest of the known; UNSET where there is none."""
        if not self._sorted:
            return UNSET
        return _TOLD[name](self)

    def named(self, name: str) -> tuple[DeviceId, ...]:
        """Return the members with the smallest or largest number; a sum is everybody's."""
        if name not in {"min_of", "max_of"} or not self._sorted:
            return ()
        number = self.tell(name)
        return tuple(sorted(one for one, word in self.words.items() if word == number))[:NAMED_MAX]

    def total(self, by: int = 1) -> float:
        """Return the sum, divided, rounded once."""
        try:
            return self._sum / (by << _SHIFT)
        except OverflowError:
            return math.inf if self._sum > 0 else -math.inf

    def ends(self) -> tuple[float, float]:
        """Return the smallest and the largest."""
        return self._sorted[0], self._sorted[-1]

    def __len__(self) -> int:
        return len(self._sorted)


_TOLD: dict[str, Callable[[Numbers], float]] = {
    "sum_of": lambda held: held.total(),
    "mean_of": lambda held: held.total(len(held)),
    "min_of": lambda held: held.ends()[0],
    "max_of": lambda held: held.ends()[1],
}


def _whole(number: float) -> int:
    """Return a finite double as a whole number of 2**-1074, exactly."""
    numerator, denominator = number.as_integer_ratio()
    return numerator << (_SHIFT - denominator.bit_length() + 1)
