"""Lanes: by due time, older first, each entry once, never more than fits, tenants in turns."""

from hypothesis import given
from hypothesis import strategies as st

from weft.connectors.lanes import Due, Lane, Lanes
from weft.model.ids import ActionId, TenantId

MAIN = TenantId("main")


OTHER = TenantId("other")


def due(at: int, number: int = 0, created_at: int = 0, tenant: TenantId = MAIN) -> Due:
    return Due(at, created_at, tenant, ActionId(str(number)))


def test_an_entry_is_in_a_lane_once() -> None:
    """Scans see the same waiting entry again and again, also while it is being delivered."""
    lane = Lane(10)
    lane.add(due(0))
    lane.add(due(0))
    taken = lane.take(0)
    assert taken is not None
    lane.add(due(0))
    assert lane.take(0) is None
    lane.done(taken)
    lane.add(due(0))
    assert lane.take(0) is not None


def test_lanes_wake_their_worker_when_something_comes() -> None:
    """And only then."""
    lanes = Lanes("erp", 1)
    assert not lanes.wake.is_set()
    lanes.add(due(5))
    assert lanes.wake.is_set()
    lanes.wake.clear()
    lanes.add(due(5, 1))  # does not fit
    assert not lanes.wake.is_set()


def test_what_is_not_due_waits() -> None:
    """The worker is told until when."""
    lane = Lane(10)
    assert lane.next_at() is None
    lane.add(due(7))
    assert (lane.take(6), lane.next_at()) == (None, 7)
    lane.paused_until = 9
    assert (lane.take(8), lane.next_at()) == (None, 9)
    assert lane.take(9) is not None


def test_a_full_lane_says_that_it_wants_more_later() -> None:
    """What does not fit stays on disk and is looked for when there is room."""
    lanes = Lanes("erp", 2)
    for number in range(3):
        lanes.add(due(0, number))
    assert (len(lanes), lanes.wants_more) == (2, False)  # there is no room yet
    taken = lanes.take(0)
    assert taken is not None
    lanes.done(taken)
    assert lanes.wants_more
    lanes.scan_again(MAIN)
    assert not lanes.wants_more


def test_tn_3_tenants_have_their_turns() -> None:
    """TN-3: a hundred actions of one tenant are older than those of another."""
    lanes = Lanes("erp", 200)
    for number in range(100):
        lanes.add(due(0, number, created_at=number))
    for number in range(2):
        lanes.add(due(0, number, created_at=500, tenant=OTHER))
    order = [taken.tenant for _ in range(5) if (taken := lanes.take(0)) is not None]
    assert order == [MAIN, OTHER, MAIN, OTHER, MAIN]
    assert (lanes.waiting(MAIN), lanes.waiting(OTHER), lanes.waiting(TenantId("x"))) == (100, 2, 0)


def test_tn_3_a_tenant_whose_deliveries_fail_pauses_alone() -> None:
    """TN-3: another's go on meanwhile, and the worker is told when there is something to do."""
    lanes = Lanes("erp", 200)
    lanes.add(due(3))
    lanes.add(due(5, tenant=OTHER))
    lanes.of(MAIN).paused_until = 60
    assert (lanes.take(4), lanes.next_at()) == (None, 5)
    assert lanes.take(5) == due(5, tenant=OTHER)
    assert (lanes.take(5), lanes.next_at()) == (None, 60)
    assert lanes.take(60) == due(3)


def test_rl_1_each_tenant_has_its_share_of_a_connector() -> None:
    """RL-1: what one has waiting in memory is bounded, and takes no room from another."""
    lanes = Lanes("erp", 2)
    for number in range(50):
        lanes.add(due(0, number))
    lanes.add(due(0, 99, tenant=OTHER))
    assert (lanes.waiting(MAIN), lanes.waiting(OTHER)) == (2, 1)


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), unique=True))
def test_entries_leave_by_due_time_and_age(times: list[tuple[int, int]]) -> None:
    """Any order in, one order out."""
    lane = Lane(100)
    for number, (at, created_at) in enumerate(times):
        lane.add(due(at, number, created_at))
    left = []
    while taken := lane.take(50):
        left.append((taken.at, taken.created_at))
    assert left == sorted(times)
