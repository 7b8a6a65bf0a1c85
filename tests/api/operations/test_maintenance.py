"""Maintenance windows over the API: planned, shown, changed, ended."""

import pytest
from tests.api.support import OTHER, World

from weft.security.actions import Role

CLEANING = {
    "name": "cleaning",
    "reason": "weekly cleaning",
    "assets": ["line-1"],
    "times": "Sat 22:00-04:00",
    "zone": "Europe/Berlin",
}
ONCE = {"start": "2026-03-01T11:00:00Z", "end": "2026-03-01T13:00:00Z", "devices": ["pump-7"]}


async def test_a_window_is_planned_shown_changed_and_ended(world: World) -> None:
    """The world's clock stands at noon of the first of March: a Sunday."""
    token = world.admin()
    made = await world.call("POST", "/maintenance-windows", token=token, body=CLEANING)
    assert (made.status, made.json["in_force"], made.json["zone"]) == (201, False, "Europe/Berlin")
    again = await world.call("POST", "/maintenance-windows", token=token, body=CLEANING)
    assert again.status == 409
    path = "/maintenance-windows/cleaning"
    tag = {"if-match": made.headers["etag"]}
    changed = await world.call("PUT", path, token=token, body=ONCE, headers=tag)
    assert (changed.json["in_force"], changed.json["times"]) == (True, "")
    assert (changed.json["start"], changed.json["end"]) == (ONCE["start"], ONCE["end"])
    late = await world.call("PUT", path, token=token, body=ONCE, headers=tag)
    assert late.status == 412
    listed = await world.call("GET", "/maintenance-windows", token=token)
    assert [one["name"] for one in listed.json["items"]] == ["cleaning"]
    assert (await world.call("DELETE", path, token=token)).status == 204
    assert (await world.call("GET", path, token=token)).status == 404


@pytest.mark.parametrize(
    "change",
    [
        {"times": "Someday"},
        {"zone": "Mars/North"},
        {"assets": []},
        {"times": ""},
        {"start": "noon"},
        {"start": "2026-03-02T00:00:00Z", "end": "2026-03-01T00:00:00Z"},
        {"every": "week"},
    ],
)
async def test_a_window_that_makes_no_sense_is_refused(
    world: World, change: dict[str, object]
) -> None:
    """With 422, and nothing is kept."""
    token = world.admin()
    body = CLEANING | change
    answer = await world.call("POST", "/maintenance-windows", token=token, body=body)
    assert answer.status == 422
    assert (await world.call("GET", "/maintenance-windows", token=token)).json["items"] == []


async def test_viewers_and_other_tenants_plan_nothing(world: World) -> None:
    """A viewer sees it; for another tenant it is not there (TN-1)."""
    await world.call("POST", "/maintenance-windows", token=world.admin(), body=CLEANING)
    path = "/maintenance-windows/cleaning"
    viewer = world.person("vera", Role.VIEWER)
    assert (await world.call("GET", path, token=viewer)).status == 200
    assert (await world.call("PUT", path, token=viewer, body=ONCE)).status == 403
    assert (await world.call("DELETE", path, token=viewer)).status == 403
    other = world.admin(OTHER)
    assert (await world.call("GET", path, token=other)).status == 404
    assert (await world.call("PUT", path, token=other, body=ONCE)).status == 404
    assert (await world.call("DELETE", path, token=other)).status == 404
