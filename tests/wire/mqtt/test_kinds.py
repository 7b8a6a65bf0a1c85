"""Packet types are the numbers of the specification."""

from weft.wire.mqtt.kinds import PacketType


def test_types_are_numbered_as_in_table_2_1() -> None:
    """CONNECT is 1, AUTH is 15, and 0 is no packet."""
    assert PacketType.CONNECT == 1
    assert PacketType.PUBLISH == 3
    assert PacketType.AUTH == 15
    assert sorted(PacketType) == list(range(16))
