"""What automation counts for operators."""

from prometheus_client import REGISTRY
from tests.rules.support import ALICE, HOOK, ORDER, Plant, hot


def counted() -> tuple[float, float, float]:
    raised = REGISTRY.get_sample_value("weft_rules_alarms_total", {"change": "raised"}) or 0.0
    cleared = REGISTRY.get_sample_value("weft_rules_alarms_total", {"change": "cleared"}) or 0.0
    return raised, cleared, REGISTRY.get_sample_value("weft_rules_actions_total") or 0.0


async def test_alarms_and_actions_are_counted_once_each() -> None:
    """Hot, cool, hot: two alarms rise, one clears; both call, and the fault has one order."""
    before = counted()
    plant = Plant()
    await plant.rules.create(ALICE, hot(actions=[ORDER, HOOK]))
    for second, degrees in enumerate([90.0, 70.0, 91.0]):
        await plant.hear(second, {"temperature": degrees})
    assert len(await plant.raised()) == 2
    assert tuple(now - then for now, then in zip(counted(), before, strict=True)) == (2, 1, 3)


async def test_samples_too_late_for_a_window_are_counted() -> None:
    """One that fits is put in its place; one from an hour ago is only counted."""
    name = "weft_rules_samples_too_late_total"
    before = REGISTRY.get_sample_value(name) or 0.0
    plant = Plant()
    await plant.rules.create(ALICE, hot(when="mean(temperature, 1m) > 80"))
    await plant.hear(4_000, {"temperature": 70.0})
    await plant.hear(3_980, {"temperature": 70.0}, received=4_001)
    await plant.hear(400, {"temperature": 70.0}, received=4_002)
    assert (REGISTRY.get_sample_value(name) or 0.0) - before == 1
