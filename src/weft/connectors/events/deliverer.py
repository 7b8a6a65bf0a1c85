"""The deliverer: tells receivers what they subscribed to, at least once, in order.

One subscription is told one request at a time, so what concerns one subject comes in its
order. How far it is, is stored behind each request: a crash repeats the last one and loses
none. A receiver that is away is tried at growing intervals while the rest waits; what is
refused for good, or for a day, becomes a dead event and the next has its turn. No receiver
waits for another, and no tenant for another's backlog: whoever has much to be told is told it
in turns.
"""

import asyncio
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress

import msgspec
from msgspec import structs

from weft.connectors.base import Requests
from weft.connectors.events.encoding import cloud_event, encode, event_id
from weft.connectors.events.filtering import EventFilter, event_filter
from weft.connectors.events.kinds import (
    CHANGES,
    DEAD_EVENTS,
    HEAD,
    HEADS,
    PROGRESS,
    SUBSCRIPTIONS,
    dead_key,
)
from weft.connectors.events.reading import Part, next_part
from weft.connectors.events.receiver import End, Receiver, Verdict
from weft.connectors.events.settings import EventSettings
from weft.connectors.events.subscriptions import PAGE, Given, Subscriptions
from weft.errors import (
    ConnectorError,
    Damaged,
    Forbidden,
    NotFound,
    StorageError,
    Unavailable,
    WeftError,
)
from weft.model.ids import TenantId
from weft.model.moments import NS_PER_S
from weft.model.principal import Principal
from weft.model.subscription import (
    JOURNALED,
    RIGHT_OF,
    Change,
    DeadEvent,
    Mode,
    Progress,
    Subscription,
    Topic,
)
from weft.observability.log import get_logger
from weft.ports import Reader, Writer
from weft.supervision import keep_running
from weft.supervision.turns import Turns

log = get_logger(__name__)

_Step = Callable[[Progress], Progress]
_TURN_S = 2.0  # of one subscription; the request that is under way then is its last
_TRIMMED_AT_ONCE = 2_000
_UNSTORED_MAX = 5_000  # messages of the journal that a crash may have us pass over again


class Deliverer:
    """Delivers for all subscriptions; `run` while the platform runs."""

    def __init__(
        self,
        given: Given,
        subscriptions: Subscriptions,
        outbound: Requests,
        origin: str,
        settings: EventSettings,
    ) -> None:
        self._given = given
        self._subscriptions = subscriptions
        self._outbound = outbound
        self._origin = origin
        self._settings = settings
        self._wake = asyncio.Event()
        self._busy: set[str] = set()
        self._filters: dict[str, tuple[str, EventFilter]] = {}  # by uid: its text, compiled
        self._turns = Turns(settings.parallel)

    def notify(self) -> None:
        """Say that there is something new; on the event loop."""
        self._wake.set()

    async def close(self) -> None:
        """Close the connections."""
        await self._outbound.close()

    # --- running ---

    async def run(self) -> None:
        """Deliver until cancelled."""
        async with asyncio.TaskGroup() as group:
            await keep_running(
                lambda: self._look_on(group),
                expected=(StorageError, Unavailable),
                failed=lambda error, wait_s: log.error(
                    "events_halted", error=str(error), again_in_s=round(wait_s, 1)
                ),
            )

    async def _look_on(self, group: asyncio.TaskGroup) -> None:
        while True:
            self._wake.clear()
            for one in await self._all():
                if one.uid not in self._busy:
                    self._busy.add(one.uid)
                    group.create_task(self._work(one))
            with suppress(TimeoutError):
                async with asyncio.timeout(self._settings.look_interval_s):
                    await self._wake.wait()

    async def deliver_due(self) -> None:
        """Deliver everything that is due now, one subscription after the other."""
        for one in await self._all():
            await self._work(one)

    async def _all(self) -> list[Subscription]:
        def work(reader: Reader) -> list[Subscription]:
            return [
                record.value
                for tenant in reader.tenants(SUBSCRIPTIONS)
                for record in reader.list(SUBSCRIPTIONS, tenant, limit=PAGE)
            ]

        found = await self._given.records.read(work)
        gone = self._filters.keys() - {one.uid for one in found}
        for uid in gone:
            del self._filters[uid]
        return found

    async def _work(self, subscription: Subscription) -> None:
        """Deliver for one subscription, turn by turn; what goes wrong here stays here."""
        try:
            more = True
            while more:
                async with self._turns.turn(subscription.tenant):
                    more = await self._advance(subscription)
        except NotFound:
            log.debug("subscription_gone", name=subscription.name)
        except (StorageError, Unavailable) as error:
            log.error("events_halted", subscription=subscription.name, error=error.detail)
        except Exception as error:  # a bug rests the subscription that met it, and only that one
            log.exception("subscription_bug", name=subscription.name)
            await self._rest_after(subscription, error)
        finally:
            self._busy.discard(subscription.uid)

    async def _rest_after(self, subscription: Subscription, bug: Exception) -> None:
        try:
            await self._rest(subscription, f"Weft itself failed here ({type(bug).__name__}).")
        except (NotFound, StorageError, Unavailable) as error:  # the next look meets it again
            log.error("events_halted", subscription=subscription.name, error=error.detail)

    # --- one subscription ---

    async def _advance(self, subscription: Subscription) -> bool:
        """Take one turn; return whether another is wanted now."""
        subscription = await self._current(subscription)  # others had turns since it was read
        progress = await self._progress(subscription)
        if progress.paused or progress.next_at > self._given.clock.now():
            return False
        try:
            secret = self._subscriptions.secret_of(subscription)
        except (NotFound, Damaged) as error:
            await self._rest(subscription, f"{error.detail} {error.remedy}")
            return False
        receiver = self._receiver(subscription)
        if subscription.handshake and not progress.confirmed:
            await self._ask(subscription, receiver)
            progress = await self._progress(subscription)
            if not progress.confirmed:
                return False
        return await self._tell_on(subscription, receiver, secret, progress)

    async def _tell_on(
        self, subscription: Subscription, receiver: Receiver, secret: str, progress: Progress
    ) -> bool:
        """Tell what comes next until the turn is over; return whether there is more to tell now."""
        given, loop = self._given, asyncio.get_running_loop()
        over_at = loop.time() + _TURN_S
        while True:
            part = await next_part(given.records, given.journal, subscription, progress)
            if part.missed:
                await self._miss(subscription, part)
            for batch in self._batches(subscription, self._wanted(subscription, part)):
                if not await self._tell(subscription, receiver, secret, batch):
                    return False
                if loop.time() >= over_at:
                    return True
            progress = await self._reached(subscription, part, progress)
            if progress.paused or not part.more:
                return False
            if loop.time() >= over_at:
                return True

    async def _ask(self, subscription: Subscription, receiver: Receiver) -> None:
        try:
            welcome = await receiver.ask()
        except ConnectorError as error:
            await self._failed(subscription, Verdict(End.AGAIN, _said(error), error.retry_after_s))
            return
        await self._store(
            subscription,
            lambda progress: structs.replace(
                progress,
                confirmed=True,
                interval_s=welcome.interval_s,
                failures=0,
                failing_since=None,
                last_error="",
            ),
        )
        log.info("subscription_confirmed", tenant=subscription.tenant, name=subscription.name)

    def _wanted(self, subscription: Subscription, part: Part) -> list[Change]:
        wanted = self._filter_of(subscription)
        if not self._may_filter(subscription, wanted):
            return list(part.changes)  # which of them match is not to be known: all are withheld
        return [change for change in part.changes if wanted.matches(change)]

    def _filter_of(self, subscription: Subscription) -> EventFilter:
        held = self._filters.get(subscription.uid)
        if held is None or held[0] != subscription.filter:
            made = event_filter(subscription.filter, self._given.around, subscription.tenant)
            held = self._filters[subscription.uid] = (subscription.filter, made)
        return held[1]

    def _may_filter(self, subscription: Subscription, wanted: EventFilter) -> bool:
        decide, owner = self._given.policy.decide, subscription.owner
        return all(decide(owner, right, "*").allowed for right in wanted.rights)

    def _allowed(self, subscription: Subscription, change: Change) -> bool:
        """Whether the owner may read this, and what the filter asks of it (AZ-5)."""
        wanted = self._filter_of(subscription)
        right = RIGHT_OF[change.topic]
        decision = self._given.policy.decide(subscription.owner, right, change.target)
        return decision.allowed and self._may_filter(subscription, wanted)

    def _batches(
        self, subscription: Subscription, changes: Sequence[Change]
    ) -> Iterator[list[Change]]:
        """Yield what goes into one request each: one event, or in batch mode several."""
        most = self._settings.batch_max if subscription.mode is Mode.BATCH else 1
        held: list[Change] = []
        size = 2
        for change in changes:
            more = len(msgspec.json.encode(cloud_event(subscription.tenant, change))) + 1
            if held and (len(held) >= most or size + more > self._settings.batch_max_bytes):
                yield held
                held, size = [], 2
            held.append(change)
            size += more
        if held:
            yield held

    async def _tell(
        self, subscription: Subscription, receiver: Receiver, secret: str, batch: list[Change]
    ) -> bool:
        """Send one request and store how it went; return whether the next has its turn."""
        allowed = [change for change in batch if self._allowed(subscription, change)]
        if not allowed:
            return await self._took(subscription, batch, withheld=len(batch))
        encoded = encode(subscription.tenant, allowed, subscription.mode)
        verdict = await receiver.tell(encoded, [secret], self._given.clock)
        if verdict.end is End.TAKEN:
            return await self._took(subscription, batch, withheld=len(batch) - len(allowed))
        if verdict.end is End.GONE:
            await self._rest(subscription, verdict.error)
            return False
        if verdict.end is End.REFUSED and len(batch) > 1:  # which of them is it?
            for change in batch:
                if not await self._tell(subscription, receiver, secret, [change]):
                    return False
            return True
        if verdict.end is End.REFUSED or await self._failed(subscription, verdict):
            return await self._give_up(subscription, allowed, verdict)
        return False

    async def _took(
        self, subscription: Subscription, batch: Sequence[Change], *, withheld: int
    ) -> bool:
        now = self._given.clock.now()

        def taken(progress: Progress) -> Progress:
            return structs.replace(
                _behind(progress, batch),
                failures=0,
                failing_since=None,
                last_error="",
                last_success_at=now,
                delivered=progress.delivered + len(batch) - withheld,
                withheld=progress.withheld + withheld,
                next_at=now + round(progress.interval_s * NS_PER_S) if progress.interval_s else 0,
            )

        progress = await self._store(subscription, taken)
        return not progress.paused and progress.next_at <= now

    async def _failed(self, subscription: Subscription, verdict: Verdict) -> bool:
        """Put the next try off; return whether it has failed for long enough to give up."""
        now, settings = self._given.clock.now(), self._settings

        def failed(progress: Progress) -> Progress:
            failures = progress.failures + 1
            pause_s = min(settings.pause_s * 2.0 ** min(failures - 1, 30), settings.pause_max_s)
            pause_s *= random.uniform(0.5, 1.0)  # noqa: S311  spreads load, guards nothing
            wait_s = max(verdict.retry_after_s or 0.0, pause_s)
            return structs.replace(
                progress,
                failures=failures,
                failing_since=progress.failing_since or now,
                next_at=now + round(wait_s * NS_PER_S),
                last_error=verdict.error,
            )

        progress = await self._store(subscription, failed)
        log.warning("event_not_taken", subscription=subscription.name, error=verdict.error)
        since = progress.failing_since or now
        return now - since >= settings.give_up_s * NS_PER_S

    async def _give_up(
        self, subscription: Subscription, batch: Sequence[Change], verdict: Verdict
    ) -> bool:
        """Keep events that are not taken as dead, and go on; rest where too many are kept."""
        given, tenant, uid = self._given, subscription.tenant, subscription.uid

        def work(writer: Writer) -> Progress:
            record = writer.get(PROGRESS, tenant, uid)
            held = writer.count(DEAD_EVENTS, tenant, where=("subscription", uid))
            if held + len(batch) > self._settings.dead_max:
                reason = f"{held} dead events wait; redrive them, then go on."
                new = structs.replace(record.value, paused=reason, last_error=verdict.error)
            else:
                for change in batch:
                    dead = DeadEvent(
                        subscription=uid,
                        event_id=event_id(change),
                        at=given.clock.now(),
                        type=change.type,
                        subject=change.subject,
                        error=verdict.error,
                        change=change,
                    )
                    writer.put(DEAD_EVENTS, tenant, dead_key(uid, dead.event_id), dead)
                new = structs.replace(
                    _behind(record.value, batch),
                    failures=0,
                    failing_since=None,
                    next_at=0,
                    last_error=verdict.error,
                )
            writer.put(PROGRESS, tenant, uid, new)
            return new

        progress = await given.records.write(work)
        log.error(
            "event_given_up",
            tenant=tenant,
            subscription=subscription.name,
            events=[event_id(change) for change in batch],
            error=verdict.error,
        )
        return not progress.paused

    async def _rest(self, subscription: Subscription, reason: str) -> None:
        await self._store(
            subscription,
            lambda progress: structs.replace(progress, paused=reason, last_error=reason),
        )
        log.error("subscription_rests", name=subscription.name, reason=reason)

    async def _reached(self, subscription: Subscription, part: Part, held: Progress) -> Progress:
        """Store how far both sources were read; not for each message that nobody asked for."""
        if part.sequence == held.sequence and not part.changes and not part.missed:
            few = not part.more and part.position - held.position < _UNSTORED_MAX
            if few or part.position == held.position:
                return held
        return await self._store(
            subscription,
            lambda progress: structs.replace(
                progress,
                sequence=max(progress.sequence, part.sequence),
                position=max(progress.position, part.position),
            ),
        )

    async def _miss(self, subscription: Subscription, part: Part) -> None:
        """Count what is no longer kept before the rest is told: a turn may end in between."""
        log.error("events_missed", subscription=subscription.name, count=part.missed)
        await self._store(
            subscription,
            lambda progress: structs.replace(
                progress,
                sequence=max(progress.sequence, part.after_sequence),
                position=max(progress.position, part.after_position),
                missed=progress.missed + part.missed,
            ),
        )

    async def _progress(self, subscription: Subscription) -> Progress:
        tenant, uid = subscription.tenant, subscription.uid
        found = await self._given.records.read(lambda r: r.get(PROGRESS, tenant, uid))
        return found.value

    async def _current(self, subscription: Subscription) -> Subscription:
        """Return it as it is now; raise `NotFound` where it is gone, or another has its name."""
        tenant, name = subscription.tenant, subscription.name
        found = await self._given.records.read(lambda r: r.get(SUBSCRIPTIONS, tenant, name))
        if found.value.uid != subscription.uid:
            raise NotFound(f"There is no subscription {name!r} of before.", remedy="Look again.")
        return found.value

    async def _store(self, subscription: Subscription, change: _Step) -> Progress:
        tenant, uid = subscription.tenant, subscription.uid

        def work(writer: Writer) -> Progress:
            new = change(writer.get(PROGRESS, tenant, uid).value)
            writer.put(PROGRESS, tenant, uid, new)
            return new

        return await self._given.records.write(work)

    def _receiver(self, subscription: Subscription) -> Receiver:
        return Receiver(self._outbound, subscription.url, self._origin, self._settings.timeout_s)

    # --- by hand ---

    async def test(self, tenant: TenantId, name: str) -> str:
        """Ask a receiver whether we are welcome and tell it a test; return that in words."""
        subscription = (await self._subscriptions.get(tenant, name)).subscription
        receiver = self._receiver(subscription)
        if subscription.handshake:
            await receiver.ask()
        change = Change(
            sequence=self._given.clock.now(),
            at=self._given.clock.now(),
            topic=Topic.ALARM,
            type="weft.test",
            subject=f"subscriptions/{name}",
            target="*",
            device_id="",
            data={"subscription": name},
        )
        await self._tell_by_hand(subscription, receiver, change)
        return "The receiver took a signed test event."

    async def redrive(self, actor: Principal, name: str, event_id: str) -> None:
        """Tell a dead event again, now; raise `ConnectorError` where it is not taken."""
        tenant = actor.tenant
        subscription = (await self._subscriptions.get(tenant, name)).subscription
        dead = await self._subscriptions.dead_event(tenant, name, event_id)
        if not self._allowed(subscription, dead.change):
            raise Forbidden(
                f"The owner {subscription.owner} may no longer read what this tells.",
                remedy="Have somebody who may save the subscription again.",
            )
        await self._tell_by_hand(subscription, self._receiver(subscription), dead.change)
        await self._subscriptions.drop_dead(actor, subscription, event_id)

    async def _tell_by_hand(
        self, subscription: Subscription, receiver: Receiver, change: Change
    ) -> None:
        encoded = encode(subscription.tenant, [change], subscription.mode)
        secret = self._subscriptions.secret_of(subscription)
        verdict = await receiver.tell(encoded, [secret], self._given.clock)
        if verdict.end is not End.TAKEN:
            raise ConnectorError(verdict.error, remedy="Mend the receiver, then try again.")

    # --- keeping house ---

    async def trim(self) -> int:
        """Forget changes that every subscription is behind, and the oldest of too many."""
        kept = self._settings.changes_kept

        def work(writer: Writer) -> int:
            return sum(_trim(writer, tenant, kept) for tenant in writer.tenants(CHANGES))

        return await self._given.records.write(work)


def _trim(writer: Writer, tenant: TenantId, kept: int) -> int:
    subscriptions = writer.list(SUBSCRIPTIONS, tenant, limit=PAGE)
    reached = [writer.get(PROGRESS, tenant, one.value.uid).value.sequence for one in subscriptions]
    head = writer.find(HEADS, tenant, HEAD)
    newest = head.value.sequence if head else 0
    before = max(min(reached, default=newest), newest - kept)
    gone = 0
    for change in writer.list(CHANGES, tenant, limit=_TRIMMED_AT_ONCE):
        if change.value.sequence > before:
            break
        writer.delete(CHANGES, tenant, change.key)
        gone += 1
    return gone


def _behind(progress: Progress, batch: Sequence[Change]) -> Progress:
    """Return the progress behind these events, each in the source that it came from."""
    sequence, position = progress.sequence, progress.position
    for change in batch:
        if change.topic in JOURNALED:
            position = max(position, change.sequence)
        else:
            sequence = max(sequence, change.sequence)
    return structs.replace(progress, sequence=sequence, position=position)


def _said(error: WeftError) -> str:
    return f"{error.detail} {error.remedy}".strip()
