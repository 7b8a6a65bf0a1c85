"""SUBSCRIBE and UNSUBSCRIBE: each filter decided on, the answer on disk before it is given.

A new subscription brings what is retained, and to a device the commands that were sent
while it had no session to keep them; both wait until the answer has left.
"""

from collections.abc import Awaitable, Callable, Sequence

from weft.broker.connections import BrokerDependencies
from weft.broker.delivery import Message, Reason
from weft.broker.items import Common
from weft.broker.retained import RetainedMessages
from weft.broker.routing import Routing
from weft.broker.sessions import Session
from weft.broker.subscriptions import Subscription, SubscriptionRequest
from weft.broker.topics import require_filter, split_share
from weft.errors import Invalid
from weft.security.filters import contains


class Subscribing:
    """How sessions come to their subscriptions."""

    def __init__(
        self,
        given: BrokerDependencies,
        common: Common,
        routing: Routing,
        retained: RetainedMessages,
        checkpoint: Callable[[], Awaitable[None]],
    ) -> None:
        self._given = given
        self._policy = given.policy
        self._settings = common.settings
        self._dirty = common.dirty
        self._clock = given.clock
        self._routing = routing
        self._retained = retained
        self._checkpoint = checkpoint

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
            await self._checkpoint()
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
        self._routing.add(Subscription(session, request, group, filter_))
        self._dirty.add(session)
        if is_new and session.is_device:
            self._given.subscribed(session.principal, filter_)
        return Reason(request.qos), is_new, group, filter_

    async def unsubscribe(self, session: Session, filters: Sequence[str]) -> list[Reason]:
        """End subscriptions; what is queued of them is still delivered [MQTT-3.10.4-3]."""
        results = [
            Reason.GRANTED_QOS_0  # 0x00, success
            if self._routing.remove(session, text)
            else Reason.NO_SUBSCRIPTION_EXISTED
            for text in filters
        ]
        self._dirty.add(session)
        if session.durable:
            await self._checkpoint()
        return results

    def _offer_retained(self, session: Session, request: SubscriptionRequest, filter_: str) -> None:
        ids = (request.identifier,) if request.identifier else ()
        for one in self._retained.match(session.principal.tenant, filter_, self._clock.now()):
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
