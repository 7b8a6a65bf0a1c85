"""State of a device: kept on disk and taken back, bound to other rules."""

import msgspec
from tests.rules.support import ALICE, MACHINE, MAIN, Plant, hot

from weft.model.ids import DeviceId
from weft.rules.cells import Cell, Phase
from weft.rules.conditions import compile_rule
from weft.rules.language import scope_of
from weft.rules.program import Program
from weft.rules.state import Chunk, DeviceState


async def programs() -> tuple[Program, Program]:
    plant = Plant()
    scope = scope_of(MACHINE)
    first = await plant.rules.create(ALICE, hot(when="temperature > 80 && rpm > 3"))
    second = await plant.rules.update(ALICE, "overheating", hot(when="rpm > 3"))
    return Program([compile_rule(first, scope)]), Program([compile_rule(second, scope)])


async def test_a_row_survives_the_disk() -> None:
    """What is written is what comes back, 90.0 as a double."""
    program, _ = await programs()
    state = DeviceState(MAIN, DeviceId("pump-7"), program)
    state.at, state.slots = 7, [5, 90.0]
    state.cells = {"overheating": Cell(phase=Phase.RAISED, alarm_id="a"), "idle": Cell()}
    stored = msgspec.json.encode(Chunk(rows={"pump-7": state.row()}))
    again = DeviceState(MAIN, DeviceId("pump-7"), program)
    again.restore(msgspec.json.decode(stored, type=Chunk).rows["pump-7"])
    assert again.values() == state.values()
    assert again.slots[1].__class__ is float
    assert again.cells == {"overheating": Cell(phase=Phase.RAISED, alarm_id="a")}


async def test_other_rules_keep_known_inputs_and_standing_alarms() -> None:
    """An edit ends what was pending and keeps what was raised."""
    program, other = await programs()
    state = DeviceState(MAIN, DeviceId("pump-7"), program)
    state.slots = [5, 90.0]
    state.cells = {
        "overheating": Cell(phase=Phase.PENDING, version=1),
        "gone": Cell(phase=Phase.RAISED, version=1),
    }
    state.bind(other)
    assert state.values() == {("telemetry", "rpm"): 5}
    assert list(state.cells) == ["gone"]


async def test_a_row_does_not_change_after_it_was_taken() -> None:
    """The disk's thread reads it while the loop goes on."""
    program, _ = await programs()
    state = DeviceState(MAIN, DeviceId("pump-7"), program)
    state.cells = {"overheating": Cell(phase=Phase.PENDING)}
    row = state.row()
    state.cells["overheating"].phase = Phase.RAISED
    assert row.cells[0].cell.phase is Phase.PENDING
