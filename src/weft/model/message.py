"""Messages: what the gate admitted, as the journal keeps it and projections read it.

An `Envelope` is an admitted message. What repeats from message to message of one
sender and topic stands once in its `Route`. A `Batch` is what one journal commit
makes durable; a `Committed` batch has positions, one per envelope, without gaps.
"""

from enum import IntEnum
from typing import Any

from msgspec import Struct, field

from weft.model.ids import DeviceId, TenantId

REDRIVEN = "redrive"  # as `Envelope.session`: it was refused before, and keeps its old moment
SETTLED = "settled"  # as `Envelope.session`: a report that its twin has taken in already
DERIVED = "derived"  # as `Envelope.session`: computed by Weft; `origin` is the position it is of
RECOMPUTED = "recomputed"  # the same, for moments that have passed
NOT_HEARD = frozenset({REDRIVEN, DERIVED, RECOMPUTED})  # no sign that the device is there now


class Operation(IntEnum):
    """What a message asks for, whatever the protocol and dialect it came by."""

    PLAIN = 0  # publish and subscribe on a topic of the tenant's own
    TELEMETRY = 1
    REPORTED = 2  # merge patch onto the reported properties
    EVENT = 3
    COMMAND_RESULT = 4
    REJECTED = 5  # kept for the rejection inbox; `Envelope.rejection` says why
    COMMAND = 6  # down: a request to a device
    DESIRED = 7  # down: the delta of desired properties
    DIALECT = 8  # up: a question in a dialect's own words, answered in them


class Route(Struct, array_like=True, eq=False):
    """Where a message came from and what it asks for; compared and hashed by identity.

    `topic` is the canonical native topic (`me` replaced by the device's id).
    """

    tenant: TenantId
    principal_kind: str
    principal_id: str
    topic: str
    operation: Operation
    device_id: DeviceId = DeviceId("")  # empty for plain topics
    type_name: str = ""  # empty for a device without a type
    type_version: int = 0
    name: str = ""  # of the event, or the command's request id
    principal_uid: str = ""  # never used again after a delete: who owns a retained message
    format: str = ""  # of the payload, by its name in wire.payload.formats; "" is JSON
    dialect: str = ""  # in whose words the sender said it; empty for the native ones


class PublishProperties(Struct, array_like=True, frozen=True):
    """MQTT 5 PUBLISH properties that travel on to subscribers (3.3.2.3)."""

    payload_format: int | None = None
    message_expiry_s: int | None = None
    content_type: str | None = None
    response_topic: str | None = None
    correlation_data: bytes | None = None
    user_properties: tuple[tuple[str, str], ...] = ()


class RejectionReason(Struct, array_like=True, frozen=True):
    """Why a message was refused, in words a person can act on."""

    code: str
    detail: str
    remedy: str


class Envelope(Struct, array_like=True, eq=False, gc=False):
    """One admitted message."""

    route: Route
    received_at: int  # ns
    payload: bytes
    qos: int = 0
    retain: bool = False
    packet_id: int = 0  # with `session`, tells a resent message from a new one
    session: str = ""
    properties: PublishProperties | None = None
    rejection: RejectionReason | None = None
    origin: bytes = b""  # digest of the message that this is one of several parts of


# What the gate decoded, kept beside the envelope so that no projection decodes again:
# TELEMETRY -> list[Reading]; REPORTED, EVENT, COMMAND_RESULT -> the JSON value; else None.
Decoded = Any


class QosTwo(Struct, array_like=True, frozen=True):
    """A QoS 2 packet id that was received (not yet released), or has been released."""

    session: str
    packet_id: int
    released: bool


class Batch(Struct, eq=False):
    """What one journal commit makes durable. The two lists run in parallel."""

    envelopes: list[Envelope] = field(default_factory=list)
    decoded: list[Decoded] = field(default_factory=list)
    qos_two: list[QosTwo] = field(default_factory=list)


class Committed(Struct, eq=False):
    """A batch that is on disk; envelope i has position `first + i`."""

    first: int
    envelopes: list[Envelope]
    decoded: list[Decoded]

    @property
    def last(self) -> int:
        """Position of the last envelope."""
        return self.first + len(self.envelopes) - 1
