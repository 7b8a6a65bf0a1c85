"""Which rules watch which device: found once, shared by a type, forgotten on a change."""

from typing import Any

import pytest
from tests.rules.support import ALICE, MAIN, Line, Plant, around, device, hot, route

from weft.model.ids import DeviceId
from weft.model.message import Operation
from weft.rules import bindings as bindings_module
from weft.rules.bindings import Bindings
from weft.rules.health import Health
from weft.rules.model import Rule
from weft.rules.runtime import Runtime
from weft.rules.state import Row


async def rule_of(**more: Any) -> Rule:
    return await Plant().rules.create(ALICE, hot(**more))


async def bound(*names: str) -> Bindings:
    """Return the usual rule, bound to devices of these names."""
    bindings = Bindings(around(*(device(name) for name in names)), Health())
    bindings.set_rule(await rule_of())
    return bindings


async def test_caches_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A million connections come and go; what was looked up for them does not pile up."""
    monkeypatch.setattr(bindings_module, "ROUTES_MAX", 10)
    bindings = await bound()
    for number in range(100):
        bindings.find_state(route(f"d{number}"))
        assert len(bindings.routes) <= 10


async def test_programs_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A rule is edited all day; the programs of its past versions go."""
    monkeypatch.setattr(bindings_module, "PROGRAMS_MAX", 3)
    plant = Plant()
    bindings = Bindings(around(), Health())
    rule = await plant.rules.create(ALICE, hot())
    for degrees in range(20):
        when = f"temperature > {degrees}"
        rule = await plant.rules.update(ALICE, rule.rule_id, hot(when=when))
        bindings.set_rule(rule)
        bindings.find_state(route())
        assert len(bindings._programs) <= 3


async def test_devices_of_a_type_share_one_program() -> None:
    """Ten thousand pumps under the same rules cost one compilation."""
    bindings = await bound("pump-7", "pump-8")
    seventh, eighth = bindings.find_state(route("pump-7")), bindings.find_state(route("pump-8"))
    assert seventh is not None
    assert eighth is not None
    assert seventh is not eighth
    assert seventh.program is eighth.program


async def test_what_no_rule_watches_has_no_state() -> None:
    """An event, and a device of another type: neither is remembered for the rules."""
    bindings = await bound("pump-7")
    assert bindings.find_state(route(operation=Operation.EVENT)) is None
    assert bindings.find_state(route(type_name="")) is None
    assert not bindings.states


async def test_a_rule_that_was_dropped_watches_no_more() -> None:
    """The next message finds no program; what the rule has raised is the caller's to end."""
    bindings = await bound("pump-7")
    assert bindings.find_state(route()) is not None
    [rule] = bindings.rules(MAIN).values()
    bindings.drop_rule(rule)
    assert bindings.find_state(route()) is None


async def test_a_state_comes_back_with_the_inputs_it_had() -> None:
    """After a restart a device is judged by what it had sent before."""
    bindings = await bound("pump-7")
    row = Row(at=5, values=[("telemetry", "temperature", 70.0)])
    bindings.restore(MAIN, DeviceId("pump-7"), row)
    state = bindings.find_state(route())
    assert state is not None
    assert (state.at, state.values()) == (5, {("telemetry", "temperature"): 70.0})


async def test_a_rule_that_does_not_fit_a_type_is_told_in_its_health() -> None:
    """It was saved for all devices; those of this type never send the key."""
    runtime = Runtime(around(), [].append)
    runtime.set_rule(await rule_of(when="air > 3", selector={}, message=""), at=0)
    runtime.apply(Line().say(0, {"rpm": 1}), after=0)
    assert "'air' is no telemetry key" in runtime.rule_health(MAIN, "overheating").unfit
