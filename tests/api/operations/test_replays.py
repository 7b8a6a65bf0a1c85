"""Replays over the API: begun, followed, compared, cancelled."""

import asyncio
from typing import Any

from tests.api.support import MAIN, OTHER, World

from weft.rules.kinds import ALARMS, OUTBOX
from weft.security.audit import AUDIT

HOT = {"name": "too-hot", "when": "temperature > 80", "severity": "major", "message": "hot"}


async def warmed(world: World) -> str:
    """A pump that was hot twice; return the token of whoever asks."""
    pump, token = await world.device("pump-7"), world.admin()
    for value in (20, 95, 20, 99):
        world.clock.turn(60)
        body = {"temperature": value}
        await world.call("POST", "/devices/me/telemetry", token=pump, body=body)
    return token


async def ended(world: World, token: str, path: str, body: Any = None) -> dict[str, Any]:
    """Begin a replay and return it as it is at its end."""
    begun = await world.call("POST", path, token=token, body=body)
    assert begun.status == 202, begun
    async with asyncio.timeout(20):
        while True:
            found = await world.call("GET", f"/replays/{begun.json['replay_id']}", token=token)
            assert found.json["state"] in {"queued", "running", "done"}, found
            if found.json["state"] == "done":
                answer: dict[str, Any] = found.json
                return answer
            await asyncio.sleep(0.01)


async def test_a_rule_that_never_ran_is_all_added(world: World) -> None:
    """It is saved after the fact: it would have raised twice, and nothing is sent."""
    token = await warmed(world)
    await world.call("POST", "/rules", token=token, body=HOT)
    replay = await ended(world, token, "/rules/too-hot/replay")
    assert (replay["raised"], replay["added"], replay["same"]) == (2, 2, 0)
    assert (replay["percent"], replay["samples"]) == (100.0, 4)
    assert (replay["path"], replay["assumes"]) == ("exact", [])  # the journal has it all
    path = f"/replays/{replay['replay_id']}/findings"
    first = (await world.call("GET", path + "?limit=1", token=token)).json
    second = (await world.call("GET", path + f"?cursor={first['next']}", token=token)).json
    (one,), (other,) = first["items"], second["items"]
    assert (one["verdict"], one["evidence"][0]["values"]) == ("added", {"temperature": 95})
    assert (other["raised_at"], second["next"]) == ("2026-03-01T12:04:00Z", None)
    for kind in (ALARMS, OUTBOX):
        found = await world.records.read(lambda reader, kind=kind: reader.tenants(kind))
        assert list(found) == []
    acts = await world.records.read(lambda reader: reader.list(AUDIT, MAIN))
    assert [one.value.action for one in acts if "rule" in one.value.target] == [
        "rule.create",
        "rule.replay",
    ]


async def test_a_document_is_compared_with_the_version_in_force(world: World) -> None:
    """A higher threshold: what would no longer be raised is missing."""
    token = await warmed(world)
    await world.call("POST", "/rules", token=token, body=HOT)
    body = {"document": {**HOT, "when": "temperature > 97"}, "against": "version"}
    replay = await ended(world, token, "/replays", body)
    assert (replay["version"], replay["against_version"]) == (0, 1)
    assert (replay["raised"], replay["same"], replay["missing"]) == (1, 1, 1)


async def test_what_cannot_be_replayed_is_refused(world: World) -> None:
    """An empty time, a version that is compared with nothing, a rule of another tenant."""
    token = await warmed(world)
    await world.call("POST", "/rules", token=token, body=HOT)
    path = "/rules/too-hot/replay"
    empty = {"start": "2026-03-02T00:00:00Z", "end": "2026-03-01T00:00:00Z"}
    assert (await world.call("POST", path, token=token, body=empty)).status == 422
    loose = {"against_version": 1}
    assert (await world.call("POST", path, token=token, body=loose)).status == 422
    assert (await world.call("POST", path, token=world.admin(OTHER))).status == 404
    wrong = {"document": {**HOT, "when": "temperature >"}}
    assert (await world.call("POST", "/replays", token=token, body=wrong)).status == 422


async def test_replays_are_listed_and_one_that_has_ended_stays_so(world: World) -> None:
    """Only in their tenant."""
    token = await warmed(world)
    await world.call("POST", "/rules", token=token, body=HOT)
    replay = await ended(world, token, "/rules/too-hot/replay")
    listed = (await world.call("GET", "/replays?rule=too-hot", token=token)).json["items"]
    assert [one["replay_id"] for one in listed] == [replay["replay_id"]]
    other = world.admin(OTHER)
    assert (await world.call("GET", "/replays", token=other)).json["items"] == []
    assert (await world.call("GET", f"/replays/{replay['replay_id']}", token=other)).status == 404
    cancel = await world.call("POST", f"/replays/{replay['replay_id']}/cancel", token=token)
    assert cancel.status == 409


async def test_a_rule_is_judged_again_by_what_was_measured(world: World) -> None:
    """By hand, over the last day or a time that is named; the replay says what it is."""
    token = await warmed(world)
    await world.call("POST", "/rules", token=token, body=HOT)
    replay = await ended(world, token, "/rules/too-hot/recompute")
    assert (replay["measured"], replay["late"], replay["added"]) == (True, False, 2)
    body = {"start": "2026-03-01T12:03:30Z", "devices": ["pump-7"]}
    assert (await ended(world, token, "/rules/too-hot/recompute", body))["added"] == 1
    other = world.admin(OTHER)
    assert (await world.call("POST", "/rules/too-hot/recompute", token=other)).status == 404


async def test_az_3_whoever_may_not_see_samples_sees_none_through_a_replay(world: World) -> None:
    """Findings carry samples and stand beside alarms: the right to read rules is not enough."""
    token = await warmed(world)
    replay = await ended(world, token, "/replays", {"document": HOT})
    made = await world.call(
        "POST", "/keys", token=token, body={"name": "reader", "scopes": ["rules:read"]}
    )
    key = made.json["token"]
    path = f"/replays/{replay['replay_id']}/findings"
    assert (await world.call("GET", path, token=key)).status == 403
    assert (await world.call("POST", "/replays", token=key, body={"document": HOT})).status == 403
