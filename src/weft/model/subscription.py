"""Subscriptions to events: who is told of what, how far that is, what could not be told."""

from enum import StrEnum
from typing import Annotated, Any, Final

from msgspec import UNSET, Meta, Struct, UnsetType

from weft.model.ids import TenantId
from weft.model.principal import Principal


class Topic(StrEnum):
    """What a subscription is about; each asks for a right of its own."""

    ALARM = "alarm"
    WORK_ORDER = "work_order"
    DEVICE = "device"
    TWIN = "twin"
    EVENT = "event"
    TELEMETRY = "telemetry"


# Who is told of it must be allowed to read it.
RIGHT_OF: Final[dict[Topic, str]] = {
    Topic.ALARM: "alarm.read",
    Topic.WORK_ORDER: "work_order.read",
    Topic.DEVICE: "device.read",
    Topic.TWIN: "twin.read",
    Topic.EVENT: "telemetry.read",
    Topic.TELEMETRY: "telemetry.read",
}
JOURNALED: Final = frozenset({Topic.TWIN, Topic.EVENT, Topic.TELEMETRY})


class Mode(StrEnum):
    """How events are put into a request (CloudEvents HTTP binding 1.0, 3.1 to 3.3)."""

    STRUCTURED = "structured"
    BINARY = "binary"
    BATCH = "batch"


Filter = Annotated[
    str,
    Meta(
        max_length=4_096,
        description="As of rules: alarm.severity == 'critical' && device.type == 'pump'",
    ),
]
Url = Annotated[str, Meta(min_length=8, max_length=2_000)]
Secret = Annotated[
    str, Meta(min_length=24, max_length=512, extra_json_schema={"format": "password"})
]


class NewSubscription(Struct, frozen=True, forbid_unknown_fields=True):
    """What a business system wants to be told, and where."""

    name: Annotated[str, Meta(max_length=128)]
    url: Url
    topics: Annotated[tuple[Topic, ...], Meta(description="What it is told of.")] = (
        Topic.ALARM,
        Topic.WORK_ORDER,
    )
    filter: Filter = ""
    mode: Annotated[Mode, Meta(description="How an event is written.")] = Mode.STRUCTURED
    secret: (
        Annotated[Secret, Meta(description="Signs the events; made and shown once if left out.")]
        | None
    ) = None
    handshake: Annotated[
        bool, Meta(description="Ask before the first delivery whether we are welcome.")
    ] = True


class SubscriptionPatch(Struct, frozen=True, forbid_unknown_fields=True):
    """What may be changed; `paused` false also goes on after a pause of our own."""

    url: Annotated[Url, Meta(description="Where to from now on.")] | UnsetType = UNSET
    topics: Annotated[tuple[Topic, ...], Meta(description="What it is told of.")] | UnsetType = (
        UNSET
    )
    filter: Filter | UnsetType = UNSET
    mode: Annotated[Mode, Meta(description="How an event is written.")] | UnsetType = UNSET
    secret: Annotated[Secret, Meta(description="Signs the events.")] | UnsetType = UNSET
    paused: (
        Annotated[bool, Meta(description="Hold it; no goes on, also after a pause of Weft's.")]
        | UnsetType
    ) = UNSET


class Subscription(Struct, frozen=True):
    """One receiver of events. `uid` is never used again, so a namesake starts afresh."""

    tenant: TenantId
    name: str
    uid: str
    url: str
    topics: tuple[Topic, ...]
    filter: str
    mode: Mode
    sealed: str
    handshake: bool
    owner: Principal  # whose rights count, at every delivery
    created_at: int
    version: int = 1


class Progress(Struct, frozen=True):
    """How far a subscription has come: everything up to here was delivered or is a dead event."""

    sequence: int  # of the changes
    position: int  # of the journal
    confirmed: bool = False  # the receiver has said that we are welcome
    interval_s: float = 0.0  # between requests, where it asked for one
    paused: str = ""  # why
    failures: int = 0  # in a row, of the event that is due
    failing_since: int | None = None
    next_at: int = 0
    last_success_at: int | None = None
    last_error: str = ""
    delivered: int = 0
    missed: int = 0  # no longer kept when it was their turn
    withheld: int = 0  # the owner may no longer read them


class Change(Struct, frozen=True):
    """Something that happened, ready to be told; numbered in its tenant without gaps."""

    sequence: int
    at: int
    topic: Topic
    type: str
    subject: str
    target: str  # what the owner must be allowed to read
    device_id: str
    data: Any
    facts: dict[str, Any] = {}  # for filters, as root.field
    base64: bool = False  # `data` is bytes that are no JSON


class DeadEvent(Struct, frozen=True):
    """An event that its receiver does not take, kept for a person to look at and redrive."""

    subscription: str  # its uid
    event_id: str
    at: int  # when it was given up
    type: str
    subject: str
    error: str
    change: Change


class Standing(Struct, frozen=True):
    """A subscription, how far it has come, and how many events could not be delivered."""

    subscription: Subscription
    progress: Progress
    dead: int
