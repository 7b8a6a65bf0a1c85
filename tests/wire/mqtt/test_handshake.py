"""CONNECT and CONNACK: what is agreed, and what is refused."""

import pytest
from tests.wire.mqtt.support import opened

from weft.wire.mqtt import handshake
from weft.wire.mqtt.decode import decode
from weft.wire.mqtt.encode import encode
from weft.wire.mqtt.limits import DEFAULT_LIMITS, Limits
from weft.wire.mqtt.packets import (
    Connack,
    Connect,
    Filter,
    Packet,
    Properties,
    Publish,
    Subscribe,
    Will,
)
from weft.wire.mqtt.reasons import Reason
from weft.wire.mqtt.server import NEW_SESSION, Acceptance, ServerConnection

DAY = 86_400


def connack(
    packet: Connect, limits: Limits = DEFAULT_LIMITS, acceptance: Acceptance = NEW_SESSION
) -> Connack:
    """What a client is told."""
    machine = ServerConnection(limits)
    assert machine.receive_data(encode(packet, packet.version)) == [packet], machine.error
    told = decode(machine.accept(acceptance), packet.version, from_client=False)
    assert isinstance(told, Connack)
    return told


@pytest.mark.parametrize(
    ("asked", "agreed", "told"),
    [
        (None, 0, None),
        (0, 0, None),
        (60, 60, None),
        (DAY, DAY, None),
        (DAY + 1, DAY, DAY),
        (0xFFFFFFFF, DAY, DAY),
    ],
)
def test_a_session_is_kept_as_asked_up_to_the_cap(
    asked: int | None, agreed: int, told: int | None
) -> None:
    """MQ-8: a longer wish is cut, and the client is told."""
    packet = Connect("c", properties=Properties(session_expiry_s=asked))
    assert handshake.agree_session_expiry(packet, DEFAULT_LIMITS) == agreed
    if asked is not None:
        assert connack(packet).properties.session_expiry_s == told


def test_a_311_session_lives_for_its_connection_or_up_to_the_cap() -> None:
    """Clean Session is all that 3.1.1 can say."""
    assert handshake.agree_session_expiry(Connect("c", 4), DEFAULT_LIMITS) == 0
    assert handshake.agree_session_expiry(Connect("c", 4, clean_start=False), DEFAULT_LIMITS) == DAY


@pytest.mark.parametrize(
    ("version", "asked", "agreed"), [(5, 0, 60), (5, 61, 60), (5, 60, 60), (5, 5, 5), (4, 0, 0)]
)
def test_a_keep_alive_is_cut_where_it_can_be_told(version: int, asked: int, agreed: int) -> None:
    """3.1.1 has no word for it."""
    limits = Limits(keep_alive_s=60)
    packet = Connect("c", version, keep_alive_s=asked)
    assert handshake.agree_keep_alive(packet, limits) == agreed
    assert handshake.agree_keep_alive(packet, Limits(keep_alive_s=0)) == asked
    if version == 5:
        assert connack(packet, limits).properties.server_keep_alive_s == agreed


def test_connack_says_what_is_granted() -> None:
    """And nothing that is at its default."""
    told = connack(Connect("c"))
    assert told.properties == Properties(
        receive_maximum=100,
        maximum_packet_bytes=262_144,
        topic_alias_maximum=32,
        server_keep_alive_s=1200,
    )
    strict = Limits(
        max_qos=1,
        retain_available=False,
        wildcard_available=False,
        subscription_ids_available=False,
        shared_available=False,
        topic_aliases=0,
    )
    held = connack(Connect("c"), strict).properties
    assert (held.maximum_qos, held.retain_available, held.topic_alias_maximum) == (1, 0, None)
    assert (held.wildcard_available, held.subscription_ids_available) == (0, 0)
    assert held.shared_available == 0


def test_connack_names_the_unnamed_and_answers_what_was_asked() -> None:
    """[MQTT-3.2.2-16] [MQTT-3.1.2-28]."""
    decided = Acceptance(assigned_client_id="auto-1", response_information="re/1")
    held = connack(Connect(""), acceptance=decided).properties
    assert held.assigned_client_id == "auto-1"
    assert held.response_information is None
    asks = Connect("", properties=Properties(request_response_information=1))
    assert connack(asks, acceptance=decided).properties.response_information == "re/1"


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (Properties(), "hello"),
        (Properties(request_problem_information=0), None),
        (Properties(maximum_packet_bytes=20), None),
    ],
)
def test_a_reason_string_is_sent_to_who_wants_it_and_can_take_it(
    asked: Properties, told: str | None
) -> None:
    """[MQTT-3.1.2-29] [MQTT-3.2.2-19]."""
    packet = Connect("c", properties=asked)
    found = connack(packet, acceptance=Acceptance(reason_string="hello"))
    assert found.properties.reason_string == told


def test_session_present_is_told_in_both_versions() -> None:
    """A client drops or keeps its own state by it."""
    for version in (4, 5):
        packet = Connect("c", version, clean_start=False)
        assert connack(packet, acceptance=Acceptance(session_present=True)).session_present


@pytest.mark.parametrize(
    ("reason", "code"),
    [(Reason.NOT_AUTHORIZED, 5), (Reason.BAD_USER_NAME_OR_PASSWORD, 4), (Reason.SERVER_BUSY, 3)],
)
def test_a_refusal_is_told_in_the_words_of_the_version(reason: Reason, code: int) -> None:
    """v3.1.1 has five of them."""
    assert handshake.encode_refusal(4, reason, "why", 1000) == bytes((0x20, 2, 0, code))
    told = decode(handshake.encode_refusal(5, reason, "why", 1000), 5, from_client=False)
    assert told == Connack(reason=reason, properties=Properties(reason_string="why"))


def test_a_refusal_that_cannot_be_told_is_silence_or_unspecified() -> None:
    """[v3.1.1 MQTT-3.2.2-6]; MQTT 5 has a code for it."""
    assert handshake.encode_refusal(4, Reason.MALFORMED_PACKET, "", 1000) == b""
    assert handshake.encode_refusal(0, Reason.NOT_AUTHORIZED, "", 1000) == b""
    assert handshake.encode_refusal(5, Reason.SESSION_TAKEN_OVER, "", 1000).hex() == "2003008000"


@pytest.mark.parametrize(
    ("packet", "reason"),
    [
        (Connect("c", properties=Properties(authentication_method="SCRAM")), 0x8C),
        (Connect("c", will=Will("w", b"", 2)), 0x9B),
        (Connect("c", will=Will("w", b"", 0, retain=True)), 0x9A),
    ],
)
def test_a_connect_for_what_is_not_offered_is_refused(packet: Connect, reason: int) -> None:
    """The client is told with CONNACK, then the connection ends."""
    machine = ServerConnection(Limits(max_qos=1, retain_available=False))
    assert machine.receive_data(encode(packet, 5)) == []
    assert machine.error is not None
    assert machine.error.reason == reason
    assert machine.disconnect(machine.error.reason)[:4] == bytes((0x20, 3, 0, reason))


@pytest.mark.parametrize(
    ("packet", "reason"),
    [
        (Publish("a", b"", 2, packet_id=1), 0x9B),
        (Publish("a", b"", retain=True), 0x9A),
        (Subscribe(1, (Filter("a"),), Properties(subscription_ids=(1,))), 0xA1),
        (Subscribe(1, (Filter("$share/g/a"),)), 0x9E),
        (Subscribe(1, (Filter("a/+"),)), 0xA2),
    ],
)
def test_what_connack_ruled_out_ends_the_connection(packet: Packet, reason: int) -> None:
    """The client was told."""
    limits = Limits(
        max_qos=1,
        retain_available=False,
        wildcard_available=False,
        subscription_ids_available=False,
        shared_available=False,
    )
    machine = opened(5, limits)
    assert machine.receive_data(encode(packet, 5)) == []
    assert machine.error is not None
    assert machine.error.reason == reason
    assert opened(5).receive_data(encode(packet, 5)) == [packet]
