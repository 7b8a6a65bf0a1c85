"""Fences in rules: which side, against a receiver that wanders, late samples and edits."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import UNSET

from weft.model.ids import DeviceId, TenantId
from weft.rules.feeds.base import NEVER, Origin
from weft.rules.feeds.fences import fence_cost, make_away, make_fenced
from weft.rules.places.lookup import Found
from weft.rules.places.shapes import Shape, shape_of

MAIN = TenantId("main")
S = 1_000_000_000
DEGREE_M = 111_195.0  # of latitude, near 50 degrees


class OneFence:
    """A circle of 1 km at 50 N 10 E, drawn elsewhere from the moment MOVED on."""

    changes = 0
    moved = 1_000_000 * S

    def __init__(self) -> None:
        self._here = shape_of({"type": "Point", "coordinates": [10.0, 50.0]}, 1_000.0)
        self._there = shape_of({"type": "Point", "coordinates": [11.0, 50.0]}, 1_000.0)

    def shape(self, tenant: TenantId, name: str, received: int) -> Shape | None:
        if (tenant, name) != (MAIN, "depot"):
            return None
        return self._here if received < self.moved else self._there

    def journey(self, *_asked: Any) -> Found:
        raise AssertionError("no trip is asked for")

    def fence_names(self, _tenant: TenantId) -> list[str]:
        return ["depot"]

    def stop_names(self, _tenant: TenantId) -> list[str]:
        return []


def origin(tenant: str = "main") -> Origin:
    return Origin(TenantId(tenant), DeviceId("truck-1"), 0, OneFence())


def at_m(metres: float) -> tuple[float, float]:
    """Return a position so many metres north of the centre."""
    return 50.0 + metres / DEGREE_M, 10.0


def fed(tell: str, metres: list[float], margin: float | None = None, time: int = 0) -> list[Any]:
    """Feed a position a second; return what was told each time."""
    feed = make_fenced(tell, {"fence": "depot", **({"time": time} if time else {})}, origin())
    more = () if margin is None else (margin,)
    return [
        feed.take(second * S, second * S, (*at_m(one), *more))
        for second, one in enumerate(metres, 1)
    ]


def test_each_sample_is_taken_at_its_word() -> None:
    """Without a margin or a time; entering and leaving are told once."""
    way = [1_500.0, 900.0, 500.0, 1_100.0, 1_200.0]
    assert fed("inside", way) == [False, True, True, False, False]
    assert fed("outside", way) == [True, False, False, True, True]
    assert fed("enters", way) == [False, True, False, False, False]
    assert fed("leaves", way) == [False, False, False, True, False]
    assert fed("enters", [0.0, 0.0]) == [False, False]  # it was there already


def test_a_receiver_that_wanders_about_the_border_enters_once() -> None:
    """With a margin it must be clearly on the other side."""
    jitter = [1_500.0, 990.0, 1_010.0, 995.0, 1_005.0, 930.0, 1_020.0, 990.0, 1_080.0]
    assert fed("enters", jitter).count(True) == 4
    assert fed("enters", jitter, 50.0) == [False] * 5 + [True] + [False] * 3
    assert fed("leaves", jitter, 50.0) == [False] * 8 + [True]


def test_a_sample_that_may_be_on_either_side_says_nothing() -> None:
    """The margin may be the accuracy of each sample: 800 m off says nothing, 5 m off does."""
    feed = make_fenced("inside", {"fence": "depot"}, origin())
    assert feed.take(1, 1, (*at_m(1_500), 5.0)) is False
    assert feed.take(2, 2, (*at_m(500), 800.0)) is False
    assert feed.take(3, 3, (*at_m(500), 5.0)) is True
    assert feed.take(4, 4, (*at_m(1_200), 800.0)) is True
    assert feed.take(5, 5, (*at_m(1_200), float("nan"))) is False  # no accuracy: at its word


def test_a_side_counts_once_it_has_been_held() -> None:
    """By the samples' moments, or by the clock when the device falls silent."""
    way = [1_500.0, 500.0, 1_500.0, 500.0, 500.0, 500.0, 500.0]
    assert fed("inside", way, time=2 * S) == [False] * 5 + [True, True]
    feed = make_fenced("leaves", {"fence": "depot", "time": 30 * S}, origin())
    feed.take(1 * S, 1 * S, at_m(0))
    assert feed.take(10 * S, 10 * S, at_m(2_000)) is False
    assert feed.due == 40 * S
    assert feed.advance(40 * S) is True
    assert feed.due == NEVER
    assert feed.take(50 * S, 50 * S, at_m(2_000)) is False


def test_what_is_no_place_changes_nothing() -> None:
    """A receiver without a fix sends 999, or nothing that is a number."""
    feed = make_fenced("inside", {"fence": "depot"}, origin())
    assert feed.take(1, 1, (999.0, 10.0)) is UNSET
    assert feed.take(2, 2, at_m(0)) is True
    assert feed.take(3, 3, (float("nan"), 10.0)) is True
    assert feed.take(4, 4, (50.0, 181.0)) is True


def test_a_late_sample_is_passed_over() -> None:
    """What came after it is known already; but our own clock may be set back."""
    feed = make_fenced("inside", {"fence": "depot"}, origin())
    feed.take(100, 100, at_m(0))
    assert feed.take(50, 110, at_m(9_000)) is True
    assert feed.take(50, 60, at_m(9_000)) is False


def test_the_fence_in_force_at_the_receipt_judges() -> None:
    """A late copy of an old message is judged by the old fence, live and in a replay."""
    feed = make_fenced("inside", {"fence": "depot"}, origin())
    edit = OneFence.moved
    assert feed.take(edit - 2, edit - 1, at_m(0)) is True
    assert feed.take(edit - 1, edit, at_m(0)) is False


def test_a_fence_of_another_tenant_is_unknown() -> None:
    """Whatever its name: neither inside nor outside."""
    feed = make_fenced("outside", {"fence": "depot"}, origin("other"))
    assert feed.take(1, 1, at_m(0)) is UNSET
    assert make_away({"fence": "depot"}, origin("other")).take(1, 1, at_m(0)) is UNSET
    alone = Origin(MAIN, DeviceId("truck-1"), 0)
    assert make_fenced("inside", {"fence": "depot"}, alone).take(1, 1, at_m(0)) is UNSET


def test_distance_is_to_the_border() -> None:
    """Nothing inside; the newest sample's."""
    away = make_away({"fence": "depot"}, origin())
    assert away.take(1, 1, at_m(500)) == 0.0
    assert abs(away.take(2, 2, at_m(3_000)) - 2_000) < 5
    told = away.advance(9)
    assert away.take(1, 3, at_m(0)) == told
    again = make_away({"fence": "depot"}, origin())
    assert again.restore(away.state()) == told
    assert again.restore(make_away({"fence": "depot"}, origin()).state()) is UNSET


@settings(max_examples=100, deadline=None)
@given(
    samples=st.lists(
        st.tuples(
            st.integers(0, 60), st.sampled_from([0.0, 980.0, 1_020.0, 3_000.0]), st.integers(0, 5)
        ),
        max_size=30,
    ),
    tell=st.sampled_from(["inside", "outside", "enters", "leaves"]),
    time=st.sampled_from([0, 5 * S]),
    margin=st.sampled_from([None, 0.0, 50.0]),
    cut=st.integers(0, 30),
)
def test_a_restart_changes_no_answer(
    samples: list[tuple[int, float, int]],
    tell: str,
    time: int,
    margin: float | None,
    cut: int,
) -> None:
    """State out and in again between any two samples, in any order, with timers between."""
    setting = {"fence": "depot", **({"time": time} if time else {})}
    one, other = (make_fenced(tell, setting, origin()) for _ in range(2))
    received, told = 0, UNSET
    for place, (at, metres, wait) in enumerate(samples):
        received += wait * S
        if place == cut:
            fresh = make_fenced(tell, setting, origin())
            assert fresh.restore(other.state()) is told
            other = fresh
        for feed in (one, other):
            if feed.due < received:
                feed.advance(feed.due)
        value = at_m(metres) if margin is None else (*at_m(metres), margin)
        moment = min(at * S, received)
        told = one.take(moment, received, value)
        assert told is other.take(moment, received, value)
        assert one.due == other.due


def test_it_keeps_little() -> None:
    """A side and two moments."""
    feed = make_fenced("inside", {"fence": "depot", "time": S}, origin())
    feed.take(2**62, 2**62, at_m(0))
    feed.take(2**62 + 1, 2**62 + 1, at_m(5_000))
    assert len(repr(feed.state())) < fence_cost({}).state_bytes
