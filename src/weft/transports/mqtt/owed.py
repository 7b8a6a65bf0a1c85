"""What a connection owes its peer once a batch is on disk: tokens and their packets.

A token is the packet id with what is then due for it on top; most are plain ids, for which
a PUBACK is due. A refused message of MQTT 5 carries its reason beside.
"""

from weft.wire.mqtt.reasons import Reason
from weft.wire.mqtt.server import ServerConnection

PUBREC_OWED = 0x1_0000
PUBCOMP_OWED = 0x2_0000
ID_MASK = 0xFFFF


class Refusal(tuple[int, int, Reason, str]):
    """A token with a reason: (packet id, QoS, reason, text)."""

    __slots__ = ()


def acknowledgement(machine: ServerConnection, token: int | Refusal) -> bytes:
    """Return the packet that a token stands for."""
    if isinstance(token, Refusal):
        packet_id, qos, reason, text = token
        acknowledge = machine.puback if qos == 1 else machine.pubrec
        return acknowledge(packet_id, reason, text)
    if token & PUBREC_OWED:
        return machine.pubrec(token & ID_MASK)
    if token & PUBCOMP_OWED:
        return machine.pubcomp(token & ID_MASK)
    return machine.puback(token)
