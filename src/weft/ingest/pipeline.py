"""The pipeline: gather, commit, acknowledge, apply.

Messages gather in one batch while the one before is being written; only when the journal
has it are the senders told, and then every projection applies it, in order. One commit
is under way at a time, nothing is queued without a bound, and a failed commit tells its
senders so that they send again: acknowledged means kept.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Protocol, runtime_checkable

from msgspec import Struct

from weft.errors import StorageError
from weft.ingest import metrics
from weft.ingest.duplicates import REBUILD_MESSAGES, DuplicateWindow
from weft.model.message import Batch, Committed, Decoded, Envelope, QosTwo
from weft.observability.log import get_logger
from weft.ports import Journal, Projection

log = get_logger(__name__)

JOURNAL = "journal"


class PipelineSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """`[pipeline]`: how messages gather, and how far state may lag behind the journal."""

    gather_ms: float = 4.0  # while busy; an fsync then serves some 100 messages, not 10
    busy_messages: int = 16  # a batch this large means busy: the next one gathers
    batch_max_messages: int = 20_000  # beyond, transports stop reading
    batch_max_bytes: int = 16 * 1024 * 1024
    checkpoint_s: float = 2.0  # how much is read again after a crash
    backlog_max_messages: int = 400_000  # a projection further behind stops the door
    storage_pause_s: float = 0.5  # after a failed commit, before the next is tried


class Sender(Protocol):
    """Who waits for a commit: a connection, or one caller over HTTP."""

    def committed(self, tokens: list[Any], first: int) -> None:
        """Everything that was added with these tokens is on disk."""
        ...

    def commit_failed(self, tokens: list[Any], error: StorageError) -> None:
        """Nothing of it is; tell the peer to send again."""
        ...


@runtime_checkable
class Works(Protocol):
    """A projection that does things behind the journal, and not only takes note."""

    async def wait_done(self, until: int) -> None:
        """Wait until all up to a position is done; raise `StorageError` if it cannot be."""
        ...


class Pausable(Protocol):
    """A source of messages that can be asked to wait."""

    def resume(self) -> None:
        """There is room again."""
        ...


class Pipeline:
    """Owns the batch that gathers, the journal and the projections behind it."""

    def __init__(
        self,
        journal: Journal,
        projections: Sequence[Projection],
        settings: PipelineSettings,
        decode_again: Callable[[Envelope], Decoded],
    ) -> None:
        self.duplicates = DuplicateWindow()
        self._failing: dict[str, StorageError] = {}  # by what fails: the journal, a projection
        self._ended: StorageError | None = None
        self._applied = 0
        self._checkpointing = asyncio.Lock()
        self._journal = journal
        self._projections = projections
        self._settings = settings
        self._decode_again = decode_again
        self._replay_from: dict[str, int] = {}
        self._batch = Batch()
        self._batch_bytes = 0
        self._in_flight = Batch()
        self._waiting: dict[Sender, list[Any]] = {}
        self._paused: list[Pausable] = []
        self._more = asyncio.Event()

    # --- on the path of every message ---

    def add(self, envelope: Envelope, decoded: Decoded) -> None:
        """Put a message into the batch that gathers."""
        batch = self._batch
        batch.envelopes.append(envelope)
        batch.decoded.append(decoded)
        self._batch_bytes += len(envelope.payload)
        if not self._more.is_set():
            self._more.set()

    @property
    def durable_position(self) -> int:
        """Return the position up to which no projection needs the journal any more."""
        return min((p.position for p in self._projections), default=self._journal.head)

    def settled_until(self, now: int) -> int:
        """Return the moment up to which everything received has been applied."""
        pending = self._in_flight.envelopes or self._batch.envelopes
        return pending[0].received_at - 1 if pending else now

    @property
    def newest(self) -> int:
        """Place in the batch of the message added last; a token for `CommitFuture`."""
        return len(self._batch.envelopes) - 1

    def acknowledge(self, sender: Sender, token: Any) -> None:
        """Tell `sender` with `token` once everything added so far is on disk."""
        tokens = self._waiting.get(sender)
        if tokens is None:
            if self._ended is not None:
                sender.commit_failed([token], self._ended)
                return
            self._waiting[sender] = [token]
            self._more.set()
        else:
            tokens.append(token)

    def add_qos_two(self, change: QosTwo) -> None:
        """Make a QoS 2 packet id (received or released) durable with this batch."""
        self._batch.qos_two.append(change)
        self._more.set()

    @property
    def full(self) -> bool:
        """Whether sources should stop reading until `resume`."""
        return (
            len(self._batch.envelopes) >= self._settings.batch_max_messages
            or self._batch_bytes >= self._settings.batch_max_bytes
        )

    @property
    def failing(self) -> StorageError | None:
        """Return what went wrong the last time that something was to be stored, if it did."""
        return next(iter(self._failing.values()), None)

    def resume_later(self, source: Pausable) -> None:
        """Ask to be resumed when the batch has been taken."""
        self._paused.append(source)

    # --- the loop ---

    async def run(self) -> None:
        """Commit batch after batch until cancelled; nobody is left waiting for one more."""
        last_count = 0
        try:
            while True:
                await self._more.wait()
                if last_count >= self._settings.busy_messages:
                    await asyncio.sleep(self._settings.gather_ms / 1000)
                last_count = await self._commit_one()
                await self._hold_for_backlog()
        finally:
            self._ended = _stopped()
            _, waiting = self._take()
            self._fail(waiting, self._ended)

    async def run_checkpoints(self) -> None:
        """Make projections durable at every interval until cancelled."""
        while True:
            await asyncio.sleep(self._settings.checkpoint_s)
            await self.checkpoint()

    async def checkpoint(self) -> None:
        """Make every projection's state durable; a failing one waits for the next turn.

        One at a time: a later one that succeeds must not tell of a position whose state an
        earlier one, that failed meanwhile, had taken with it.
        """
        async with self._checkpointing:
            for projection in self._projections:
                await self._checkpoint(projection)

    async def _checkpoint(self, projection: Projection) -> None:
        try:
            await projection.checkpoint()
        except StorageError as error:
            self._failing[projection.name] = error
            log.error(
                "checkpoint_failed",
                projection=projection.name,
                error=error.detail,
                remedy=error.remedy,
            )
        else:
            self._failing.pop(projection.name, None)

    async def drain(self) -> None:
        """Wait until everything added so far is committed and applied, then checkpoint."""
        done = CommitFuture()
        self.acknowledge(done, 0)
        await done.wait()
        await self.checkpoint()

    async def settle(self) -> None:
        """Have all that was admitted until now applied and durable in every projection.

        Raises `StorageError` when that cannot be said of one of them.
        """
        if self._in_flight.envelopes or self._batch.envelopes:
            done = CommitFuture()
            self.acknowledge(done, 0)
            await done.wait()
        applied = self._applied  # the journal's own head may be ahead of the loop
        for projection in self._projections:
            if isinstance(projection, Works):
                await projection.wait_done(applied)
        await self.checkpoint()
        if self.failing is not None:
            raise self.failing
        if self.durable_position < applied:
            raise StorageError(f"A projection is behind position {applied}.")

    async def _commit_one(self) -> int:
        batch, waiting = self._take()
        self._in_flight = batch
        try:
            return await self._commit(batch, waiting)
        except BaseException:  # stopped, or a bug of ours: whether it is on disk is not known
            self._fail(waiting, _stopped())
            raise
        finally:
            self._in_flight = Batch()

    async def _commit(self, batch: Batch, waiting: dict[Sender, list[Any]]) -> int:
        if not batch.envelopes and not batch.qos_two:
            self._tell(waiting, self._journal.head + 1)
            return 0
        try:
            first = await self._journal.append(batch)
        except StorageError as error:
            await self._refuse(batch, waiting, error)
            return 0
        self._failing.pop(JOURNAL, None)
        self._tell(waiting, first)
        if batch.envelopes:
            self._apply(Committed(first, batch.envelopes, batch.decoded))
        return len(batch.envelopes)

    def _take(self) -> tuple[Batch, dict[Sender, list[Any]]]:
        batch, waiting = self._batch, self._waiting
        self._batch, self._waiting, self._batch_bytes = Batch(), {}, 0
        self._more.clear()
        paused, self._paused = self._paused, []
        for source in paused:
            source.resume()
        return batch, waiting

    def _tell(self, waiting: dict[Sender, list[Any]], first: int) -> None:
        for sender, tokens in waiting.items():
            try:
                sender.committed(tokens, first)
            except Exception:  # a bug of ours: it ends the connection that met it
                log.exception("sender_failed")
                self._fail({sender: tokens}, _stopped())

    @staticmethod
    def _fail(waiting: dict[Sender, list[Any]], error: StorageError) -> None:
        for sender, tokens in waiting.items():
            try:
                sender.commit_failed(tokens, error)
            except Exception:  # as above; the others are told all the same
                log.exception("sender_failed")

    async def _refuse(
        self, batch: Batch, waiting: dict[Sender, list[Any]], error: StorageError
    ) -> None:
        """Tell everybody, also those whose messages gathered meanwhile.

        These stand behind the ones that were not kept, in a device's order, and may be a
        repetition of one of them: acknowledged alone, they would be out of order or lost.
        """
        self._failing[JOURNAL] = error
        metrics.FAILED_COMMITS.inc()
        gathered, waiting_too = self._take()
        log.error(
            "commit_failed",
            messages=len(batch.envelopes) + len(gathered.envelopes),
            error=error.detail,
            remedy=error.remedy,
        )
        for envelope in (*batch.envelopes, *gathered.envelopes):
            self.duplicates.forget(envelope)
        for sender, tokens in waiting_too.items():
            waiting.setdefault(sender, []).extend(tokens)
        self._fail(waiting, error)
        await asyncio.sleep(self._settings.storage_pause_s)

    def _apply(self, committed: Committed) -> None:
        self._applied = committed.last
        for projection in self._projections:
            self._apply_to(projection, committed)
        metrics.MESSAGES.inc(len(committed.envelopes))
        metrics.BATCHES.inc()
        metrics.HEAD.set(committed.last)

    def _apply_to(self, projection: Projection, committed: Committed) -> None:
        try:
            projection.apply(committed)
        except Exception:  # a bug of ours: park the message that meets it, go on with the rest
            log.exception("projection_failed", projection=projection.name, first=committed.first)
            for number in range(len(committed.envelopes)):
                self._apply_or_park(projection, slice_of(committed, number, number + 1))

    def _apply_or_park(self, projection: Projection, one: Committed) -> None:
        try:
            projection.apply(one)
        except Exception as error:  # noqa: BLE001  parked and counted, see above
            metrics.PARKED.labels(projection.name).inc()
            # Its position stands before what it could not take, until the next message passes.
            self._applied = min(self._applied, one.first - 1)
            log.error(
                "message_parked",
                projection=projection.name,
                position=one.first,
                error=type(error).__name__,
            )

    async def _hold_for_backlog(self) -> None:
        limit = self._settings.backlog_max_messages
        while any(projection.backlog > limit for projection in self._projections):
            await self.checkpoint()
            if self.failing is not None:
                await asyncio.sleep(self._settings.storage_pause_s)

    # --- after a start ---

    async def recover(self) -> int:
        """Read the journal again for every projection behind it; return how many messages.

        Also fills the window of duplicates from the newest messages, so that what a device
        sends again after our crash is known as sent before.
        """
        head = self._journal.head
        oldest = min((p.position for p in self._projections), default=head)
        self._report_gaps()
        start = max(min(oldest, head - REBUILD_MESSAGES), self._journal.tail - 1, 0)
        replayed = 0
        async for committed in self._journal.read(start):
            self.duplicates.note_committed(committed)
            if committed.last > oldest:
                replayed += len(committed.envelopes)
                self._replay(committed)
                await self._hold_for_backlog()
                await asyncio.sleep(0)  # a long replay must not starve the health check
        return replayed

    def _report_gaps(self) -> None:
        """Say what a projection will never see, as when a journal was restored alone."""
        tail = self._journal.tail
        for projection in self._projections:
            if projection.position < tail - 1:
                log.error(
                    "replay_incomplete",
                    projection=projection.name,
                    first_missing=projection.position + 1,
                    last_missing=tail - 1,
                    remedy="The journal keeps no more of it; restore records and journal together.",
                )

    def _replay(self, committed: Committed) -> None:
        committed.decoded = [self._decode_again(envelope) for envelope in committed.envelopes]
        for projection in self._projections:
            position = self._replay_from.setdefault(projection.name, projection.position)
            if position >= committed.last:
                continue
            start = max(0, position + 1 - committed.first)
            self._apply_to(projection, slice_of(committed, start) if start else committed)


def _stopped() -> StorageError:
    return StorageError("Weft is stopping.", remedy="Send it again in a few seconds.")


def slice_of(committed: Committed, start: int, stop: int | None = None) -> Committed:
    """Return part of a batch, with its positions."""
    return Committed(
        committed.first + start,
        committed.envelopes[start:stop],
        committed.decoded[start:stop],
    )


class CommitFuture:
    """A sender that is one coroutine: waits for its commit, or raises why there was none."""

    def __init__(self) -> None:
        self._future: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def committed(self, tokens: list[Any], first: int) -> None:
        """Take the position of the message; tokens are offsets into the batch."""
        if not self._future.done():
            self._future.set_result(first + tokens[-1])

    def commit_failed(self, _tokens: list[Any], error: StorageError) -> None:
        """Pass the failure on."""
        if not self._future.done():
            self._future.set_exception(error)

    async def wait(self) -> int:
        """Return the position of the last message added with this sender."""
        return await self._future
