"""Values for declared fields: what the gate takes."""

import random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as some

from weft.cli.simulation.generator import (
    UNIT_RANGES,
    Model,
    range_of,
    sample,
    sample_all,
    sample_output,
)
from weft.ingest.decode import Decoders
from weft.model.device import DeviceType, Field, Output
from weft.model.ids import TenantId, TypeName
from weft.model.message import Operation
from weft.registry.checking import require_output

_BOUND = some.none() | some.integers(-500, 500).map(float)


@some.composite
def fields(draw: some.DrawFn) -> Field:
    """Any field that a type may declare."""
    kind = draw(some.sampled_from(["number", "integer", "boolean", "string", "object", "array"]))
    if kind == "string":
        enum = draw(some.just(()) | some.just(("a", "b")))
        return Field(kind, enum=enum, max_length=draw(some.none() | some.integers(1, 9)))
    if kind not in {"number", "integer"}:
        return Field(kind)
    low, high = draw(_BOUND), draw(_BOUND)
    if low is not None and high is not None and low > high:
        low, high = high, low
    unit = draw(some.sampled_from(["", "furlong", *UNIT_RANGES]))
    return Field(kind, unit=unit, minimum=low, maximum=high)


@given(some.dictionaries(some.sampled_from("abcdef"), fields(), min_size=1), some.integers(0, 99))
def test_the_gate_takes_whatever_is_made_for_a_type(declared: dict[str, Field], seed: int) -> None:
    """Any type, any seed: the very decoder of the gate has nothing to say against it."""
    any_name = TypeName("any")
    told = {"told": declared}
    kind = DeviceType(TenantId("main"), any_name, 1, "Any", declared, declared, {}, told, {}, 0)
    decoders = Decoders(kind)
    values = sample_all(declared, random.Random(seed))
    for operation, name in (
        (Operation.TELEMETRY, ""),
        (Operation.REPORTED, ""),
        (Operation.EVENT, "told"),
    ):
        decode = decoders.for_operation(operation, name)
        assert decode is not None
        decode(msgspec.json.encode(values), 0)


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        (Field("number"), (0, 100)),
        (Field("number", unit="Cel"), (10, 60)),
        (Field("number", unit="Cel", minimum=80), (80, 81)),
        (Field("number", unit="Cel", maximum=-20), (-21, -20)),
        (Field("number", unit="Cel", minimum=-5, maximum=5), (-5, 5)),
    ],
)
def test_a_range_is_what_is_declared_and_else_what_the_unit_suggests(
    field: Field, expected: tuple[float, float]
) -> None:
    """A room is not at 100 degrees because its type names no bounds."""
    assert range_of(field) == expected


def test_the_same_seed_gives_the_same_values() -> None:
    """A run that found something can be run again."""
    field = Field("number", unit="bar")
    once, again, other = (sample(field, random.Random(seed)) for seed in (1, 1, 2))
    assert once == again != other


def test_a_model_is_read_from_what_the_api_shows_of_a_type() -> None:
    """What else the answer holds is of no matter to a device."""
    shown = {"name": "pump", "version": 2, "telemetry": {"rpm": {"type": "number"}}}
    assert msgspec.convert(shown, Model) == Model({"rpm": Field("number")})


def test_an_output_is_made_up_as_declared() -> None:
    chance = random.Random(1)
    for output in (Output({"rpm": Field("number")}), Output(value=Field("integer"))):
        require_output(sample_output(output, chance), output, of="spin")
