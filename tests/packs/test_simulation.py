"""Stories of simulated devices: points over time, straight lines and steps between them."""

import random

import pytest

from weft.packs.simulation import SimulatedDevice, value_at, values_at


def test_numbers_go_straight_and_everything_else_in_steps() -> None:
    """Before the first and behind the last point it stays at theirs."""
    rising = ((10.0, 1.0), (20.0, 3.0))
    assert [value_at(rising, at) for at in (0, 10, 15, 20, 99)] == [1.0, 1.0, 2.0, 3.0, 3.0]
    door = ((0.0, False), (10.0, True), (20.0, False))
    assert [value_at(door, at) for at in (0, 9.9, 10, 19, 20)] == [False, False, True, True, False]
    whole = value_at(((0.0, 0), (10.0, 5)), 5)
    assert (whole, type(whole)) == (2, int)


def test_a_silent_device_sends_nothing_in_that_time() -> None:
    """From its beginning until before its end."""
    device = SimulatedDevice("d", "t", values={"x": ((0.0, 1.0),)}, silent=((5.0, 10.0),))
    chance = random.Random(1)
    assert values_at(device, 4.9, chance) == {"x": 1.0}
    assert values_at(device, 5, chance) is None
    assert values_at(device, 10, chance) == {"x": 1.0}


def test_noise_scatters_by_a_share_of_the_value() -> None:
    """The same seed, the same values."""
    device = SimulatedDevice("d", "t", values={"x": ((0.0, 100.0),)}, noise={"x": 0.02})
    chance = random.Random(7)
    seen = [(values_at(device, at, chance) or {})["x"] for at in range(500)]
    assert sum(seen) / len(seen) == pytest.approx(100, abs=0.5)
    assert 90 < min(seen) < 99
    again = random.Random(7)
    assert [(values_at(device, at, again) or {})["x"] for at in range(500)] == seen
