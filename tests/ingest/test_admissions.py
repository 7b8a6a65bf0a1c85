"""What a session may do on a topic: decided once, and again when something has changed."""

from tests.ingest.support import ERP, PUMP_7, Door, admitted, device, pump_type

from weft.errors import QuotaExceeded
from weft.ingest.submit import Message
from weft.model.device import Lifecycle
from weft.model.ids import DeviceId, TenantId
from weft.model.message import Envelope
from weft.model.twin import Properties


async def test_the_policy_is_asked_once_per_topic_until_a_right_changes() -> None:
    door = Door()
    session = door.gate.open(PUMP_7, "test")
    for _ in range(5):
        door.gate.refresh(session)
        door.gate.admit(session, Message("devices/me/telemetry", b'{"rpm": 1}'), 5)
    assert door.policy.asked == 1
    door.policy.allowed = [("nobody", "")]
    door.policy.version += 1
    door.gate.refresh(session)
    reason = door.gate.admit(session, Message("devices/me/telemetry", b'{"rpm": 1}'), 5)
    assert reason is not None


async def test_a_changed_type_is_seen_at_the_next_read() -> None:
    door = Door()
    session = door.gate.open(PUMP_7, "test")
    door.gate.refresh(session)
    assert door.gate.admit(session, Message("devices/me/telemetry", b'{"rpm": 1}'), 5) is None
    door.types.known.append(pump_type(2, speed=pump_type().telemetry["rpm"]))
    door.gate.registry_changed()
    door.gate.refresh(session)
    reason = door.gate.admit(session, Message("devices/me/telemetry", b'{"rpm": 1}'), 5)
    assert reason is not None
    assert "pump@2" in reason.detail


async def test_unknown_and_inactive_devices_are_told_apart_from_forbidden_ones() -> None:
    door = Door()
    session = door.gate.open(ERP, "test")
    unknown = door.gate.admit(session, Message("devices/nobody/telemetry", b"{}"), 5)
    pending = door.gate.admit(session, Message("devices/new-1/telemetry", b"{}"), 5)
    assert unknown is not None
    assert unknown.code == "not_found"
    assert "weft device add nobody" in unknown.remedy
    assert pending is not None
    assert "pending" in pending.detail


async def test_a_report_too_many_is_refused_at_the_door_and_an_old_one_is_read() -> None:
    def check(_tenant: TenantId, device_id: DeviceId, patch: Properties) -> None:
        raise QuotaExceeded(f"{device_id} reports {sorted(patch)}.", remedy="Report less.")

    door = Door()
    door.gate.check_reported_with(check)
    session = door.gate.open(PUMP_7, "test")
    for topic in ("devices/me/telemetry", "devices/me/properties/reported"):
        door.gate.admit(session, Message(topic, b"{}"), 5)
    assert admitted(door) == ["TELEMETRY", "REJECTED"]
    session.admissions.clear()
    route = door.gate.admission(session, "devices/me/properties/reported").route
    assert door.gate.decode_again(Envelope(route, 1, b'{"interval": 1}')) == {"interval": 1}


async def test_a_device_made_inactive_is_refused_though_the_policy_would_allow() -> None:
    door = Door()
    door.devices.known[PUMP_7.tenant, "pump-7"] = device(state=Lifecycle.SUSPENDED)
    session = door.gate.open(PUMP_7, "test")
    reason = door.gate.admit(session, Message("devices/me/telemetry", b'{"rpm": 1}'), 5)
    assert reason is not None
    assert reason.code == "conflict"
