"""Turns: whose import is worked on next, so that no tenant's file holds up another's.

Each tenant has a queue of its own, and its first import alone is under way. Tenants take
turns, one piece of a file each: however large a file is, another tenant waits for one piece
of it at most. All queues together have a size.
"""

import asyncio
from collections import deque

from weft.model.ids import TenantId


class TurnsFull(Exception):
    """As many imports wait as may."""


class Turns:
    """The queues of all tenants; used on the loop alone."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._count = 0
        self._waiting: dict[TenantId, deque[str]] = {}
        # Tenants that nobody works for and whose turn comes; each is in it once at most.
        self._rotation: asyncio.Queue[TenantId] = asyncio.Queue(most)

    def __len__(self) -> int:
        """How many imports are in the queues, those under way included."""
        return self._count

    def put(self, tenant: TenantId, import_id: str) -> None:
        """Let an import wait behind those of its tenant; raise `TurnsFull` for one too many."""
        if self._count >= self._most:
            raise TurnsFull
        self._count += 1
        queue = self._waiting.setdefault(tenant, deque())
        queue.append(import_id)
        if len(queue) == 1:
            self._rotation.put_nowait(tenant)

    async def take(self) -> tuple[TenantId, str]:
        """Wait for a turn; until `give_back` nobody else gets one of the same tenant."""
        tenant = await self._rotation.get()
        return tenant, self._waiting[tenant][0]

    def give_back(self, tenant: TenantId, *, ended: bool) -> None:
        """End a turn: the tenant is last in the rotation; its next import begins if one ended."""
        queue = self._waiting[tenant]
        if ended:
            queue.popleft()
            self._count -= 1
        if queue:
            self._rotation.put_nowait(tenant)
        else:
            del self._waiting[tenant]

    def place_of(self, tenant: TenantId, import_id: str) -> int | None:
        """Return how many imports of its tenant go before it; None for one that is not waiting."""
        queue = self._waiting.get(tenant, ())
        return next((place for place, held in enumerate(queue) if held == import_id), None)


__all__ = ["Turns", "TurnsFull"]
