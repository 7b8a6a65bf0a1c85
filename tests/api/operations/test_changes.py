"""What has changed lately: everybody is told as far as they may read it, and nobody else's."""

import pytest
from msgspec.structs import replace
from tests.api.operations.test_business import ordered
from tests.api.support import MAIN, OTHER, World
from tests.api.test_changes import ALARM

from weft.api.operations import changes
from weft.rules.kinds import ALARMS
from weft.security.actions import Role

RULE = {
    "name": "too-hot",
    "when": "temperature > 90",
    "severity": "major",
    "message": "{device} is too hot",
}


async def told(world: World, token: str, query: str = "") -> list[tuple[str, str, str]]:
    """Action, key and title of each change that is listed."""
    answer = await world.call("GET", f"/changes{query}", token=token)
    assert answer.status == 200, answer
    return [(item["action"], item["key"], item["title"]) for item in answer.json["items"]]


async def busy(world: World) -> None:
    """A device, a rule, an alarm and a work order, each changed by an administrator."""
    admin = await ordered(world)
    await world.records.write(lambda w: w.insert(ALARMS, MAIN, "a-1", replace(ALARM)))
    device = {"device_id": "pump-7", "label": "Pump in the cellar"}
    for path, body, status in (
        ("/devices", device, 201),
        ("/rules", RULE, 201),
        ("/alarms/a-1/acknowledge", {"comment": "seen"}, 200),
        ("/work-orders/w-1/comment", {"comment": "Bring a ladder."}, 200),
    ):
        answer = await world.call("POST", path, token=admin, body=body)
        assert answer.status == status, answer


@pytest.mark.parametrize("role", [Role.OPERATOR, Role.VIEWER])
async def test_who_may_not_read_the_audit_sees_what_was_changed(world: World, role: Role) -> None:
    """Newest first, by name, with who did it: no more than the lists show them."""
    await busy(world)
    token = world.person("olga", role)
    assert (await world.call("GET", "/audit", token=token)).status == 403
    assert await told(world, token) == [
        ("work_order.comment", "w-1", "Look at the pump"),
        ("alarm.acknowledge", "a-1", "too hot"),
        ("rule.create", "too-hot", ""),
        ("device.create", "pump-7", "Pump in the cellar"),
    ]
    first = (await world.call("GET", "/changes?limit=1", token=token)).json["items"][0]
    assert (first["actor"], first["kind"], first["outcome"]) == ("admin", "work_order", "done")
    assert set(first) == {
        "sequence", "at", "actor", "action", "outcome", "kind", "key", "title",
    }  # fmt: skip  # neither address nor detail


async def test_credentials_people_and_refusals_stay_with_the_administrators(world: World) -> None:
    """An operator is not told who issued what to a device, nor who was refused."""
    admin = world.admin()
    operator = world.person("olga", Role.OPERATOR)
    await world.device("pump-7")
    path = "/devices/pump-7/credentials"
    issued = await world.call("POST", path, token=admin, body={})
    assert issued.status == 201
    refused = await world.call("DELETE", "/devices/pump-7", token=operator)
    assert refused.status == 403
    seen = {action for action, _, _ in await told(world, admin)}
    assert {"device.create", "device.credentials"} <= seen
    assert {action for action, _, _ in await told(world, operator)} == {"device.create"}


async def test_a_key_sees_what_its_scopes_open(world: World) -> None:
    """The list is one right, what stands in it is another, and so is what it is called."""
    await busy(world)
    body = {"name": "board", "scopes": ["changes:read", "alarms:read"]}
    made = await world.call("POST", "/keys", token=world.admin(), body=body)
    assert made.status == 201, made
    token = made.json["token"]
    assert await told(world, token) == [("alarm.acknowledge", "a-1", "too hot")]


async def test_another_tenants_changes_are_not_there(world: World) -> None:
    """Nor does a cursor lead to them (TN-1, TN-2)."""
    await busy(world)
    assert await told(world, world.admin(OTHER)) == []
    page = (await world.call("GET", "/changes?limit=1", token=world.admin())).json
    path = f"/changes?limit=1&cursor={page['next']}"
    assert (await world.call("GET", path, token=world.admin(OTHER))).status == 422


async def test_a_device_is_told_nothing(world: World) -> None:
    """It knows of itself."""
    token = await world.device("pump-7")
    assert (await world.call("GET", "/changes", token=token)).status == 403


async def test_what_is_older_than_an_hour_is_listed_where_it_is_asked_for(world: World) -> None:
    """Without `since`, the last hour."""
    await busy(world)
    operator = world.person("olga", Role.OPERATOR)
    world.clock.turn(3_601)
    assert await told(world, operator) == []
    assert len(await told(world, operator, "?since=2000-01-01T00:00:00Z")) == 4
    for wrong in ("2999-01-01T00:00:00Z", "yesterday"):
        answer = await world.call("GET", f"/changes?since={wrong}", token=operator)
        assert (answer.status, bool(answer.json["remedy"])) == (422, True)


async def test_pages_go_back_in_time_without_a_gap(world: World) -> None:
    """One change after the other, each once."""
    await busy(world)
    token = world.person("olga", Role.OPERATOR)
    keys, path = [], "/changes?limit=1"
    while path:
        page = (await world.call("GET", path, token=token)).json
        keys += [item["key"] for item in page["items"]]
        path = page["next"] and f"/changes?limit=1&cursor={page['next']}"
    assert keys == ["w-1", "a-1", "too-hot", "pump-7"]


async def test_a_stretch_that_one_may_not_read_ends_an_answer_and_not_the_list(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So many records are looked at in one answer; the cursor goes on behind them."""
    monkeypatch.setattr(changes, "PART", 2)
    monkeypatch.setattr(changes, "LOOKED_AT_MAX", 4)
    token = world.person("olga", Role.OPERATOR)
    await world.device("pump-7")
    path = "/devices/pump-7/credentials"
    for _ in range(4):
        issued = await world.call("POST", path, token=world.admin(), body={})
        assert issued.status == 201, issued
    page = (await world.call("GET", "/changes", token=token)).json
    assert page["items"] == []
    page = (await world.call("GET", f"/changes?cursor={page['next']}", token=token)).json
    assert [item["action"] for item in page["items"]] == ["device.create"]
