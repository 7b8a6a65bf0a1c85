"""What a connector is: the code towards one business system.

A connector promises one thing above all: delivering the same entry twice leaves one record
at the far side. The outbox tries again after every crash and every lost answer and counts on
it. Where the far side has no idempotency key of its own, a connector looks for its record
before it makes one, and after a request without a known end it lets the far side settle
first. It raises `ConnectorError` and nothing else of the far side's.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar, Final, Protocol

from msgspec import Struct

from weft.connectors.certified import ClientCertificate
from weft.connectors.credentials import Credentials
from weft.connectors.fields import Field
from weft.model.alarm import Alarm, OutboxEntry, WorkOrder, WorkOrderState
from weft.model.ids import WorkOrderId
from weft.model.work_order import OnClose
from weft.ports import Clock
from weft.security.outbound import Answer

WEBHOOK = "webhook"
WORK_ORDER = "work_order"


class ConnectorSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every `[connectors.NAME]` has; each kind adds its own."""

    # What beside `url` names the system: with another one, work orders belong to another.
    place: ClassVar[tuple[str, ...]] = ()

    url: str  # where the business system is
    tenants: tuple[str, ...] = ("main",)  # whose rules may name this connector
    allow: tuple[str, ...] = ()  # CIDRs of an on-premise system, for this connector alone
    timeout_s: float = 10.0  # of one request
    client_certificate: ClientCertificate | None = None  # where the far side asks for one
    on_close: OnClose = OnClose.QUESTION  # of alarms, where their rule says nothing
    close_when_cleared: bool = False  # end the record when all alarms have cleared by themselves
    fields: dict[str, str] = {}  # expressions instead of the kind's own; "" leaves a field out


class Quality(StrEnum):
    """How far a connector has come; docs/explanation/connector-quality.md says what each asks."""

    BRONZE = "bronze"
    SILVER = "silver"
    GOLD = "gold"


class Requests(Protocol):
    """The guarded client, as connectors use it."""

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        timeout_s: float | None = None,
    ) -> Answer:
        """Send one request and read its answer, within limits."""
        ...

    async def close(self) -> None:
        """Close the connections."""
        ...


@dataclass(frozen=True)
class Tools:
    """What every connector is made with; `outbound` reaches what its settings allow."""

    outbound: Requests
    credentials: Credentials
    clock: Clock


class Situation(Struct, frozen=True):
    """What stands around an entry when it is delivered; the alarm may have cleared meanwhile."""

    alarm: Alarm | None = None
    work_order: WorkOrder | None = None
    fields: Mapping[str, Any] = {}  # of the far side, as the mapping fills them


class Planned(Struct, frozen=True):
    """The request that makes a record, as it would be sent; credentials are added then."""

    method: str
    url: str
    body: bytes
    headers: Mapping[str, str] = {}
    first: str = ""  # what is asked before it, in words


class Delivered(Struct, frozen=True):
    """The far side has it. Empty where it keeps no record of its own."""

    remote_id: str = ""
    remote_state: str = ""
    url: str | None = None
    remark: str = ""  # what its entry says of it: what was not confirmed, or left as it was


class RemoteState(Struct, frozen=True):
    """How a task stands at the far side: in our words, and in its own."""

    state: WorkOrderState
    text: str


GONE: Final = RemoteState(WorkOrderState.CANCELLED, "deleted")


def by_remote_id(
    orders: Sequence[WorkOrder], fits: Callable[[str], object]
) -> dict[str, WorkOrderId]:
    """Return work orders by their remote id, those of which it can be one of the far side's."""
    return {
        order.remote_id: order.work_order_id
        for order in orders
        if order.remote_id and fits(order.remote_id)
    }


def by_number(orders: Sequence[WorkOrder]) -> dict[int, WorkOrderId]:
    """Return work orders by their remote id, where the far side's ids are whole numbers."""
    found = by_remote_id(orders, lambda text: text.isascii() and text.isdigit())
    return {int(number): order_id for number, order_id in found.items()}


class Connector(Protocol):
    """Code towards one configured business system."""

    name: str
    kind: str
    actions: frozenset[str]  # kinds of action that it carries out
    follows: bool  # whether the state of its work orders can be asked for
    fields: ClassVar[Mapping[str, Field]]  # what a mapping may fill, and with what by default
    more_fields: bool  # whether it may fill others of the far side's too
    quality: Quality
    page: str  # its how-to page

    async def deliver(self, entry: OutboxEntry, situation: Situation) -> Delivered:
        """Make the far side's record, once however often this is called."""
        ...

    def plan(self, entry: OutboxEntry, situation: Situation) -> Planned:
        """Return the request that would make the record; nothing is sent or looked up."""
        ...

    async def poll(self, orders: Sequence[WorkOrder]) -> Mapping[WorkOrderId, RemoteState]:
        """Return how these work orders stand; one that is left out was not told of."""
        ...

    async def note(self, order: WorkOrder, text: str) -> None:
        """Tell the people who work on the task something; once, if told twice."""
        ...

    async def test(self) -> str:
        """Ask the far side something harmless; return what it is, in words."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...
