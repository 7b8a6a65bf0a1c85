"""What history says of machines: planned times, and sizes that are bounded."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from tests.api.support import MAIN, World

from weft.api import machines
from weft.api.machines import Span, below, open_times, require_room
from weft.errors import TooLarge
from weft.ports import HistoryScan
from weft.registry.assets import NewAsset
from weft.rules.feeds.schedule import read_schedule

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


async def test_a_facility_is_all_below_it(world: World) -> None:
    """At any depth, and nothing beside it."""
    actor = world.badges.known[world.admin()].principal
    for name, parent in (("site", None), ("line", "site"), ("press", "line"), ("other", None)):
        await world.assets.create(actor, NewAsset("area", name, parent=parent))
    top = world.assets.get(MAIN, "site")
    assert [one.asset_id for one in below(world.services, MAIN, top)] == ["site", "line", "press"]


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
