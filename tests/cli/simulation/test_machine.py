"""Simulated machines: values that a type allows, and faults that show where they should."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.cli.simulation.faults import Fault
from weft.cli.simulation.machine import Machine
from weft.model.device import Field

PUMP = {
    "temperature": Field("number", minimum=20, maximum=120),
    "vibration": Field("number", minimum=0, maximum=10),
    "rpm": Field("integer", minimum=0, maximum=3000),
    "running": Field("boolean"),
    "mode": Field("string", enum=("auto", "manual")),
}

RPM = {"rpm": Field("integer", minimum=0, maximum=3000)}


def after(machine: Machine, seconds: float, step_s: float = 0.5) -> dict[str, Any]:
    """Let time pass in steps, and return the last values."""
    values: dict[str, Any] | None = None
    for _ in range(int(seconds / step_s)):
        values = machine.step(step_s)
    assert values is not None
    return values


def allowed(declared: Field, value: Any) -> bool:
    """Whether a type's field takes a value, as the gate would say."""
    if declared.enum:
        return value in declared.enum
    kinds = {"number": (int, float), "integer": int, "boolean": bool, "string": str}
    if not isinstance(value, kinds[declared.type]):  # type: ignore[arg-type]  # a type or types
        return False
    if declared.type == "string":
        return declared.max_length is None or len(value) <= declared.max_length
    low, high = declared.minimum, declared.maximum
    return (low is None or value >= low) and (high is None or value <= high)


BOUND = st.none() | st.integers(-1000, 1000)
NUMBERS = st.builds(
    lambda kind, low, high: Field(
        kind,
        minimum=low,
        maximum=None if high is None else (high if low is None else low + abs(high) + 1),
    ),
    st.sampled_from(["number", "integer"]),
    BOUND,
    BOUND,
)
OTHERS = st.sampled_from(
    [
        Field("boolean"),
        Field("string"),
        Field("string", max_length=1),
        Field("string", enum=("a", "b")),
        Field("integer", enum=(1, 2, 4)),
    ]
)


@given(
    st.dictionaries(st.sampled_from("abcdef"), NUMBERS | OTHERS, min_size=1), st.integers(0, 999)
)
def test_a_healthy_machine_says_only_what_its_type_allows(
    telemetry: dict[str, Field], seed: int
) -> None:
    """Any type, any seed: the gate refuses nothing."""
    machine = Machine(telemetry, seed)
    for _ in range(20):
        values = machine.step(1.0)
        assert values is not None
        assert values.keys() == telemetry.keys()
        for key, value in values.items():
            assert allowed(telemetry[key], value), (key, value)


def test_the_same_seed_gives_the_same_day() -> None:
    """What was seen once can be seen again; another device has another day."""
    assert after(Machine(PUMP, 7), 30) == after(Machine(PUMP, 7), 30)
    assert after(Machine(PUMP, 7), 30) != after(Machine(PUMP, 8), 30)


def test_a_worn_bearing_shows_in_the_vibration_slowly_and_then_fast() -> None:
    """And only there; it ends at what the sensor can measure."""
    machine = Machine(PUMP, 1)
    healthy = after(machine, 10)["vibration"]
    machine.break_with(Fault.BEARING_WEAR)
    first, later, end = (after(machine, 10)["vibration"] for _ in range(3))
    assert later - first > first - healthy
    assert end == 10
    assert 20 <= machine.step(0.5)["temperature"] < 120  # type: ignore[index]  # it speaks


def test_an_overheating_machine_reaches_its_limit() -> None:
    """In less than two minutes, so that a rule on it can be watched."""
    machine = Machine(PUMP, 1)
    machine.break_with(Fault.OVERHEATING)
    assert after(machine, 100)["temperature"] == 120


def test_a_fault_shows_somewhere_whatever_the_type_calls_its_values() -> None:
    """No vibration here: then it is the first number."""
    machine = Machine({"door": Field("boolean"), "level": Field("number", maximum=5)}, 1)
    machine.break_with(Fault.BEARING_WEAR)
    assert after(machine, 60)["level"] == 5


def test_a_lost_sensor_leaves_its_value_out() -> None:
    """The rest goes on."""
    machine = Machine(PUMP, 1)
    machine.break_with(Fault.SENSOR_LOSS)
    assert machine.step(1.0).keys() == PUMP.keys() - {"temperature"}  # type: ignore[union-attr]  # it speaks


def test_a_stuck_sensor_repeats_what_it_said_last() -> None:
    """Until it is repaired."""
    machine = Machine(PUMP, 1)
    before = machine.step(1.0)
    machine.break_with(Fault.STUCK)
    assert machine.step(1.0) == machine.step(1.0) == before
    machine.break_with(Fault.NONE)
    assert machine.step(1.0) != before


def test_a_silent_machine_says_nothing() -> None:
    """Time passes for it all the same."""
    machine = Machine(PUMP, 1)
    machine.break_with(Fault.SILENCE)
    assert machine.step(1.0) is None


def test_values_out_of_range_are_what_the_type_forbids() -> None:
    """Each of them, so that the gate has to refuse the message."""
    machine = Machine(PUMP, 1)
    machine.break_with(Fault.OUT_OF_RANGE)
    values = machine.step(1.0)
    assert values is not None
    for key in ("temperature", "vibration", "rpm"):
        assert not allowed(PUMP[key], values[key])


@pytest.mark.parametrize("fault", [Fault.BEARING_WEAR, Fault.OVERHEATING])
def test_a_repaired_machine_is_as_it_was(fault: Fault) -> None:
    """And the next fault begins small again."""
    machine = Machine(PUMP, 1)
    machine.break_with(fault)
    after(machine, 120)
    machine.break_with(Fault.NONE)
    values = after(machine, 60)
    assert values["vibration"] < 6
    assert values["temperature"] < 80
    machine.break_with(fault)
    assert machine.step(0.5)["vibration"] < 6  # type: ignore[index]  # it speaks


def test_a_measurement_that_is_steered_stays_where_it_was_put() -> None:
    """Within its range; what it does not measure, or is no number, is left alone."""
    machine = Machine(RPM, 1)
    machine.steer({"rpm": 9000, "temperature": 5, "mode": "eco"})
    values = machine.step(0.1)
    assert values is not None
    assert values["rpm"] > 2500
    machine.steer({"rpm": "slow"})
    assert machine.step(0.1)["rpm"] > 2500  # type: ignore[index]  # it is not silent
