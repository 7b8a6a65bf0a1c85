"""Lanes: what waits for one connector, by when it is due.

One delivery at a time per connector keeps the far side's order and load simple; a lane that
fails pauses as a whole, so that a system that is down is asked now and then, not once per
waiting entry. The lane is a memory of the outbox, never the truth: it is filled from the
records and may be lost at any moment.
"""

import asyncio
import heapq
from typing import NamedTuple

from weft.model.ids import ActionId, TenantId


class Due(NamedTuple):
    """An entry and when its next attempt is due; older actions go first."""

    at: int
    created_at: int
    tenant: TenantId
    action_id: ActionId


class Lane:
    """The queue of one connector, bounded: what does not fit stays in the records."""

    def __init__(self, name: str, size: int) -> None:
        self.name = name
        self.wake = asyncio.Event()
        self.paused_until = 0
        self.failures = 0  # in a row
        self.wants_more = False  # whether the last scan found more than fits
        self._size = size
        self._heap: list[Due] = []
        self._known: set[tuple[TenantId, ActionId]] = set()

    def __len__(self) -> int:
        return len(self._known)

    def add(self, due: Due) -> None:
        """Take in an entry, unless it is known already or the lane is full."""
        key = (due.tenant, due.action_id)
        if key in self._known:
            return
        if len(self._known) >= self._size:
            self.wants_more = True
            return
        self._known.add(key)
        heapq.heappush(self._heap, due)
        self.wake.set()

    def take(self, now: int) -> Due | None:
        """Take the entry that is due, if any; it stays known until `done`."""
        if now < self.paused_until or not self._heap or self._heap[0].at > now:
            return None
        return heapq.heappop(self._heap)

    def done(self, due: Due) -> None:
        """Forget an entry that was taken; the next scan finds it if it still waits."""
        self._known.discard((due.tenant, due.action_id))

    def next_at(self) -> int | None:
        """Return the moment of the next attempt, None when nothing waits."""
        return max(self._heap[0].at, self.paused_until) if self._heap else None
