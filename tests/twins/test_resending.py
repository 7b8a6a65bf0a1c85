"""Resending: ever more seldom, never a flood, and never to who has caught up."""

from weft.model.ids import DeviceId, TenantId
from weft.model.moments import NS_PER_S
from weft.twins.resending import AT_ONCE, FIRST_S, LAST_S, Resending

PUMP = (TenantId("acme"), DeviceId("pump-7"))
DAY_S = 86_400


def test_each_wait_is_twice_as_long_up_to_an_hour() -> None:
    """A device that is there and ignores a wish for a day is told some thirty times."""
    resending = Resending()
    resending.begin(PUMP, 0)
    told = [s for s in range(DAY_S) if resending.take(s * NS_PER_S, lambda _: True)]
    waits = [after - before for before, after in zip([0, *told], told, strict=False)]
    assert waits[:4] == [FIRST_S, 2 * FIRST_S, 4 * FIRST_S, 8 * FIRST_S]
    assert max(waits) == LAST_S
    assert len(told) < 40


def test_who_is_away_is_told_soon_after_it_is_back() -> None:
    resending = Resending()
    resending.begin(PUMP, 0)
    day = DAY_S * NS_PER_S
    assert resending.take(day, lambda _: False) == []
    assert resending.take(day + round(FIRST_S * NS_PER_S), lambda _: True) == [PUMP]


def test_who_has_caught_up_is_not_told_again() -> None:
    resending = Resending()
    resending.begin(PUMP, 0)
    resending.forget(PUMP)
    assert PUMP not in resending
    assert resending.take(DAY_S * NS_PER_S, lambda _: True) == []


def test_a_fleet_that_lags_is_told_bit_by_bit() -> None:
    resending = Resending()
    for number in range(3 * AT_ONCE):
        resending.begin((PUMP[0], DeviceId(f"pump-{number}")), 0)
    assert len(resending.take(DAY_S * NS_PER_S, lambda _: True)) == AT_ONCE


def test_beginning_anew_keeps_no_memory_of_before() -> None:
    """A wish a second must not fill the memory."""
    resending = Resending()
    for number in range(10 * AT_ONCE):
        resending.begin(PUMP, number)
    assert len(resending._due) <= AT_ONCE + 3
