"""Lanes: what waits for one connector, by tenant and by when it is due.

One delivery at a time per connector keeps the far side's order and load simple. Within it
tenants have their turns: one action of each, however many of another wait, and a tenant
whose deliveries fail pauses alone, so that what is wrong with its mapping or its records
holds up nobody else; a system that is down is asked now and then for each of its tenants,
not once per waiting entry. The lanes are a memory of the outbox, never the truth: they are
filled from the records and may be lost at any moment.
"""

import asyncio
import heapq
from collections.abc import Iterable
from typing import NamedTuple

from weft.model.ids import ActionId, TenantId


class Due(NamedTuple):
    """An entry and when its next attempt is due; older actions go first."""

    at: int
    created_at: int
    tenant: TenantId
    action_id: ActionId


class Lane:
    """The queue of one tenant at one connector, bounded: what does not fit stays in the records."""

    def __init__(self, size: int) -> None:
        self.paused_until = 0
        self.failures = 0  # in a row
        self.left_out = False  # whether the last scan found more than fits
        self._size = size
        self._heap: list[Due] = []
        self._known: set[ActionId] = set()

    def __len__(self) -> int:
        return len(self._known)

    @property
    def has_room(self) -> bool:
        """Whether another entry fits."""
        return len(self._known) < self._size

    def add(self, due: Due) -> bool:
        """Take in an entry, unless it is known already or the lane is full; return whether."""
        if due.action_id in self._known:
            return False
        if not self.has_room:
            self.left_out = True
            return False
        self._known.add(due.action_id)
        heapq.heappush(self._heap, due)
        return True

    def take(self, now: int) -> Due | None:
        """Take the entry that is due, if any; it stays known until `done`."""
        if now < self.paused_until or not self._heap or self._heap[0].at > now:
            return None
        return heapq.heappop(self._heap)

    def done(self, due: Due) -> None:
        """Forget an entry that was taken; the next scan finds it if it still waits."""
        self._known.discard(due.action_id)

    def next_at(self) -> int | None:
        """Return the moment of the next attempt, None when nothing waits."""
        return max(self._heap[0].at, self.paused_until) if self._heap else None


class Lanes:
    """What waits for one connector: a lane for each tenant, and whose turn it is."""

    def __init__(self, name: str, size: int) -> None:
        self.name = name
        self.wake = asyncio.Event()
        self._size = size  # of one tenant's lane
        self._lanes: dict[TenantId, Lane] = {}  # in the order in which they have their turn

    def __len__(self) -> int:
        return sum(len(lane) for lane in self._lanes.values())

    @property
    def wants_more(self) -> bool:
        """Whether there is room for what a scan has left out."""
        return any(lane.left_out and lane.has_room for lane in self._lanes.values())

    def of(self, tenant: TenantId) -> Lane:
        """Return a tenant's lane."""
        lane = self._lanes.get(tenant)
        if lane is None:
            lane = self._lanes[tenant] = Lane(self._size)
        return lane

    def waiting(self, tenant: TenantId) -> int:
        """Return how many entries of a tenant are held here."""
        lane = self._lanes.get(tenant)
        return 0 if lane is None else len(lane)

    def scan_again(self, tenant: TenantId) -> None:
        """Take note that a scan of a tenant's entries begins anew."""
        if tenant in self._lanes:
            self._lanes[tenant].left_out = False

    def add(self, due: Due) -> None:
        """Take in an entry."""
        if self.of(due.tenant).add(due):
            self.wake.set()

    def take(self, now: int) -> Due | None:
        """Take what is due of the tenant whose turn it is; it stays known until `done`."""
        for tenant, lane in self._lanes.items():
            due = lane.take(now)
            if due is not None:
                self._lanes[tenant] = self._lanes.pop(tenant)  # behind the others
                return due
        return None

    def done(self, due: Due) -> None:
        """Forget an entry that was taken."""
        self.of(due.tenant).done(due)

    def next_at(self) -> int | None:
        """Return the moment of the next attempt, None when nothing waits."""
        return min(_moments(self._lanes.values()), default=None)


def _moments(lanes: Iterable[Lane]) -> list[int]:
    found = [lane.next_at() for lane in lanes]
    return [at for at in found if at is not None]
