"""Rule documents: what is read, and what a mistake is told."""

import json
from typing import Any

import pytest
from tests.rules.support import hot

from weft.errors import Invalid
from weft.model.alarm import Severity
from weft.rules.documents import read_rule
from weft.rules.model import ActionKind, RuleAction, Selector

WHOLE = """
name: overheating
description: Bearings die above 80 degrees
selector:
  type: machine
  attributes: {room: hall-1}
when: temperature > 80
for: 30s
clear: temperature < 75
clear_for: 1m30s
severity: major
fault: overheated
quiet: 10m
message: "{device} is at {temperature}"
actions:
  - work_order: {connector: erp, title: "Inspect {device}", priority: high}
  - webhook: {connector: pager}
"""


def test_a_whole_document_is_read() -> None:
    """Every part arrives typed."""
    rule, source = read_rule(WHOLE)
    assert rule.selector == Selector(type_name="machine", attributes={"room": "hall-1"})
    assert (rule.for_ns, rule.clear_for_ns) == (30_000_000_000, 90_000_000_000)
    assert rule.severity is Severity.MAJOR
    assert (rule.fault, rule.fault_code, rule.quiet_ns) == (
        "overheated", "overheated", 600_000_000_000
    )  # fmt: skip
    assert rule.actions == (
        RuleAction(ActionKind.WORK_ORDER, "erp", {"title": "Inspect {device}", "priority": "high"}),
        RuleAction(ActionKind.WEBHOOK, "pager", {}),
    )
    assert source["when"] == "temperature > 80"


def test_json_and_plain_values_mean_the_same() -> None:
    """The API hands over values, a file may be JSON."""
    assert read_rule(json.dumps(hot()))[0] == read_rule(hot())[0]


def test_a_mistake_is_told_with_its_line() -> None:
    """The editor jumps to the line."""
    with pytest.raises(Invalid, match=r"severity \(line 11\): 'mayor' is no severity") as caught:
        read_rule(WHOLE.replace("major", "mayor"))
    assert caught.value.remedy == "Did you mean 'major'?"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"whem": "b"}, "whem: 'whem' is no part of a rule"),
        ({"name": "a/b"}, "name: 'a/b' cannot be a rule name"),
        ({"name": 7}, "name: int stands where a text"),
        ({"for": "30"}, "for: '30' is no duration"),
        ({"for": 30}, "for: '30' is no duration"),
        ({"enabled": "yes"}, "enabled: str stands where true or false"),
        ({"selector": {"typ": "x"}}, "selector.typ: 'typ' is no part"),
        ({"selector": {"devices": "a"}}, "selector.devices: str stands where a list"),
        ({"selector": {"type": 1}}, "selector.type: int stands where a text"),
        ({"selector": {"attributes": []}}, "selector.attributes: list stands where a mapping"),
        ({"causes": ["parents"]}, "causes: An alarm is the cause of children"),
        ({"causes": "children"}, "causes: An alarm is the cause of children"),
        ({"actions": [{"email": {}}]}, r"actions\[0\]: An action is one of"),
        ({"actions": [{"webhook": {}}]}, r"actions\[0\]: The webhook names no connector"),
        ({"actions": [{"work_order": {"connector": "erp"}}]}, "has no title"),
        ({"actions": [{"webhook": {"connector": "a b"}}]}, "cannot be a connector name"),
        ({"actions": [{"webhook": {"connector": "a"}}] * 9}, "at most 8 are taken"),
        ({"actions": [{"webhook": {"connector": "a", "x": "y" * 20_000}}]}, "larger than 16 KiB"),
    ],
)
def test_each_mistake_names_its_place_and_a_remedy(change: dict[str, Any], message: str) -> None:
    """Where, what, and what to do."""
    with pytest.raises(Invalid, match=message) as caught:
        read_rule(hot(**change))
    assert caught.value.remedy


def test_a_rule_without_its_condition_is_refused() -> None:
    """Name and condition are all that is needed, and both are."""
    with pytest.raises(Invalid, match="no 'when'"):
        read_rule({"name": "a"})
    with pytest.raises(Invalid, match="no 'name'"):
        read_rule("when: b\n")


def test_a_cause_says_so() -> None:
    """What stands below its device is its consequence; by itself no alarm is a cause."""
    plain = {"name": "down", "when": "temperature > 80"}
    assert read_rule({**plain, "causes": ["children"]})[0].causes
    assert not read_rule(plain)[0].causes


def test_a_scope_says_over_whom_a_rule_speaks() -> None:
    """One of three, and how long a silent member counts."""
    text = "name: r\nwhen: any(x > 1)\nscope: {asset: /plant-1/line-2/, stale_after: 10m}\n"
    read, _source = read_rule(text)

    assert read.scope is not None
    assert (read.scope.asset, read.scope.asset_id) == ("plant-1/line-2", "line-2")
    assert read.scope.stale_after_ns == 600 * 1_000_000_000


@pytest.mark.parametrize(
    ("scope", "said"),
    [
        ("{}", "scope (line 3): A scope is one of group, asset, each_asset; this states none"),
        ("{group: a, asset: b}", "this states group and asset"),
        ("{groups: a}", "'groups' is no part of a rule"),
        ("{group: 3}", "scope.group (line 3): int stands where a text is expected"),
        ("{group: a/b}", "'a/b' cannot be a name in a scope"),
        ("{asset: plant//line}", "'' cannot be a name in a scope"),
        ("{group: a, stale_after: soon}", "scope.stale_after (line 3): 'soon' is no duration"),
    ],
)
def test_a_scope_that_says_nothing_or_two_things_is_refused(scope: str, said: str) -> None:
    """With the path and the line of it."""
    with pytest.raises(Invalid) as refused:
        read_rule(f"name: r\nwhen: any(x > 1)\nscope: {scope}\n")

    assert said in refused.value.detail


def test_late_data_is_told_unless_a_rule_wants_its_alarms() -> None:
    """Off by default; a word that is none, and a rule that is not run again, are refused."""
    base = {"name": "r", "when": "temperature > 80"}
    for said, raises in (({}, False), ({"late": "note"}, False), ({"late": "raise"}, True)):
        assert read_rule({**base, **said})[0].late is raises
    with pytest.raises(Invalid, match="late: 'yes' is no way"):
        read_rule({**base, "late": "yes"})
    with pytest.raises(Invalid, match="late: A rule with a scope is not run again"):
        read_rule({**base, "late": "raise", "scope": {"group": "pumps"}})
