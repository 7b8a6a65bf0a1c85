"""Facilities over the API: timelines, utilisation and OEE, side by side, within a tenant."""

from typing import Any

import pytest
from tests.api.support import OTHER, World

from weft.api import machines
from weft.api.operations import facilities
from weft.history.states import States, states_of
from weft.ports import HistoryTrace
from weft.security.actions import Role

NOON = 1_772_366_400_000  # 2026-03-01T12:00:00Z, ms: a Sunday
SPAN = "start=2026-03-01T12:00:00Z&end=2026-03-01T13:00:00Z"
TYPE = {
    "telemetry": {
        "state": {"type": "string"},
        "parts": {"type": "integer"},
        "rejects": {"type": "integer"},
    },
    "production": {
        "state": "state",
        "producing": ["running"],
        "not_planned": ["changeover"],
        "count": "parts",
        "rejects": "rejects",
        "ideal_per_hour": 60,
        "silent": "5m",
    },
}


async def plant(world: World) -> str:
    """Two lines of a plant: one runs all of an hour, one stands for half of it."""
    token = world.admin()
    assert (await world.call("PUT", "/types/press", token=token, body=TYPE)).status == 200
    for name, parent in (("plant", None), ("a", "plant"), ("b", "plant")):
        body = {"kind": "line", "asset_id": name, "parent": parent, "label": name.upper()}
        assert (await world.call("POST", "/assets", token=token, body=body)).status == 201
    world.clock.turn(3600)
    for name in ("a", "b"):
        press = await world.device(f"press-{name}", type_name="press")
        path = f"/devices/press-{name}/attachments/observes"
        assert (await world.call("PUT", path, token=token, body={"asset": name})).status == 200
        readings = []
        for minute in range(61):
            stands = name == "b" and minute >= 30
            parts = min(minute, 30) if name == "b" else minute
            values = {
                "state": "fault" if stands else "running",
                "parts": parts,
                "rejects": parts // 10,
            }
            readings.append({"ts": NOON + minute * 60_000, "values": values})
        sent = await world.call("POST", "/devices/me/telemetry", token=press, body=readings)
        assert sent.status == 200, sent
    return token


async def get(world: World, path: str, token: str) -> Any:
    answer = await world.call("GET", path, token=token)
    assert answer.status == 200, answer
    return answer.json


async def test_a_timeline_shows_states_as_intervals(world: World) -> None:
    """With how long each held; a day of nothing has none."""
    token = await plant(world)
    found = await get(world, f"/devices/press-b/timeline?{SPAN}", token)
    half = NOON + 1_800_000
    assert [(one["state"], one["start_ms"], one["end_ms"]) for one in found["spans"]] == [
        ("running", NOON, half),
        ("fault", half, NOON + 3_600_000),
    ]
    assert found["seconds"] == {"fault": 1800.0, "running": 1800.0}
    assert found["producing"] == ["running"]
    before = "start=2026-02-01T12:00:00Z&end=2026-02-01T13:00:00Z"
    assert (await get(world, f"/devices/press-b/timeline?{before}", token))["spans"] == []
    parts = await get(world, f"/devices/press-b/timeline?{SPAN}&key=parts&points=6", token)
    assert len(parts["spans"]) <= 6


async def test_a_facility_shows_all_of_its_machines(world: World) -> None:
    """One row each."""
    token = await plant(world)
    found = await get(world, f"/assets/plant/timeline?{SPAN}", token)
    assert [one["device_id"] for one in found["machines"]] == ["press-a", "press-b"]
    below = await get(world, f"/assets/b/timeline?{SPAN}", token)
    assert [one["asset_id"] for one in below["machines"]] == ["b"]


async def test_oee_side_by_side(world: World) -> None:
    """One line as good as it can be, one half of the time; together, what both were."""
    token = await plant(world)
    path = f"/effectiveness?{SPAN}&assets=a,b,plant&bucket=30m"
    a, b, both = (await get(world, path, token))["facilities"]
    assert (a["figures"]["availability"], b["figures"]["availability"]) == (1.0, 0.5)
    assert a["figures"]["produced"] == 59.0  # the sample at the end is of the next hour
    assert a["figures"]["effectiveness"] == pytest.approx(59 / 60)
    assert b["figures"]["produced"] == 30.0
    assert b["figures"]["quality_ratio"] == pytest.approx(27 / 30)
    assert b["figures"]["oee"] == pytest.approx(0.5 * 1.0 * 0.9)
    assert both["figures"]["availability"] == 0.75
    assert [one["device_id"] for one in both["machines"]] == ["press-a", "press-b"]
    halves = [one["figures"]["availability"] for one in b["buckets"]]
    assert halves == [1.0, 0.0]


async def test_a_machine_is_worked_out_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many buckets there are, and however many of the facilities it stands in."""
    token = await plant(world)
    worked_out: list[str] = []

    def counted(trace: HistoryTrace, *rest: int) -> States:
        worked_out.append(trace.device)
        return states_of(trace, *rest)

    monkeypatch.setattr(machines, "states_of", counted)
    path = f"/effectiveness?{SPAN}&assets=a,b,plant&bucket=10m"
    found = (await get(world, path, token))["facilities"]
    assert [len(one["buckets"]) for one in found] == [6, 6, 6]
    assert sorted(worked_out) == ["press-a", "press-b"]


async def test_a_machine_that_was_moved_counts_where_it_was(world: World) -> None:
    """What it did before stays what it was; both places together are all that it did."""
    token = await plant(world)  # it is 13:00 now
    world.clock.turn(1200)
    path = "/devices/press-a/attachments/observes"
    assert (await world.call("PUT", path, token=token, body={"asset": "b"})).status == 200
    readings = [
        {"ts": NOON + minute * 60_000, "values": {"state": "running", "parts": minute}}
        for minute in range(61, 91)
    ]
    path = "/devices/press-a/telemetry"
    world.clock.turn(1200)
    assert (await world.call("POST", path, token=token, body=readings)).status == 200
    before = await get(world, f"/effectiveness?{SPAN}&assets=a,b", token)
    assert [len(one["machines"]) for one in before["facilities"]] == [1, 1]
    assert before["facilities"][0]["figures"]["produced"] == 59.0
    hour = "start=2026-03-01T13:00:00Z&end=2026-03-01T13:40:00Z"
    found = await get(world, f"/effectiveness?{hour}&assets=a,b,plant", token)
    a, b, both = (
        {m["device_id"]: m["figures"] for m in f["machines"]} for f in found["facilities"]
    )
    assert (a["press-a"]["span_s"], b["press-a"]["span_s"]) == (1200.0, 1200.0)
    assert (a["press-a"]["produced"], b["press-a"]["produced"]) == (20.0, 11.0)
    assert b["press-b"]["span_s"] == 2400.0
    assert found["facilities"][2]["figures"]["produced"] == 31.0
    assert found["facilities"][2]["figures"]["span_s"] == 4800.0
    assert both["press-a"] in (a["press-a"], b["press-a"])
    drawn = await get(world, f"/assets/a/timeline?{hour}", token)
    (a_line,) = drawn["machines"]
    assert (a_line["seconds"], a_line["span_s"]) == ({"running": 1200.0}, 1200.0)


async def test_a_new_machine_leaves_the_past_as_it_was(world: World) -> None:
    """Made and attached since, it is no part of an hour before; what it brought with it is."""
    token = await plant(world)
    world.clock.turn(3600)
    before = await get(world, f"/effectiveness?{SPAN}&assets=b", token)
    press = await world.device("press-new", type_name="press")
    path = "/devices/press-new/attachments/observes"
    assert (await world.call("PUT", path, token=token, body={"asset": "b"})).status == 200
    assert await get(world, f"/effectiveness?{SPAN}&assets=b", token) == before
    rows = [{"ts": NOON + 45 * 60_000, "values": {"state": "running", "parts": 1}}]
    sent = await world.call("POST", "/devices/me/telemetry", token=press, body=rows)
    assert sent.status == 200, sent
    (b,) = (await get(world, f"/effectiveness?{SPAN}&assets=b", token))["facilities"]
    spans = {one["device_id"]: one["figures"]["span_s"] for one in b["machines"]}
    assert spans == {"press-b": 3600.0, "press-new": 900.0}


async def test_too_many_figures_are_refused(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is read: two machines, in two buckets and in all of the time."""
    token = await plant(world)
    path = f"/effectiveness?{SPAN}&assets=plant&bucket=30m"
    for most, status in ((6, 200), (5, 413)):
        monkeypatch.setattr(facilities, "FIGURES_MAX", most)
        answer = await world.call("GET", path, token=token)
        assert answer.status == status, answer


async def test_a_calendar_says_what_was_planned(world: World) -> None:
    """On a Sunday nobody works: nothing was lost."""
    token = await plant(world)
    body = {"times": "Mon-Fri 06:00-22:00", "zone": "UTC"}
    assert (await world.call("PUT", "/calendars/default", token=token, body=body)).status == 200
    (found,) = (await get(world, f"/effectiveness?{SPAN}&assets=plant", token))["facilities"]
    assert (found["figures"]["planned_busy_s"], found["figures"]["oee"]) == (0.0, None)
    assert found["figures"]["utilisation"] == 0.0


async def test_a_silent_machine_is_not_believed_for_ever(world: World) -> None:
    """Five minutes, as its type says; then its time is unknown."""
    token = await plant(world)
    world.clock.turn(3600)
    path = "/effectiveness?start=2026-03-01T13:00:00Z&end=2026-03-01T14:00:00Z&assets=a"
    (found,) = (await get(world, path, token))["facilities"]
    assert found["figures"]["production_s"] == 300.0
    assert found["figures"]["unknown_s"] == 3300.0


async def test_what_cannot_be_asked_is_refused(world: World) -> None:
    """No key that is a state, no such asset, no time, too many buckets."""
    token = await plant(world)
    await world.device("pump-7")
    for path, status in (
        ("/devices/pump-7/timeline", 422),
        ("/effectiveness?assets=nowhere", 404),
        ("/effectiveness", 422),
        (f"/effectiveness?assets=a&{SPAN}&bucket=1s", 422),
        ("/effectiveness?assets=a&start=2027-01-01T00:00:00Z&end=2027-01-02T00:00:00Z", 422),
        ("/assets/nowhere/timeline", 404),
    ):
        assert (await world.call("GET", path, token=token)).status == status, path


async def test_tn_1_another_tenants_facilities_are_not_there(world: World) -> None:
    """Nor for somebody who may not read."""
    await plant(world)
    for token, status in (
        (world.admin(OTHER), 404),
        (world.person("nobody"), 403),
        (world.person("vera", Role.VIEWER), 200),
    ):
        for path in (
            "/effectiveness?assets=a",
            "/assets/plant/timeline",
            "/devices/press-a/timeline",
        ):
            assert (await world.call("GET", path, token=token)).status == status, path
