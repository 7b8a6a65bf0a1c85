"""Effectiveness by ISO 22400-2: worked examples, and what is not known."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.history.effectiveness import Used, together

# A shift of 480 minutes, 60 of them not planned; 47 minutes of stops; ideal 1 s a piece;
# 19,271 pieces, 423 of them bad. The figures of the textbook: 88.81 %, 86.11 %, 97.80 %, 74.79 %.
SHIFT = Used(
    span_s=480 * 60,
    planned_s=420 * 60,
    producing_s=373 * 60,
    rated_s=373 * 60,
    ideal_s=19_271,
    produced=19_271,
    judged=19_271,
    good=18_848,
)


def test_a_worked_example_gives_the_known_figures() -> None:
    """Availability, effectiveness, quality ratio, and their product."""
    assert SHIFT.availability == pytest.approx(0.8881, abs=5e-5)
    assert SHIFT.effectiveness == pytest.approx(0.8611, abs=5e-5)
    assert SHIFT.quality_ratio == pytest.approx(0.9780, abs=5e-5)
    assert SHIFT.oee == pytest.approx(0.7479, abs=5e-5)
    assert SHIFT.oee == pytest.approx(18_848 / (420 * 60))
    assert SHIFT.utilisation == pytest.approx(373 / 480)


def test_what_is_not_known_is_none() -> None:
    """Nothing planned, no ideal rate, nothing counted: neither 0 nor 1."""
    nothing = Used(span_s=60)
    assert (nothing.availability, nothing.effectiveness, nothing.quality_ratio) == (None,) * 3
    assert nothing.oee is None
    stood = Used(span_s=60, planned_s=60)
    assert (stood.availability, stood.oee) == (0.0, None)
    assert together([]).utilisation is None


def test_times_are_added_and_not_ratios() -> None:
    """A machine that was planned for an hour beside one planned for nine."""
    short = Used(planned_s=1, producing_s=1)
    long = Used(planned_s=9, producing_s=0)
    assert together([short, long]).availability == 0.1


def test_a_machine_that_counts_nothing_does_not_lower_the_quality_of_others() -> None:
    """Where it is not known how much was good, what was made is not judged."""
    uncounted = Used(planned_s=10, producing_s=10, produced=1000)
    both = together([SHIFT, uncounted])
    assert both.quality_ratio == SHIFT.quality_ratio
    assert both.effectiveness == SHIFT.effectiveness
    assert both.produced == 20_271


@given(st.lists(st.floats(0, 1), min_size=1, max_size=5))
def test_together_lies_between_the_best_and_the_worst(shares: list[float]) -> None:
    """As a mean does."""
    parts = [Used(planned_s=10, producing_s=10 * share) for share in shares]
    found = together(parts).availability
    assert found is not None
    assert min(shares) - 1e-9 <= found <= max(shares) + 1e-9
