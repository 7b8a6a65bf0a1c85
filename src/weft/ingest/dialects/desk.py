"""The desk: who answers what devices ask in a dialect's own words.

A question is in the journal like any message; the desk hands it to its dialect's answerer,
one after the other for each device, and devices side by side. An answer is a message of
Weft's own below the device's private topics. What is only asked is not kept: a question
that a crash or a flood swallowed was never answered, and the device asks again. What is to
be done (an act) was acknowledged, so it is done: the desk's position stays before it until
then, and after a crash it is read from the journal again.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol, runtime_checkable

from msgspec import Struct

from weft.errors import StorageError, WeftError
from weft.ingest import metrics
from weft.ingest.dialects.dialect import Private, parse_private, private_topic
from weft.ingest.submit import Ingest
from weft.model.ids import DeviceId, TenantId
from weft.model.message import Committed, Envelope, Operation
from weft.model.principal import Principal, PrincipalKind
from weft.observability.log import get_logger
from weft.ports import Journal, Kind, Records

log = get_logger(__name__)

WAITING_PER_DEVICE = 100  # jobs; a device that asks faster than it is answered asks again
DEVICES_AT_ONCE = 64  # answers wait for a commit each, and share it
DEVICES_MAX = 10_000  # with something waiting
ACTS_MAX = 10_000  # not done yet; a dialect refuses what would be one more
RETRY_S = 0.5  # after a disk that failed, before an act is tried again
PLATFORM = TenantId("")
POSITION: Kind[int] = Kind("projection", int)

Key = tuple[TenantId, DeviceId]
Job = Callable[[], Awaitable[None]]
Tell = Callable[[TenantId, DeviceId], Awaitable[None]]
HasSubscriber = Callable[[TenantId, str], bool]


class Question(Struct, frozen=True):
    """What a device asked: `rest` stands behind the dialect's prefix in the native topic."""

    asker: Principal  # the device, or its gateway
    device_id: DeviceId
    rest: str
    payload: bytes
    position: int
    received_at: int  # ns
    again: bool = False  # read from the journal again after a crash: perhaps it was done

    @property
    def tenant(self) -> TenantId:
        """The asker's."""
        return self.asker.tenant


class Answerer(Protocol):
    """One dialect's half that does something. Whatever it raises is logged, and that is all."""

    async def answer(self, question: Question) -> None:
        """Answer a question, or do what it says; the refusal too is said in the dialect."""
        ...

    async def desired_changed(self, tenant: TenantId, device_id: DeviceId) -> None:
        """What is desired of a device, or left of that, has changed."""
        ...

    async def commands_changed(self, tenant: TenantId, device_id: DeviceId) -> None:
        """A device has a command that it had not, or one of its commands has ended."""
        ...


@runtime_checkable
class Doer(Protocol):
    """An answerer that does things, in `answer`, which may be called again for what is done."""

    def is_act(self, rest: str, payload: bytes) -> bool:
        """Whether a message asks for something to be done, not only to be told."""
        ...


@runtime_checkable
class Follower(Protocol):
    """An answerer that follows what becomes of the messages it sent to a device."""

    async def subscribed(self, tenant: TenantId, device_id: DeviceId, rest: str) -> None:
        """A device began to listen to a filter, in a session that has nothing of it queued."""
        ...

    def acknowledged(self, tenant: TenantId, device_id: DeviceId, rest: str) -> None:
        """A device has a message."""
        ...


@runtime_checkable
class Hearer(Protocol):
    """An answerer that takes note of everything that is kept of what was said in its dialect."""

    def heard(self, envelope: Envelope) -> None:
        """A message was kept that is no question; called on the loop, and must not wait."""
        ...


class Desk:
    """Hands questions and changes to the answerers."""

    name = "dialects"

    def __init__(self, journal: Journal, records: Records) -> None:
        self._journal = journal
        self._records = records
        self._applied = 0
        self._durable = 0
        self._asked_before = 0  # up to here, questions are of another life
        self._undone: dict[int, None] = {}  # positions of acts, in order
        self._failing: StorageError | None = None
        self._progress = asyncio.Event()  # another one at each progress
        self._answerers: dict[str, Answerer] = {}
        self._hearers: dict[str, Hearer] = {}
        self._waiting: dict[Key, deque[Job]] = {}
        self._idle: deque[Key] = deque()  # those with work that nobody has taken up
        self._more = asyncio.Event()
        self._untold: set[tuple[Key, str]] = set()  # what waits to be told, and who tells it

    def answer_with(self, answerers: Mapping[str, Answerer]) -> None:
        """Take in the answerers, by the name of their dialect."""
        self._answerers.update(answerers)
        for name, one in answerers.items():
            hearer: object = one
            if isinstance(hearer, Hearer):
                self._hearers[name] = hearer

    # --- projection ---

    async def load(self) -> None:
        """Read how far acts are done; a folder that does not say begins at the journal's head."""
        head = self._asked_before = self._journal.head
        stored = await self._records.read(lambda r: r.find(POSITION, PLATFORM, self.name))
        if stored is None:
            await self._records.write(lambda w: w.put(POSITION, PLATFORM, self.name, head))
        self._applied = self._durable = head if stored is None else stored.value

    @property
    def position(self) -> int:
        """Durable position: every act up to it is done."""
        return self._durable

    @property
    def backlog(self) -> int:
        """Never a reason to stop the door, for acts go through it: `ACTS_MAX` bounds them."""
        return 0

    @property
    def undone(self) -> int:
        """Acts that wait to be done."""
        return len(self._undone)

    async def checkpoint(self) -> None:
        """Store how far acts are done."""
        reached = next(iter(self._undone)) - 1 if self._undone else self._applied
        if reached != self._durable:
            await self._records.write(lambda w: w.put(POSITION, PLATFORM, self.name, reached))
            self._durable = reached

    async def wait_done(self, until: int) -> None:
        """Wait until every act up to a position is done; raise `StorageError` if it cannot be."""
        while self._undone and next(iter(self._undone)) <= until:
            if self._failing is not None:
                raise self._failing
            await self._progress.wait()

    def apply(self, batch: Committed) -> None:
        """Pick out what is asked in a dialect.

        What Weft said itself is no question, nor what was published among the private topics in
        native words: no table has read it.
        """
        asked = Operation.DIALECT  # once: most messages are none, and take 40 ns each, not 120
        for number, envelope in enumerate(batch.envelopes):
            route = envelope.route
            if route.operation is not asked:
                if route.dialect and route.dialect in self._hearers:
                    self._hearers[route.dialect].heard(envelope)
                continue
            answerer = self._answerers.get(route.name)
            if answerer is None or route.dialect != route.name:
                continue
            if route.principal_kind == PrincipalKind.SYSTEM.value:
                continue
            rest = route.topic[len(private_topic(route.device_id, route.name, "")) :]
            position = batch.first + number
            is_act = isinstance(answerer, Doer) and answerer.is_act(rest, envelope.payload)
            again = position <= self._asked_before
            if again and not is_act:
                continue
            kind = PrincipalKind(route.principal_kind)
            question = Question(
                Principal(route.tenant, kind, route.principal_id, route.principal_uid),
                route.device_id,
                rest,
                envelope.payload,
                position,
                envelope.received_at,
                again,
            )
            key = (route.tenant, route.device_id)
            if is_act:
                self._undone[position] = None
                self._put(key, self._acting(answerer, question), always=True)
            else:
                self._put(key, _answering(answerer, question))
        self._applied = batch.last

    def desired_changed(self, tenant: TenantId, device_id: DeviceId) -> None:
        """Have every dialect tell a device what is desired of it now."""
        for name, answerer in self._answerers.items():
            self._tell((tenant, device_id), f"desired/{name}", answerer.desired_changed)

    def commands_changed(self, tenant: TenantId, device_id: DeviceId) -> None:
        """Have every dialect tell a device of its commands."""
        for name, answerer in self._answerers.items():
            self._tell((tenant, device_id), f"commands/{name}", answerer.commands_changed)

    def subscribed(self, principal: Principal, filter_: str) -> None:
        """Have the dialect of a filter tell what waits for whoever listens now."""
        private = parse_private(filter_)
        follower = self._follower_of(private)
        if private is not None and follower is not None:
            key = (principal.tenant, DeviceId(private.device_id))
            self._put(key, _telling_of(follower.subscribed, key, private.rest))

    def acknowledged(self, principal: Principal, topic: str) -> None:
        """Have the dialect of a topic know that its message has arrived."""
        private = parse_private(topic)
        follower = self._follower_of(private)
        if private is not None and follower is not None:
            follower.acknowledged(principal.tenant, DeviceId(private.device_id), private.rest)

    def _follower_of(self, private: Private | None) -> Follower | None:
        answerer: object = self._answerers.get(private.dialect) if private else None
        return answerer if isinstance(answerer, Follower) else None

    # --- work ---

    def _tell(self, key: Key, what: str, tell: Tell) -> None:
        """Have a device told, once for all changes until then: what is told is the latest.

        So it takes a bounded room, and is never left out: nobody would ask for it again.
        """
        mark = (key, what)
        if mark in self._untold:
            return
        self._untold.add(mark)

        def job() -> Awaitable[None]:
            self._untold.discard(mark)
            return tell(*key)

        self._put(key, job, always=True)

    def _put(self, key: Key, job: Job, *, always: bool = False) -> None:
        waiting = self._waiting.get(key)
        full = len(self._waiting) >= DEVICES_MAX if waiting is None else (
            len(waiting) >= WAITING_PER_DEVICE
        )  # fmt: skip
        if full and not always:
            metrics.UNANSWERED.inc()
            log.warning("question_not_answered", device=key[1], remedy="It asks too fast.")
        elif waiting is None:
            self._waiting[key] = deque([job])
            self._idle.append(key)
            self._more.set()
        else:
            waiting.append(job)

    def _acting(self, answerer: Answerer, question: Question) -> Job:
        """Return the job of an act: tried until the disk takes it."""

        async def job() -> None:
            while True:
                try:
                    await answerer.answer(question)
                except StorageError as error:
                    self._failing = error
                    self._tell_progress()
                    log.warning("act_waits", device=question.device_id, error=error.detail)
                    await asyncio.sleep(RETRY_S)
                except Exception:  # a bug of ours: parked, and said; the rest goes on
                    self._done(question.position)
                    raise
                else:
                    self._done(question.position)
                    return

        return job

    def _done(self, position: int) -> None:
        del self._undone[position]
        self._failing = None
        self._tell_progress()

    def _tell_progress(self) -> None:
        progress, self._progress = self._progress, asyncio.Event()
        progress.set()

    async def run(self) -> None:
        """Answer until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for _ in range(DEVICES_AT_ONCE):
                tasks.create_task(self._serve())

    async def _serve(self) -> None:
        while True:
            while not self._idle:
                self._more.clear()
                await self._more.wait()
            key = self._idle.popleft()
            await self._do(self._waiting[key].popleft(), key)
            if self._waiting[key]:
                self._idle.append(key)
                self._more.set()
            else:
                del self._waiting[key]

    @staticmethod
    async def _do(job: Job, key: Key) -> None:
        try:
            await job()
        except WeftError as error:
            log.warning("question_not_answered", device=key[1], error=error.detail)
        except Exception:  # a bug of ours costs this answer, not those of other devices
            log.exception("answer_broke", device=key[1])


class Replies:
    """Says something to one device in its dialect, if it listens."""

    def __init__(self, dialect: str, ingest: Ingest, has_subscriber: HasSubscriber) -> None:
        self._dialect = dialect
        self._ingest = ingest
        self._has_subscriber = has_subscriber

    def is_heard(self, tenant: TenantId, device_id: str, rest: str) -> bool:
        """Whether a session is subscribed to this private topic, connected or not."""
        return self._has_subscriber(tenant, private_topic(device_id, self._dialect, rest))

    async def say(self, tenant: TenantId, device_id: str, rest: str, payload: bytes) -> bool:
        """Publish to a device in its dialect; False, and nothing is kept, if nobody listens."""
        topic = private_topic(device_id, self._dialect, rest)
        if not self._has_subscriber(tenant, topic):
            return False
        await self._ingest.publish(tenant, topic, payload, Operation.DIALECT, retain=False)
        return True


def _answering(answerer: Answerer, question: Question) -> Job:
    def job() -> Awaitable[None]:
        return answerer.answer(question)

    return job


def _telling_of(
    tell: Callable[[TenantId, DeviceId, str], Awaitable[None]], key: Key, rest: str
) -> Job:
    def job() -> Awaitable[None]:
        return tell(*key, rest)

    return job
