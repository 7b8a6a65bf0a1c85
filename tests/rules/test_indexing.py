"""The index: many rules looked at by the keys of a reading say what all of them would say."""

from functools import cache
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import UNSET
from tests.rules.support import MACHINE, MAIN, Line, MachineValues, around, device, hot

from weft.model.message import Operation
from weft.rules import feeding, program
from weft.rules.conditions import compile_rule
from weft.rules.indexing import INDEX_FROM, blocks_of, keys_of, make_lookup
from weft.rules.language import scope_of
from weft.rules.language.syntax import Type
from weft.rules.model import Rule
from weft.rules.program import Program
from weft.rules.replay import trial_rule
from weft.rules.requests import Raise, Request
from weft.rules.runtime import Runtime

LOOKED_AT: list[dict[str, Any]] = [
    {"when": "temperature > 80"},
    {"when": "temperature > 80", "for": "3s"},
    {"when": "temperature > 85", "clear": "temperature < 60", "clear_for": "2s"},
    {"when": "pressure > 5 && temperature > 60"},
    {"when": "1 / rpm > 0"},
    {"when": "mode == 'fault' || rpm > 1000"},
    {"when": "twin.reported.limit < 50 && pressure > 1"},
    {"when": "mean(temperature, 5s) > 70"},
    {"when": "mean(temperature, 5s) > 60 && rpm > 10"},
    {"when": "max(pressure * 2.0, 3 samples) > 12"},
    {"when": "mean(max(temperature, 2 samples), 6s) > 75"},
    {"when": "max(mean(temperature, 4s) - pressure, 9s) > 60"},
    {"when": "held(rpm > 900, 3s)"},
    {"when": "count(temperature * pressure, 4s) == 0"},
    {"when": "during('Mon-Sun 12:01-12:02', 'UTC') && temperature > 1"},
    {"when": "rising(temperature > 80 && during('Mon-Sun 12:00-12:01', 'UTC'))"},
    {"when": "previous(mode) == 'run' && changed(mode)"},
    {"when": "increase(rpm, 8s) > 900", "clear": "1 / rpm < 1"},
]
SENT = st.fixed_dictionaries(
    {},
    optional={
        "temperature": st.sampled_from([20.0, 61.0, 79.0, 81.0, 90.0]),
        "pressure": st.sampled_from([0.0, 2.0, 6.0, 7.0]),
        "rpm": st.sampled_from([0, 20, 950, 1500]),
        "mode": st.sampled_from(["run", "fault"]),
    },
)
STEPS = st.lists(
    st.tuples(
        st.sampled_from([0, 1, 1, 2, 5, 30]),  # seconds until it is received
        st.sampled_from([0, 0, 0, 1, 4]),  # how much older it is
        st.sampled_from(["pump-7", "pump-7", "free"]),
        st.one_of(SENT, SENT, SENT, st.integers(40, 60)),  # a number: the limit, reported
    ),
    max_size=40,
)


@cache
def many() -> list[Rule]:
    documents = [*LOOKED_AT, *({"when": f"{key} > {n}"} for n in range(3) for key in ("rpm",))]
    return [
        trial_rule(hot(name=f"r{place}", selector={}, **document), MAIN, around())
        for place, document in enumerate(documents)
    ]


def story(rules: list[Rule], steps: list[tuple[int, int, str, Any]]) -> list[Request]:
    asked: list[Request] = []
    machine = Runtime(around(device(), device("free", type_name=None)), asked.append)
    for rule in rules:
        machine.set_rule(rule, at=0)
    line, now = Line(), 0
    for step, age, name, said in steps:
        now += step
        more: dict[str, Any] = {"name": name, "type_name": "machine" if name == "pump-7" else ""}
        if isinstance(said, int):
            batch = line.say(now, {"limit": said}, operation=Operation.REPORTED, **more)
        else:
            batch = line.say(now - age, dict(said), received=now, **more)
        machine.apply(batch, after=0)
    machine.advance(line.batches[-1].envelopes[0].received_at + 10**12 if line.batches else 0)
    return asked


@settings(max_examples=60, deadline=None)
@given(steps=STEPS)
def test_many_rules_say_what_they_would_say_without_an_index(
    steps: list[tuple[int, int, str, Any]],
) -> None:
    """Late data, silence, failures, reports, clocks; typed and free: the same acts, in order."""
    rules = many()
    assert len(rules) >= INDEX_FROM
    indexed = story(rules, steps)
    with (
        patch.object(program, "INDEX_FROM", 10**6),
        patch.object(feeding, "INDEX_FROM", 10**6),
    ):
        assert indexed == story(rules, steps)


def test_a_reading_reaches_those_alone_that_look_at_its_keys() -> None:
    """Of sixty rules on three keys the pressure is looked at by twenty, and they are asked once."""
    keys = ("temperature", "pressure", "rpm")
    rules = [
        trial_rule(hot(name=f"r{n}", when=f"{keys[n % 3]} > {n}"), MAIN, around())
        for n in range(60)
    ]
    made = Program([compile_rule(rule, scope_of(MACHINE)) for rule in rules])
    slots, known = made.row(), list[Any]()
    evaluate = made.function(MachineValues)
    first = evaluate(MachineValues(temperature=100.0, pressure=0.0, rpm=0), slots, known)
    slots[made.slots["telemetry", "temperature"]] = 0.0  # unseen: nobody was told
    assert evaluate(MachineValues(pressure=0.0), slots, known) == first
    known.clear()
    assert evaluate(MachineValues(pressure=0.0), slots, known) != first


def test_what_a_clock_has_moved_is_looked_at_again() -> None:
    """A rule that looks at the hour is asked though its own key was not sent."""
    text = "during('Mon-Fri 06:00-22:00', 'UTC') && temperature > "
    rules = [
        trial_rule(hot(name=f"r{n}", when=f"{text}{n}"), MAIN, around()) for n in range(INDEX_FROM)
    ]
    made = Program([compile_rule(rule, scope_of(MACHINE)) for rule in rules])
    (clock,) = [slot for path, slot in made.slots.items() if path[0] == "feed"]
    slots, known = made.row(), list[Any]()
    evaluate = made.function(MachineValues)
    slots[clock] = False
    evaluate(MachineValues(temperature=100.0), slots, known)
    slots[clock] = True
    all_true = sum(1 << 3 * place for place in range(INDEX_FROM))
    assert evaluate(MachineValues(rpm=1), slots, known) == all_true


@pytest.mark.parametrize("values", [{"a": 3, "c": 1}, {"a": 3, "b": UNSET}])
def test_a_free_reading_leads_from_its_keys_to_blocks(values: dict[str, Any]) -> None:
    """A number without a type is a double; what nobody looks at leads nowhere."""
    a, b = ("telemetry", "a"), ("telemetry", "b")
    parts = [(frozenset({a}), frozenset[int]()), (frozenset({a, b}), frozenset[int]())]
    blocks = blocks_of([*parts, parts[0]])
    assert [block.places for block in blocks] == [(0, 2), (1,)]
    keys = keys_of(blocks, {a: 0, b: 1}, lambda _path: Type.DYN, {a})
    slots: list[Any] = [UNSET, UNSET]
    assert set(make_lookup(keys, dict, marked=False)(values, slots)) == {0, 1}
    assert slots == [3.0, UNSET]
    assert slots[0].__class__ is float


def test_what_came_late_is_seen_with_the_next_message_of_any_key() -> None:
    """A late 200 degrees moves the mean; the message behind it says the pressure only."""
    others = [
        trial_rule(hot(name=f"r{n}", when=f"rpm > {n}"), MAIN, around()) for n in range(INDEX_FROM)
    ]
    mean = trial_rule(hot(name="mean", when="mean(temperature, 20s) > 50"), MAIN, around())
    asked: list[Request] = []
    machine = Runtime(around(), asked.append)
    for rule in (*others, mean):
        machine.set_rule(rule, at=0)
    line = Line()
    machine.apply(line.say(10, {"temperature": 20.0, "pressure": 1.0}), after=0)
    machine.apply(line.say(8, {"temperature": 200.0}, received=11), after=0)
    assert not asked
    machine.apply(line.say(12, {"pressure": 1.0}), after=0)
    assert [one.rule.rule_id for one in asked if isinstance(one, Raise)] == ["mean"]
