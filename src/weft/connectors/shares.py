"""Shares: how much a connector may bring in, whatever the other system sends (RL-1).

A bridge or a line acts with a service key, so it has that key's rates and its part of its
tenant's, as a client that sends with the key itself. Whoever is over them is read no further
until it has paid: nothing is lost, the other system keeps it meanwhile.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from weft.model.principal import Principal
from weft.security.limits import Limiter, LimitKind

LONGEST_S: Final = 1.0  # of one wait: rates may be raised meanwhile
SHORTEST_S: Final = 0.001


class Share:
    """Pays for what connectors bring in."""

    def __init__(
        self, limiter: Limiter, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        self._limiter = limiter
        self._sleep = sleep

    async def pay(self, principal: Principal, messages: int, size_bytes: int) -> None:
        """Wait until so much may come in."""
        for kind, amount in ((LimitKind.MESSAGES, messages), (LimitKind.BYTES, size_bytes)):
            take = self._limiter.take
            while (wait_s := take(principal.tenant, principal, kind, amount)) > 0:
                await self._sleep(min(max(wait_s, SHORTEST_S), LONGEST_S))
