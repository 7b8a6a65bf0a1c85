"""What automation counts for operators."""

from prometheus_client import REGISTRY
from tests.rules.support import ALICE, HOOK, ORDER, Plant, hot


def counted() -> tuple[float, float, float]:
    raised = REGISTRY.get_sample_value("weft_rules_alarms_total", {"change": "raised"}) or 0.0
    cleared = REGISTRY.get_sample_value("weft_rules_alarms_total", {"change": "cleared"}) or 0.0
    return raised, cleared, REGISTRY.get_sample_value("weft_rules_actions_total") or 0.0


async def test_alarms_and_actions_are_counted_once_each() -> None:
    """Hot, cool, hot: two alarms rise, one clears, and each asks for two actions."""
    before = counted()
    plant = Plant()
    await plant.rules.create(ALICE, hot(actions=[ORDER, HOOK]))
    for second, degrees in enumerate([90.0, 70.0, 91.0]):
        await plant.hear(second, {"temperature": degrees})
    assert len(await plant.raised()) == 2
    assert tuple(now - then for now, then in zip(counted(), before, strict=True)) == (2, 1, 4)
