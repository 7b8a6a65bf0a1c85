"""The broker: a projection of the journal that hands every message to who subscribed to it.

It promises: what was committed reaches each subscriber that may receive it, at the lower
of both QoS, in order, once at QoS 2, also over a restart; who may no longer receive a topic
gets no more of it, live, queued, retained or shared (AZ-3, AZ-4). It works in batches: the
subscribers of a route are looked up once, and each link is handed one list per batch.
"""

from collections.abc import Sequence

from weft.broker.checkpoints import NAME, Checkpoints
from weft.broker.connections import (
    Attached,
    BrokerDependencies,
    Opening,
    SessionInfo,
    info_of,
)
from weft.broker.delivery import NEVER_S, Delivery, Link, Message, Reason
from weft.broker.directory import Directory
from weft.broker.items import Common, Item
from weft.broker.retained import RetainedMessages
from weft.broker.routing import Routing
from weft.broker.sessions import Session
from weft.broker.settings import BrokerSettings
from weft.broker.storage import Restored
from weft.broker.subscribing import Subscribing
from weft.broker.subscriptions import (
    NOBODY,
    Plan,
    Subscription,
    SubscriptionRequest,
    choose,
    members_for,
)
from weft.broker.topics import split_share
from weft.broker.wills import DueWill, Wills
from weft.model.ids import DeviceId, TenantId
from weft.model.message import Committed, Envelope, Operation
from weft.model.moments import NS_PER_S
from weft.model.principal import Principal


class Broker:
    """Publish and subscribe for all tenants; a `Projection`. `load` it before anything else."""

    name = NAME

    def __init__(self, given: BrokerDependencies, settings: BrokerSettings | None = None) -> None:
        self._given = given
        self._settings = settings or BrokerSettings()
        self._wills = Wills(given.publish_will)
        self.retained = RetainedMessages(self._settings, given.policy)
        self._checkpoints = Checkpoints(given, self._wills, self.retained)
        self._dirty = self._checkpoints.dirty
        self._common = Common(
            self._settings,
            given.policy,
            given.clock,
            self._dirty,
            self._checkpoints.wanted.set,
            given.acknowledged,
            given.refused,
        )
        self._directory = Directory(self._settings)
        self._routing = Routing(self._settings, given.policy)
        self._subscribing = Subscribing(
            given, self._common, self._routing, self.retained, self.checkpoint
        )

    # --- the projection -------------------------------------------------------------------

    @property
    def position(self) -> int:
        """Durable position: replay starts behind it."""
        return self._checkpoints.position

    @property
    def backlog(self) -> int:
        """Messages applied and not yet durable."""
        return self._checkpoints.applied - self._checkpoints.position

    def apply(self, batch: Committed) -> None:
        """Hand a batch to its subscribers; what was applied before is left out."""
        envelopes, applied = batch.envelopes, self._checkpoints.applied
        if batch.first <= applied:
            envelopes = envelopes[applied - batch.first + 1 :]
        plans = self._routing.refresh()
        touched: list[Session] = []
        done = batch.last
        try:
            for envelope in envelopes:
                plan = plans.get(envelope.route) or self._routing.plan(envelope.route)
                if plan is not NOBODY or envelope.retain:
                    self._deliver(envelope, plan, touched)
        except BaseException:  # a bug of ours: what stands before it is not delivered twice
            done = batch.last - len(envelopes) + envelopes.index(envelope)
            raise
        finally:
            self._checkpoints.applied = max(applied, done)
            for session in touched:
                session.flush()

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
            self._checkpoints.wanted.set()
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
            self._routing.remove(session, text)
        self._directory.remove(session)
        for item in session.shared_items():
            self._pass_on(session.principal.tenant, item)
        self._wills.hasten(session.key)
        if session.inbound_qos_two:
            self._checkpoints.forgotten.append(session.key)
        if session.stored:
            self._dirty.add(session)
            self._checkpoints.wanted.set()

    def _pass_on(self, tenant: TenantId, item: Item) -> None:
        """Give what a member of a group leaves behind to another one, if there is any."""
        group = self._routing.find_group(tenant, item.share)
        message = item.message
        members = members_for(group, message.topic) if group is not None else ()
        if group is not None and members:
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
        return await self._subscribing.subscribe(session, requests)

    async def unsubscribe(self, session: Session, filters: Sequence[str]) -> list[Reason]:
        """End subscriptions; what is queued of them is still delivered [MQTT-3.10.4-3]."""
        return await self._subscribing.unsubscribe(session, filters)

    def withdraw(self, principal_uid: str, topic: str) -> None:
        """Take back what waits for a principal on a topic; what is under way is under way."""
        for session in self._directory.of(principal_uid):
            session.withdraw(topic)

    # --- time and disk --------------------------------------------------------------------

    async def load(self) -> None:
        """Take back what was kept; the journal then replays what is behind `position`."""
        for one in await self._checkpoints.load(self._common):
            self._take_back(one)

    def _take_back(self, restored: Restored) -> None:
        session = restored.session
        self._directory.add(session)
        for request in restored.requests:
            group, filter_ = split_share(request.filter)
            self._routing.add(Subscription(session, request, group, filter_))
        will, session.will = session.will, None
        if will is not None:
            # A will of a session that was live was cut off by our own end, not by its device's:
            # the device has its delay from now on to come back.
            now = self._now()
            due_at = restored.will_due_at or now + min(will.delay_s, session.expiry_s) * NS_PER_S
            self._wills.schedule(session.key, DueWill(session.principal, will, due_at), due_at - 1)

    async def checkpoint(self) -> None:
        """Make everything so far durable, with its position, in one transaction."""
        await self._checkpoints.checkpoint()

    async def run(self) -> None:
        """Write at once what a subscriber waits for, until cancelled (beside the checkpoints)."""
        await self._checkpoints.run()

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
        return self._routing.plan_of(tenant, topic) is not NOBODY

    def is_queued(self, tenant: TenantId, topic: str) -> bool:
        """Whether a message on a topic waits for a device, or was sent and not acknowledged."""
        sessions = [target.session for target in self._routing.plan_of(tenant, topic).targets]
        return any(topic in one.topics_held() for one in sessions if one.is_device)

    def is_connected(self, principal_uid: str) -> bool:
        """Whether a principal has a live link."""
        return any(one.link is not None for one in self._directory.of(principal_uid))

    def _now(self) -> int:
        return self._given.clock.now()


__all__ = ["NEVER_S", "Attached", "Broker", "BrokerDependencies", "Opening", "SessionInfo"]
