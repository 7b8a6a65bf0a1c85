"""The overview: a fleet in one answer, and no more than the caller may see."""

from msgspec.structs import replace
from tests.api.operations.test_business import ordered
from tests.api.support import MAIN, OTHER, World
from tests.api.test_changes import ALARM

from weft.model.alarm import Severity
from weft.model.principal import Principal, PrincipalKind
from weft.rules.kinds import ALARMS
from weft.security.connections import Connection


async def fleet(world: World) -> str:
    """Two pumps in the hall of a plant, one with two alarms, and a meter that is nowhere."""
    token = world.admin()
    for body in (
        {"asset_id": "plant", "kind": "site", "label": "Plant of Bergen"},
        {"asset_id": "hall", "kind": "area", "parent": "plant"},
    ):
        assert (await world.call("POST", "/assets", token=token, body=body)).status == 201
    for name in ("pump-7", "pump-8", "meter-1"):
        await world.device(name)
    for name in ("pump-7", "pump-8"):
        path = f"/devices/{name}/attachments/observes"
        put = await world.call("PUT", path, token=token, body={"asset": "hall"})
        assert put.status == 200, put
    for name, severity in (("a-1", Severity.WARNING), ("a-2", Severity.CRITICAL)):
        alarm = replace(ALARM, severity=severity)
        await world.records.write(
            lambda w, name=name, alarm=alarm: w.insert(ALARMS, MAIN, name, alarm)
        )
    return token


async def test_devices_are_counted_by_site_with_their_worst_alarm(world: World) -> None:
    """A device counts once, whatever is wrong with it."""
    token = await fleet(world)
    device = world.devices.get(MAIN, "pump-8")
    principal = Principal(MAIN, PrincipalKind.DEVICE, device.device_id, device.uid)
    world.connections.register(Connection(principal, "mqtt", "127.0.0.1:1", lambda _reason: None))
    told = (await world.call("GET", "/overview", token=token)).json
    assert (told["devices"], told["connected"]) == (3, 1)
    plant, none = told["sites"]
    assert (plant["name"], plant["label"]) == ("plant", "Plant of Bergen")
    assert (plant["devices"], plant["connected"], plant["not_active"]) == (2, 1, 0)
    assert plant["alarms"] == {"critical": 1}
    assert (none["name"], none["devices"], none["alarms"]) == ("", 1, {})
    assert told["alarms"]["critical"]["active"] == 1
    assert told["alarms"]["warning"]["active"] == 1


async def test_work_orders_are_counted_by_state(world: World) -> None:
    """Also the states that none is in."""
    token = await ordered(world)
    told = (await world.call("GET", "/overview", token=token)).json
    assert sum(told["work_orders"].values()) == 1
    assert told["work_orders"]["failed"] == 0


async def test_the_rate_counts_ones_own_messages(world: World) -> None:
    """Over the last minute, where so few came that all of them were looked at."""
    token = world.admin()
    before = (await world.call("GET", "/overview", token=token)).json
    assert before["messages"] == {"per_s": 0.0, "span_s": 0.0}
    device = await world.device("pump-7")
    for value in range(6):
        sent = await world.call(
            "POST", "/devices/me/telemetry", token=device, body={"temperature": value}
        )
        assert sent.status in {200, 202}, sent
    told = (await world.call("GET", "/overview", token=token)).json
    assert told["messages"] == {"per_s": 0.1, "span_s": 60.0}
    other = (await world.call("GET", "/overview", token=world.admin(OTHER))).json
    assert other["messages"] == {"per_s": 0.0, "span_s": 0.0}
    world.clock.turn(61)
    later = (await world.call("GET", "/overview", token=token)).json
    assert later["messages"]["per_s"] == 0.0


async def test_another_tenants_fleet_is_not_in_it(world: World) -> None:
    """Not its devices, alarms, sites or work orders (TN-1)."""
    await fleet(world)
    told = (await world.call("GET", "/overview", token=world.admin(OTHER))).json
    assert (told["devices"], told["types"], told["sites"]) == (0, [], [])
    assert not any(sum(states.values()) for states in told["alarms"].values())
    assert not any(told["work_orders"].values())


async def test_a_device_may_not_sum_the_fleet_up(world: World) -> None:
    """It knows of itself."""
    token = await world.device("pump-7")
    assert (await world.call("GET", "/overview", token=token)).status == 403
