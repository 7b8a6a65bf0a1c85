"""Trials: tenants ask a far side something harmless, and it may hang.

A few run at a time, of one tenant two, and a few of its more may wait; beyond, it is told to
come back. A trial has so many seconds from when its turn comes: who waits loses none of them.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Final

from weft.errors import ConnectorError, RateLimited
from weft.model.ids import TenantId
from weft.supervision.turns import Turns

AT_ONCE: Final = 8
EACH: Final = 2  # of one tenant
WAITING: Final = 4  # of one tenant beside these


class Trials:
    """The trials of all tenants' own connectors."""

    def __init__(self, limit_s: float = 30.0) -> None:
        self._limit_s = limit_s
        self._turns = Turns(AT_ONCE, each=EACH)
        self._asked: Counter[TenantId] = Counter()

    async def run(self, tenant: TenantId, ask: Callable[[], Awaitable[str]]) -> str:
        """Ask when it is this tenant's turn and return the answer in words.

        Raise `RateLimited` where too many of the tenant's wait already, and `ConnectorError`
        where the far side takes longer than a trial may.
        """
        if self._asked[tenant] >= EACH + WAITING:
            raise RateLimited(
                f"{EACH} tests of connectors are running and {WAITING} wait already.",
                retry_after_s=self._limit_s,
                remedy="Wait until one of them has ended.",
            )
        self._asked[tenant] += 1
        try:
            async with self._turns.turn(tenant):
                return await self._in_time(ask)
        finally:
            self._asked[tenant] -= 1
            if not self._asked[tenant]:
                del self._asked[tenant]

    async def _in_time(self, ask: Callable[[], Awaitable[str]]) -> str:
        try:
            async with asyncio.timeout(self._limit_s):
                return await ask()
        except TimeoutError as error:
            raise ConnectorError(f"No end within {self._limit_s:g} s.") from error
