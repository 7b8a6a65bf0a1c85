"""Checkpoints of the broker: sessions, queues and retained messages, with their position.

All that changed is written in one transaction. What a subscriber may only see once it is
on disk asks for a checkpoint at once (`wanted`); the others come with the pipeline's.
"""

import asyncio

from weft.broker.connections import BrokerDependencies
from weft.broker.items import Common
from weft.broker.retained import Retained, RetainedMessages, load_retained
from weft.broker.sessions import Session
from weft.broker.storage import (
    PLATFORM,
    POSITIONS,
    Changes,
    Restored,
    keep_session,
    load_sessions,
)
from weft.broker.wills import Wills
from weft.errors import StorageError, Unavailable
from weft.model.ids import TenantId
from weft.observability.log import get_logger
from weft.ports import Reader
from weft.supervision import keep_running

log = get_logger(__name__)

NAME = "broker"


class Checkpoints:
    """What of the broker is on disk, and what is not yet."""

    def __init__(self, given: BrokerDependencies, wills: Wills, retained: RetainedMessages) -> None:
        self.dirty: set[Session] = set()
        self.wanted = asyncio.Event()
        self.forgotten: list[str] = []  # sessions of which the journal knows QoS 2 ids
        self.applied = 0  # the newest message that was handed to its subscribers
        self.position = 0  # durable
        self._given = given
        self._wills = wills
        self._retained = retained
        self._changes = Changes()
        self._saving = asyncio.Lock()
        self._asked = 0
        self._done = 0

    async def load(self, common: Common) -> list[Restored]:
        """Read what was kept; the journal then replays what is behind `position`."""

        def read(reader: Reader) -> tuple[int, list[Restored], list[tuple[TenantId, Retained]]]:
            record = reader.find(POSITIONS, PLATFORM, NAME)
            position = record.value if record is not None else 0
            return position, load_sessions(reader, common), load_retained(reader)

        self.position, restored, retained = await self._given.records.read(read)
        self.applied = self.position
        self._retained.take_back(retained)
        return restored

    async def checkpoint(self) -> None:
        """Make everything so far durable, with its position, in one transaction.

        Who asks while one is being written shares the next.
        """
        self._asked += 1
        ticket = self._asked
        async with self._saving:
            if self._done < ticket:
                covers = self._asked
                await self._save()
                self._done = covers

    async def _save(self) -> None:
        position = self.applied
        dirty = list(self.dirty)
        self.dirty.clear()
        changes = self._changes
        for session in dirty:
            due = self._wills.find(session.key)
            keep_session(session, changes, due=due)
            session.saving()
        self._retained.keep_changes(changes)
        if position != self.position:
            changes.put(POSITIONS, PLATFORM, NAME, position)
        if len(changes):
            try:
                await self._given.records.write(changes.write)
            except BaseException:
                for session in dirty:
                    session.not_saved()
                raise
            self._changes = Changes()
        self.position = position
        for session in dirty:
            session.saved()
        while self.forgotten:
            await self._given.forget_session(self.forgotten[0])
            self.forgotten.pop(0)

    async def run(self) -> None:
        """Write at once what a subscriber waits for, until cancelled (beside the checkpoints)."""
        await keep_running(
            self._write_when_wanted, expected=(StorageError, Unavailable), failed=self._write_failed
        )

    async def _write_when_wanted(self) -> None:
        await self.wanted.wait()
        self.wanted.clear()
        await self._wills.publish(self._given.clock.now())
        await self.checkpoint()

    def _write_failed(self, error: Exception, wait_s: float) -> None:
        self.wanted.set()
        log.error("broker_checkpoint_failed", error=str(error), wait_s=round(wait_s, 1))
