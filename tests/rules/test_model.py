"""What a rule is."""

import pytest
from tests.rules.support import ALICE, Plant, device, hot

from weft.model.ids import DeviceId
from weft.model.principal import PrincipalKind
from weft.rules.model import Selector


@pytest.mark.parametrize(
    ("selector", "matches"),
    [
        (Selector(), True),
        (Selector(type_name="machine"), True),
        (Selector(type_name="pump"), False),
        (Selector(devices=("pump-7",)), True),
        (Selector(devices=("pump-8",)), False),
        (Selector(attributes={"room": "hall-1"}), True),
        (Selector(attributes={"room": "hall-2"}), False),
        (Selector(attributes={"floor": None}), False),
        (Selector(type_name="machine", attributes={"room": "hall-2"}), False),
    ],
)
def test_all_that_a_selector_names_must_match(selector: Selector, matches: bool) -> None:
    """An attribute that is not there matches nothing, not even null."""
    assert selector.matches(DeviceId("pump-7"), "machine", device(room="hall-1")) is matches


async def test_a_rule_acts_as_itself_and_runs_unless_stopped() -> None:
    """Audit entries name the rule; the policy knows its owner."""
    rule = await Plant().rules.create(ALICE, hot())
    assert (rule.principal.kind, rule.principal.id) == (PrincipalKind.RULE, "overheating")
    assert rule.runs
    assert rule.owner == ALICE
