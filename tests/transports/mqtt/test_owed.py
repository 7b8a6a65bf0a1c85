"""Which packet each token stands for."""

from weft.transports.mqtt.owed import PUBCOMP_OWED, PUBREC_OWED, Refusal, acknowledgement
from weft.wire.mqtt.kinds import PacketType
from weft.wire.mqtt.limits import Limits
from weft.wire.mqtt.reasons import Reason
from weft.wire.mqtt.server import ServerConnection


def kind(token: int | Refusal) -> tuple[int, int]:
    """The packet's type and id."""
    data = acknowledgement(ServerConnection(Limits(), 0.0), token)
    return data[0] >> 4, int.from_bytes(data[2:4], "big")


def test_each_token_becomes_its_packet() -> None:
    assert kind(7) == (PacketType.PUBACK, 7)
    assert kind(7 | PUBREC_OWED) == (PacketType.PUBREC, 7)
    assert kind(7 | PUBCOMP_OWED) == (PacketType.PUBCOMP, 7)


def test_a_refusal_is_said_by_the_packet_of_its_qos() -> None:
    refused = Reason.NOT_AUTHORIZED
    assert kind(Refusal((9, 1, refused, "no"))) == (PacketType.PUBACK, 9)
    assert kind(Refusal((9, 2, refused, "no"))) == (PacketType.PUBREC, 9)
