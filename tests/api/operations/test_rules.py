"""Rules over the API: saved, switched, tried on what was."""

from tests.api.support import OTHER, World

HOT = {"name": "too-hot", "when": "temperature > 80", "severity": "major", "message": "hot"}


async def test_a_rule_is_made_read_changed_and_deleted(world: World) -> None:
    """YAML or JSON in; the document comes back as it was written."""
    token = world.admin()
    body = b"name: too-hot\nwhen: temperature > 80\nseverity: major\n"
    yaml = {"content-type": "application/yaml"}
    made = await world.call("POST", "/rules", token=token, body=body, headers=yaml)
    assert (made.status, made.json["version"]) == (201, 1)
    assert (await world.call("POST", "/rules", token=token, body=HOT)).status == 409
    changed = await world.call(
        "PUT", "/rules/too-hot", token=token, body=HOT, headers={"if-match": '"1"'}
    )
    assert (changed.json["version"], changed.json["document"]) == (2, HOT)
    stale = await world.call(
        "PUT", "/rules/too-hot", token=token, body=HOT, headers={"if-match": '"1"'}
    )
    assert stale.status == 412
    versions = await world.call("GET", "/rules/too-hot/versions", token=token)
    assert [rule["version"] for rule in versions.json["items"]] == [1, 2]
    off = await world.call("POST", "/rules/too-hot/disable", token=token)
    on = await world.call("POST", "/rules/too-hot/enable", token=token)
    assert (off.json["enabled"], on.json["enabled"]) == (False, True)
    assert (await world.call("GET", "/rules/too-hot", token=world.admin(OTHER))).status == 404
    assert (await world.call("DELETE", "/rules/too-hot", token=token)).status == 204
    assert (await world.call("GET", "/rules", token=token)).json["items"] == []


async def test_a_rule_that_cannot_run_is_not_saved(world: World) -> None:
    """With what to change."""
    answer = await world.call(
        "POST", "/rules", token=world.admin(), body={**HOT, "when": "temperature >"}
    )
    assert (answer.status, answer.json["code"]) == (422, "invalid")
    assert answer.json["remedy"] or answer.json["detail"]


async def test_a_rule_is_tried_on_what_was(world: World) -> None:
    """Saved or not: the alarms it would have raised, and nothing is sent (promise 5)."""
    pump, token = await world.device("pump-7"), world.admin()
    for value in (20, 95, 20, 99):
        world.clock.turn(60)
        body = {"temperature": value}
        await world.call("POST", "/devices/me/telemetry", token=pump, body=body)
    tried = await world.call("POST", "/rule-trials", token=token, body=HOT)
    assert tried.status == 200, tried
    assert len(tried.json["firings"]) == 2
    assert tried.json["firings"][0]["evidence"][0]["values"] == {"temperature": 95}
    late = await world.call(
        "POST", "/rule-trials?start=2026-03-01T12:03:30Z", token=token, body=HOT
    )
    assert len(late.json["firings"]) == 1
    assert (await world.call("GET", "/alarms", token=token)).json["items"] == []


HOT_TEST = {
    "name": "hot",
    "given": [{"at": "1s", "values": {"temperature": 95}}],
    "expect": [{"raised": "1s"}],
}


async def test_a_rule_is_saved_with_tests_that_pass_or_by_force(world: World) -> None:
    """Run on save, on demand, and before anything is saved."""
    token = world.admin()
    good = {"name": "hot", "when": "temperature > 90", "tests": [HOT_TEST]}
    wrong = {**good, "when": "temperature > 99"}

    told = await world.call("POST", "/rule-tests", token=token, body=wrong)
    assert (told.json["passed"], told.json["tests"][0]["passed"]) == (False, False)
    refused = await world.call("POST", "/rules", token=token, body=wrong)
    assert (refused.status, refused.json["code"]) == (422, "rule_tests_failed")
    assert (await world.call("POST", "/rules", token=token, body=good)).status == 201
    assert (await world.call("POST", "/rules/hot/test", token=token)).json["passed"]
    forced = await world.call("PUT", "/rules/hot?force=true", token=token, body=wrong)
    assert (forced.status, forced.json["mode"]) == (200, "live")
