"""Reason codes: the table covers what is sent and maps to the older version."""

import pytest

from weft.errors import ProtocolError
from weft.wire.mqtt.kinds import PacketType as P
from weft.wire.mqtt.reasons import (
    FROM_RETURN_CODE,
    LEGAL,
    LEGAL_FROM_CLIENT,
    LEGAL_FROM_SERVER,
    RETURN_CODES,
    MqttError,
    Reason,
)


def test_every_reason_has_a_packet_that_may_carry_it() -> None:
    """A code that nobody may send would be a mistake in the table."""
    carried = frozenset().union(*LEGAL_FROM_CLIENT.values(), *LEGAL_FROM_SERVER.values())
    assert carried == frozenset(Reason)


@pytest.mark.parametrize(
    ("packet", "count"),
    [(P.CONNACK, 22), (P.PUBACK, 9), (P.PUBREC, 9), (P.PUBREL, 2), (P.PUBCOMP, 2)],
)
def test_each_packet_has_as_many_reasons_as_its_section_lists(packet: P, count: int) -> None:
    """Counted in the tables of MQTT 5."""
    assert len(LEGAL[packet]) == count


def test_only_clients_ask_for_their_will_and_only_servers_move() -> None:
    """DISCONNECT says by whom each code is sent (3.14.2.1)."""
    assert Reason.DISCONNECT_WITH_WILL in LEGAL_FROM_CLIENT[P.DISCONNECT]
    assert Reason.DISCONNECT_WITH_WILL not in LEGAL_FROM_SERVER[P.DISCONNECT]
    assert Reason.SESSION_TAKEN_OVER in LEGAL_FROM_SERVER[P.DISCONNECT]
    assert Reason.SESSION_TAKEN_OVER not in LEGAL_FROM_CLIENT[P.DISCONNECT]


def test_return_codes_of_311_read_as_the_reason_that_says_the_same() -> None:
    """And that reason is written as the same return code again."""
    assert sorted(FROM_RETURN_CODE) == [0, 1, 2, 3, 4, 5]
    assert all(RETURN_CODES[reason] == code for code, reason in FROM_RETURN_CODE.items())
    assert FROM_RETURN_CODE[3] is Reason.SERVER_UNAVAILABLE


def test_a_breach_names_its_clause() -> None:
    """The clause is in the detail, for whoever mends the client."""
    error = MqttError("a second CONNECT", Reason.PROTOCOL_ERROR, "MQTT-3.1.0-2")
    assert isinstance(error, ProtocolError)
    assert error.detail == "a second CONNECT [MQTT-3.1.0-2]"
    assert error.reason == 0x82
    assert error.clause == "MQTT-3.1.0-2"
