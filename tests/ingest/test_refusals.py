"""What goes to the rejection inbox."""

from tests.ingest.support import ERP, PUMP_7, Door

from weft.errors import Invalid
from weft.ingest.refusals import TEXT_MAX_CHARACTERS, refused, stated
from weft.ingest.submit import Message
from weft.model.message import Operation, PublishProperties


async def test_a_reason_does_not_grow_with_what_was_sent() -> None:
    """A key of 200 KB nobody declared is neither compared with all others nor quoted whole."""
    door = Door()
    session = door.gate.open(PUMP_7, "test")
    payload = b'{"' + b"x" * 200_000 + b'": 1}'
    reason = door.gate.admit(session, Message("devices/me/telemetry", payload), 5)
    assert reason is not None
    assert len(reason.detail) < 400
    reason = door.gate.admit(session, Message("devices/" + "x" * 60_000, b""), 5)
    assert reason is not None
    assert len(reason.detail) <= TEXT_MAX_CHARACTERS


def test_a_refused_message_keeps_what_it_takes_to_read_it_later() -> None:
    """Its content type, cut; of the rest of its properties nothing."""
    session = Door().gate.open(PUMP_7, "test")
    properties = PublishProperties(content_type="x" * 10_000, response_topic="answers")
    message = Message("devices/me/telemetry", b"{", 1, packet_id=7)
    kept = refused(session, message, 5, stated(Invalid("No.")), properties)
    assert (kept.payload, kept.qos, kept.packet_id, kept.received_at) == (b"{", 1, 7, 5)
    assert kept.route.operation is Operation.REJECTED
    assert kept.properties is not None
    assert kept.properties.response_topic is None
    assert len(kept.properties.content_type or "") < 1_000
    assert kept.rejection == stated(Invalid("No."))


def test_a_refused_message_of_a_key_is_found_by_the_device_in_its_topic() -> None:
    session = Door().gate.open(ERP, "test")
    for topic, device in (("devices/pump-9/telemetry", "pump-9"), ("plain/topic", "")):
        kept = refused(session, Message(topic, b""), 5, stated(Invalid("No.")))
        assert kept.route.device_id == device
