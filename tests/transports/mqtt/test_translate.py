"""Between the words of the wire and those of the stations."""

import pytest
from msgspec import structs

from weft import errors
from weft.broker.broker import NEVER_S
from weft.broker.delivery import Delivery
from weft.ingest.dialects.table import NATIVE_ONLY
from weft.model.message import PublishProperties, RejectionReason
from weft.transports.mqtt.translate import (
    explained,
    opening_of,
    publish_of,
    reason_of,
    refused_filters,
    relayed,
    requests_of,
    will_of,
)
from weft.wire.mqtt.encode import encode_publish
from weft.wire.mqtt.kinds import PacketType
from weft.wire.mqtt.packets import (
    NO_PROPERTIES,
    Connect,
    Filter,
    Properties,
    Subscribe,
    Will,
)
from weft.wire.mqtt.reasons import LEGAL, Reason

RELAYED = PublishProperties(1, 60, "text/plain", "answers/7", b"id", (("a", "1"), ("a", "2")))


def test_every_refusal_has_a_reason_that_an_acknowledgement_may_carry() -> None:
    """MQTT 5, 3.4.2.1 and 3.5.2.1: a strict client hangs up on any other."""
    codes = [
        kind.code
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, errors.PeerError)
    ]
    assert len(codes) > 8
    for code in codes:
        reason = reason_of(RejectionReason(code, "", ""))
        assert reason >= 0x80
        assert reason in LEGAL[PacketType.PUBACK]
        assert reason in LEGAL[PacketType.PUBREC]


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("forbidden", Reason.NOT_AUTHORIZED),
        ("payload_invalid", Reason.PAYLOAD_FORMAT_INVALID),
        ("quota_exceeded", Reason.QUOTA_EXCEEDED),
        ("something_new", Reason.IMPLEMENTATION_SPECIFIC_ERROR),
    ],
)
def test_a_refusal_is_told_as_what_it_is(code: str, reason: Reason) -> None:
    assert reason_of(RejectionReason(code, "", "")) is reason


def test_refused_filters_are_named_and_granted_ones_are_not() -> None:
    subscribe = Subscribe(1, (Filter("a"), Filter("b/#"), Filter("c+")))
    reasons = [Reason.GRANTED_QOS_1, Reason.NOT_AUTHORIZED, Reason.TOPIC_FILTER_INVALID]
    text = explained(subscribe, reasons)
    assert "'b/#': not allowed" in text
    assert "'c+': no valid filter" in text
    assert "'a'" not in text
    assert explained(subscribe, [Reason.GRANTED_QOS_0] * 3) == ""


def test_properties_of_the_message_travel_on_and_those_of_the_hop_do_not() -> None:
    """3.3.2.3: a topic alias is of one connection."""
    properties = Properties(
        payload_format=1,
        message_expiry_s=60,
        content_type="text/plain",
        response_topic="answers/7",
        correlation_data=b"id",
        user_properties=(("a", "1"), ("a", "2")),
        topic_alias=7,
    )
    assert relayed(properties) == RELAYED
    assert relayed(Properties(topic_alias=7)) is None
    assert relayed(NO_PROPERTIES) is None


def test_a_delivery_becomes_the_packet_that_its_subscriber_gets() -> None:
    """With the subscription identifiers, which are the subscriber's own."""
    packet = publish_of(Delivery("t", b"x", 1, True, True, 9, (4, 5), RELAYED))
    assert (packet.topic, packet.payload, packet.qos, packet.packet_id) == ("t", b"x", 1, 9)
    assert packet.retain
    assert packet.dup
    assert packet.properties.subscription_ids == (4, 5)
    assert relayed(packet.properties) == RELAYED
    plain = publish_of(Delivery("t", b"x"))
    assert plain.properties is NO_PROPERTIES
    assert publish_of(Delivery("t", b"x", subscription_ids=(1,))).properties.subscription_ids
    assert encode_publish(packet, 5)


@pytest.mark.parametrize(
    ("version", "clean", "asked", "expiry"),
    [(5, True, 30, 30), (5, False, 0, 0), (4, True, 0, 0), (4, False, 86_400, NEVER_S)],
)
def test_how_long_a_session_is_asked_for(
    version: int, clean: bool, asked: int, expiry: int
) -> None:
    """[v3.1.1 MQTT-3.1.2-4]: there a session ends with its connection, or not at all."""
    opening = opening_of(Connect("c", version, clean), "c", asked, 10)
    assert (opening.clean_start, opening.expiry_s, opening.receive_maximum) == (clean, expiry, 10)


def test_a_will_keeps_its_delay_and_its_properties() -> None:
    will = Will("t", b"x", 1, True, Properties(will_delay_s=5, content_type="a/b"))
    found = will_of(will)
    assert found is not None
    assert (found.topic, found.payload, found.qos, found.retain) == ("t", b"x", 1, True)
    assert found.delay_s == 5
    assert found.properties == structs.replace(PublishProperties(), content_type="a/b")
    assert will_of(None) is None


def test_a_subscription_keeps_its_options() -> None:
    subscribe = Subscribe(
        1,
        (Filter("a", 2, no_local=True, retain_as_published=True, retain_handling=1),),
        Properties(subscription_ids=(9,)),
    )
    (request,) = requests_of(subscribe, "")
    assert (request.filter, request.qos, request.identifier) == ("a", 2, 9)
    assert request.no_local
    assert request.retain_as_published
    assert request.retain_handling == 1


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("devices/me/#", "devices/pump-7/#"),
        ("$share/g/devices/me/commands/+/+", "$share/g/devices/pump-7/commands/+/+"),
        ("$share/devices/me", "$share/devices/me"),
        ("devices/me2/#", "devices/me2/#"),
        ("devices/+/telemetry", "devices/+/telemetry"),
    ],
)
def test_me_is_the_device_itself(written: str, meant: str) -> None:
    """Also behind the name of a group; for who is no device it is a name like any other."""
    assert NATIVE_ONLY.native_filter(written, "pump-7") == meant
    assert NATIVE_ONLY.native_filter(written, "") == written


def test_a_refused_filter_is_said_with_what_to_subscribe_to() -> None:
    """Cut: a filter may be as long as 64 KiB."""
    subscribe = Subscribe(1, (Filter("a"), Filter("b/" * 9_000)))
    (error,) = refused_filters(subscribe, [Reason.GRANTED_QOS_0, Reason.NOT_AUTHORIZED])
    assert error.detail.startswith("Wrong topic: 'b/b/")
    assert len(error.detail) < 400
    assert "devices/me/#" in error.remedy
