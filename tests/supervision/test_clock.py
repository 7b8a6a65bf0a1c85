"""Clocks: one that goes, one that is turned."""

from weft.ports import Clock
from weft.supervision import FakeClock, SystemClock


def test_the_systems_clock_tells_nanoseconds_of_our_time() -> None:
    """And not of some other epoch."""
    clock: Clock = SystemClock()
    assert 1_700_000_000 < clock.now() / 1e9 < 10_000_000_000
    assert clock.now() <= clock.now()


def test_a_turned_clock_stands_until_it_is_turned() -> None:
    """By parts of a second as well."""
    clock = FakeClock(start=5)
    assert clock.now() == clock.now() == 5
    clock.turn(1.5)
    assert clock.now() == 1_500_000_005
