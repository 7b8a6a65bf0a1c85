"""Reason codes: one table that says which packet, from which side, may carry each.

A code that stands in the wrong packet is refused in both directions, so that a
peer never has to guess. `MqttError` is every breach of the protocol: it carries
the code to tell the peer and the clause that was broken.
"""

from enum import IntEnum

from weft.errors import ProtocolError
from weft.wire.mqtt.kinds import PacketType as P


class Reason(IntEnum):
    """MQTT 5, 2.4."""

    SUCCESS = 0x00
    NORMAL_DISCONNECTION = 0x00
    GRANTED_QOS_0 = 0x00
    GRANTED_QOS_1 = 0x01
    GRANTED_QOS_2 = 0x02
    DISCONNECT_WITH_WILL = 0x04
    NO_MATCHING_SUBSCRIBERS = 0x10
    NO_SUBSCRIPTION_EXISTED = 0x11
    CONTINUE_AUTHENTICATION = 0x18
    REAUTHENTICATE = 0x19
    UNSPECIFIED_ERROR = 0x80
    MALFORMED_PACKET = 0x81
    PROTOCOL_ERROR = 0x82
    IMPLEMENTATION_SPECIFIC_ERROR = 0x83
    UNSUPPORTED_PROTOCOL_VERSION = 0x84
    CLIENT_IDENTIFIER_NOT_VALID = 0x85
    BAD_USER_NAME_OR_PASSWORD = 0x86
    NOT_AUTHORIZED = 0x87
    SERVER_UNAVAILABLE = 0x88
    SERVER_BUSY = 0x89
    BANNED = 0x8A
    SERVER_SHUTTING_DOWN = 0x8B
    BAD_AUTHENTICATION_METHOD = 0x8C
    KEEP_ALIVE_TIMEOUT = 0x8D
    SESSION_TAKEN_OVER = 0x8E
    TOPIC_FILTER_INVALID = 0x8F
    TOPIC_NAME_INVALID = 0x90
    PACKET_IDENTIFIER_IN_USE = 0x91
    PACKET_IDENTIFIER_NOT_FOUND = 0x92
    RECEIVE_MAXIMUM_EXCEEDED = 0x93
    TOPIC_ALIAS_INVALID = 0x94
    PACKET_TOO_LARGE = 0x95
    MESSAGE_RATE_TOO_HIGH = 0x96
    QUOTA_EXCEEDED = 0x97
    ADMINISTRATIVE_ACTION = 0x98
    PAYLOAD_FORMAT_INVALID = 0x99
    RETAIN_NOT_SUPPORTED = 0x9A
    QOS_NOT_SUPPORTED = 0x9B
    USE_ANOTHER_SERVER = 0x9C
    SERVER_MOVED = 0x9D
    SHARED_SUBSCRIPTIONS_NOT_SUPPORTED = 0x9E
    CONNECTION_RATE_EXCEEDED = 0x9F
    MAXIMUM_CONNECT_TIME = 0xA0
    SUBSCRIPTION_IDENTIFIERS_NOT_SUPPORTED = 0xA1
    WILDCARD_SUBSCRIPTIONS_NOT_SUPPORTED = 0xA2


class MqttError(ProtocolError):
    """The peer broke MQTT. `reason` is what to tell it, `clause` is what it broke."""

    def __init__(
        self,
        detail: str,
        reason: Reason = Reason.MALFORMED_PACKET,
        clause: str = "",
    ) -> None:
        super().__init__(
            f"{detail} [{clause}]" if clause else detail,
            remedy="Mend the client, or update its MQTT library.",
        )
        self.reason = reason
        self.clause = clause


_R = Reason
_ACKNOWLEDGEMENT = frozenset(
    {
        _R.SUCCESS,
        _R.NO_MATCHING_SUBSCRIBERS,
        _R.UNSPECIFIED_ERROR,
        _R.IMPLEMENTATION_SPECIFIC_ERROR,
        _R.NOT_AUTHORIZED,
        _R.TOPIC_NAME_INVALID,
        _R.PACKET_IDENTIFIER_IN_USE,
        _R.QUOTA_EXCEEDED,
        _R.PAYLOAD_FORMAT_INVALID,
    }
)
_RELEASE = frozenset({_R.SUCCESS, _R.PACKET_IDENTIFIER_NOT_FOUND})
_BOTH_SIDES_DISCONNECT = frozenset(
    {
        _R.NORMAL_DISCONNECTION,
        _R.UNSPECIFIED_ERROR,
        _R.MALFORMED_PACKET,
        _R.PROTOCOL_ERROR,
        _R.IMPLEMENTATION_SPECIFIC_ERROR,
        _R.TOPIC_NAME_INVALID,
        _R.RECEIVE_MAXIMUM_EXCEEDED,
        _R.TOPIC_ALIAS_INVALID,
        _R.PACKET_TOO_LARGE,
        _R.MESSAGE_RATE_TOO_HIGH,
        _R.QUOTA_EXCEEDED,
        _R.ADMINISTRATIVE_ACTION,
        _R.PAYLOAD_FORMAT_INVALID,
    }
)

# Which reasons a packet may carry: MQTT 5, the Reason Code table of each packet's section.
LEGAL: dict[P, frozenset[Reason]] = {
    P.CONNACK: frozenset(
        {
            _R.SUCCESS,
            *(_R(code) for code in range(0x80, 0x8B)),  # unspecified error to banned
            _R.BAD_AUTHENTICATION_METHOD,
            _R.TOPIC_NAME_INVALID,
            _R.PACKET_TOO_LARGE,
            _R.QUOTA_EXCEEDED,
            _R.PAYLOAD_FORMAT_INVALID,
            _R.RETAIN_NOT_SUPPORTED,
            _R.QOS_NOT_SUPPORTED,
            _R.USE_ANOTHER_SERVER,
            _R.SERVER_MOVED,
            _R.CONNECTION_RATE_EXCEEDED,
        }
    ),
    P.PUBACK: _ACKNOWLEDGEMENT,
    P.PUBREC: _ACKNOWLEDGEMENT,
    P.PUBREL: _RELEASE,
    P.PUBCOMP: _RELEASE,
    P.SUBACK: frozenset(
        {
            _R.GRANTED_QOS_0,
            _R.GRANTED_QOS_1,
            _R.GRANTED_QOS_2,
            _R.UNSPECIFIED_ERROR,
            _R.IMPLEMENTATION_SPECIFIC_ERROR,
            _R.NOT_AUTHORIZED,
            _R.TOPIC_FILTER_INVALID,
            _R.PACKET_IDENTIFIER_IN_USE,
            _R.QUOTA_EXCEEDED,
            _R.SHARED_SUBSCRIPTIONS_NOT_SUPPORTED,
            _R.SUBSCRIPTION_IDENTIFIERS_NOT_SUPPORTED,
            _R.WILDCARD_SUBSCRIPTIONS_NOT_SUPPORTED,
        }
    ),
    P.UNSUBACK: frozenset(
        {
            _R.SUCCESS,
            _R.NO_SUBSCRIPTION_EXISTED,
            _R.UNSPECIFIED_ERROR,
            _R.IMPLEMENTATION_SPECIFIC_ERROR,
            _R.NOT_AUTHORIZED,
            _R.TOPIC_FILTER_INVALID,
            _R.PACKET_IDENTIFIER_IN_USE,
        }
    ),
}

LEGAL_FROM_CLIENT: dict[P, frozenset[Reason]] = {
    **LEGAL,
    P.DISCONNECT: _BOTH_SIDES_DISCONNECT | {_R.DISCONNECT_WITH_WILL},
    P.AUTH: frozenset({_R.CONTINUE_AUTHENTICATION, _R.REAUTHENTICATE}),
}

LEGAL_FROM_SERVER: dict[P, frozenset[Reason]] = {
    **LEGAL,
    P.DISCONNECT: _BOTH_SIDES_DISCONNECT
    | {
        _R.NOT_AUTHORIZED,
        _R.SERVER_BUSY,
        _R.SERVER_SHUTTING_DOWN,
        _R.BAD_AUTHENTICATION_METHOD,
        _R.KEEP_ALIVE_TIMEOUT,
        _R.SESSION_TAKEN_OVER,
        _R.TOPIC_FILTER_INVALID,
        *(_R(code) for code in range(0x9A, 0xA3)),  # retain not supported to wildcard
    },
    P.AUTH: frozenset({_R.SUCCESS, _R.CONTINUE_AUTHENTICATION}),
}

# v3.1.1, table 3.1: the return code that says what a reason says; the first of each
# code is what a received return code is read as.
RETURN_CODES: dict[Reason, int] = {
    _R.SUCCESS: 0,
    _R.UNSUPPORTED_PROTOCOL_VERSION: 1,
    _R.CLIENT_IDENTIFIER_NOT_VALID: 2,
    _R.SERVER_UNAVAILABLE: 3,
    _R.SERVER_BUSY: 3,
    _R.QUOTA_EXCEEDED: 3,
    _R.CONNECTION_RATE_EXCEEDED: 3,
    _R.USE_ANOTHER_SERVER: 3,
    _R.SERVER_MOVED: 3,
    _R.BAD_USER_NAME_OR_PASSWORD: 4,
    _R.NOT_AUTHORIZED: 5,
    _R.BANNED: 5,
    _R.BAD_AUTHENTICATION_METHOD: 5,
}
FROM_RETURN_CODE: dict[int, Reason] = {
    code: reason for reason, code in reversed(RETURN_CODES.items())
}
