"""Events for business systems, put together: what notes, what delivers, what keeps house."""

import socket
from typing import TYPE_CHECKING

from msgspec import structs

from weft.api.event_work import EventWork
from weft.app.identity import Identity
from weft.app.stores import Stores
from weft.config import Config
from weft.connectors.events.deliverer import Deliverer
from weft.connectors.events.subscriptions import Given, Subscriptions
from weft.groups.filters import Around
from weft.ports import Clock
from weft.security.outbound import OutboundClient

if TYPE_CHECKING:
    from contextlib import AsyncExitStack


class Events:
    """The subscriptions, and what delivers to them."""

    def __init__(self, subscriptions: Subscriptions, deliverer: Deliverer) -> None:
        self.subscriptions = subscriptions
        self.deliverer = deliverer

    @property
    def work(self) -> EventWork:
        """What the API asks."""
        return EventWork(self.subscriptions, self.deliverer)


def open_events(
    parts: tuple[Stores, Identity, Around],
    clock: Clock,
    config: Config,
    stack: "AsyncExitStack",
) -> Events:
    """Make subscriptions and what delivers; receivers are in public, or named in `[events]`."""
    stores, identity, around = parts
    settings = config.events
    given = Given(
        records=stores.records,
        audit=identity.audit,
        clock=clock,
        vault=identity.vault,
        policy=identity.policy,
        journal=stores.journal,
        around=around,
    )
    subscriptions = Subscriptions(given, settings)
    # A tenant names the address: what [outbound] opens for the operator's connectors is not its.
    reached = structs.replace(config.outbound, allow=settings.allow)
    outbound = OutboundClient(reached, opened_by="[events] allow")
    names = config.security.server_names
    origin = settings.origin or (names[0] if names else socket.gethostname())
    deliverer = Deliverer(given, subscriptions, outbound, origin, settings)
    stack.push_async_callback(deliverer.close)
    subscriptions.on_change(deliverer.notify)
    stores.records.on_note(deliverer.notify)
    return Events(subscriptions, deliverer)
