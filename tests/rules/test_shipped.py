"""The shipped anomaly rules: faults are found, and what is usual is left alone."""

import pytest
from tests.rules.machines import (
    PROCESSES,
    RECORDINGS,
    TEMPERATURE,
    VIBRATION,
    S,
    bearing,
    broken,
    judged,
    lived,
    nab,
    replayed,
    shipped,
    wandering,
    worn_out,
)

from weft.rules.documents import read_rule

recorded = pytest.mark.skipif(
    not (RECORDINGS / "nab_windows.json").exists(),
    reason=f"the recordings are not in {RECORDINGS}: they are not ours to hand out",
)


@pytest.mark.parametrize("key", [TEMPERATURE, VIBRATION])
def test_the_documents_are_rules_with_the_same_constants(key: str) -> None:
    """One set of defaults for whatever is measured."""
    document, _source = read_rule(shipped(key))
    other, _source = read_rule(shipped(TEMPERATURE))
    assert document.name == f"unusual-{key}"
    assert document.when.replace(key, TEMPERATURE) == other.when
    assert (document.for_ns, document.clear_for_ns) == (other.for_ns, other.clear_for_ns)


async def test_three_faults_of_a_generated_machine_are_found_and_nothing_else() -> None:
    """The first one, and those after it: an episode has not become the norm."""
    faults = [(12.0, 1.5, -8.0), (22.0, 1.0, -8.0), (32.0, 1.0, 8.0)]
    healthy = lived(wandering(21_600), seed=7, days=42, step_s=300)
    samples, spans = broken(healthy, faults)
    firings = await replayed(shipped(TEMPERATURE), samples, TEMPERATURE)
    verdict = judged(firings, spans)
    assert (verdict.found, verdict.false) == (3, 0)
    assert None not in [one.cleared_at for one in firings]


async def test_a_fault_that_shows_by_day_alone_is_one_alarm() -> None:
    """The cooling fails under load, for four days; each night looks usual."""
    healthy = lived(wandering(3_600), seed=3, days=28, step_s=300)
    samples, _spans = broken(healthy, [(14.0 + day, 0.5, 8.0) for day in range(4)])
    firings = await replayed(shipped(TEMPERATURE), samples, TEMPERATURE)
    assert len(firings) == 1


@pytest.mark.parametrize(
    "name", ["noise", "heavy-tailed noise", "noise with spikes", "daily rhythm"]
)
async def test_what_is_usual_raises_nothing(name: str) -> None:
    """Six weeks without one alarm."""
    samples = lived(PROCESSES[name], seed=1, days=42, step_s=600)
    assert await replayed(shipped(TEMPERATURE), samples, TEMPERATURE) == []


async def test_a_bearing_that_wears_out_is_told_in_time() -> None:
    """Not in its even first half, and twenty minutes before its end at the latest."""
    samples = worn_out(seed=2)
    first, *_rest = await replayed(shipped(VIBRATION), samples, VIBRATION)
    assert first.raised_at > samples[len(samples) // 2][0]
    assert samples[-1][0] - first.raised_at > 20 * 60 * S


@recorded
async def test_the_faults_of_a_recorded_machine_are_found() -> None:
    """Three of the four windows at least, and three false alarms at most."""
    samples, windows = nab("machine_temperature_system_failure")
    verdict = judged(await replayed(shipped(TEMPERATURE), samples, TEMPERATURE), windows)
    assert verdict.found >= 3
    assert verdict.false <= 3


@recorded
async def test_a_recorded_bearing_is_told_in_time() -> None:
    """Not in its first half, and twenty minutes before its end at the latest."""
    samples = bearing()
    first, *_rest = await replayed(shipped(VIBRATION), samples, VIBRATION)
    assert first.raised_at > samples[len(samples) // 2][0]
    assert samples[-1][0] - first.raised_at >= 20 * 60 * S
