"""A message in a dialect is put into native words."""

import pytest
from tests.ingest.support import PUMP_7, toy_door

from weft.ingest.dialects.dialect import UnknownChildren
from weft.ingest.submit import Message


@pytest.mark.parametrize(
    ("topic", "payload", "code"),
    [
        ("toy/telemetry", b"[", "payload_invalid"),
        ("toy/nonsense", b"{}", "invalid"),
        ("toy/telemetry", b'{"Room 9": {}}', "unknown_children"),
    ],
)
async def test_what_the_dialect_cannot_read_is_refused_whole(
    topic: str, payload: bytes, code: str
) -> None:
    """As it was sent, so that it can be redriven when the remedy has been followed."""
    door = toy_door()
    session = door.gate.open(PUMP_7, "test")
    reason = door.gate.admit(session, Message(topic, payload), 5)
    assert reason is not None
    assert reason.code == code
    (envelope,) = door.pipeline._batch.envelopes
    assert (envelope.route.topic, envelope.payload) == (topic, payload)


async def test_a_refused_message_of_a_dialect_is_redriven_in_parts() -> None:
    door = toy_door()
    async with door.running():
        session = door.gate.open(PUMP_7, "redrive")
        message = Message("toy/telemetry", b'{"Room 1": {"t": 2}}')
        await door.ingest.admit_again(session, message, 5)
        assert [seen[1] for seen in door.recorder.seen] == ["TELEMETRY"]
        with pytest.raises(UnknownChildren):
            await door.ingest.admit_again(session, Message("toy/telemetry", b'{"R":{}}'), 5)
