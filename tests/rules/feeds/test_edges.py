"""Edges: changes, switches with two thresholds, and how long something has held."""

from typing import Any

import pytest
from msgspec import UNSET

from weft.errors import Invalid
from weft.model.ids import DeviceId, TenantId
from weft.rules.feeds.base import NEVER, Feed, Origin
from weft.rules.feeds.edges import PAIRS, Held, Hysteresis, Pair, make_hysteresis

ORIGIN = Origin(tenant=TenantId("main"), device_id=DeviceId("pump-7"), began_at=0)


def told(feed: Feed, values: list[Any]) -> list[Any]:
    return [feed.take(second + 1, second + 1, value) for second, value in enumerate(values)]


def test_a_change_is_told_once() -> None:
    """The first sample is no change; 1 and 1.0 are one number, true is none."""
    assert told(Pair(PAIRS["changed"]), ["a", "a", "b", "b"]) == [False, False, True, False]
    assert told(Pair(PAIRS["changed"]), [1, 1.0, True]) == [False, False, True]


def test_an_edge_has_two_sides() -> None:
    """True from the start has not risen."""
    truths = [True, False, True, True, False]
    assert told(Pair(PAIRS["rising"]), truths) == [False, False, True, False, False]
    assert told(Pair(PAIRS["falling"]), truths) == [False, True, False, False, True]


def test_the_sample_before_is_remembered() -> None:
    """Unknown at first."""
    assert told(Pair(PAIRS["previous"]), [1.0, 2.0, 3.0]) == [UNSET, 1.0, 2.0]


def test_a_late_sample_is_passed_over_and_a_corrected_one_replaces() -> None:
    """What came after it is known already."""
    pair = Pair(PAIRS["previous"])
    pair.take(10, 10, 1.0)
    pair.take(20, 20, 2.0)
    assert pair.take(15, 21, 9.0) == 1.0
    assert pair.take(20, 22, 3.0) == 1.0
    assert pair.take(30, 30, 4.0) == 3.0
    assert pair.take(25, 25, 5.0) == 4.0  # our clock was set back


def test_held_goes_by_samples_and_by_the_clock() -> None:
    """A buffer that holds the time is enough; so is silence after the last true sample."""
    held = Held(30)
    assert [held.take(at, 100, True) for at in (10, 39, 40)] == [False, False, True]
    assert held.take(41, 101, False) is False
    assert held.take(42, 102, True) is False
    assert held.due == 132
    assert held.advance(131) is False
    assert held.advance(132) is True
    assert held.due == NEVER


def test_a_switch_stays_between_its_thresholds() -> None:
    """Both ways round."""
    assert told(Hysteresis(80, 75), [70, 78, 80, 78, 75, 78]) == [
        False, False, True, True, False, False,
    ]  # fmt: skip
    assert told(Hysteresis(10, 15), [12, 9, 12, 15]) == [False, True, True, False]
    with pytest.raises(Invalid, match="the same"):
        make_hysteresis({"on": 5.0, "off": 5.0}, ORIGIN)
