"""Journeys in rules: against the trip of the moment, its end, edits, and restarts."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import UNSET
from msgspec.structs import replace
from tests.rules.places.support import MAIN, plan

from weft.model.ids import DeviceId, TenantId
from weft.rules.feeds.base import NEVER, Feed, Origin
from weft.rules.feeds.journeys import TELLS, journey_cost, make_journeying
from weft.rules.places.kinds import Trip
from weft.rules.places.lookup import Found, Journey
from weft.rules.places.plans import Plan

S = 1_000_000_000
START, END = 10_000 * S, 16_000 * S
TRIP = Trip(
    tenant=MAIN, name="monday", uid="t-1", created_at=0, created_by="", updated_at=0,
    route="tour", starts_at=START, ends_at=END, device_id="truck-1",
)  # fmt: skip


class OneTrip:
    """A trip of one device; its route is replanned when `redraw` says so."""

    def __init__(self) -> None:
        self.changes = 0
        self.asked = 0
        self.trip = TRIP
        self.plan: Plan = plan()

    def shape(self, *_asked: Any) -> None:
        return None

    def journey(self, tenant: TenantId, device_id: str, at: int, received: int) -> Found:
        self.asked += 1
        trip = self.trip
        mine = (tenant, device_id) == (MAIN, "truck-1") and trip.starts_at <= at < trip.ends_at
        edges = sorted({0, trip.starts_at, trip.ends_at, NEVER})
        since = max(edge for edge in edges if edge <= at)
        until = min(edge for edge in edges if edge > at)
        journey = Journey(trip, self.plan) if mine else None
        return Found(journey, self.changes, since, until, 0, NEVER)

    def fence_names(self, _tenant: TenantId) -> list[str]:
        return []

    def stop_names(self, _tenant: TenantId) -> list[str]:
        return []


def feed_of(name: str, places: OneTrip, stop: str | None = None, tenant: str = "main") -> Feed:
    origin = Origin(TenantId(tenant), DeviceId("truck-1"), 0, places)
    return make_journeying(name, {} if stop is None else {"stop": stop}, origin)


def at_s(feed: Feed, second: float, longitude: float, latitude: float = 51.0) -> Any:
    """Feed a position so many seconds after the start, received just then."""
    moment = START + round(second * S)
    return feed.take(moment, moment, (latitude, longitude))


NONE = {"off_route": 0.0, "eta": UNSET, "late_by": 0.0, "dwell": 0.0, "overstays": False,
        "missed_stop": False, "next_stop": ""}  # fmt: skip


@pytest.mark.parametrize("name", TELLS)
def test_without_a_trip_nothing_is_deviated_from(name: str) -> None:
    """Before it begins, behind its end, in another tenant, and where there are no places."""
    feed = feed_of(name, OneTrip())
    assert at_s(feed, -10, 12.0) == NONE[name]
    assert at_s(feed, 6_001, 14.0) == NONE[name]
    assert at_s(feed_of(name, OneTrip(), tenant="other"), 10, 14.0) == NONE[name]
    alone = make_journeying(name, {}, Origin(MAIN, DeviceId("truck-1"), 0))
    assert at_s(alone, 10, 14.0) == NONE[name]


def test_off_route_is_the_way_to_the_line() -> None:
    """On it, beside it, and back."""
    feed = feed_of("off_route", OneTrip())
    assert at_s(feed, 0, 12.0) == pytest.approx(0, abs=1)
    assert at_s(feed, 60, 12.02, 51.01) == pytest.approx(1_112, abs=2)
    assert at_s(feed, 120, 12.04) == pytest.approx(0, abs=1)


def test_lateness_is_against_the_plan_of_the_next_stop() -> None:
    """Left twenty minutes late: twenty minutes late at the middle, and not at what is done."""
    places = OneTrip()
    late, eta = feed_of("late_by", places), feed_of("eta", places)
    named, end = feed_of("late_by", places, "middle"), feed_of("eta", places, "end")
    upcoming = feed_of("next_stop", places)
    for feed in (late, eta, named, end, upcoming):
        at_s(feed, 0, 12.0)
    found = [at_s(feed, 1_200, 12.0) for feed in (late, eta, named, end, upcoming)]
    assert found[:4] == pytest.approx([1_200, 1_800, 1_200, 1_800 + 900 + 1_800], abs=20)
    assert found[4] == "middle"
    assert at_s(named, 3_000, 12.5) == 0.0
    assert at_s(late, 4_600, 13.0) == 0.0
    assert at_s(eta, 4_600, 13.0) is UNSET
    assert at_s(upcoming, 4_600, 13.0) == ""


def test_a_halt_is_timed_and_may_be_too_long() -> None:
    """At this stop or at any; by the clock too, when the vehicle falls silent at the dock."""
    places = OneTrip()
    dwell, other = feed_of("dwell", places), feed_of("dwell", places, "end")
    overstays = feed_of("overstays", places, "middle")
    for second, longitude in ((0, 12.0), (1_800, 12.5), (2_400, 12.5001)):
        found = [at_s(feed, second, longitude) for feed in (dwell, other, overstays)]
    assert found == [600, 0.0, False]
    assert overstays.due == START + (1_800 + 1_800) * S + 1
    assert overstays.advance(overstays.due) is True
    assert at_s(overstays, 3_700, 12.6) is False
    assert at_s(dwell, 3_700, 12.6) == 0.0


def test_a_missed_stop_is_told_until_it_is_served_or_the_trip_ends() -> None:
    """Of a stop by name, or of any."""
    places = OneTrip()
    any_stop, middle = feed_of("missed_stop", places), feed_of("missed_stop", places, "middle")
    end = feed_of("missed_stop", places, "end")
    for feed in (any_stop, middle, end):
        assert at_s(feed, 0, 12.0) is False
    found = [at_s(feed, 2_000, 12.6) for feed in (any_stop, middle, end)]
    assert found == [True, True, False]
    assert any_stop.due == END
    assert any_stop.advance(END - 1) is True
    assert any_stop.advance(END) is False
    assert any_stop.due == NEVER


def test_a_stop_that_no_route_of_this_trip_has_is_never_missed() -> None:
    """The rule watches many routes, each with stops of its own."""
    assert at_s(feed_of("missed_stop", OneTrip(), "elsewhere"), 2_000, 12.6) is False


def test_what_comes_in_late_after_the_end_is_still_of_the_trip() -> None:
    """A truck without a network for an hour: its stops before that are not forgotten."""
    feed = feed_of("missed_stop", OneTrip())
    at_s(feed, 0, 12.0)
    at_s(feed, 1_800, 12.5)
    feed.advance(END)
    buffered = START + 2_000 * S
    assert feed.take(buffered, END + 60 * S, (51.0, 12.6)) is False


def test_the_next_trip_begins_anew() -> None:
    """What was missed yesterday is not missed today."""
    places = OneTrip()
    feed = feed_of("missed_stop", places)
    at_s(feed, 0, 12.0)
    assert at_s(feed, 2_000, 12.6) is True
    places.trip = replace(TRIP, uid="t-2")
    places.changes += 1
    assert at_s(feed, 2_100, 12.0) is False


def test_a_line_that_is_drawn_anew_keeps_what_was_served() -> None:
    """Dispatch replans around a closed road; the first stop stays done."""
    places = OneTrip()
    feed = feed_of("next_stop", places)
    at_s(feed, 0, 12.0)
    at_s(feed, 1_800, 12.5)
    places.plan = plan(version=2)
    places.changes += 1
    assert at_s(feed, 2_800, 12.6) == "end"


def test_one_look_serves_the_whole_trip() -> None:
    """The trip is looked up when it may have changed, not with each sample."""
    places = OneTrip()
    feed = feed_of("off_route", places)
    for second in range(100):
        at_s(feed, second, 12.0)
    assert places.asked == 1


def test_late_samples_and_no_places_change_nothing() -> None:
    """What came after is known already; a receiver without a fix says 999."""
    feed = feed_of("off_route", OneTrip())
    told = at_s(feed, 100, 12.1, 51.01)
    assert feed.take(START, START + 200 * S, (52.0, 12.0)) == told
    assert at_s(feed, 300, 999.0) == told
    assert feed.take(START + 50 * S, START + 60 * S, (51.0, 12.1)) < 1  # our clock was set back


@settings(max_examples=60, deadline=None)
@given(
    samples=st.lists(
        st.tuples(
            st.integers(-10, 900), st.integers(1, 900), st.floats(50.99, 51.01),
            st.floats(11.95, 13.05),
        ),
        max_size=25,
    ),
    name=st.sampled_from(sorted(TELLS)),
    cut=st.integers(0, 25),
)  # fmt: skip
def test_a_restart_changes_no_answer(
    samples: list[tuple[int, int, float, float]], name: str, cut: int
) -> None:
    """State out and in between any two samples, late ones and timers among them."""
    places = OneTrip()
    one, other = feed_of(name, places), feed_of(name, places)
    received = START
    for place, (age, wait, latitude, longitude) in enumerate(samples):
        received += wait * S
        if place == cut:
            fresh = feed_of(name, places)
            fresh.restore(other.state())
            other = fresh
        while one.due < received:
            assert one.due == other.due
            moment = one.due
            assert one.advance(moment) == other.advance(moment)
        at = min(received - age * S, received)
        found = [feed.take(at, received, (latitude, longitude)) for feed in (one, other)]
        assert found[0] == found[1]
        assert one.state() == other.state()


def test_it_keeps_no_more_than_it_says() -> None:
    """Two moments for each stop; 100 stops at worst."""
    feed = feed_of("late_by", OneTrip())
    at_s(feed, 0, 12.0)
    track = feed._track  # type: ignore[attr-defined]  # what it keeps
    track.served = {"s" * 64 + str(n): [2**62, 2**62] for n in range(100)}
    assert len(repr(feed.state())) < journey_cost({}).state_bytes


def test_the_clock_counts_in_the_time_of_a_vehicle_that_sends_from_its_memory() -> None:
    """A day behind: the halt is too long when its samples say so, and the trip ends with them."""
    day = 86_400 * S
    feed = feed_of("overstays", OneTrip(), "middle")
    for place, (second, longitude) in enumerate(((0, 12.0), (1_800, 12.5), (2_400, 12.5001))):
        at = START + second * S
        assert feed.take(at, START + day + place, (51.0, longitude)) is False
    lag = START + day + 2 - (START + 2_400 * S)
    assert feed.due == START + (1_800 + 1_800) * S + 1 + lag
    kept = feed_of("overstays", OneTrip(), "middle")
    kept.restore(feed.state())
    for one in (feed, kept):
        assert one.advance(one.due) is True
        assert one.due == END + lag
        assert one.advance(one.due) is False
    older = feed_of("overstays", OneTrip(), "middle")
    assert older.restore(feed.state()[:5]) is False  # kept on disk before lags were
