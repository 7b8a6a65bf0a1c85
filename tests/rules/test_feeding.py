"""Feeding: which samples reach what is remembered, and that both ways of feeding agree."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import UNSET
from tests.rules.support import MACHINE, MAIN, MachineValues, around, hot

from weft.model.ids import DeviceId, TenantId
from weft.rules.conditions import compile_rule
from weft.rules.feeds.base import NEVER, Feed, Origin
from weft.rules.language import ANY, Scope, scope_of
from weft.rules.program import TRUE, Program
from weft.rules.replay import trial_rule

ORIGIN = Origin(tenant=TenantId("main"), device_id=DeviceId("pump-7"), began_at=0)
S = 1_000_000_000


class Fed:
    """A program with the memory of one device."""

    def __init__(self, *conditions: str, scope: Scope | None = None) -> None:
        rules = [
            trial_rule(hot(name=f"r{n}", when=text, selector={}), MAIN, around())
            for n, text in enumerate(conditions)
        ]
        self.program = Program([compile_rule(rule, scope or scope_of(MACHINE)) for rule in rules])
        feeding = self.program.feeding
        self.feeds: list[Feed] = [feeding.make(n, ORIGIN) for n in range(len(feeding.nodes))]
        self.slots: list[Any] = [UNSET] * len(self.program.paths)

    def say(self, second: int, values: Any) -> int:
        feed = self.program.feeding.function(values.__class__)
        feed(values, self.slots, self.feeds, second * S, second * S)
        return self.program.function(values.__class__)(values, self.slots)

    def value(self, text: str) -> Any:
        return self.slots[self.program.slots["feed", text]]


def test_a_message_feeds_what_it_names() -> None:
    """The second message says the pressure only: no second sample of the temperature."""
    fed = Fed("count(temperature, 1h) > 1", "mean(temperature * 2.0, 1h) > 3.0")
    assert fed.say(1, MachineValues(temperature=20.0)) & TRUE == 0
    fed.say(2, MachineValues(pressure=1.0))
    assert fed.value("count(temperature, 1h)") == 1
    fed.say(3, MachineValues(temperature=30.0))
    assert fed.value("count(temperature, 1h)") == 2
    assert fed.value("mean((temperature * 2.0), 1h)") == 50.0


def test_an_expression_takes_what_is_known_beside_what_is_named() -> None:
    """The pressure came first; the product is fed from then on, with either."""
    fed = Fed("count(temperature * pressure, 1h) > 0")
    fed.say(1, MachineValues(pressure=2.0))
    assert fed.value("count((temperature * pressure), 1h)") is UNSET
    fed.say(2, MachineValues(temperature=20.0))
    fed.say(3, MachineValues(pressure=3.0))
    assert fed.value("count((temperature * pressure), 1h)") == 2


def test_one_call_in_two_rules_is_one_memory() -> None:
    """Written in two ways, kept once."""
    fed = Fed("mean(temperature,5m) > 1", "mean( temperature, 300s ) > 2 || pressure > 3")
    assert len(fed.feeds) == 1


def test_a_feed_is_fed_by_a_feed() -> None:
    """The largest of the last two, and the mean of those."""
    fed = Fed("mean(max(temperature, 2 samples), 1h) > 0")
    for second, degrees in enumerate([1.0, 5.0, 3.0, 2.0]):
        fed.say(second, MachineValues(temperature=degrees))
    assert fed.value("mean(max(temperature, 2 samples), 1h)") == (1 + 5 + 5 + 3) / 4


def test_what_is_no_number_is_no_sample() -> None:
    """A device without a type says anything; a failing expression is passed over as well."""
    fed = Fed("count(x, 1h) > 0 || count(10 / y, 1h) > 0 || count(m.k, 1h) > 0", scope=ANY)
    for second, value in enumerate([1, "warm", True, None, 2.5]):
        fed.say(second, {"x": value, "y": value, "m": {"k": value}})
    fed.say(9, {"m": {}})
    assert fed.value("count(x, 1h)") == 2
    assert fed.value('count(m["k"], 1h)') == 2


def test_the_soonest_moment_is_told() -> None:
    """So that one timer is enough for all that a device has."""
    fed = Fed("mean(temperature, 5m) > 1 && mean(temperature, 1m) > 1 && mean(pressure, 1s) > 1")
    feed = fed.program.feeding.function(MachineValues)
    assert feed(MachineValues(temperature=1.0), fed.slots, fed.feeds, 0, 0) == 60 * S
    assert feed(MachineValues(rpm=1), fed.slots, fed.feeds, 0, 0) == NEVER


def test_a_late_sample_finds_its_window_and_leaves_inputs_alone() -> None:
    """What is above a window has seen its newer values already."""
    fed = Fed("count(temperature + pressure, 1m) + count(max(temperature, 1m), 1m) > 0")
    fed.say(1, MachineValues(temperature=50.0, pressure=1.0))
    fed.say(30, MachineValues(temperature=60.0))
    fed.program.feeding.take_late(fed.slots, fed.feeds, {"temperature": 99.0}, (10 * S, 30 * S))
    assert fed.value("max(temperature, 1m)") == 99.0
    assert fed.value("count((temperature + pressure), 1m)") == 3
    assert fed.value("count(max(temperature, 1m), 1m)") == 2
    assert fed.slots[fed.program.slots["telemetry", "temperature"]] == 60.0


def test_time_moves_what_is_due_and_what_stands_above_it() -> None:
    """The inner window has run empty: its value changes, and the outer one takes it."""
    fed = Fed("max(count(temperature, 1m), 1h) + min(count(temperature, 1m), 1h) > 0")
    fed.say(1, MachineValues(temperature=50.0))
    fed.program.feeding.advance(fed.slots, fed.feeds, (61 * S, 61 * S))
    assert fed.value("count(temperature, 1m)") == 0
    assert fed.value("min(count(temperature, 1m), 1h)") == 0
    assert fed.value("max(count(temperature, 1m), 1h)") == 1


@settings(max_examples=200, deadline=None)
@given(
    readings=st.lists(
        st.dictionaries(
            st.sampled_from(["x", "y"]),
            st.sampled_from([0, 1, 2.5, -3, "warm", None, True]),
            max_size=2,
        ),
        max_size=12,
    )
)
def test_the_code_and_the_plain_way_agree(readings: list[dict[str, Any]]) -> None:
    """One feeds from generated code, the other from the reference evaluator."""
    text = (
        "mean(x / y, 3 samples) > 1 && max(sum(x, 1m), 1h) > 2 && min(x > 1 ? y : x, 1m) > 0 && "
        "count(has(y) && y > 0 ? 1 : 2, 5 samples) > 1"
    )
    fast, plainly = Fed(text, scope=ANY), Fed(text, scope=ANY)
    for second, reading in enumerate(readings):
        fast.say(second, reading)
        plainly.program.keep(plainly.slots, reading)
        named = [("telemetry", key) for key in reading]
        moment = (second * S, second * S)
        plainly.program.feeding.take(plainly.slots, plainly.feeds, named, moment)
        assert fast.slots == plainly.slots


def test_what_is_skipped_is_not_fed() -> None:
    """A rule that was saved later sees nothing of before."""
    fed = Fed("count(temperature, 1m) + count(temperature, 2m) > 0")
    fed.slots[fed.program.slots["telemetry", "temperature"]] = 1.0
    named = [("telemetry", "temperature")]
    fed.program.feeding.take(fed.slots, fed.feeds, named, (S, S), skip={"count(temperature, 1m)"})
    assert fed.value("count(temperature, 1m)") is UNSET
    assert fed.value("count(temperature, 2m)") == 1


@pytest.mark.parametrize("scope", [ANY, scope_of(MACHINE)])
def test_a_rule_without_memory_has_nothing_to_feed(scope: Scope) -> None:
    """And costs nothing more than before."""
    assert not Fed("temperature > 80", scope=scope).feeds
