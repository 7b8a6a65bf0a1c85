"""Faults over the API: listed, shown with their alarms, and in one's own tenant only."""

from tests.api.support import MAIN, OTHER, World

from weft.model.alarm import Severity
from weft.model.fault import Fault, FaultAlarm, FaultState
from weft.model.ids import AlarmId, DeviceId, FaultId, RuleId
from weft.rules.kinds import FAULT_ALARMS, FAULTS

FAULT = Fault(
    fault_id=FaultId("f-1"),
    tenant=MAIN,
    code="overheated",
    subject="asset:u-1",
    asset_id="press-1",
    device_id=DeviceId("pump-7"),
    severity=Severity.MAJOR,
    state=FaultState.OPEN,
    opened_by=AlarmId("a-1"),
    opened_at=1,
    began_at=1,
    last_alarm_at=1,
    alarms=1,
    active=1,
)
PART = FaultAlarm(FAULT.fault_id, AlarmId("a-1"), DeviceId("pump-7"), RuleId("too-hot"), 1)


async def open_fault(world: World) -> str:
    def work(writer: object) -> None:
        writer.insert(FAULTS, MAIN, "f-1", FAULT)  # type: ignore[attr-defined]  # a Writer
        writer.insert(FAULT_ALARMS, MAIN, "a-1", PART)  # type: ignore[attr-defined]  # a Writer

    await world.records.write(work)
    return world.admin()


async def test_faults_are_listed_by_one_thing_at_a_time(world: World) -> None:
    """Of a state, an asset, a code or a device."""
    token = await open_fault(world)
    for query, count in (
        ("", 1),
        ("state=open", 1),
        ("state=over", 0),
        ("asset=press-1", 1),
        ("code=overheated", 1),
        ("device=pump-8", 0),
    ):
        found = await world.call("GET", f"/faults?{query}", token=token)
        assert len(found.json["items"]) == count, query
    two = await world.call("GET", "/faults?state=open&asset=press-1", token=token)
    assert two.status == 422


async def test_a_fault_is_shown_with_its_alarms(world: World) -> None:
    """What is wrong with which asset, and who says so."""
    token = await open_fault(world)
    shown = await world.call("GET", "/faults/f-1", token=token)
    assert (shown.json["asset_id"], shown.json["active"]) == ("press-1", 1)
    alarms = await world.call("GET", "/faults/f-1/alarms", token=token)
    assert [part["rule_id"] for part in alarms.json["items"]] == ["too-hot"]


async def test_another_tenants_fault_is_not_there(world: World) -> None:
    """By any operation (TN-1)."""
    await open_fault(world)
    token = world.admin(OTHER)
    assert (await world.call("GET", "/faults", token=token)).json["items"] == []
    for path in ("/faults/f-1", "/faults/f-1/alarms"):
        assert (await world.call("GET", path, token=token)).status == 404
