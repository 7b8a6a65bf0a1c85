"""Alarms, twins and work orders on the live stream."""

from tests.api.support import MAIN, World
from tests.api.test_live import watching

from weft.api.changes import tell_changes, tell_presence
from weft.model.alarm import Alarm, AlarmState, Severity, WorkOrder, WorkOrderState
from weft.model.ids import AlarmId, DeviceId, RuleId, WorkOrderId
from weft.security.connections import Connection

ALARM = Alarm(
    AlarmId("a-1"),
    MAIN,
    RuleId("too-hot"),
    1,
    DeviceId("pump-7"),
    5,
    Severity.MAJOR,
    AlarmState.ACTIVE,
    "too hot",
    1_772_366_400_000_000_000,
)
ORDER = WorkOrder(
    WorkOrderId("w-1"),
    MAIN,
    AlarmId("a-1"),
    DeviceId("pump-7"),
    "erp",
    "Look at the pump",
    WorkOrderState.OPEN,
    1_772_366_400_000_000_000,
)


async def test_each_change_is_told_in_the_apis_view(world: World) -> None:
    """A dashboard sees the same fields live as when it asks."""
    tell_changes(world.live, world.alarms, world.twins, world.work_orders, world.commands)
    pump = await world.device("pump-7")
    async with watching(world, world.admin(), "/live?kinds=alarm,twin,work_order") as reader:
        world.alarms.tell(ALARM)
        world.work_orders.changed(ORDER)
        await world.call("POST", "/devices/me/properties/reported", token=pump, body={"rpm": 1})
        alarm, order, twin = [await reader.event() for _ in range(3)]
    assert (alarm["data"]["change"], alarm["data"]["record"]["alarm_id"]) == ("active", "a-1")
    assert order["data"]["record"]["title"] == "Look at the pump"
    assert twin["data"]["record"]["reported"] == {"rpm": 1}


async def test_a_device_that_comes_and_goes_is_told(world: World) -> None:
    """With the protocol and the reason why it ended."""
    tell_presence(world.live, world.presence, world.devices)
    principal = world.authenticator.by_bearer(await world.device("fan-1"), "127.0.0.1")
    connection = Connection(principal, "mqtt", "192.0.2.9:5", lambda _reason: None)
    async with watching(world, world.admin(), "/live?kinds=connection") as reader:
        world.connections.register(connection)
        world.connections.unregister(connection, "the keep-alive ran out")
        came, left = [(await reader.event())["data"] for _ in range(2)]
    assert (came["change"], came["record"]["protocol"]) == ("connected", "mqtt")
    assert (left["change"], left["record"]["reason"]) == ("disconnected", "the keep-alive ran out")
