"""History: what devices measured, over time, appended and never edited.

As a projection of the journal it gathers readings as they come and hands them to its store
once a second, with the position that they reach to: after a crash exactly what is missing is
read again. A question is answered after what has come has been handed over, so a reader sees
what was acknowledged.
"""

import asyncio
from collections.abc import Sequence
from typing import Final

from weft.history.settings import HistorySettings
from weft.history.shapes import Gathered, to_rows
from weft.model.ids import DeviceId, TenantId
from weft.model.message import Committed, Operation
from weft.model.moments import NS_PER_S
from weft.ports import (
    Clock,
    HistoryQuery,
    HistoryScan,
    HistoryStore,
    HistoryTable,
    HistoryTrace,
)

_DAY_NS: Final = 86_400 * NS_PER_S


class History:
    """The projection, and the one way to ask. `run_every` its `checkpoint` and `housekeep`."""

    name = "history"

    def __init__(self, store: HistoryStore, clock: Clock, settings: HistorySettings) -> None:
        self._store = store
        self._clock = clock
        self._settings = settings
        self._applied = store.position
        self._by_class: dict[type, Gathered] = {}
        self._flushing = asyncio.Lock()
        self._taken = 0  # readings on their way to the store
        self._compacted_at = clock.now()

    @property
    def position(self) -> int:
        """Durable position: replay starts behind it."""
        return self._store.position

    @property
    def backlog(self) -> int:
        """Messages applied and not yet durable, or their readings where those are more."""
        readings = sum(len(gathered.readings) for gathered in self._by_class.values())
        return max(self._applied - self._store.position, readings + self._taken)

    def apply(self, batch: Committed) -> None:
        """Take in a batch; one that has been applied before changes nothing."""
        if batch.first <= self._applied:
            batch = _behind(batch, self._applied)
        by_class = self._by_class
        position = batch.first
        telemetry = Operation.TELEMETRY
        kind: type | None = None
        for envelope, decoded in zip(batch.envelopes, batch.decoded, strict=True):
            route = envelope.route
            if route.operation is telemetry and decoded:
                for reading in decoded:
                    if type(reading.values) is not kind:
                        kind = type(reading.values)
                        gathered = by_class.get(kind)
                        if gathered is None:
                            gathered = by_class[kind] = Gathered()
                        add_reading = gathered.readings.append
                        add_route = gathered.routes.append
                        add_position = gathered.positions.append
                    add_reading(reading)
                    add_route(route)
                    add_position(position)
            position += 1
        self._applied = max(self._applied, batch.last)

    async def checkpoint(self) -> None:
        """Make everything applied so far durable."""
        await self.flush()

    async def flush(self) -> None:
        """Hand over what has been gathered; when it fails, it is kept for the next time."""
        async with self._flushing:
            reached = self._applied
            if reached == self._store.position:
                return
            taken, self._by_class = self._by_class, {}
            self._taken = sum(len(gathered.readings) for gathered in taken.values())
            try:
                # In a thread: of 30,000 readings the columns take 10 ms.
                rows = await asyncio.to_thread(to_rows, list(taken.items()))
                await self._store.append(rows, reached)
            except BaseException:
                self._put_back(taken)
                raise
            finally:
                self._taken = 0

    def _put_back(self, taken: dict[type, Gathered]) -> None:
        for kind, later in self._by_class.items():
            taken.setdefault(kind, Gathered()).join(later)
        self._by_class = taken

    async def query(self, query: HistoryQuery) -> HistoryTable:
        """Answer a question, from everything that has been acknowledged."""
        await self.flush()
        return await self._store.query(query)

    async def scan(self, scan: HistoryScan) -> Sequence[HistoryTrace]:
        """Return raw samples in bulk, from everything that has been acknowledged."""
        await self.flush()
        return await self._store.scan(scan)

    async def count(self, scan: HistoryScan) -> int:
        """Return how many samples a scan would read, duplicates among them counted."""
        await self.flush()
        return await self._store.count(scan)

    async def keys(self, tenant: TenantId, device: DeviceId) -> Sequence[str]:
        """Return the keys that the device has samples of."""
        await self.flush()
        return await self._store.keys(tenant, device)

    async def delete_device(self, tenant: TenantId, device: DeviceId) -> None:
        """Forget a device: what is on its way is handed over first, so that it goes as well."""
        await self.flush()
        await self._store.delete_device(tenant, device)

    async def housekeep(self) -> int:
        """Forget what is too old or too much, now and then compact; return how many went.

        May be called as often as one likes.
        """
        now = self._clock.now()
        cut = now - round(self._settings.keep_days * _DAY_NS)
        forgotten = await self._store.trim(before_at=cut, max_bytes=self._settings.max_bytes)
        if now - self._compacted_at >= self._settings.compact_every_s * NS_PER_S:
            await self._store.compact()
            self._compacted_at = now
        return forgotten

    async def close(self) -> None:
        """Hand over what there is and let go of the store."""
        try:
            await self.flush()
        finally:
            await self._store.close()


def _behind(batch: Committed, position: int) -> Committed:
    """Return the part of a batch behind a position."""
    skip = min(position + 1 - batch.first, len(batch.envelopes))
    return Committed(batch.first + skip, batch.envelopes[skip:], batch.decoded[skip:])
