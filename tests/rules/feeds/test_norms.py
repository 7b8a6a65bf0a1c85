"""Norms: what is usual is learned, faults hardly move it, and what lasts is learnt."""

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weft.rules.feeds.norms import SCORE_MAX, Norm, clipped_square, median

MINUTE = 60_000_000_000
DAY = 1440 * MINUTE


def norm(*, clip: float = 1.5, warm: int = 300, memory: int = 7 * DAY) -> Norm:
    return Norm(memory, clip=clip, warm=warm)


def noise(count: int, seed: int = 1, sigma: float = 2.0) -> list[float]:
    made = random.Random(seed)
    return [20 + made.gauss(0, sigma) for _ in range(count)]


def scores(one: Any, values: list[float], *, every: int = 5 * MINUTE, start: int = 0) -> list[Any]:
    return [one.score(start + place * every, value) for place, value in enumerate(values)]


def test_a_clipped_spread_of_normal_noise_is_its_standard_deviation() -> None:
    """The constants are those of tables: Huber's 0.7785 at 1.5, and 1 where nothing is cut."""
    assert clipped_square(1.5) == pytest.approx(0.7785, abs=1e-4)
    assert clipped_square(8.0) == pytest.approx(1.0)
    assert (median([1.0, 2.0, 9.0]), median([1.0, 2.0])) == (2.0, 1.5)


def test_nothing_is_said_before_enough_is_known() -> None:
    """Three hundred samples begin the norm; the next one has a score."""
    told = scores(norm(), noise(302))
    assert told[:300] == [None] * 300
    assert None not in told[300:]


def test_scores_of_normal_noise_are_standard_normal() -> None:
    """A score of 2 is met once in 22 samples, as a table of the normal distribution says."""
    told = scores(norm(), noise(20_000))[2_000:]
    beyond = sum(abs(score) > 2 for score in told) / len(told)
    assert beyond == pytest.approx(0.0455, abs=0.01)


def test_a_warm_up_with_faults_begins_with_the_healthy_part() -> None:
    """A tenth of the first samples were wild: the median does not mind."""
    first = noise(300)
    first[::10] = [500.0] * 30
    one = norm()
    scores(one, first)
    assert abs(one.score(301 * 5 * MINUTE, 20.0) or 0) < 1
    assert (one.score(302 * 5 * MINUTE, 40.0) or 0) > 6


def test_an_episode_does_not_become_the_norm_and_a_lasting_shift_does() -> None:
    """Half a day at ten spreads is unusual to its end; after two memories it is usual."""
    one = norm()
    scores(one, noise(3_000))
    later = 3_000 * 5 * MINUTE
    shifted = [value + 20 for value in noise(6_000, seed=2)]
    told = scores(one, shifted, start=later)
    assert min(told[:144]) > 3
    assert max(told[-288:]) < 4


def test_a_silence_makes_nothing_forgotten() -> None:
    """After two months in the store the machine is judged by what it was."""
    one = norm()
    scores(one, noise(3_000))
    assert (one.score(3_000 * 5 * MINUTE + 60 * DAY, 60.0) or 0) > 10
    assert abs(one.score(3_001 * 5 * MINUTE + 60 * DAY, 20.0) or 0) < 1


def test_a_series_that_never_varied_does_not_cry_at_its_first_step() -> None:
    """A spread is never told finer than the smallest step: √12 of such spreads is a step."""
    one = norm()
    assert set(scores(one, [7.0] * 400)[300:]) == {0.0}
    assert one.score(400 * 5 * MINUTE, 8.0) == pytest.approx(12**0.5)
    assert (one.score(401 * 5 * MINUTE, 107.0) or 0) > 100


def test_the_density_of_samples_does_not_set_the_memory() -> None:
    """The same shift, a sample a minute or every ten: learnt after about as much time."""

    def learnt_after(every: int) -> int:
        one = norm()
        scores(one, noise(20 * DAY // every, sigma=1.0), every=every)
        for place in range(100_000):
            score = one.score(20 * DAY + place * every, 30.0 + place % 2)
            if score is not None and score < 4:
                return place * every
        raise AssertionError

    assert learnt_after(MINUTE) == pytest.approx(learnt_after(10 * MINUTE), rel=0.2)


ANY = st.floats(-1e149, 1e149) | st.sampled_from([0.0, 5e-324, 1e149, -1e149, 1.0, 1.0])


@settings(max_examples=200, deadline=None)
@given(
    values=st.lists(ANY, max_size=40),
    steps=st.lists(st.integers(-5, 10**18), min_size=40, max_size=40),
    cut=st.integers(0, 40),
)
def test_any_values_are_judged_and_a_restart_changes_nothing(
    values: list[float], steps: list[int], cut: int
) -> None:
    """Huge, tiny, constant, at once, years apart: a bounded score, and the same from a copy."""
    one, other, at = norm(warm=5), norm(warm=5), 0
    for place, (value, step) in enumerate(zip(values, steps, strict=False)):
        at += step
        if place == cut:
            other = norm(warm=5)
            other.restore(one.state())
        told = one.score(at, value)
        assert told is None or -SCORE_MAX <= told <= SCORE_MAX
        if place >= cut:
            assert other.score(at, value) == told
