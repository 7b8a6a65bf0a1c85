"""What the API asks of those who tell business systems of events; they stand beside it."""

import builtins
from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct

from weft.model.ids import TenantId
from weft.model.principal import Principal
from weft.model.subscription import (
    DeadEvent,
    NewSubscription,
    Standing,
    SubscriptionPatch,
)
from weft.ports import Record


class KnownSubscriptions(Protocol):
    """The subscriptions of all tenants."""

    async def get(self, tenant: TenantId, name: str) -> Standing:
        """Return a subscription, or raise `NotFound`."""
        ...

    async def list(
        self, tenant: TenantId, *, after: str = "", limit: int = 100
    ) -> builtins.list[Standing]:
        """Return subscriptions in the order of their names."""
        ...

    async def dead_events(
        self, tenant: TenantId, name: str, *, after: str = "", limit: int = 100
    ) -> Sequence[Record[DeadEvent]]:
        """Return what could not be delivered, in the order of its keys."""
        ...

    async def create(self, actor: Principal, new: NewSubscription) -> tuple[Standing, str]:
        """Save a subscription; return it, and its secret if it was made here."""
        ...

    async def patch(
        self, actor: Principal, name: str, patch: SubscriptionPatch, *, version: int | None = None
    ) -> Standing:
        """Change a subscription."""
        ...

    async def delete(self, actor: Principal, name: str, *, version: int | None = None) -> None:
        """Delete a subscription with its dead events."""
        ...


class Deliveries(Protocol):
    """What tells receivers."""

    async def test(self, tenant: TenantId, name: str) -> str:
        """Tell a receiver a test; return what it said in words."""
        ...

    async def redrive(self, actor: Principal, name: str, event_id: str) -> None:
        """Tell a dead event again, or raise `ConnectorError` where it is not taken."""
        ...


class EventWork(Struct, frozen=True):
    """Subscriptions, and what delivers to them."""

    subscriptions: KnownSubscriptions
    deliveries: Deliveries
