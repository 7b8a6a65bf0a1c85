"""Maintenance plans and working calendars over the API."""

import pytest
from tests.api.support import OTHER, World

CALENDAR = {"times": "Mon-Fri 07:00-15:00", "zone": "Europe/Berlin", "respond": {"urgent": "1h"}}
PLAN = {"name": "oil", "connector": "erp", "title": "Change the oil", "every": 2}


async def test_a_calendar_is_saved_shown_and_deleted(world: World) -> None:
    """In one's own tenant (TN-1)."""
    token = world.admin()
    saved = await world.call("PUT", "/calendars/hall", token=token, body=CALENDAR)
    assert (saved.status, saved.json["version"]) == (200, 1)
    shown = await world.call("GET", "/calendars/hall", token=token)
    assert shown.json["respond"] == {"urgent": "1h"}
    listed = await world.call("GET", "/calendars", token=token)
    assert [one["name"] for one in listed.json["items"]] == ["hall"]
    assert (await world.call("GET", "/calendars/hall", token=world.admin(OTHER))).status == 404
    bad = {**CALENDAR, "zone": "Mars"}
    assert (await world.call("PUT", "/calendars/hall", token=token, body=bad)).status == 422
    assert (await world.call("DELETE", "/calendars/hall", token=token)).status == 204
    assert (await world.call("GET", "/calendars/hall", token=token)).status == 404


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"unit": "weeks", "start": "2026-03-02", "device": "pump-7", "key": "hours"},
        {"unit": "weeks", "start": "2026-03-02", "every": 1.5},
    ],
)
async def test_a_plan_that_says_no_time_or_two_is_refused(
    world: World, more: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With what to write instead."""
    monkeypatch.setattr(world.connectors, "get", lambda *_: None)
    answer = await world.call(
        "POST", "/maintenance-plans", token=world.admin(), body={**PLAN, **more}
    )
    assert answer.status == 422


@pytest.mark.parametrize(
    ("more", "next_at"),
    [
        ({"unit": "weeks", "start": "2099-03-02"}, "2099-03-02T07:00:00Z"),
        ({"device": "pump-7", "key": "hours"}, None),
    ],
)
async def test_a_plan_is_made_shown_and_deleted(
    world: World, more: dict[str, object], next_at: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the calendar or by a counter, for a connector that is there."""
    token = world.admin()
    body = {**PLAN, **more}
    unknown = await world.call("POST", "/maintenance-plans", token=token, body=body)
    assert unknown.status == 404
    monkeypatch.setattr(world.connectors, "get", lambda *_: None)
    made = await world.call("POST", "/maintenance-plans", token=token, body=body)
    assert (made.status, made.json["next_at"]) == (201, next_at)
    again = await world.call("POST", "/maintenance-plans", token=token, body=body)
    assert again.status == 409
    listed = await world.call("GET", "/maintenance-plans", token=token)
    assert [one["owner"] for one in listed.json["items"]] == ["user:admin"]
    other = world.admin(OTHER)
    assert (await world.call("GET", "/maintenance-plans/oil", token=other)).status == 404
    assert (await world.call("DELETE", "/maintenance-plans/oil", token=token)).status == 204
    assert (await world.call("GET", "/maintenance-plans/oil", token=token)).status == 404
