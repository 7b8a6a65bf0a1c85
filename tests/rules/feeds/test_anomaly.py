"""Anomaly functions: the feed around a detector, on the clock of rules."""

import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import UNSET, json

from weft.errors import Invalid
from weft.model.ids import DeviceId, TenantId
from weft.rules.feeds.anomaly import ANOMALIES, MEMORY_NS, WARM
from weft.rules.feeds.base import NEVER, Feed, Function, Origin, Settings

ORIGIN = Origin(tenant=TenantId("main"), device_id=DeviceId("pump-7"), began_at=0)
S = 1_000_000_000
HOUR = 3600 * S
DAY = 24 * HOUR
SETTINGS: dict[str, Settings] = {
    "anomaly": {},
    "ewma_score": {"span": HOUR},
    "seasonal_score": {"season": DAY},
    "drift": {"baseline": HOUR},
}
every_function = pytest.mark.parametrize("function", ANOMALIES, ids=lambda one: str(one.name))


def made(function: Function) -> Feed:
    return function.make(SETTINGS[function.name], ORIGIN)


def named(name: str) -> Callable[[Settings, Origin], Feed]:
    return next(one.make for one in ANOMALIES if one.name == name)


def live(feed: Feed, count: int, *, every: int = 600 * S) -> int:
    """Feed some noise about 20; return the moment after it."""
    noise = random.Random(1)
    for place in range(count):
        feed.take(place * every, place * every, 20 + noise.gauss(0, 1))
    return count * every


@every_function
def test_it_is_unknown_at_first_and_then_far_off_for_what_is_far_off(function: Function) -> None:
    """Neither raises nor clears until there is a past to compare with."""
    feed = made(function)
    assert feed.take(1, 1, 20.0) is UNSET
    at = live(feed, 3_000)
    assert feed.take(at, at, 60.0) > 10
    assert feed.take(at + 1, at + 1, -20.0) < -10
    assert (feed.due, feed.advance(NEVER - 1)) == (NEVER, feed.advance(0))


@every_function
def test_a_late_sample_and_one_beyond_all_bounds_are_passed_over(function: Function) -> None:
    """What came after it has been judged; the next one is judged as if it had not been."""
    one, other = made(function), made(function)
    at = live(one, 3_000)
    live(other, 3_000)
    told = one.take(at, at, 21.0)
    other.take(at, at, 21.0)
    assert one.take(at - 5 * S, at + S, 900.0) == told
    assert one.take(at + S, at + S, 1e200) == told
    assert one.take(at + 600 * S, at + 600 * S, 19.0) == other.take(at + 600 * S, at, 19.0)


@every_function
def test_a_clock_that_was_set_back_blinds_nobody(function: Function) -> None:
    """Received before the newest sample: our own clock, and the sample counts."""
    feed = made(function)
    at = live(feed, 3_000)
    feed.take(at, at, 20.0)
    assert feed.take(at - DAY, at - DAY, 60.0) > 10


@every_function
@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 1_000), cut=st.integers(0, 900))
def test_a_restart_in_the_middle_changes_nothing(function: Function, seed: int, cut: int) -> None:
    """What was written and read again goes on as if nothing had been."""
    noise = random.Random(seed)
    one, other, at = made(function), made(function), 0
    for place in range(900):
        at += noise.choice([0, S, 600 * S, HOUR])
        value = noise.choice([20.0, noise.gauss(20, 1), noise.gauss(20, 9)])
        if place == cut:
            other = made(function)
            told = other.restore(json.decode(json.encode(one.state())))
            assert told == one.advance(at)
        told = one.take(at, at, value)
        if place >= cut:
            assert other.take(at, at, value) == told


@every_function
def test_what_it_keeps_is_bounded_by_what_it_declares(function: Function) -> None:
    """In the warm-up and after it, however many samples come."""
    bound = function.cost(SETTINGS[function.name]).state_bytes
    feed = made(function)
    for place in range(2_000):
        feed.take(place * 7 * S, place * 7 * S, place * 1.1)
        if place % 50 == 0 or place == WARM - 1:
            assert len(json.encode(feed.state())) <= bound


@every_function
def test_a_whole_number_is_a_number(function: Function) -> None:
    """A device that counts sends integers."""
    one, other = made(function), made(function)
    for place in range(1_000):
        given_whole: Any = place * 7919 % 13
        told = one.take(place * 600 * S, place * 600 * S, given_whole)
        assert told == other.take(place * 600 * S, place * 600 * S, float(given_whole))


def test_seasons_that_make_no_sense_are_refused() -> None:
    """On save, in words."""
    for wrong in ({"season": S}, {"season": DAY, "memory": 3 * DAY}):
        with pytest.raises(Invalid):
            named("seasonal_score")(wrong, ORIGIN)


def test_the_memory_is_a_week_unless_it_is_given() -> None:
    """A longer one learns a shift later."""
    short, long = named("anomaly")({}, ORIGIN), named("anomaly")({"memory": 4 * MEMORY_NS}, ORIGIN)
    at = max(live(short, 10_000), live(long, 10_000))
    noise = random.Random(2)
    for place in range(600):
        value = 30 + noise.gauss(0, 1)
        told = [feed.take(at + place * 600 * S, at, value) for feed in (short, long)]
    assert told[0] < told[1]
