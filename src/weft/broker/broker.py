"""The broker: a projection of the journal that hands every message to who subscribed to it.

It promises: what was committed reaches each subscriber that may receive it, at the lower
of both QoS, in order, once at QoS 2, also over a restart; who may no longer receive a topic
gets no more of it, live, queued, retained or shared (AZ-3, AZ-4). It works in batches: the
subscribers of a route are looked up once, and each link is handed one list per batch.
"""

import asyncio
from collections.abc import Sequence

from weft.broker.connections import (
    Attached,
    BrokerDependencies,
    Opening,
    SessionInfo,
    info_of,
)
from weft.broker.delivery import NEVER_S, Delivery, Link, Message, Reason
from weft.broker.directory import Directory
from weft.broker.retained import Retained, RetainedMessages, load_retained
from weft.broker.sessions import Common, Item, Session
from weft.broker.settings import BrokerSettings
from weft.broker.storage import (
    PLATFORM,
    POSITIONS,
    Changes,
    Restored,
    keep_session,
    load_sessions,
)
from weft.broker.subscriptions import (
    NOBODY,
    Entry,
    Plan,
    SharedGroup,
    Subscription,
    SubscriptionRequest,
    choose,
    make_plan,
    members_for,
)
from weft.broker.topics import FilterTree, require_filter, split_share
from weft.broker.wills import DueWill, Wills
from weft.errors import Invalid, StorageError, Unavailable
from weft.model.ids import DeviceId, TenantId
from weft.model.message import Committed, Envelope, Operation, Route
from weft.model.moments import NS_PER_S
from weft.model.principal import Principal
from weft.observability.log import get_logger
from weft.ports import Reader
from weft.security.filters import contains
from weft.supervision import keep_running

log = get_logger(__name__)


class Broker:
    """Publish and subscribe for all tenants; a `Projection`. `load` it before anything else."""

    name = "broker"

    def __init__(self, given: BrokerDependencies, settings: BrokerSettings | None = None) -> None:
        self._given = given
        self._settings = settings or BrokerSettings()
        self._policy = given.policy
        self._dirty: set[Session] = set()
        self._wanted = asyncio.Event()
        self._common = Common(
            self._settings,
            given.policy,
            given.clock,
            self._dirty,
            self._wanted.set,
            given.acknowledged,
            given.refused,
        )
        self._directory = Directory(self._settings)
        self._trees: dict[TenantId, FilterTree[str, Entry]] = {}
        self._plans: dict[Route, Plan] = {}
        self._plans_version = -1
        self._wills = Wills(given.publish_will)
        self._applied = 0
        self._position = 0
        self._changes = Changes()
        self._forgotten: list[str] = []
        self._saving = asyncio.Lock()
        self._asked = 0
        self._done = 0
        self.retained = RetainedMessages(self._settings, given.policy)

    # --- the projection -------------------------------------------------------------------

    @property
    def position(self) -> int:
        """Durable position: replay starts behind it."""
        return self._position

    @property
    def backlog(self) -> int:
        """Messages applied and not yet durable."""
        return self._applied - self._position

    def apply(self, batch: Committed) -> None:
        """Hand a batch to its subscribers; what was applied before is left out."""
        envelopes = batch.envelopes
        if batch.first <= self._applied:
            envelopes = envelopes[self._applied - batch.first + 1 :]
        plans = self._plans
        if self._plans_version != self._policy.version or len(plans) > self._settings.routes_cached:
            plans.clear()
            self._plans_version = self._policy.version
        touched: list[Session] = []
        done = batch.last
        try:
            for envelope in envelopes:
                plan = plans.get(envelope.route) or self._plan(envelope.route)
                if plan is not NOBODY or envelope.retain:
                    self._deliver(envelope, plan, touched)
        except BaseException:  # a bug of ours: what stands before it is not delivered twice
            done = batch.last - len(envelopes) + envelopes.index(envelope)
            raise
        finally:
            self._applied = max(self._applied, done)
            for session in touched:
                session.flush()

    def _plan(self, route: Route) -> Plan:
        plan = NOBODY
        tree = self._trees.get(route.tenant)
        if tree is not None and route.operation is not Operation.REJECTED:
            plan = make_plan(tree.match(route.topic), route.topic)
        self._plans[route] = plan
        return plan

    def _deliver(self, envelope: Envelope, plan: Plan, touched: list[Session]) -> None:
        route = envelope.route
        if route.operation is Operation.REJECTED:
            return
        message = Message.of(envelope)
        if envelope.retain:
            self.retained.keep(envelope, message)
        targets = plan.targets
        if plan.groups:
            targets += tuple(choose(group, members) for group, members in plan.groups)
        shared: Delivery | None = None  # one object for all plain QoS 0 subscribers
        for target in targets:
            session = target.session
            if envelope.session == session.client_key:
                if target.own is None:
                    continue
                target = target.own  # noqa: PLW2901  the same session, by what it may hear of itself
            if not session.outgoing:
                touched.append(session)
            qos = min(envelope.qos, target.qos)
            retain = envelope.retain and target.retain_as_published
            if qos or retain or target.subscription_ids or message.expires_at or session.queue:
                session.offer(
                    message, qos, target.subscription_ids, retain=retain, share=target.share
                )
                continue
            link = session.link
            if session.flowing and link is not None and link.writable:
                if shared is None:
                    shared = Delivery(message.topic, message.payload, properties=message.properties)
                session.outgoing.append(shared)
            else:
                session.offer(message, 0, (), retain=False)

    # --- connections ----------------------------------------------------------------------

    async def attach(self, principal: Principal, link: Link, opening: Opening) -> Attached:
        """Give a connection its session: resumed, or new. Nothing flows before `resume`.

        Raises `QuotaExceeded`. A live link of the same session is told that it was taken
        over; a link of another principal never is (MQ-2).
        """
        expiry_s = min(opening.expiry_s, self._settings.session_expiry_max_s)
        old = self._directory.find(principal, opening.client_id)
        surplus = self._directory.make_room(principal, durable=expiry_s > 0, but=old)
        for session in surplus:
            self._end(session)
        if old is not None:
            old_link = old.link
            if old_link is not None:
                self._lose(old, will_wanted=True)
                old_link.close(Reason.SESSION_TAKEN_OVER)
            if not old.ended and (opening.clean_start or self._is_over(old)):
                self._end(old)
        present = old is not None and not old.ended
        if old is None or old.ended:
            session = Session(self._common, principal, opening.client_id, at=self._now())
            self._directory.add(session)
        else:
            session = old
            self._wills.cancel(session.key)
        dropped = old is not None and old.ended and old.stored
        must_save = bool(surplus) or dropped or expiry_s != session.expiry_s
        session.principal = principal
        session.expiry_s = expiry_s
        session.will = opening.will
        session.connect(link, receive_maximum=opening.receive_maximum)
        self._dirty.add(session)
        if must_save:
            await self._save_for(session, link)
        return Attached(session, present, expiry_s)

    async def _save_for(self, session: Session, link: Link) -> None:
        try:
            await self.checkpoint()
        except BaseException:
            self.detach(session, link, will_wanted=False)
            raise

    def detach(
        self,
        session: Session,
        link: Link,
        *,
        will_wanted: bool | None,
        expiry_s: int | None = None,
    ) -> None:
        """A connection has ended. `will_wanted` unless the peer said good-bye [MQTT-3.14.4-3].

        With None it was ended by our own stop: the will stays with the session, and the peer
        has its delay from the next start on to come back. `expiry_s` is what a DISCONNECT of
        MQTT 5 named. A link that was taken over, or whose session was revoked, is no longer
        the session's: then nothing happens.
        """
        if session.link is not link or session.ended:
            return
        if expiry_s is not None and session.durable:
            session.expiry_s = min(expiry_s, self._settings.session_expiry_max_s)
        self._lose(session, will_wanted=will_wanted)

    def resume(self, session: Session, link: Link | None = None) -> None:
        """Let messages flow: after CONNACK, after SUBACK, and when the link keeps up again.

        With `link`, only while it is the session's: a link that was taken over and drains
        its last bytes must not start the flow on its successor before that one's CONNACK.
        """
        if link is None or session.link is link:
            session.resume()

    def acknowledged(self, session: Session, packet_id: int) -> bool:
        """PUBACK came; False when no QoS 1 message was out with this id."""
        return session.acknowledged(packet_id)

    def received(self, session: Session, packet_id: int) -> bool:
        """PUBREC came; `Link.release` follows. False: answer PUBREL 'packet id not found'."""
        return session.received(packet_id)

    def completed(self, session: Session, packet_id: int) -> bool:
        """PUBCOMP came; False when nothing was released with this id."""
        return session.completed(packet_id)

    def discarded(self, session: Session, packet_id: int) -> bool:
        """The peer refused a message (reason 0x80 or more), or it does not fit the peer."""
        return session.discarded(packet_id)

    def _lose(self, session: Session, *, will_wanted: bool | None) -> None:
        now = self._now()
        session.disconnect(now)
        self._dirty.add(session)
        will = session.will
        if will_wanted is not None:
            session.will = None
        if will is not None and will_wanted:
            delay_ns = min(will.delay_s, session.expiry_s) * NS_PER_S
            due = DueWill(session.principal, will, now + delay_ns)
            self._wills.schedule(session.key, due, now)
            self._wanted.set()
        if not session.durable:
            self._end(session)

    def _is_over(self, session: Session) -> bool:
        return session.detached_at + session.expiry_s * NS_PER_S <= self._now()

    def _end(self, session: Session) -> None:
        """Drop a session with all it is owed; a will that waited is due now."""
        session.ended = True
        session.flowing = False
        session.link = None
        for text in list(session.subscriptions):
            self._remove(session, text)
        self._directory.remove(session)
        for item in session.shared_items():
            self._pass_on(session.principal.tenant, item)
        self._wills.hasten(session.key)
        if session.inbound_qos_two:
            self._forgotten.append(session.key)
        if session.stored:
            self._dirty.add(session)
            self._wanted.set()

    def _pass_on(self, tenant: TenantId, item: Item) -> None:
        """Give what a member of a group leaves behind to another one, if there is any."""
        name, filter_ = split_share(item.share)
        tree = self._trees.get(tenant)
        group = tree.find(filter_, f"$share/{name}") if tree is not None else None
        message = item.message
        members = members_for(group, message.topic) if isinstance(group, SharedGroup) else ()
        if isinstance(group, SharedGroup) and members:
            target = choose(group, members)
            qos = min(item.qos, target.qos)
            ids = target.subscription_ids
            target.session.offer(message, qos, ids, retain=item.retain, share=target.share)
            target.session.flush()

    async def forget_device(self, tenant: TenantId, device_id: DeviceId) -> None:
        """Drop what is retained on a deleted device's topics: its namesake is another one."""
        self.retained.forget(tenant, f"devices/{device_id}/#")
        await self.checkpoint()

    def revoke(self, principal_uid: str) -> int:
        """Cut a principal off: its links, sessions, queues and wills. Returns how many links."""
        self._wills.forget(principal_uid)
        links = 0
        for session in self._directory.of(principal_uid):
            link = session.link
            session.will = None
            self._end(session)
            if link is not None:
                links += 1
                link.close(Reason.ADMINISTRATIVE_ACTION)
        return links

    # --- subscriptions --------------------------------------------------------------------

    async def subscribe(
        self, session: Session, requests: Sequence[SubscriptionRequest]
    ) -> list[Reason]:
        """Grant or refuse each filter. The answer is durable; then call `resume`.

        Retained messages wait in the queue until then, so that SUBACK goes first.
        """
        results: list[Reason] = []
        retained: list[tuple[SubscriptionRequest, str]] = []
        granted: list[tuple[SubscriptionRequest, str]] = []
        for request in requests:
            result, is_new, group, filter_ = self._grant(session, request)
            results.append(result)
            if result <= Reason.GRANTED_QOS_2 and not group:
                granted.append((request, filter_))
            wanted = request.retain_handling == 0 or (request.retain_handling == 1 and is_new)
            if result <= Reason.GRANTED_QOS_2 and wanted and not group:
                retained.append((request, filter_))
        if session.durable:
            await self.checkpoint()
        if session.link is not None:
            for request, filter_ in retained:
                self._offer_retained(session, request, filter_)
            if session.is_device:
                self._offer_owed(session, granted)
        return results

    def _grant(
        self, session: Session, request: SubscriptionRequest
    ) -> tuple[Reason, bool, str, str]:
        try:
            group, filter_ = split_share(request.filter)
            require_filter(filter_)
        except Invalid:
            return Reason.TOPIC_FILTER_INVALID, False, "", ""
        if group and request.no_local:  # [MQTT-3.8.3-4]
            return Reason.TOPIC_FILTER_INVALID, False, "", ""
        if not self._policy.decide(
            session.principal, "topic.subscribe", f"topic:{filter_}"
        ).allowed:
            return Reason.NOT_AUTHORIZED, False, "", ""
        is_new = request.filter not in session.subscriptions
        if is_new and len(session.subscriptions) >= self._settings.subscriptions_per_session:
            return Reason.QUOTA_EXCEEDED, False, "", ""
        self._add(Subscription(session, request, group, filter_))
        self._dirty.add(session)
        if is_new and session.is_device:
            self._given.subscribed(session.principal, filter_)
        return Reason(request.qos), is_new, group, filter_

    async def unsubscribe(self, session: Session, filters: Sequence[str]) -> list[Reason]:
        """End subscriptions; what is queued of them is still delivered [MQTT-3.10.4-3]."""
        results = [
            Reason.GRANTED_QOS_0  # 0x00, success
            if self._remove(session, text)
            else Reason.NO_SUBSCRIPTION_EXISTED
            for text in filters
        ]
        self._dirty.add(session)
        if session.durable:
            await self.checkpoint()
        return results

    def _add(self, subscription: Subscription) -> None:
        session = subscription.session
        tree = self._trees.setdefault(session.principal.tenant, FilterTree())
        session.subscriptions[subscription.request.filter] = subscription
        if subscription.group:
            key = f"$share/{subscription.group}"
            group = tree.find(subscription.filter, key)
            if not isinstance(group, SharedGroup):
                group = SharedGroup()
            group.members[session.key] = subscription
            tree.put(subscription.filter, key, group)
        else:
            tree.put(subscription.filter, session.key, subscription)
        self._plans.clear()

    def _remove(self, session: Session, text: str) -> bool:
        subscription = session.subscriptions.pop(text, None)
        if subscription is None:
            return False
        tree = self._trees[session.principal.tenant]
        if subscription.group:
            key = f"$share/{subscription.group}"
            group = tree.find(subscription.filter, key)
            if isinstance(group, SharedGroup):
                group.members.pop(session.key, None)
                if not group.members:
                    tree.remove(subscription.filter, key)
        else:
            tree.remove(subscription.filter, session.key)
        self._plans.clear()
        return True

    def _offer_retained(self, session: Session, request: SubscriptionRequest, filter_: str) -> None:
        ids = (request.identifier,) if request.identifier else ()
        for one in self.retained.match(session.principal.tenant, filter_, self._now()):
            if session.may_receive(one.message.topic):
                session.enqueue(one.message, min(one.qos, request.qos), ids, retain=True)

    def _offer_owed(
        self, session: Session, granted: Sequence[tuple[SubscriptionRequest, str]]
    ) -> None:
        """Offer a device the commands that were sent while it had no session to keep them."""
        owed = self._given.owed(session.principal)
        if not owed:
            return
        held = session.topics_held()
        for envelope in owed:
            topic = envelope.route.topic
            found = [request for request, filter_ in granted if contains(filter_, topic)]
            if found and topic not in held and session.may_receive(topic):
                qos = min(envelope.qos, max(request.qos for request in found))
                ids = tuple(request.identifier for request in found if request.identifier)
                session.enqueue(Message.of(envelope), qos, ids, retain=False)

    def withdraw(self, principal_uid: str, topic: str) -> None:
        """Take back what waits for a principal on a topic; what is under way is under way."""
        for session in self._directory.of(principal_uid):
            session.withdraw(topic)

    # --- time and disk --------------------------------------------------------------------

    async def load(self) -> None:
        """Take back what was kept; the journal then replays what is behind `position`."""

        def read(reader: Reader) -> tuple[int, list[Restored], list[tuple[TenantId, Retained]]]:
            record = reader.find(POSITIONS, PLATFORM, self.name)
            position = record.value if record is not None else 0
            return position, load_sessions(reader, self._common), load_retained(reader)

        self._position, restored, retained = await self._given.records.read(read)
        self._applied = self._position
        self.retained.take_back(retained)
        for one in restored:
            self._take_back(one)

    def _take_back(self, restored: Restored) -> None:
        session = restored.session
        self._directory.add(session)
        for request in restored.requests:
            group, filter_ = split_share(request.filter)
            self._add(Subscription(session, request, group, filter_))
        will, session.will = session.will, None
        if will is not None:
            # A will of a session that was live was cut off by our own end, not by its device's:
            # the device has its delay from now on to come back.
            now = self._now()
            due_at = restored.will_due_at or now + min(will.delay_s, session.expiry_s) * NS_PER_S
            self._wills.schedule(session.key, DueWill(session.principal, will, due_at), due_at - 1)

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
        position = self._applied
        dirty = list(self._dirty)
        self._dirty.clear()
        changes = self._changes
        for session in dirty:
            due = self._wills.find(session.key)
            keep_session(session, changes, due=due)
            session.saving()
        self.retained.keep_changes(changes)
        if position != self._position:
            changes.put(POSITIONS, PLATFORM, self.name, position)
        if len(changes):
            try:
                await self._given.records.write(changes.write)
            except BaseException:
                for session in dirty:
                    session.not_saved()
                raise
            self._changes = Changes()
        self._position = position
        for session in dirty:
            session.saved()
        while self._forgotten:
            await self._given.forget_session(self._forgotten[0])
            self._forgotten.pop(0)

    async def sweep(self, now_ns: int) -> None:
        """Once a second: end sessions that were away too long, publish wills, measure."""
        for session in self._directory.expired(now_ns):
            self._end(session)
        self.retained.sweep(now_ns)
        self._directory.measure()
        for session in self._directory:
            if session.flowing and session.queue:
                session.drain()
        await self._wills.publish(now_ns)

    async def run(self) -> None:
        """Write at once what a subscriber waits for, until cancelled (beside the checkpoints)."""
        await keep_running(
            self._write_when_wanted, expected=(StorageError, Unavailable), failed=self._write_failed
        )

    async def _write_when_wanted(self) -> None:
        await self._wanted.wait()
        self._wanted.clear()
        await self._wills.publish(self._now())
        await self.checkpoint()

    def _write_failed(self, error: Exception, wait_s: float) -> None:
        self._wanted.set()
        log.error("broker_checkpoint_failed", error=str(error), wait_s=round(wait_s, 1))

    # --- for operators --------------------------------------------------------------------

    def list_sessions(self, tenant: TenantId) -> list[SessionInfo]:
        """Return the sessions of a tenant, by client id."""
        found = [one for one in self._directory if one.principal.tenant == tenant]
        found.sort(key=lambda one: (one.client_id, one.key))
        return [info_of(one) for one in found]

    def count_sessions(self, tenant: TenantId) -> tuple[int, int]:
        """Return how many sessions of a tenant are live, and how many are stored."""
        links = [one.link is not None for one in self._directory if one.principal.tenant == tenant]
        return sum(links), len(links) - sum(links)

    def has_subscriber(self, tenant: TenantId, topic: str) -> bool:
        """Whether any session, connected or stored, would get what is published to a topic."""
        tree = self._trees.get(tenant)
        return tree is not None and make_plan(tree.match(topic), topic) is not NOBODY

    def is_queued(self, tenant: TenantId, topic: str) -> bool:
        """Whether a message on a topic waits for a device, or was sent and not acknowledged."""
        tree = self._trees.get(tenant)
        targets = () if tree is None else make_plan(tree.match(topic), topic).targets
        sessions = [target.session for target in targets]
        return any(topic in one.topics_held() for one in sessions if one.is_device)

    def is_connected(self, principal_uid: str) -> bool:
        """Whether a principal has a live link."""
        return any(one.link is not None for one in self._directory.of(principal_uid))

    def _now(self) -> int:
        return self._given.clock.now()


__all__ = ["NEVER_S", "Attached", "Broker", "BrokerDependencies", "Opening", "SessionInfo"]
