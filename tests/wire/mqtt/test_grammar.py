"""What one side accepts: remembered topics stay few, reasons stay in their packets."""

import pytest

from weft.wire.mqtt.grammar import Grammar
from weft.wire.mqtt.kinds import PacketType
from weft.wire.mqtt.limits import DEFAULT_LIMITS
from weft.wire.mqtt.reasons import MqttError, Reason


def test_a_topic_is_checked_once_and_remembered() -> None:
    """The same text object comes back for the same bytes."""
    grammar = Grammar(5, DEFAULT_LIMITS, from_client=True)
    first = grammar.topic(b"devices/me/telemetry")
    assert grammar.topics[b"devices/me/telemetry"] is first


def test_a_client_that_changes_topics_is_not_remembered_for_ever() -> None:
    """Memory flat: a thousand topics leave 32 behind."""
    grammar = Grammar(4, DEFAULT_LIMITS, from_client=True)
    for number in range(1000):
        assert grammar.topic(b"t/%d" % number) == f"t/{number}"
    assert len(grammar.topics) == 32


def test_an_empty_topic_may_stand_for_an_alias_only_in_5() -> None:
    """3.1.1 has no aliases."""
    assert Grammar(5, DEFAULT_LIMITS, from_client=True).topic(b"") == ""
    with pytest.raises(MqttError):
        Grammar(4, DEFAULT_LIMITS, from_client=True).topic(b"")


def test_a_reason_depends_on_the_side_it_comes_from() -> None:
    """Only a client says 0x04, only a server 0x8E."""
    client = Grammar(5, DEFAULT_LIMITS, from_client=True)
    server = Grammar(5, DEFAULT_LIMITS, from_client=False)
    assert client.reason(0x04, PacketType.DISCONNECT) is Reason.DISCONNECT_WITH_WILL
    assert server.reason(0x8E, PacketType.DISCONNECT) is Reason.SESSION_TAKEN_OVER
    for grammar, code in ((client, 0x8E), (server, 0x04), (client, 0x7E)):
        with pytest.raises(MqttError):
            grammar.reason(code, PacketType.DISCONNECT)
