"""Resending: a device that is there and has not caught up is told again, ever more seldom.

The first time after a minute, then after twice as long each time, at most once an hour; a
new wish begins anew. Never more at once than a subscriber's window and a commit can take.
"""

import heapq
from collections.abc import Callable
from typing import Final

from weft.model.ids import DeviceId, TenantId
from weft.model.moments import NS_PER_S

FIRST_S: Final = 60.0
LAST_S: Final = 3600.0
AT_ONCE: Final = 100  # a second: a fleet that ignores its wishes costs a hundred messages

Key = tuple[TenantId, DeviceId]


class Resending:
    """Who has not caught up, and when it is told again."""

    def __init__(self) -> None:
        self._waits: dict[Key, tuple[float, int]] = {}  # the present wait, and when it is over
        self._due: list[tuple[int, Key]] = []

    def __contains__(self, key: Key) -> bool:
        return key in self._waits

    def begin(self, key: Key, now: int) -> None:
        """Wait from the start again: there is a new wish."""
        self._schedule(key, FIRST_S, now)

    def forget(self, key: Key) -> None:
        """Stop: the device has caught up, or is gone."""
        self._waits.pop(key, None)

    def take(self, now: int, differs: Callable[[Key], bool]) -> list[Key]:
        """Return who is to be told again now; each has to wait twice as long for the next time.

        `differs` says whether a device is there and still differs. One that has caught up
        is forgotten by `forget`; one that is away keeps its wait.
        """
        found: list[Key] = []
        while self._due and self._due[0][0] <= now and len(found) < AT_ONCE:
            due_at, key = heapq.heappop(self._due)
            held = self._waits.get(key)
            if held is None or held[1] != due_at:  # was begun anew, or forgotten
                continue
            wait_s = held[0]
            if differs(key):
                found.append(key)
                wait_s = min(2 * wait_s, LAST_S)
            self._schedule(key, wait_s, now)
        return found

    def _schedule(self, key: Key, wait_s: float, now: int) -> None:
        due_at = now + round(wait_s * NS_PER_S)
        self._waits[key] = (wait_s, due_at)
        heapq.heappush(self._due, (due_at, key))
        if len(self._due) > 2 * len(self._waits) + AT_ONCE:
            self._due = [(at, waiting) for waiting, (_, at) in self._waits.items()]
            heapq.heapify(self._due)
