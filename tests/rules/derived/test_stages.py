"""Stages: the generated code gives what the reference gives, or nothing."""

import math
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET
from tests.rules.derived.support import derivation
from tests.rules.support import MACHINE, MachineValues

from weft.rules.derived.formulas import Formula, compile_value
from weft.rules.derived.stages import TEXT_MAX, Stage, telemetry
from weft.rules.language import ANY, Scope, scope_of

FORMULAS = (
    "temperature * pressure",
    "temperature / (pressure - 1.0)",
    "rpm + 1",
    "rpm > 10 ? temperature : pressure",
    "has(pressure) ? pressure : 0.0",
    "running && temperature > 1.0",
    "mode + '!'",
)
NUMBERS = st.none() | st.floats(-1e3, 1e3)


def stage(text: str, scope: Scope) -> Stage:
    return Stage([Formula(derivation("d", "out", []), compile_value(text, scope), scope)])


@given(
    st.sampled_from(FORMULAS),
    st.fixed_dictionaries(
        {
            "temperature": NUMBERS,
            "pressure": NUMBERS,
            "rpm": st.none() | st.integers(0, 20),
            "running": st.none() | st.booleans(),
            "mode": st.none() | st.text(max_size=3),
        }
    ),
)
def test_generated_code_is_the_reference(text: str, said: dict[str, Any]) -> None:
    """For a typed device and a free one, whatever is left out."""
    sent = {key: value for key, value in said.items() if value is not None}
    typed = stage(text, scope_of(MACHINE))
    free = stage(text, ANY)
    for made, values in ((typed, MachineValues(**sent)), (free, sent)):
        row: list[Any] = [UNSET] * len(made.paths)
        ((one, give),) = made.of_class(values.__class__)
        found = give(values, row)
        expected: list[Any] = [UNSET] * len(made.paths)
        made.keep(expected, sent)
        wanted = one.exact(expected) if one.keys & sent.keys() else UNSET
        assert found is wanted or found == wanted
        if one.keys & sent.keys():
            assert row == expected


def test_a_reading_that_names_no_input_gives_nothing() -> None:
    """Else every message of a device would repeat what was computed before."""
    made = stage("temperature * 2.0", scope_of(MACHINE))
    row: list[Any] = [UNSET] * len(made.paths)
    ((_one, give),) = made.of_class(MachineValues)
    assert give(MachineValues(temperature=2.0), row) == 4.0
    assert give(MachineValues(pressure=2.0), row) is UNSET


def test_what_cannot_be_telemetry_is_none() -> None:
    """Numbers are doubles, texts have an end, and infinity is no measurement."""
    assert telemetry(3) == 3.0
    assert telemetry(3).__class__ is float
    assert telemetry(value=True) is True
    assert len(telemetry("x" * 5_000)) == TEXT_MAX
    for none in (math.inf, math.nan, [1], {"a": 1}, None, UNSET):
        assert telemetry(none) is UNSET
