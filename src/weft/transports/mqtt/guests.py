"""Guests: the connections of one door, watched while they are there and told when it closes.

Whoever has not said who it is counts against its address, or its IPv6 /64; whoever is
silent, stalled or will not leave is ended. The same for every door that MQTT comes in by.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from weft.observability.log import get_logger
from weft.security.attempts import address_of
from weft.security.throttle import network_of
from weft.transports.mqtt.line import Line, Work
from weft.transports.mqtt.settings import Given

log = get_logger(__name__)

DRAIN_S = 5.0
CHECK_S = 1.0
CHECKED_AT_ONCE = 1_000


class Guests:
    """A `Host` of connections."""

    def __init__(self, given: Given) -> None:
        self._given = given
        self._live: set[Line] = set()
        self._strangers: Counter[str] = Counter()
        self._unknown: dict[Line, str] = {}
        self._empty = asyncio.Event()
        self._tasks: asyncio.TaskGroup

    def __len__(self) -> int:
        return len(self._live)

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        """Watch connections inside the context; at its end, they are told and drained."""
        async with asyncio.TaskGroup() as self._tasks:
            checks = self._tasks.create_task(self._check_all())
            try:
                yield
            finally:
                await self._drain()
                checks.cancel()

    # --- what connections say ---

    def start(self, work: Work) -> None:
        """Run something for a connection; its failure is ours and stops the listener."""
        self._tasks.create_task(work)

    def came(self, connection: Line) -> bool:
        """Let a stranger in, unless too many from its address have not said who they are."""
        self._live.add(connection)
        address = network_of(address_of(connection.address))
        self._strangers[address] += 1
        self._unknown[connection] = address
        surplus = self._strangers[address] - self._given.settings.strangers_per_address
        if surplus == 1:  # a flood does not fill the log as well
            log.warning("mqtt_too_many_strangers", address=address)
        return surplus <= 0

    def known(self, connection: Line) -> None:
        """A stranger has said who it is."""
        address = self._unknown.pop(connection, None)
        if address is not None:
            self._strangers[address] -= 1
            if not self._strangers[address]:
                del self._strangers[address]

    def gone(self, connection: Line) -> None:
        """A connection has ended."""
        self.known(connection)
        self._live.discard(connection)
        if not self._live:
            self._empty.set()

    async def _check_all(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(CHECK_S)
            for number, connection in enumerate(list(self._live)):
                self._check(connection, loop.time())
                if number % CHECKED_AT_ONCE == CHECKED_AT_ONCE - 1:
                    await asyncio.sleep(0)

    @staticmethod
    def _check(connection: Line, now: float) -> None:
        try:
            connection.check(now)
        except Exception:  # a bug of ours ends the connection that met it, not the listener
            log.exception("mqtt_check_broke", peer=connection.address)
            connection.abort()

    def shut_down(self) -> None:
        """Tell all connections that the server stops."""
        for connection in list(self._live):
            connection.shut_down()

    async def _drain(self) -> None:
        self.shut_down()
        self._empty.clear()
        if self._live:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._empty.wait(), DRAIN_S)
        for connection in list(self._live):
            connection.abort()
