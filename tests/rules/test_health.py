"""Health: trouble is counted and told in words."""

from tests.rules.support import ALICE, MAIN, Plant, hot

from weft.model.ids import DeviceId
from weft.rules.health import Health


async def test_trouble_is_counted_until_the_rule_changes() -> None:
    """The status shows the last failure; a new version begins anew."""
    rule = await Plant().rules.create(ALICE, hot())
    health = Health()
    assert health.of(MAIN, "overheating").failures == 0
    health.failed(rule, DeviceId("pump-7"), "division by zero", 5)
    health.denied(rule, "no role")
    health.unfit(rule, "machine 2: no such key")
    told = health.of(MAIN, "overheating")
    assert (told.failures, told.last_device, told.last_failed_at) == (1, "pump-7", 5)
    assert (told.denied, told.last_denied, told.unfit) == (1, "no role", "machine 2: no such key")
    health.forget(MAIN, "overheating")
    assert health.of(MAIN, "overheating").failures == 0
