"""Kinds: how subscriptions, changes and what could not be delivered are kept."""

from collections.abc import Callable
from typing import Any, Final

from msgspec import Struct

from weft.model.subscription import Change, DeadEvent, Progress, Subscription
from weft.ports import Kind

# Before and after, of which one may be None; numbered and dated by who asks.
Describe = Callable[[Any, Any], Change | None]


class Head(Struct, frozen=True):
    """The number of a tenant's newest change."""

    sequence: int = 0


SUBSCRIPTIONS: Final = Kind("event_subscription", Subscription)
PROGRESS: Final = Kind("event_progress", Progress)  # by the subscription's uid
CHANGES: Final = Kind("event_change", Change)  # by `key_of`
HEADS: Final = Kind("event_head", Head)
DEAD_EVENTS: Final = Kind(
    "event_dead", DeadEvent, index=lambda dead: {"subscription": dead.subscription}
)  # by uid/event id
HEAD: Final = "head"


def key_of(sequence: int) -> str:
    """Return the key of a change; text order is the order in which they happened."""
    return f"{sequence:020d}"


def dead_key(uid: str, event_id: str) -> str:
    """Return the key of a dead event."""
    return f"{uid}/{event_id}"
