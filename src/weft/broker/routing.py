"""Routing: who subscribed to what, by tenant; the subscribers of a route are looked up once.

What was looked up is forgotten when a subscription or any right changes, so that a plan is
never older than either.
"""

from typing import TYPE_CHECKING

from weft.broker.settings import BrokerSettings
from weft.broker.subscriptions import NOBODY, Entry, Plan, SharedGroup, Subscription, make_plan
from weft.broker.topics import FilterTree, split_share
from weft.model.ids import TenantId
from weft.model.message import Operation, Route
from weft.ports import Deciding

if TYPE_CHECKING:
    from weft.broker.sessions import Session


class Routing:
    """The subscriptions of all tenants, and the plans made of them."""

    def __init__(self, settings: BrokerSettings, policy: Deciding) -> None:
        self.plans: dict[Route, Plan] = {}
        self._settings = settings
        self._policy = policy
        self._version = -1
        self._trees: dict[TenantId, FilterTree[str, Entry]] = {}

    def refresh(self) -> dict[Route, Plan]:
        """Return the plans that still hold; call it before each batch."""
        plans = self.plans
        if self._version != self._policy.version or len(plans) > self._settings.routes_cached:
            plans.clear()
            self._version = self._policy.version
        return plans

    def plan(self, route: Route) -> Plan:
        """Make and remember the plan of a route."""
        plan = NOBODY
        if route.operation is not Operation.REJECTED:
            plan = self.plan_of(route.tenant, route.topic)
        self.plans[route] = plan
        return plan

    def plan_of(self, tenant: TenantId, topic: str) -> Plan:
        """Return who would get what is published to a topic."""
        tree = self._trees.get(tenant)
        return NOBODY if tree is None else make_plan(tree.match(topic), topic)

    def find_group(self, tenant: TenantId, share: str) -> SharedGroup | None:
        """Return the members of a shared subscription, or None."""
        name, filter_ = split_share(share)
        tree = self._trees.get(tenant)
        group = tree.find(filter_, f"$share/{name}") if tree is not None else None
        return group if isinstance(group, SharedGroup) else None

    def add(self, subscription: Subscription) -> None:
        """Take up a subscription, in the place of one of the same filter."""
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
        self.plans.clear()

    def remove(self, session: "Session", text: str) -> bool:
        """End a subscription; False when there was none."""
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
        self.plans.clear()
        return True
