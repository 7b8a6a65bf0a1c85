"""Histories: a place in all its versions, and which of them is in force for a message.

A message is judged by the version that was in force when it was received; one from before
the first version by the first. So live, a crash and a replay of last month agree, and a rule
can be tried on the past with a fence that was drawn today.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable
from typing import Any, Generic

from weft.rules.places.kinds import K

# From its saving until it is in force: it is known everywhere before the first message that
# it judges is received, so that what was judged live is judged alike ever after.
LAG_NS = 1_000_000_000


class History(Generic[K]):
    """The versions of one place that are kept, oldest first; never empty, never changed."""

    __slots__ = ("_made", "_make", "_starts", "versions")

    def __init__(self, versions: Iterable[K], make: Callable[[K], Any]) -> None:
        """`make` compiles a version, when it is first asked for."""
        self.versions = tuple(sorted(versions, key=lambda one: one.version))
        self._starts = [one.in_force_at for one in self.versions]
        self._make = make
        self._made: list[Any] = [None] * len(self.versions)

    @property
    def newest(self) -> K:
        """The version that was saved last."""
        return self.versions[-1]

    def at(self, received: int) -> K:
        """Return the version in force at a moment of receipt."""
        return self.versions[self._place(received)]

    def made_at(self, received: int) -> Any:
        """Return what was compiled of the version in force at a moment of receipt."""
        place = self._place(received)
        made = self._made[place]
        if made is None:
            made = self._made[place] = self._make(self.versions[place])
        return made

    def _place(self, received: int) -> int:
        # Two versions may have come within the lag of each other: the later one counts.
        return max(bisect_right(self._starts, received) - 1, 0)
