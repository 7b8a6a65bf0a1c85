"""What history says of machines: planned times, and sizes that are bounded."""

from datetime import datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from tests.api.support import MAIN, World

from weft.api import machines
from weft.api.machines import (
    Machine,
    Span,
    course_of,
    machines_of,
    open_times,
    read_traces,
    require_room,
    used,
)
from weft.errors import TooLarge
from weft.history.effectiveness import together
from weft.model.asset import Asset, AttachmentRole
from weft.ports import HistoryScan
from weft.registry.assets import NewAsset
from weft.registry.production import Production
from weft.rules.feeds.schedule import read_schedule

PRODUCTION = {"state": "state", "producing": ["run"]}
HOUR = 3600 * 10**9


def at(text: str) -> int:
    local = datetime.fromisoformat(text).replace(tzinfo=ZoneInfo("Europe/Berlin"))
    return int(local.timestamp()) * 10**9


def test_planned_time_is_when_the_calendar_is_open() -> None:
    """Two shifts of a day, cut to what was asked for; all of it without a calendar."""
    schedule = read_schedule("Mon-Fri 06:00-14:00", "Europe/Berlin", ())
    span = Span(at("2026-03-02T10:00"), at("2026-03-04T07:00"))
    hours = [(end - begin) / HOUR for begin, end in open_times(schedule, span)]
    assert hours == [4, 8, 1]
    weekend = Span(at("2026-03-07T00:00"), at("2026-03-09T00:00"))
    assert open_times(schedule, weekend) == []
    assert open_times(None, span) == [span.interval]


def test_a_calendar_that_opens_too_often_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A century of shifts is not an answer."""
    monkeypatch.setattr(machines, "OPENINGS_MAX", 3)
    schedule = read_schedule("Mon-Sun 06:00-07:00", "UTC", ())
    with pytest.raises(TooLarge):
        open_times(schedule, Span(0, 100 * 24 * HOUR))


async def test_a_facility_is_all_below_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """At any depth, and nothing beside it: the other assets of the tenant are not gone through."""
    actor = world.badges.known[world.admin()].principal
    document = {"telemetry": {"state": {"type": "string"}}, "production": PRODUCTION}
    await world.types.save(actor, "press", document)
    for name, parent in (("site", None), ("line", "site"), ("press", "line"), ("other", None)):
        await world.assets.create(actor, NewAsset("area", name, parent=parent))
        await world.device(f"at-{name}", type_name="press")
        await world.attachments.attach(actor, f"at-{name}", AttachmentRole.OBSERVES, name)
    await world.device("no-machine")
    await world.attachments.attach(actor, "no-machine", AttachmentRole.OBSERVES, "line")

    def all_of_them(*_where: object) -> list[Asset]:
        raise AssertionError

    monkeypatch.setattr(world.assets, "behind", all_of_them)
    span = Span(0, world.clock.now() + 1)
    found = await machines_of(world.services, MAIN, world.assets.get(MAIN, "site"), span)
    assert [one.device.device_id for one in found] == ["at-site", "at-line", "at-press"]
    await world.devices.delete(actor, "at-line")
    await world.device("at-line", type_name="press")  # a namesake, attached to nothing
    found = await machines_of(world.services, MAIN, world.assets.get(MAIN, "site"), span)
    assert [one.device.device_id for one in found] == ["at-site", "at-press"]
    monkeypatch.setattr(machines, "MACHINES_MAX", 1)
    with pytest.raises(TooLarge):
        await machines_of(world.services, MAIN, world.assets.get(MAIN, "site"), span)


async def test_the_parts_of_a_course_are_the_whole(world: World) -> None:
    """Times and quantities of each part add up; only what was planned counts."""
    press = await world.device("press-1")
    production = Production("state", frozenset({"run"}), frozenset({"clean"}), "parts", "bad")
    began = world.clock.now()
    machine = Machine(world.devices.get(MAIN, "press-1"), "line", production, ((began, 2**62),))
    for state, parts, bad in (("run", 0, 0), ("clean", 6, 1), ("run", 9, 1), ("fault", 2, 2)):
        values = {"state": state, "parts": parts, "bad": bad}
        sent = await world.call("POST", "/devices/me/telemetry", token=press, body=values)
        assert sent.status == 200, sent
        world.clock.turn(600)
    span = Span(began, world.clock.now())
    traces = await read_traces(world.services, [machine], span)
    minute = 60 * 10**9
    planned = [(began, began + 15 * minute), (began + 20 * minute, began + 40 * minute)]
    course = course_of(machine, traces, planned, span)
    whole = used(course, span)
    assert (whole.span_s, whole.planned_s, whole.producing_s) == (2400.0, 1800.0, 1200.0)
    assert (whole.produced, whole.good) == (11.0, 9.0)
    edges = [began, began + 7 * minute, began + 17 * minute, began + 33 * minute, span.end]
    parts_of_it = [used(course, Span(*pair)) for pair in pairwise(edges)]
    assert together(parts_of_it) == whole


async def test_more_samples_than_fit_are_refused(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before they are read."""
    pump = await world.device("pump-7")
    for n in range(3):
        await world.call("POST", "/devices/me/telemetry", token=pump, body={"t": n})
        world.clock.turn(1)
    monkeypatch.setattr(machines, "SAMPLES_MAX", 2)
    scan = HistoryScan(MAIN, ("pump-7",), ("t",), 0, world.clock.now() + 1)
    with pytest.raises(TooLarge):
        await require_room(world.services, [scan])
