import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.security.support import ADMIN, MAIN, OTHER

from weft.model.principal import Principal, PrincipalKind
from weft.security.limits import Limiter, LimitKind, LimitSettings, NetworkLimiter, Rate
from weft.supervision import FakeClock

BOB = Principal(MAIN, PrincipalKind.USER, "bob", "uid-bob")
SETTINGS = LimitSettings(
    principal_requests=Rate(per_s=10, burst=20), tenant_requests=Rate(per_s=15, burst=30)
)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def limiter(clock: FakeClock) -> Limiter:
    return Limiter(clock, SETTINGS)


def taken(limiter: Limiter, principal: Principal, count: int) -> int:
    return sum(
        limiter.take(principal.tenant, principal, LimitKind.REQUESTS) == 0 for _ in range(count)
    )


def test_rl_1_a_burst_goes_and_then_the_rate(limiter: Limiter, clock: FakeClock) -> None:
    """20 at once, then 10 a second within 5 percent."""
    assert taken(limiter, ADMIN, 100) == 20
    allowed = 0
    for _ in range(1_000):
        clock.turn(0.01)
        allowed += taken(limiter, ADMIN, 1)
    assert 95 <= allowed <= 105


def test_rl_1_who_waits_as_told_goes(limiter: Limiter, clock: FakeClock) -> None:
    """Retry-After is neither too short nor much too long."""
    taken(limiter, ADMIN, 20)
    wait = limiter.take(MAIN, ADMIN, LimitKind.REQUESTS)
    assert 0 < wait <= 0.1
    clock.turn(wait)
    assert limiter.take(MAIN, ADMIN, LimitKind.REQUESTS) == 0


def test_rl_1_a_tenant_has_a_limit_over_all_its_principals(limiter: Limiter) -> None:
    """Two of them have 30 together, not 40; another tenant has its own."""
    assert taken(limiter, ADMIN, 20) + taken(limiter, BOB, 20) == 30
    stranger = Principal(OTHER, PrincipalKind.USER, "bob", "uid-stranger")
    assert taken(limiter, stranger, 20) == 20


def test_what_was_refused_is_not_charged(limiter: Limiter, clock: FakeClock) -> None:
    """A client that hammers is back at its rate at once when it stops."""
    taken(limiter, ADMIN, 1_000)
    clock.turn(1)
    assert taken(limiter, ADMIN, 100) == 10


def test_kinds_do_not_share(limiter: Limiter) -> None:
    """Messages are not requests."""
    taken(limiter, ADMIN, 100)
    assert limiter.take(MAIN, ADMIN, LimitKind.MESSAGES, 10) == 0


def test_more_than_a_burst_at_once_goes_and_leaves_a_debt(
    limiter: Limiter, clock: FakeClock
) -> None:
    """One upload larger than the burst is possible, then it is paid for."""
    assert limiter.take(MAIN, ADMIN, LimitKind.REQUESTS, 25) == 0
    assert limiter.take(MAIN, ADMIN, LimitKind.REQUESTS) > 0.5
    clock.turn(0.5)
    assert limiter.take(MAIN, ADMIN, LimitKind.REQUESTS) > 0


def test_a_tenant_alone_can_be_asked(limiter: Limiter) -> None:
    """For what has no principal, as connector work."""
    waits = [limiter.take(MAIN, None, LimitKind.REQUESTS) for _ in range(40)]
    assert sum(wait == 0 for wait in waits) == 30


@given(st.lists(st.floats(-5, 5), max_size=50))
def test_a_clock_that_jumps_never_gives_more_than_a_burst(jumps: list[float]) -> None:
    """The machine's clock is set back and forth."""
    clock = FakeClock()
    limiter = Limiter(clock, SETTINGS)
    for jump in jumps:
        clock.turn(jump)
        assert taken(limiter, ADMIN, 25) <= 20


def test_memory_is_bounded(clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """A flood of principals forgets the one not seen for longest."""
    monkeypatch.setattr("weft.security.limits.BUCKETS_MAX", 10)
    limiter = Limiter(clock)
    for number in range(100):
        one = Principal(MAIN, PrincipalKind.DEVICE, "d", f"uid-{number}")
        assert limiter.take(MAIN, one, LimitKind.CONNECTS) == 0
    assert len(limiter._principals) == 10


def test_rl_2_strangers_are_counted_by_their_network(
    clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A /64 is one stranger, whatever addresses it makes up; and memory is bounded."""
    monkeypatch.setattr("weft.security.limits.BUCKETS_MAX", 10)
    limiter = NetworkLimiter(Rate(per_s=1, burst=2), clock.now)
    assert [limiter.take(f"2001:db8::{number}") for number in range(3)] == [0, 0, 1]
    assert limiter.take("2001:db8:0:1::1") == 0
    clock.turn(1)
    assert limiter.take("2001:db8::9") == 0
    for number in range(100):
        limiter.take(f"192.0.2.{number}")
    assert len(limiter._buckets) == 10


def test_rl_1_a_tenant_is_held_to_its_own_quota_of_messages(clock: FakeClock) -> None:
    """A small tenant floods; the settings would let it, its quota does not."""
    limiter = Limiter(clock)
    limiter.set_tenant_messages(MAIN, 10)
    assert limiter.take(MAIN, None, LimitKind.MESSAGES, 50) == 0
    assert limiter.take(MAIN, None, LimitKind.MESSAGES, 10) == pytest.approx(1.0)
    assert limiter.take(OTHER, None, LimitKind.MESSAGES, 1_000) == 0
    limiter.set_tenant_messages(MAIN, 1e9)
    clock.turn(1)
    assert limiter.take(MAIN, None, LimitKind.MESSAGES, 1_000) == 0
