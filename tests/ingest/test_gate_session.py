"""What a session is, and that a part of a message is a message."""

from tests.ingest.support import ERP, PUMP_7

from weft.ingest.duplicates import Recent
from weft.ingest.gate_session import GateSession, Incoming, Part


def test_only_a_device_has_a_device_id() -> None:
    """`me` names nothing for a business system."""
    recent = Recent(maxlen=1)
    assert GateSession(PUMP_7, "peer", "key", recent).device_id == "pump-7"
    assert GateSession(ERP, "peer", "key", recent).device_id == ""


def test_a_part_is_taken_like_a_message() -> None:
    part: Incoming = Part("devices/me/telemetry", b"{}", 1, 7)
    assert (part.qos, part.retain, part.dup, part.packet_id) == (1, False, False, 7)
