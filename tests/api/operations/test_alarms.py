"""Alarms over the API: seen, acknowledged, cleared, and in one's own tenant only."""

from tests.api.support import MAIN, OTHER, World
from tests.api.test_changes import ALARM

from weft.rules.kinds import ALARMS, TRACES
from weft.rules.tracing import AlarmTrace, Part, Trace


async def raised(world: World) -> str:
    await world.records.write(lambda w: w.insert(ALARMS, MAIN, "a-1", ALARM))
    return world.admin()


async def test_an_alarm_is_acknowledged_and_cleared(world: World) -> None:
    """By whom is on record; once cleared it is not acknowledged any more."""
    token = await raised(world)
    seen = await world.call("GET", "/alarms/a-1", token=token)
    assert seen.json["state"] == "active"
    taken = await world.call(
        "POST", "/alarms/a-1/acknowledge", token=token, body={"comment": "on my way"}
    )
    assert (taken.json["state"], taken.json["acknowledged_by"]) == ("acknowledged", "user:admin")
    stale = await world.call(
        "POST", "/alarms/a-1/clear", token=token, headers={"if-match": seen.headers["etag"]}
    )
    assert stale.status == 412
    cleared = await world.call("POST", "/alarms/a-1/clear", token=token)
    assert cleared.json["cleared_by"] == "user:admin"
    assert (await world.call("POST", "/alarms/a-1/acknowledge", token=token)).status == 409


async def test_filters_choose_alarms(world: World) -> None:
    """By state, severity, device and rule."""
    token = await raised(world)
    for query, count in (
        ("state=active", 1),
        ("state=cleared", 0),
        ("severity=major&device=pump-7", 1),
        ("rule=other", 0),
    ):
        found = await world.call("GET", f"/alarms?{query}", token=token)
        assert len(found.json["items"]) == count, query
    assert (await world.call("GET", "/alarms?state=loud", token=token)).status == 422


async def test_another_tenants_alarm_is_not_there(world: World) -> None:
    """By any operation (TN-1)."""
    await raised(world)
    token = world.admin(OTHER)
    assert (await world.call("GET", "/alarms", token=token)).json["items"] == []
    for method, path in (("GET", ""), ("POST", "/acknowledge"), ("POST", "/clear")):
        assert (await world.call(method, f"/alarms/a-1{path}", token=token)).status == 404


async def test_an_alarm_tells_why_it_was_raised(world: World) -> None:
    """As a tree and in words; one from before there were traces tells nothing."""
    token = await raised(world)
    assert (await world.call("GET", "/alarms/a-1/trace", token=token)).json["words"] == []
    part = Part("(temperature > 80)", value=True, parts=(Part("temperature", 90.5, position=7),))
    why = AlarmTrace(raised=Trace("when", 1, part), reason="the rule was deleted")
    await world.records.write(lambda w: w.put(TRACES, MAIN, "a-1", why))

    told = (await world.call("GET", "/alarms/a-1/trace", token=token)).json

    assert told["raised"]["root"]["parts"][0]["position"] == 7
    assert "    temperature is 90.5, message 7" in told["words"]
    assert told["words"][-1] == "ended, because the rule was deleted"
    assert told["cleared"] is None
    foreign = world.admin(OTHER)
    assert (await world.call("GET", "/alarms/a-1/trace", token=foreign)).status == 404
