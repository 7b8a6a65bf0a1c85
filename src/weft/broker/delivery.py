"""Deliveries: what a subscriber is handed, and the seam to the connection that carries it.

The broker knows no socket and no codec. It hands whole lists of deliveries to a `Link`,
which a transport implements, and is told by the transport what the peer has answered.
"""

from collections.abc import Sequence
from enum import IntEnum
from typing import Protocol

from msgspec import Struct

from weft.model.message import Envelope, PublishProperties
from weft.model.moments import NS_PER_S

NEVER_S = 0xFFFF_FFFF  # a session expiry that means "does not end" (MQTT 5, 3.1.2.11.2)


class Reason(IntEnum):
    """Why something was granted, refused or closed; the values are those of MQTT 5 (2.4)."""

    GRANTED_QOS_0 = 0x00
    GRANTED_QOS_1 = 0x01
    GRANTED_QOS_2 = 0x02
    NO_SUBSCRIPTION_EXISTED = 0x11
    NOT_AUTHORIZED = 0x87
    SESSION_TAKEN_OVER = 0x8E
    TOPIC_FILTER_INVALID = 0x8F
    QUOTA_EXCEEDED = 0x97
    ADMINISTRATIVE_ACTION = 0x98


class Message(Struct, eq=False):
    """What was published, as subscribers' queues share it."""

    topic: str
    payload: bytes
    received_at: int  # ns
    properties: PublishProperties | None = None
    expires_at: int = 0  # ns; 0 for never

    @classmethod
    def of(cls, envelope: Envelope) -> "Message":
        """Take the message out of its envelope."""
        properties = envelope.properties
        expires_at = 0
        if properties is not None and properties.message_expiry_s is not None:
            expires_at = envelope.received_at + properties.message_expiry_s * NS_PER_S
        return cls(
            envelope.route.topic,
            envelope.payload,
            envelope.received_at,
            properties,
            expires_at,
        )

    @property
    def size_bytes(self) -> int:
        """What it weighs in a queue or quota (the fixed part is the objects around it)."""
        return len(self.topic) + len(self.payload) + 64

    def has_expired(self, now: int) -> bool:
        """Whether its time is over: it is not delivered any more [MQTT-3.3.2-5]."""
        return self.expires_at != 0 and self.expires_at <= now

    def properties_at(self, now: int) -> PublishProperties | None:
        """Its properties, with the expiry less the time that it waited [MQTT-3.3.2-6]."""
        properties = self.properties
        if properties is None or properties.message_expiry_s is None:
            return properties
        waited_s = max(0, now - self.received_at) // NS_PER_S
        return PublishProperties(
            properties.payload_format,
            max(0, properties.message_expiry_s - waited_s),
            properties.content_type,
            properties.response_topic,
            properties.correlation_data,
            properties.user_properties,
        )


class Delivery(Struct, eq=False):
    """One PUBLISH to one subscriber; at QoS 0 several subscribers may share the object.

    `properties` carry the remaining message expiry. `packet_id` is 0 at QoS 0.
    """

    topic: str
    payload: bytes
    qos: int = 0
    retain: bool = False
    dup: bool = False
    packet_id: int = 0
    subscription_ids: tuple[int, ...] = ()
    properties: PublishProperties | None = None


class Link(Protocol):
    """The connection of a live session, as the broker sees it. All calls are on the loop.

    While `writable` is false the broker queues; the transport calls `Broker.resume` when it
    is true again. No method may call back into the broker before it returns.
    """

    @property
    def writable(self) -> bool:
        """Whether the peer keeps up."""
        ...

    def send(self, deliveries: Sequence[Delivery]) -> None:
        """Write PUBLISH packets, in order. The list is the link's to keep."""
        ...

    def release(self, packet_ids: Sequence[int]) -> None:
        """Write PUBREL packets, in order: first ones and those resent on resume."""
        ...

    def close(self, reason: Reason) -> None:
        """Tell the peer (DISCONNECT in MQTT 5) and end the connection."""
        ...
