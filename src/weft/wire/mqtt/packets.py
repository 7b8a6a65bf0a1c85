"""Control packets as plain values, the same for both versions.

What v3.1.1 does not have stays at its default there: no properties, reason
`SUCCESS`, subscription options off. A client's `clean_start` is v3.1.1's Clean Session.
"""

from msgspec import Struct

from weft.wire.mqtt.kinds import V5
from weft.wire.mqtt.reasons import Reason


class Properties(Struct, frozen=True, kw_only=True, gc=False, repr_omit_defaults=True):
    """Every MQTT 5 property (2.2.2.2); which packet may have which is in `properties.py`."""

    payload_format: int | None = None
    message_expiry_s: int | None = None
    content_type: str | None = None
    response_topic: str | None = None
    correlation_data: bytes | None = None
    subscription_ids: tuple[int, ...] = ()
    session_expiry_s: int | None = None
    assigned_client_id: str | None = None
    server_keep_alive_s: int | None = None
    authentication_method: str | None = None
    authentication_data: bytes | None = None
    request_problem_information: int | None = None
    will_delay_s: int | None = None
    request_response_information: int | None = None
    response_information: str | None = None
    server_reference: str | None = None
    reason_string: str | None = None
    receive_maximum: int | None = None
    topic_alias_maximum: int | None = None
    topic_alias: int | None = None
    maximum_qos: int | None = None
    retain_available: int | None = None
    user_properties: tuple[tuple[str, str], ...] = ()
    maximum_packet_bytes: int | None = None
    wildcard_available: int | None = None
    subscription_ids_available: int | None = None
    shared_available: int | None = None


NO_PROPERTIES = Properties()


class Will(Struct, frozen=True):
    """What the server publishes for a client that goes without a DISCONNECT."""

    topic: str
    payload: bytes
    qos: int = 0
    retain: bool = False
    properties: Properties = NO_PROPERTIES


class Connect(Struct, frozen=True):
    """A client introduces itself."""

    client_id: str
    version: int = V5
    clean_start: bool = True
    keep_alive_s: int = 0
    username: str | None = None
    password: bytes | None = None
    will: Will | None = None
    properties: Properties = NO_PROPERTIES


class Connack(Struct, frozen=True):
    """The server's answer to CONNECT."""

    session_present: bool = False
    reason: Reason = Reason.SUCCESS
    properties: Properties = NO_PROPERTIES


class Publish(Struct, frozen=True, gc=False):
    """An application message.

    `packet_id` is 0 at QoS 0. `repeated` is ours, never on the wire: the packet id is
    that of a QoS 2 message which is stored already and awaits its PUBREL.
    """

    topic: str
    payload: bytes
    qos: int = 0
    retain: bool = False
    dup: bool = False
    packet_id: int = 0
    properties: Properties = NO_PROPERTIES
    repeated: bool = False


class Puback(Struct, frozen=True, gc=False):
    """QoS 1: the message is the receiver's."""

    packet_id: int
    reason: Reason = Reason.SUCCESS
    properties: Properties = NO_PROPERTIES


class Pubrec(Struct, frozen=True, gc=False):
    """QoS 2: the message is the receiver's."""

    packet_id: int
    reason: Reason = Reason.SUCCESS
    properties: Properties = NO_PROPERTIES


class Pubrel(Struct, frozen=True, gc=False):
    """QoS 2: the sender will not send it again."""

    packet_id: int
    reason: Reason = Reason.SUCCESS
    properties: Properties = NO_PROPERTIES


class Pubcomp(Struct, frozen=True, gc=False):
    """QoS 2: both have forgotten the packet id."""

    packet_id: int
    reason: Reason = Reason.SUCCESS
    properties: Properties = NO_PROPERTIES


class Filter(Struct, frozen=True):
    """One topic filter with its subscription options (3.8.3.1)."""

    filter: str
    qos: int = 0
    no_local: bool = False
    retain_as_published: bool = False
    retain_handling: int = 0


class Subscribe(Struct, frozen=True):
    """A client asks for messages."""

    packet_id: int
    filters: tuple[Filter, ...]
    properties: Properties = NO_PROPERTIES

    @property
    def subscription_id(self) -> int | None:
        """The identifier to send along with each message, if the client gave one."""
        ids = self.properties.subscription_ids
        return ids[0] if ids else None


class Suback(Struct, frozen=True):
    """One reason per filter, in their order."""

    packet_id: int
    reasons: tuple[Reason, ...]
    properties: Properties = NO_PROPERTIES


class Unsubscribe(Struct, frozen=True):
    """A client wants no more of these."""

    packet_id: int
    filters: tuple[str, ...]
    properties: Properties = NO_PROPERTIES


class Unsuback(Struct, frozen=True):
    """One reason per filter, in their order; none over v3.1.1."""

    packet_id: int
    reasons: tuple[Reason, ...] = ()
    properties: Properties = NO_PROPERTIES


class Pingreq(Struct, frozen=True):
    """A client is alive."""


class Pingresp(Struct, frozen=True):
    """So is the server."""


class Disconnect(Struct, frozen=True):
    """The last packet of a connection; from a v3.1.1 client always `SUCCESS`."""

    reason: Reason = Reason.SUCCESS
    properties: Properties = NO_PROPERTIES


class Auth(Struct, frozen=True):
    """Enhanced authentication (4.12); the codec knows it, the server refuses it."""

    reason: Reason = Reason.SUCCESS
    properties: Properties = NO_PROPERTIES


Acknowledgement = Puback | Pubrec | Pubrel | Pubcomp
Packet = (
    Connect
    | Connack
    | Publish
    | Puback
    | Pubrec
    | Pubrel
    | Pubcomp
    | Subscribe
    | Suback
    | Unsubscribe
    | Unsuback
    | Pingreq
    | Pingresp
    | Disconnect
    | Auth
)
