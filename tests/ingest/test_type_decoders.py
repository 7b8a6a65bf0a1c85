"""Messages are read by the version of the type that they were admitted with."""

import cbor2
from tests.ingest.support import ERP, PUMP_7, TOPIC, Door, pump_type, stated

from weft.ingest.submit import Message
from weft.model.ids import DeviceId
from weft.model.message import DERIVED, RECOMPUTED, Envelope, Operation, Route

PUMP = DeviceId("pump-7")


async def test_old_messages_are_read_by_the_type_they_were_admitted_with() -> None:
    door = Door()
    session = door.gate.open(PUMP_7, "test")
    door.gate.admit(session, Message("devices/me/telemetry", b'{"rpm": 1}'), 5)
    envelope = door.pipeline._batch.envelopes[0]
    door.types.known.append(pump_type(2, speed=pump_type().telemetry["rpm"]))
    assert door.gate.decode_again(envelope)[0].values.rpm == 1


async def test_an_old_message_that_nobody_can_read_any_more_does_not_stop_the_start() -> None:
    """Admitted before bounds were drawn closer: it stays in the journal, the rest is read."""
    door = Door()
    session = door.gate.open(ERP, "test")
    door.gate.admit(session, Message("devices/free-1/telemetry", b'{"a": 1}'), 5)
    envelope = door.pipeline._batch.envelopes[0]
    envelope.payload = b'{"a": [' + b"9" * 30 + b"]}"
    assert door.gate.decode_again(envelope) is None


async def test_cbor_that_was_right_once_is_read_freely_after_the_type_is_gone() -> None:
    door = Door()
    session = door.gate.open(PUMP_7, "test")
    properties = stated("application/cbor")
    door.gate.admit(session, Message(TOPIC, cbor2.dumps({"rpm": 1})), 5, properties)
    envelope = door.pipeline._batch.envelopes[0]
    door.types.known.clear()
    door.gate._decoders._decoders.clear()
    assert door.gate.decode_again(envelope)[0].values == {"rpm": 1}


def test_what_weft_computed_is_read_whatever_the_type_declares() -> None:
    """The device's type does not know the key: the device never sends it."""
    door = Door()
    route = Route(PUMP_7.tenant, "system", "weft", TOPIC, Operation.TELEMETRY, PUMP, "pump", 1)
    payload = b'[{"ts": "2026-03-01T12:00:00.000000001Z", "values": {"power": 4.5}}]'
    for session in (DERIVED, RECOMPUTED):
        envelope = Envelope(route, 1_772_366_401_000_000_000, payload, session=session)
        (reading,) = door.gate.decode_again(envelope)
        assert (reading.at, reading.values) == (1_772_366_400_000_000_001, {"power": 4.5})
