"""Timers of waiting cells: in order, once each, and never too many."""

from typing import Any

import pytest
from msgspec.structs import replace
from tests.rules.support import ALICE, MAIN, Plant, S, hot

from weft.model.ids import DeviceId
from weft.rules import timers as timers_module
from weft.rules.cells import Cell, Phase
from weft.rules.model import Rule
from weft.rules.program import Program
from weft.rules.state import DeviceState
from weft.rules.timers import NEVER, Timers


async def rule_of(**more: Any) -> Rule:
    """Return a rule that was saved before the moments of these tests."""
    return replace(await Plant().rules.create(ALICE, hot(**more)), updated_at=0)


def waiting(state: DeviceState, rule: Rule, *, since_s: int, position: int = 1) -> Cell:
    """Put a cell into a state that waits since a moment."""
    cell = Cell(phase=Phase.PENDING, position=position, since_received=since_s * S)
    state.cells[rule.rule_id] = cell
    return cell


def state_of(name: str) -> DeviceState:
    return DeviceState(MAIN, DeviceId(name), Program(()))


async def test_the_next_timer_comes_first_and_only_when_it_is_due() -> None:
    """Two pumps wait ten seconds each; the one that began later is set first."""
    rule = await rule_of(**{"for": "10s"})
    states = {(MAIN, DeviceId(name)): state_of(name) for name in ("late", "early")}
    timers = Timers(states.get)
    for (_tenant, name), since_s in zip(states, (7, 3), strict=True):
        state = states[MAIN, name]
        timers.set(state, rule, waiting(state, rule, since_s=since_s))
    assert timers.due == 13 * S
    assert timers.pop(13 * S) is None  # what was received just then is looked at first
    first = timers.pop(13 * S + 1)
    assert first is not None
    assert (first.device_id, first.due, timers.due) == ("early", 13 * S, 17 * S)
    last = timers.pop(60 * S)
    assert last is not None
    assert (last.device_id, timers.due, timers.pop(NEVER)) == ("late", NEVER, None)


async def test_a_timer_is_not_due_before_its_version_was_saved() -> None:
    """The wait was cut short by an edit: it ends with the edit, not before it."""
    rule, state = await rule_of(**{"for": "10s"}), state_of("pump-7")
    timers = Timers({(MAIN, state.device_id): state}.get)
    timers.set(state, replace(rule, updated_at=40 * S), waiting(state, rule, since_s=3))
    assert timers.due == 40 * S


async def test_a_cell_that_does_not_wait_needs_no_timer() -> None:
    """What has been raised is cleared by a sample, not by time."""
    timers = Timers({}.get)
    timers.set(state_of("pump-7"), await rule_of(**{"for": "10s"}), Cell(phase=Phase.RAISED))
    assert (len(timers), timers.due) == (0, NEVER)


async def test_a_timer_is_of_one_episode() -> None:
    """The condition went away and came again: the first timer finds no cell of its own."""
    rule, state = await rule_of(**{"for": "10s"}), state_of("pump-7")
    timers = Timers({(MAIN, state.device_id): state}.get)
    timers.set(state, rule, waiting(state, rule, since_s=0, position=1))
    again = waiting(state, rule, since_s=5, position=2)
    timers.set(state, rule, again)
    first, second = timers.pop(NEVER), timers.pop(NEVER)
    assert first is not None
    assert second is not None
    assert (first.cell_in(state), second.cell_in(state)) == (None, again)
    assert second.cell_in(None) is None


async def test_stale_timers_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """A condition flaps all day with a wait of a month; the timers of past episodes go."""
    monkeypatch.setattr(timers_module, "TIMERS_MAX", 8)
    rule, state = await rule_of(**{"for": "30d"}), state_of("pump-7")
    timers = Timers({(MAIN, state.device_id): state}.get)
    for second in range(100):
        timers.set(state, rule, waiting(state, rule, since_s=second, position=second))
        assert len(timers) <= 8
    last = None
    while timer := timers.pop(NEVER):
        last = timer
    assert last is not None
    assert last.position == 99  # the one that still waits was kept
