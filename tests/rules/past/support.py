"""What the tests of the past share: a plant with a journal, a history, and its replays."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

from tests.rules.support import ALICE, MAIN, START, Line, Plant, S

from weft.backends.memory.history import MemoryHistory
from weft.model.device import Device
from weft.model.ids import TenantId
from weft.model.message import Committed
from weft.model.telemetry import items_of
from weft.ports import HistoryScan, HistoryTrace, Rows
from weft.rules.past.asking import warm_up_for
from weft.rules.past.model import Asked, Replay
from weft.rules.past.replays import Replays
from weft.rules.past.run import Given
from weft.rules.past.settings import ReplaySettings
from weft.rules.places.lookup import Places

HOUR = 3600 * S
QUICK = ReplaySettings(share=1.0)


class LineJournal:
    """A line as a journal, of which what stands before `tail` was forgotten."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self.tail = 1

    @property
    def head(self) -> int:
        return self._line.head

    async def read(self, after: int, *, until: int | None = None) -> AsyncIterator[Committed]:
        for batch in self._line.batches:
            if max(after, self.tail - 1) < batch.first <= (until or self.head):
                yield batch

    async def first_after(self, at: int) -> int:
        for batch in self._line.batches:
            if batch.first >= self.tail and batch.envelopes[0].received_at >= at:
                return batch.first
        return self.head + 1


class Past:
    """A plant, and its past."""

    def __init__(
        self,
        *devices: Device,
        settings: ReplaySettings = QUICK,
        places: Places | None = None,
    ) -> None:
        self.plant = Plant(*devices, places=places)
        self.journal = LineJournal(self.plant.line)
        self.store = MemoryHistory()
        plant = self.plant
        self.given = Given(self.journal, self.samples, self, plant.around)  # type: ignore[arg-type]  # as much of a journal as is read
        self.replays = Replays(self.given, plant.records, plant.audit, plant.clock, settings)

    async def samples(
        self, after: int, until: int, tenant: TenantId | None = None
    ) -> AsyncIterator[Committed]:
        async for batch in self.journal.read(after, until=until):
            yield batch

    async def scan(self, scan: HistoryScan) -> Sequence[HistoryTrace]:
        return await self.store.scan(scan)

    async def count(self, scan: HistoryScan) -> int:
        return await self.store.count(scan)

    async def hear(self, seconds: float, values: Any, **more: Any) -> None:
        """Let live and history have a message."""
        await self.plant.hear(seconds, values, **more)
        batch = self.plant.line.batches[-1]
        for reading in batch.decoded[0]:
            sent = dict(items_of(reading.values))
            await self.store.append(
                [
                    Rows(
                        tenants=[MAIN],
                        devices=[batch.envelopes[0].route.device_id],
                        at=[reading.at],
                        positions=[batch.first],
                        keys=tuple(sent),
                        columns=tuple([value] for value in sent.values()),
                    )
                ],
                batch.first,
            )

    def forget(self, before: int) -> None:
        """Let the journal forget what stands before a place."""
        self.journal.tail = before

    def asked(self, document: dict[str, Any], **more: Any) -> Asked:
        """Ask for an hour."""
        chosen = {
            "rule_id": document["name"],
            "document": document,
            "version": 0,
            "start": START,
            "end": START + HOUR,
            "warm_up_ns": warm_up_for(document, MAIN, self.plant.around),
        }
        return Asked(**chosen | more)

    async def replay(self, document: dict[str, Any], **more: Any) -> Replay:
        """Run a replay to its end."""
        begun = await self.replays.start(ALICE, self.asked(document, **more))
        await self.replays.do(begun)
        return await self.replays.get(MAIN, begun.replay_id)
