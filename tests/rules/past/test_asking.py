"""Asking: how long before its start a replay must read."""

from tests.rules.support import MAIN, S, around, hot

from weft.rules.past.asking import warm_up_for


def test_a_rule_is_read_as_far_back_as_it_looks() -> None:
    """Ten minutes at least, the window, and what it waits for."""
    minute = 60 * S
    assert warm_up_for(hot(), MAIN, around()) == 10 * minute
    window = hot(when="mean(temperature, 2h) > 80", **{"for": "5m"})
    assert warm_up_for(window, MAIN, around()) == 125 * minute
    free = {"name": "free", "when": "held(anything > 1, 30m)"}
    assert warm_up_for(free, MAIN, around()) == 30 * minute
