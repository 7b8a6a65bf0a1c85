"""Functions by plug-in: checked like ours, and what they do wrong fails one evaluation alone."""

import math
import sys
from importlib.metadata import EntryPoint
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.rules.support import ALICE, MACHINE, MAIN, Plant, hot
from tests.rules.test_subjects import rule_of

from weft.errors import Invalid
from weft.rules.conditions import compile_rule
from weft.rules.language import compile_condition, functions, scope_of
from weft.rules.language.cost import MAX_COST
from weft.rules.language.evaluate import evaluator
from weft.rules.language.expression import compile_expression
from weft.rules.language.functions import (
    COST_MAX_NS,
    RuleFunction,
    find_function,
    get_call,
    installed_functions,
)
from weft.rules.language.scope import ANY
from weft.rules.language.values import MAX_TEXT, EvaluationError
from weft.rules.program import Program

SCOPE = scope_of(MACHINE)


def one(work: Any, *arguments: str, gives: str = "double", cost_ns: int = 500) -> RuleFunction:
    return RuleFunction(arguments=arguments or ("double",), gives=gives, cost_ns=cost_ns, work=work)


def _explode(_value: float) -> float:
    raise MemoryError("all of it")


class Brought:
    """What the packages of these tests bring."""

    root = one(math.sqrt)
    joined = one(lambda text, count: text * count, "string", "int", gives="string")
    even = one(lambda count: count % 2 == 0, "int", gives="bool")
    floor = one(math.floor, gives="int")
    whole = one(math.floor)  # an int for a double
    explodes = one(_explode)
    lies = one(lambda _value: "no number")
    nothing = one(lambda _value: None, gives="bool")
    slow = one(math.sqrt, cost_ns=COST_MAX_NS)
    abs = one(_explode)
    bare = "no function"
    odd_type = one(math.sqrt, "map")
    too_slow = one(math.sqrt, cost_ns=COST_MAX_NS + 1)
    no_work = one(3)
    too_many = one(math.sqrt, *["int"] * 9)


NAMES = [name for name in vars(Brought) if not name.startswith("_")]


@pytest.fixture
def brought(monkeypatch: pytest.MonkeyPatch) -> list[EntryPoint]:
    found = [EntryPoint(name, f"{__name__}:Brought.{name}", functions.GROUP) for name in NAMES]
    found.append(EntryPoint("broken", "weft_no_such_package:X", functions.GROUP))
    found += [EntryPoint("twice", f"{__name__}:Brought.{name}", "g") for name in ("root", "even")]
    monkeypatch.setattr(functions, "_entries", lambda: found)
    monkeypatch.setitem(sys.modules, __name__, sys.modules[Brought.__module__])
    return found


@pytest.mark.usefixtures("brought")
@pytest.mark.parametrize(
    ("text", "message", "remedy"),
    [
        (
            "root(mode) > 1.0",
            r"Column 6: root\(\) takes double or int, and this gives string",
            "Con",
        ),
        ("even(temperature)", r"Column 6: even\(\) takes int, and this gives double", "Convert"),
        ("root(rpm, 2) > 1.0", r"Column 1: root\(\) takes 1 and was given 2", "Count"),
        ("root(rpm)", "Column 1: the condition gives double", "Compare"),
        ("joined(mode, 2) > 1", "Column 17: > cannot compare string with int", "one type"),
        ("rooot(rpm) > 1.0", "no function rooot", "Did you mean 'root'"),
        ("rpm.root() > 1.0", "no function root", "root"),
        ("broken(rpm) > 1", "Column 1: broken.. of .* cannot be imported", "Update or uninstall"),
        ("twice(rpm) > 1", "several packages bring twice", "all but one"),
        ("bare(rpm) > 1", "is no RuleFunction", "write-a-rule-function"),
        ("odd_type(gps) > 1", "a type that is none of bool, double, int, string", "See docs"),
        ("too_slow(rpm) > 1", "costs 1000001 ns", "See docs"),
        ("no_work(rpm) > 1", "has no work", "See docs"),
        ("too_many(rpm) > 1", "takes 9 arguments", "See docs"),
    ],
)
def test_each_mistake_is_told_when_the_rule_is_saved(text: str, message: str, remedy: str) -> None:
    """With the column, as of functions of ours."""
    with pytest.raises(Invalid, match=message) as caught:
        compile_condition(text, SCOPE)
    assert remedy in caught.value.remedy


@pytest.mark.usefixtures("brought")
def test_its_cost_counts_in_the_bound() -> None:
    """Five calls of a millisecond are affordable, six are not."""
    parts = " + ".join(["slow(temperature)"] * 4)
    assert compile_condition(f"{parts} > 1.0", SCOPE).cost > MAX_COST * 0.8
    with pytest.raises(Invalid, match="units at worst"):
        compile_condition(f"{parts} + slow(pressure) > 1.0", SCOPE)


@pytest.mark.usefixtures("brought")
def test_a_name_of_ours_cannot_be_taken() -> None:
    """A package that brings abs() is not even asked."""
    tree = compile_condition("abs(rpm) == 3", SCOPE).tree
    slots = {("telemetry", "rpm"): 0}
    assert evaluator(tree, slots)([-3]) is True


@pytest.mark.usefixtures("brought")
@given(
    text=st.sampled_from(
        [
            "root(temperature) > 3.0",
            "root(rpm) > 3.0 || running",
            "root(temperature) > 3.0 && !running",
            "even(rpm)",
            "whole(temperature) > 2.0",
            "floor(temperature) == 3",
            "lies(temperature) > 1.0 || running",
            "nothing(temperature)",
            "explodes(temperature) > 1.0 && running",
            "joined(mode, rpm) == 'aa'",
        ]
    ),
    temperature=st.one_of(st.floats(-5, 20), st.just(math.nan)),
    rpm=st.integers(-3, 5),
    running=st.booleans(),
)
def test_both_ways_of_evaluating_agree(
    text: str,
    temperature: float,
    rpm: int,
    running: bool,
) -> None:
    """The generated code and the exact evaluator: true, false, or a failure of this rule."""
    rule = rule_of(hot(when=text, message=""))
    program = Program([compile_rule(rule, SCOPE)])
    values = {"temperature": temperature, "rpm": rpm, "running": running, "mode": "a"}
    row = [values[path[1]] for path in program.paths]
    try:
        wanted: Any = evaluator(program.rules[0].when.tree, program.slots)(row)
    except EvaluationError:
        wanted = None
    mask = program.function(None)(None, row)
    assert mask == {True: 1, False: 2, None: 4}[wanted]


@pytest.mark.usefixtures("brought")
async def test_what_it_raises_is_counted_and_stops_nobody_else() -> None:
    """RU-2: that rule is paused when it fails everywhere; the next one goes on."""
    plant = Plant()
    await plant.rules.create(ALICE, hot(name="a", when="explodes(temperature) > 1.0", message=""))
    await plant.rules.create(ALICE, hot(name="b", when="lies(temperature) > 1.0", message=""))
    await plant.rules.create(ALICE, hot(when="root(temperature) > 9.0"))
    for second in range(6):
        await plant.hear(second, {"temperature": 90.0})
    assert [alarm.rule_id for alarm in await plant.raised()] == ["overheating"]
    assert "failed (MemoryError)" in (await plant.rules.get(MAIN, "a")).paused
    assert "gave no double" in (await plant.rules.get(MAIN, "b")).paused


@pytest.mark.usefixtures("brought")
async def test_it_may_be_remembered_and_asked_of_members() -> None:
    """mean() over what a package computes: 9 and 11 are the roots."""
    plant = Plant()
    await plant.rules.create(ALICE, hot(when="mean(root(temperature), 1m) >= 10.0"))
    await plant.hear(0, {"temperature": 81.0})
    assert not await plant.raised()
    await plant.hear(1, {"temperature": 121.0})
    assert len(await plant.raised()) == 1


async def test_a_rule_whose_package_is_gone_watches_nothing_and_says_so(
    brought: list[EntryPoint],
) -> None:
    """Uninstalled, and Weft started again: the other rules run."""
    plant = Plant()
    await plant.rules.create(ALICE, hot(name="a", when="root(temperature) > 1.0", message=""))
    await plant.rules.create(ALICE, hot())
    await plant.engine.checkpoint()
    brought.clear()
    plant = await plant.restart()
    await plant.hear(0, {"temperature": 90.0})
    assert [alarm.rule_id for alarm in await plant.raised()] == ["overheating"]
    assert "no function root" in str(plant.engine.health(MAIN, "a"))
    with pytest.raises(EvaluationError, match="uninstalled"):
        get_call("root")(1.0)


def test_nothing_is_imported_until_a_rule_names_it(brought: list[EntryPoint]) -> None:
    """An installed package that nobody uses runs no code."""
    brought.append(EntryPoint("lazy", "weft_never_imported:X", functions.GROUP))
    assert "lazy" in installed_functions()
    assert find_function("none") is None
    compile_condition("root(temperature) > 1.0", SCOPE)
    assert "weft_never_imported" not in sys.modules


@pytest.mark.usefixtures("brought")
def test_values_are_taken_and_given_as_declared() -> None:
    """An int is a double too; what is of no declared type, or too long, is a failure."""
    assert get_call("root")(4) == 2.0
    assert get_call("whole")(2.5).__class__ is float
    assert compile_expression("joined('ab', 2)", ANY).value({}) == "abab"
    for name, given_values in (
        ("root", ("a",)),
        ("even", (2.0,)),
        ("even", (True,)),
        ("joined", ("a", MAX_TEXT + 1)),
        ("nothing", (1.0,)),
    ):
        with pytest.raises(EvaluationError):
            get_call(name)(*given_values)
