"""Derivations over the API: saved, listed, versioned, and marked where their keys are shown."""

from tests.api.support import OTHER, World

from weft.model.moments import to_rfc3339
from weft.security.actions import Role

POWER = {"key": "power", "value": "voltage * current", "unit": "W"}


async def test_a_derivation_is_saved_read_changed_and_deleted(world: World) -> None:
    """By the version that was read."""
    token = world.admin()
    made = await world.call("PUT", "/derivations/power", token=token, body=POWER)
    assert (made.status, made.headers["etag"]) == (200, '"1"')
    assert (made.json["gives"], made.json["inputs"]) == ("dyn", ["current", "voltage"])
    changed = {**POWER, "value": "voltage * current / 1000.0", "unit": "kW"}
    sent = {"body": changed, "headers": {"If-Match": '"1"'}}
    assert (await world.call("PUT", "/derivations/power", token=token, **sent)).status == 200
    assert (await world.call("PUT", "/derivations/power", token=token, **sent)).status == 412
    listed = await world.call("GET", "/derivations", token=token)
    assert [(one["name"], one["unit"]) for one in listed.json["items"]] == [("power", "kW")]
    versions = await world.call("GET", "/derivations/power/versions", token=token)
    assert [one["version"] for one in versions.json["items"]] == [1, 2]
    shown = await world.call("GET", "/derivations/power", token=token)
    assert shown.json["selector"] == {"type": None, "devices": [], "attributes": {}}
    assert (await world.call("DELETE", "/derivations/power", token=token)).status == 204
    assert (await world.call("GET", "/derivations/power", token=token)).status == 404
    none = await world.call("GET", "/derivations/none/versions", token=token)
    assert none.status == 404


async def test_a_wrong_expression_names_its_column_and_a_loop_its_way(world: World) -> None:
    """Nothing is saved."""
    token = world.admin()
    wrong = {"key": "power", "value": "voltage *"}
    answer = await world.call("PUT", "/derivations/power", token=token, body=wrong)
    assert answer.status == 422
    assert "Column" in answer.json["detail"]
    await world.call("PUT", "/derivations/a", token=token, body={"key": "a", "value": "b * 2.0"})
    loop = await world.call(
        "PUT", "/derivations/b", token=token, body={"key": "b", "value": "a * 2.0"}
    )
    assert loop.status == 422
    assert "b (b) -> a (a) -> b (b)" in loop.json["detail"]


async def test_keys_and_twin_say_what_is_computed(world: World) -> None:
    """With its unit, and by which derivation."""
    token = world.admin()
    await world.call("POST", "/devices", token=token, body={"device_id": "pump-1"})
    await world.call("PUT", "/derivations/pump-power", token=token, body=POWER)
    sent = {"voltage": 230.0, "current": 2.0}
    await world.call("POST", "/devices/pump-1/telemetry", token=token, body=sent)
    await world.pipeline.drain()
    keys = await world.call("GET", "/devices/pump-1/history/keys", token=token)
    assert keys.json == {
        "keys": ["current", "power", "voltage"],
        "derived": {"power": "pump-power"},
    }
    twin = await world.call("GET", "/devices/pump-1/twin", token=token)
    power = twin.json["telemetry"]["power"]
    assert (power["value"], power["unit"], power["derived"]) == (460.0, "W", "pump-power")
    assert twin.json["telemetry"]["voltage"]["derived"] == ""
    chart = await world.call("GET", "/chart?devices=pump-1&keys=power", token=token)
    assert [line["unit"] for line in chart.json["lines"]] == ["W"]


async def test_another_tenant_sees_nothing_and_a_viewer_changes_nothing(world: World) -> None:
    """Neither the name nor the key."""
    await world.call("PUT", "/derivations/power", token=world.admin(), body=POWER)
    there = world.admin(OTHER)
    assert (await world.call("GET", "/derivations", token=there)).json["items"] == []
    assert (await world.call("GET", "/derivations/power", token=there)).status == 404
    viewer = world.person("vera", Role.VIEWER)
    refused = await world.call("PUT", "/derivations/power", token=viewer, body=POWER)
    assert refused.status == 403
    assert (await world.call("GET", "/derivations/power", token=viewer)).status == 200


async def test_a_roll_up_names_a_group_or_an_asset(world: World) -> None:
    """Not neither, and not both."""
    token = world.admin()
    body = {"key": "total", "value": "sum_of(power)", "device": "line"}
    for scope in ({"stale_after": "1m"}, {"group": "machines", "asset": "line-1"}):
        sent = {**body, "scope": scope}
        none = await world.call("PUT", "/derivations/total", token=token, body=sent)
        assert none.status == 422
        assert "either a group or an asset" in none.json["detail"]


async def test_what_late_data_has_changed_can_be_asked_for(world: World) -> None:
    """Old, new and from when."""
    token = world.admin()
    double = {"key": "d", "value": "x * 2.0"}
    await world.call("PUT", "/derivations/double", token=token, body=double)
    device = await world.device("pump-1")
    began = world.clock.now()
    world.clock.turn(60)
    for behind in (30, 10):
        body = {"ts": to_rfc3339(began + behind * 10**9), "values": {"x": float(behind)}}
        await world.call("POST", "/devices/me/telemetry", token=device, body=body)
    await world.pipeline.drain()
    await world.derived.recomputings.sweep()
    listed = await world.call("GET", "/recomputings", token=token)
    (note,) = listed.json["items"]
    assert (note["state"], note["changed"], note["devices"]) == ("done", 1, ["pump-1"])
    shown = await world.call("GET", f"/recomputings/{note['recomputing_id']}", token=token)
    assert shown.json["changes"] == [
        {
            "device_id": "pump-1",
            "key": "d",
            "at": to_rfc3339(began + 10 * 10**9),
            "old": None,
            "new": 20.0,
        }
    ]
    there = world.admin(OTHER)
    assert (await world.call("GET", "/recomputings", token=there)).json["items"] == []
    other = await world.call("GET", f"/recomputings/{note['recomputing_id']}", token=there)
    assert other.status == 404
