"""The state of one device: a restart in the middle changes nothing that is computed."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from tests.rules.derived.support import derivation
from tests.rules.support import MAIN, START, S

from weft.model.ids import DeviceId
from weft.model.telemetry import Reading
from weft.rules.derived.formulas import Formula, compile_value
from weft.rules.derived.stages import Program
from weft.rules.derived.state import State
from weft.rules.language import ANY

PLACE = (MAIN, DeviceId("pump-7"))


def formula(key: str, text: str) -> Formula:
    return Formula(derivation(key, key, []), compile_value(text, ANY), ANY)


def program() -> Program:
    """Power of volts and amperes, its mean of a minute, and how far that is from it."""
    return Program(
        [
            [formula("power", "voltage * current")],
            [formula("usual", "mean(power, 1m)")],
            [formula("off", "power - usual")],
        ]
    )


def take(state: State, position: int, second: int, values: dict[str, Any]) -> dict[str, Any]:
    at = START + second * S
    return state.take(position, Reading(at, values), at)


def test_a_key_of_derived_keys_is_computed_from_one_reading() -> None:
    """All three at once, each of the one before it."""
    state = State(PLACE, program(), None, START)
    assert take(state, 1, 0, {"voltage": 2.0, "current": 3.0}) == {
        "power": 6.0, "usual": 6.0, "off": 0.0,
    }  # fmt: skip
    assert take(state, 2, 1, {"current": 5.0}) == {"power": 10.0, "usual": 8.0, "off": 2.0}


@given(
    st.lists(
        st.fixed_dictionaries(
            {}, optional={"voltage": st.floats(0, 9), "current": st.floats(0, 9)}
        ),
        min_size=1,
        max_size=12,
    ),
    st.integers(0, 11),
)
def test_a_restart_in_the_middle_changes_nothing(
    said: list[dict[str, Any]], restarted_at: int
) -> None:
    """What is kept on disk is all that is known."""
    through, other = (State(PLACE, program(), None, START) for _ in range(2))
    for position, values in enumerate(said, 1):
        if position - 1 == restarted_at:
            row, other = other.row(), State(PLACE, program(), None, START)
            other.restore(row)
        second = position * 20
        assert take(through, position, second, values) == take(other, position, second, values)


def test_a_message_older_than_a_version_is_not_computed() -> None:
    """After a crash the journal is read again, from before the derivation was saved."""
    made = Formula(derivation("late", "late", []), compile_value("count(x, 1h)", ANY), ANY)
    after = Program([[made]])
    after.after = 5
    for stage in after.stages:
        for one in stage.made:
            one.after = 5
        stage.born = dict.fromkeys(stage.born, 5)
    state = State(PLACE, after, None, START)
    assert take(state, 5, 0, {"x": 1.0}) == {}
    assert take(state, 6, 1, {"x": 1.0}) == {"late": 1.0}


def test_a_reported_property_moves_what_reads_it() -> None:
    """At the moment of the report."""
    state = State(PLACE, Program([[formula("share", "load / twin.reported.limit")]]), None, START)
    assert take(state, 1, 0, {"load": 5.0}) == {}
    assert state.take_report(2, {"limit": 10}, START + S) == (START + S, {"share": 0.5})
