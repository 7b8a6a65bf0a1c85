"""Messages as subscribers' queues share them."""

from tests.broker.support import Station

from weft.broker.delivery import Message, Reason
from weft.model.message import PublishProperties

S = 1_000_000_000


def test_the_remaining_expiry_shrinks_while_a_message_waits() -> None:
    """A price valid for 60 s that waited 20.9 s is valid for 40 s more [MQTT-3.3.2-6]."""
    message = Message.of(Station().envelope("t", expiry_s=60))

    properties = message.properties_at(message.received_at + 20 * S + 9 * S // 10)

    assert properties is not None
    assert properties.message_expiry_s == 40
    assert not message.has_expired(message.received_at + 59 * S)
    assert message.has_expired(message.received_at + 60 * S)


def test_other_properties_travel_unchanged() -> None:
    """What the publisher attached for its readers arrives as it was."""
    original = PublishProperties(1, 10, "text/plain", "answer/here", b"\x01", (("a", "b"),))
    message = Message("t", b"", 0, original, 10 * S)

    late = message.properties_at(3 * S)

    assert late == PublishProperties(1, 7, "text/plain", "answer/here", b"\x01", (("a", "b"),))


def test_a_message_without_expiry_lives_for_ever() -> None:
    """And its properties are the very object, not a copy per subscriber."""
    properties = PublishProperties(content_type="text/plain")
    message = Message("t", b"", 0, properties)

    assert not message.has_expired(1 << 62)
    assert message.properties_at(1 << 62) is properties


def test_size_counts_topic_payload_and_the_objects_around_them() -> None:
    """A million empty messages are not free."""
    assert Message("topic", b"payload", 0).size_bytes == 5 + 7 + 64


def test_reasons_have_the_values_of_mqtt_5() -> None:
    """The transport writes them as they are."""
    assert Reason.SESSION_TAKEN_OVER == 0x8E
    assert Reason.QUOTA_EXCEEDED == 0x97
    assert Reason(2) is Reason.GRANTED_QOS_2
