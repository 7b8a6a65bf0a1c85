"""Turns: a few are at work at once, and who asks for much never keeps who asks for little waiting.

Whoever works asks for a turn under a name (a tenant, say) and does a bounded piece of it. A
place that comes free goes to one name after the other, not to who asked first; and no name
has all of the places, where there are more than one; where it is asked for, only so many.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

_Waiting = deque[asyncio.Future[None]]


class Turns:
    """So many places for all names; use it from one event loop."""

    def __init__(self, places: int, *, each: int | None = None) -> None:
        self._free = places
        most = places - 1 if each is None else min(each, places - 1)
        self._each = max(1, most)  # that one name may have at a time
        self._held: dict[str, int] = {}
        self._waiting: dict[str, _Waiting] = {}  # in the order in which names have their turn

    @asynccontextmanager
    async def turn(self, name: str) -> AsyncIterator[None]:
        """Wait for a place, and have it inside the context."""
        await self.take(name)
        try:
            yield
        finally:
            self.give_back(name)

    async def take(self, name: str) -> None:
        """Wait for a place that outlasts its caller; whoever has it gives it back once."""
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(name, deque()).append(place)
        self._hand_out()
        try:
            await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled():
                self.give_back(name)  # it was ours already, and nobody will use it
            else:
                self._leave(name, place)
            raise

    def _leave(self, name: str, place: asyncio.Future[None]) -> None:
        line = self._waiting.get(name, deque())
        if place in line:
            line.remove(place)
        if not line:
            self._waiting.pop(name, None)

    def give_back(self, name: str) -> None:
        """Give back a place that was taken; on the event loop."""
        self._free += 1
        self._held[name] -= 1
        if not self._held[name]:
            del self._held[name]
        self._hand_out()

    def _hand_out(self) -> None:
        while self._free:
            name = self._next()
            if name is None:
                return
            line = self._waiting.pop(name)
            place = line.popleft()
            if line:
                self._waiting[name] = line  # behind the others
            if place.cancelled():
                continue  # whoever gave up has not run since
            self._free -= 1
            self._held[name] = self._held.get(name, 0) + 1
            place.set_result(None)

    def _next(self) -> str | None:
        allowed = (name for name in self._waiting if self._held.get(name, 0) < self._each)
        return next(allowed, None)
