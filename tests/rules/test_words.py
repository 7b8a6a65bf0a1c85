"""What may be written in a condition: all of it can be."""

import pytest

from weft.model.device import DeviceType, Field
from weft.model.ids import TenantId, TypeName
from weft.rules.feeds.table import FUNCTIONS
from weft.rules.language import check
from weft.rules.language.condition import compile_condition
from weft.rules.language.expression import compile_expression
from weft.rules.language.parse import parse
from weft.rules.language.scope import ANY, scope_of
from weft.rules.language.syntax import Type
from weft.rules.words import FunctionWord, functions, names

KIND = DeviceType(
    TenantId("acme"),
    TypeName("pump"),
    1,
    "Pump",
    {"temperature": Field("number", unit="Cel"), "air-temp": Field("number")},
    {"rpm": Field("integer")},
    {},
    {},
    {},
    0,
)


@pytest.mark.parametrize("word", functions(), ids=lambda one: one.signature)
def test_every_example_can_be_written(word: FunctionWord) -> None:
    """As it stands, or as a part of a comparison."""
    text = word.example
    if check.check_value(parse(text), ANY).type not in {Type.BOOL, Type.DYN}:
        text = f"({text}) == ({text})"
    assert compile_condition(text, ANY)
    assert word.name in word.example
    assert word.doc


def test_no_function_is_missing() -> None:
    """Those that remember, and those that the checker knows of one moment."""
    known = {one.name for one in functions()}
    plain = {*check._FUNCTIONS, *check._METHODS, "has", "min", "max"}
    assert known == {*FUNCTIONS, *plain}


def test_every_name_of_a_type_can_be_written() -> None:
    """With its type and unit; a key that is no plain name as it has to be written."""
    found = {one.name: one for one in names(KIND)}
    assert found["temperature"].unit == "Cel"
    assert "telemetry['air-temp']" in found
    for name in found:
        assert compile_expression(f"{name} == {name}", scope_of(KIND))
    assert [one.name for one in names(None)] == ["device.id", "device.type"]
