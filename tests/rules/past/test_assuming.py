"""What replays assume: rules over groups and assets, and places, in the past."""

from typing import Any

import pytest
from tests.registry.support import ALICE as OWNER
from tests.rules.past.support import HOUR, Past
from tests.rules.places.support import CIRCLE, SQUARE, Yard, fleet
from tests.rules.support import ALICE, MAIN, START, S, device, hot, members_of

from weft.rules.past.assuming import assumed_by
from weft.rules.past.model import Against, Verdict
from weft.rules.places.trips import NewTrip

PUMPS = ("p1", "p2", "p3")
SCOPES: list[dict[str, str]] = [{"group": "hall"}, {"asset": "line-1"}, {"each_asset": "line"}]


def plant() -> Past:
    """Three pumps, two of them of a hall and on a line; the third stands alone."""
    past = Past(*(device(name) for name in PUMPS))
    members = members_of(past.plant.around)
    members.groups["hall"] = {"p1", "p2"}
    members.assets = {"line-1": {"p1", "p2"}, "line-2": {"p3"}}
    members.kinds = {"line-1": "line", "line-2": "line"}
    return past


def over(scope: dict[str, str], when: str = "count(temperature > 80) >= 2") -> dict[str, Any]:
    return hot(scope=scope, selector={}, when=when, message="{subject}: {members}")


async def lived(past: Past, document: dict[str, Any]) -> None:
    """Both pumps of the line are hot together once; the third alone is hot all the time."""
    await past.plant.rules.create(ALICE, document)
    story = [("p1", 90), ("p3", 99), ("p2", 91), ("p3", 98), ("p1", 20), ("p2", 20), ("p2", 95)]
    for second, (name, degrees) in enumerate(story):
        await past.hear(second, {"temperature": float(degrees)}, name=name)


@pytest.mark.parametrize("scope", SCOPES)
async def test_a_rule_over_many_raises_in_the_past_what_it_raised_live(
    scope: dict[str, str],
) -> None:
    """From the journal, and from history when that has forgotten: the same, on one subject."""
    past = plant()
    document = over(scope)
    await lived(past, document)
    (alarm,) = await past.plant.raised()
    for forget in (1, past.journal.head + 2):
        past.forget(forget)
        replay = await past.replay(document)
        assert (replay.counts.same, replay.counts.added, replay.counts.missing) == (1, 0, 0)
        (finding,) = await past.replays.findings(MAIN, replay.replay_id)
        assert (finding.verdict, finding.recorded) == (Verdict.SAME, alarm.alarm_id)
        assert (finding.subject, finding.device_id) == (str(alarm.subject), "")
        assert (finding.raised_at, finding.cleared_at) == (alarm.raised_at, alarm.cleared_at)
        assert finding.message == alarm.message


async def test_windows_of_members_are_filled_in_the_past_as_well() -> None:
    """A mean of each member, counted over the group; the replay looks at each sample."""
    past = plant()
    document = over({"group": "hall"}, "any(mean(temperature, 4s) > 85)")
    await lived(past, document)
    (alarm,) = await past.plant.raised()
    past.forget(past.journal.head + 2)
    replay = await past.replay(document)
    assert (replay.counts.same, replay.counts.added) == (1, 0)
    assert (replay.path.value, alarm.raised_at) == ("exact", START)


async def test_the_members_are_those_of_today() -> None:
    """The third pump joined the hall after the fact: with it the past looks otherwise."""
    past = plant()
    document = over({"group": "hall"})
    await lived(past, document)
    members_of(past.plant.around).groups["hall"] = {"p1", "p3"}
    replay = await past.replay(document, against=Against.NOTHING)
    (finding,) = await past.replays.findings(MAIN, replay.replay_id)
    assert finding.message == "group hall: p1, p3"
    assert finding.raised_at == START + S


async def test_a_replay_reads_no_samples_of_devices_that_are_no_members() -> None:
    """Of three pumps' samples those of two are read from history."""
    past = plant()
    document = over({"group": "hall"})
    await lived(past, document)
    past.forget(past.journal.head + 2)
    replay = await past.replay(document)
    assert replay.samples == 5


async def on_the_road() -> tuple[Yard, Past]:
    """A truck that is on a trip from the start on, and its past."""
    yard = await fleet("truck-1")
    yard.clock.turn((START - yard.clock.now()) / S)
    await yard.books.fences.save(OWNER, "depot", SQUARE)
    trip = NewTrip("monday", "tour", START, START + HOUR, device_id="truck-1")
    await yard.books.trips.create(OWNER, trip)
    yard.clock.turn(3)  # what was saved counts a second later
    return yard, Past(device("truck-1", type_name=None), places=yard.books.atlas)


async def drive(past: Past, second: int, latitude: float, longitude: float) -> None:
    values = {"latitude": latitude, "longitude": longitude}
    await past.hear(second, values, name="truck-1", type_name="")


async def compared(past: Past, document: dict[str, Any]) -> None:
    """Replay from the journal, and from history alone, what was raised live."""
    alarms = await past.plant.raised()
    for forget in (1, past.journal.head + 2):
        past.forget(forget)
        replay = await past.replay(document)
        found = await past.replays.findings(MAIN, replay.replay_id)
        assert [one.verdict for one in found] == [Verdict.SAME] * len(alarms)
        assert [(one.raised_at, one.cleared_at) for one in found] == [
            (one.raised_at, one.cleared_at) for one in alarms
        ]


async def test_a_fence_is_where_it_was_then() -> None:
    """The depot has moved meanwhile; each position is judged by the depot of its time."""
    yard, past = await on_the_road()
    document = {"name": "in", "when": "inside(latitude, longitude, 'depot')"}
    await past.plant.rules.create(ALICE, document)
    old, new = (51.05, 12.05), (51.5, 12.5)
    await drive(past, 10, *old)
    await drive(past, 11, *new)
    yard.clock.turn(20)
    await yard.books.fences.save(OWNER, "depot", CIRCLE)
    await drive(past, 40, *new)
    await drive(past, 41, *old)
    raised = [one.raised_at for one in await past.plant.raised()]
    assert raised == [START + 10 * S, START + 40 * S]
    await compared(past, document)


async def test_a_trip_is_the_one_of_then() -> None:
    """Off its route by kilometres for a minute; the trip is over when it is asked about."""
    yard, past = await on_the_road()
    document = {"name": "off", "when": "off_route(latitude, longitude) > 500"}
    await past.plant.rules.create(ALICE, document)
    for minute, latitude in enumerate((51.0, 51.2, 51.0, 51.0)):
        await drive(past, 60 + 60 * minute, latitude, 12.01 + 0.005 * minute)
    assert len(await past.plant.raised()) == 1
    yard.clock.turn(86_400)
    await compared(past, document)


def test_the_report_says_what_is_of_today() -> None:
    """Members, attributes and what was reported; of a plain rule nothing."""
    assert assumed_by(hot()) == []
    assert assumed_by(over({"group": "hall"})) == ["who belongs to group hall"]
    (said,) = assumed_by(over({"asset": "plant-1/line-1"}))
    assert "asset plant-1/line-1" in said
    (said,) = assumed_by(over({"each_asset": "line"}))
    assert "a line" in said
    assert len(assumed_by(hot(when="temperature > twin.reported.limit"))) == 1
    assert len(assumed_by(hot(clear="temperature < device.attributes.low"))) == 1
    assert assumed_by(hot(selector={"attributes": {"hall": 3}})) == ["the attributes of devices"]
