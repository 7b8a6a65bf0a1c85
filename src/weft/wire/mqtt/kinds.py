"""The fifteen packet types, and where properties may stand.

The numbers are the upper four bits of a packet's first byte (2.1.2).
"""

from enum import IntEnum

V311 = 4  # protocol levels as CONNECT names them
V5 = 5


class PacketType(IntEnum):
    """What a control packet is."""

    WILL = 0  # not a packet: the will in a CONNECT has properties of its own
    CONNECT = 1
    CONNACK = 2
    PUBLISH = 3
    PUBACK = 4
    PUBREC = 5
    PUBREL = 6
    PUBCOMP = 7
    SUBSCRIBE = 8
    SUBACK = 9
    UNSUBSCRIBE = 10
    UNSUBACK = 11
    PINGREQ = 12
    PINGRESP = 13
    DISCONNECT = 14
    AUTH = 15
