"""Lanes: by due time, older first, each entry once, never more than fits."""

from hypothesis import given
from hypothesis import strategies as st

from weft.connectors.lanes import Due, Lane
from weft.model.ids import ActionId, TenantId

MAIN = TenantId("main")


def due(at: int, number: int = 0, created_at: int = 0) -> Due:
    return Due(at, created_at, MAIN, ActionId(str(number)))


def test_an_entry_is_in_a_lane_once() -> None:
    """Scans see the same waiting entry again and again, also while it is being delivered."""
    lane = Lane("erp", 10)
    lane.add(due(0))
    lane.add(due(0))
    taken = lane.take(0)
    assert taken is not None
    lane.add(due(0))
    assert lane.take(0) is None
    lane.done(taken)
    lane.add(due(0))
    assert lane.take(0) is not None


def test_a_lane_wakes_its_worker_when_something_comes() -> None:
    """And only then."""
    lane = Lane("erp", 1)
    assert not lane.wake.is_set()
    lane.add(due(5))
    assert lane.wake.is_set()


def test_what_is_not_due_waits() -> None:
    """The worker is told until when."""
    lane = Lane("erp", 10)
    assert lane.next_at() is None
    lane.add(due(7))
    assert (lane.take(6), lane.next_at()) == (None, 7)
    lane.paused_until = 9
    assert (lane.take(8), lane.next_at()) == (None, 9)
    assert lane.take(9) is not None


def test_a_full_lane_says_that_it_wants_more_later() -> None:
    """What does not fit stays on disk and is looked for when there is room."""
    lane = Lane("erp", 2)
    for number in range(3):
        lane.add(due(0, number))
    assert (len(lane), lane.wants_more) == (2, True)


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), unique=True))
def test_entries_leave_by_due_time_and_age(times: list[tuple[int, int]]) -> None:
    """Any order in, one order out."""
    lane = Lane("erp", 100)
    for number, (at, created_at) in enumerate(times):
        lane.add(due(at, number, created_at))
    left = []
    while taken := lane.take(50):
        left.append((taken.at, taken.created_at))
    assert left == sorted(times)
