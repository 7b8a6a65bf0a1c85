"""States as intervals, their durations and pictures, and what was counted in them."""

import json
from itertools import pairwise
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from weft.history.states import OTHER, STATES_MAX, States, growth_of, states_of
from weft.ports import HistoryTrace

FAR = 10**9


def said(*samples: tuple[int, Any]) -> HistoryTrace:
    numbers = [float(v) if type(v) in {int, float} else np.nan for _, v in samples]
    texts = [None if type(v) in {int, float} else json.dumps(v) for _, v in samples]
    return HistoryTrace(
        "press-1", "state", np.array([at for at, _ in samples], np.int64), np.array(numbers), texts
    )


def spans(states: States) -> list[tuple[int, int, str]]:
    return list(zip(states.starts.tolist(), states.ends.tolist(), states.words, strict=True))


def test_a_state_holds_until_the_next_one() -> None:
    """Said again, it goes on; what was said before the start holds into it."""
    trace = said((-5, "idle"), (3, "running"), (4, "running"), (8, "fault"))
    found = states_of(trace, 0, 10, FAR)
    assert spans(found) == [(0, 3, "idle"), (3, 8, "running"), (8, 10, "fault")]
    assert found.durations() == {"idle": 3, "running": 5, "fault": 2}


def test_of_a_silent_machine_nothing_is_known() -> None:
    """A state is believed for a while, and no longer; the same state later is another time."""
    found = states_of(said((0, "running"), (100, "running")), 0, 200, 10)
    assert spans(found) == [(0, 10, "running"), (100, 110, "running")]
    assert spans(states_of(None, 0, 10, FAR)) == []


def test_states_may_be_numbers_and_truths() -> None:
    """A code of a controller, or on and off."""
    found = states_of(said((0, 2), (5, True), (7, 3.5)), 0, 10, FAR)
    assert spans(found) == [(0, 5, "2"), (5, 7, "true"), (7, 10, "3.5")]


def test_too_many_words_are_one() -> None:
    """A key that is no state, as a serial number, makes a list of bounded length."""
    found = states_of(said(*((n, f"w{n}") for n in range(500))), 0, 500, FAR)
    assert len(set(found.words)) == STATES_MAX
    assert OTHER in found.words
    assert sum(found.durations().values()) == 500


def test_a_picture_has_what_held_longest_in_each_part() -> None:
    """A flicker of a second does not hide an hour; the edges are those of pixels."""
    trace = said((0, "running"), (41, "fault"), (42, "running"), (60, "idle"))
    drawn = states_of(trace, 0, 100, FAR).drawn(0, 100, 10)
    assert spans(drawn) == [(0, 60, "running"), (60, 100, "idle")]


@given(
    st.lists(st.tuples(st.integers(0, 1000), st.sampled_from("abc")), max_size=40),
    st.integers(1, 200),
    st.integers(1, 30),
)
def test_intervals_are_in_order_apart_and_within(
    samples: list[tuple[int, str]], silent: int, cells: int
) -> None:
    """Also of the picture, which is no longer than asked for."""
    trace = said(*sorted(dict(samples).items()))
    found = states_of(trace if samples else None, 100, 900, silent)
    for states, most in ((found, 1000), (found.drawn(100, 900, cells), cells)):
        rows = spans(states)
        assert len(rows) <= most
        assert all(100 <= begin < end <= 900 for begin, end, _ in rows)
        assert all(one[1] <= two[0] for one, two in pairwise(rows))
    assert sum(found.durations().values()) == sum(end - begin for begin, end, _ in spans(found))
    parts = found.cut([(100, 400), (400, 900)])
    assert parts.durations() == found.durations()


def test_a_counter_counts_on_behind_a_reset() -> None:
    """What it shows then was counted since; each growth belongs to its later sample."""
    counter = said((0, 10), (1, 15), (2, 3), (3, 5))
    by_total = growth_of(counter, total=True)
    assert by_total.within((0, 10)) == 10.0
    assert by_total.within((2, 3)) == 3.0
    assert growth_of(counter, total=False).within((0, 10)) == 33.0
    assert growth_of(None, total=True).within((0, 10)) == 0.0


CUTS = st.lists(st.integers(0, 100), unique=True, max_size=12).map(
    lambda edges: list(zip(sorted(edges)[::2], sorted(edges)[1::2], strict=False))
)


@given(st.lists(st.tuples(st.integers(0, 100), st.integers(0, 3)), max_size=30), CUTS)
def test_what_is_cut_is_what_lies_within(
    samples: list[tuple[int, int]], intervals: list[tuple[int, int]]
) -> None:
    """Moment by moment, of states as of counters, by any intervals or by none."""
    trace = said(*sorted(dict(samples).items()))
    inside = {at for begin, end in intervals for at in range(begin, end)}
    whole = states_of(trace, 0, 100, 7)
    cut = whole.cut(intervals)
    assert all(begin < end for begin, end, _ in spans(cut))
    assert moments(cut) == {at: word for at, word in moments(whole).items() if at in inside}
    grown = growth_of(trace, total=False)
    expected = sum(value for at, value in dict(samples).items() if at in inside)
    assert grown.cut(intervals).within((0, 101)) == expected
    assert sum(grown.within(one) for one in intervals) == expected


def moments(states: States) -> dict[int, str]:
    return {at: word for begin, end, word in spans(states) for at in range(begin, end)}
