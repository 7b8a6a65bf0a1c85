"""What is asked for names the episode, what was seen, and what templates may say."""

from tests.rules.support import ALICE, MAIN, START, Plant, S, hot

from weft.model.alarm import Evidence
from weft.model.ids import DeviceId
from weft.rules.asking import Now, clear_of, inputs_of, raise_of
from weft.rules.cells import Cell, Phase
from weft.rules.conditions import compile_rule
from weft.rules.language import scope_of
from weft.rules.program import Program
from weft.rules.state import DeviceState

SEEN = Evidence(position=4, at=START, values={"temperature": 90.0})


async def test_a_request_to_raise_says_what_was_known_and_what_was_sent() -> None:
    """The sample that raised wins over what was known; the label falls back to the name."""
    rule = await Plant().rules.create(ALICE, hot())
    state = DeviceState(MAIN, DeviceId("pump-7"), Program([compile_rule(rule, scope_of(None))]))
    state.slots[state.program.slots["telemetry", "temperature"]] = 90.0
    cell = Cell(phase=Phase.RAISED, position=4, ordinal=1, evidence=[SEEN])
    request = raise_of(rule, state, cell, Now(START + S, 5, {"temperature": 91.0, "rpm": 3}))
    assert (request.episode, request.began_at, request.at) == ("4.1", START, START + S)
    assert request.evidence == (SEEN,)
    assert request.values == {
        "temperature": 91.0,
        "rpm": 3,
        "device": "pump-7",
        "label": "pump-7",
        "rule": "overheating",
        "severity": "major",
    }


async def test_a_request_to_clear_names_the_alarm_that_was_raised() -> None:
    """Found by a message, or ended from outside with a reason and without a position."""
    rule = await Plant().rules.create(ALICE, hot())
    state = DeviceState(MAIN, DeviceId("pump-7"), Program(()))
    cell = Cell(phase=Phase.RAISED, alarm_id="alarm-1")
    found = clear_of(rule, state, cell, Now(START, 9))
    ended = clear_of(rule, state, cell, Now(START), "the device was deleted")
    assert (found.alarm_id, found.position, found.reason) == ("alarm-1", 9, "")
    assert (ended.alarm_id, ended.position, ended.reason) == (
        "alarm-1",
        None,
        "the device was deleted",
    )


async def test_evidence_holds_the_inputs_of_the_rule_and_no_names() -> None:
    """The device's own id is no measurement; what was never sent is not made up."""
    rule = await Plant().rules.create(
        ALICE,
        hot(when="temperature > twin.reported.limit && device.id != 'pump-1' && rpm < 9"),
    )
    compiled = compile_rule(rule, scope_of(None))
    state = DeviceState(MAIN, DeviceId("pump-7"), Program([compiled]))
    slots = state.program.slots
    state.slots[slots["telemetry", "temperature"]] = 90.0
    state.slots[slots["reported", "limit"]] = 80.0
    state.slots[slots["device", "id"]] = "pump-7"
    assert inputs_of(state, compiled) == {"temperature": 90.0, "reported.limit": 80.0}
