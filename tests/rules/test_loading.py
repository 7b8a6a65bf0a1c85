"""Code that reads inputs: from objects, from structs, from what is known."""

import ast
from typing import Any

import msgspec
from msgspec import UNSET

from weft.rules.language.generate import compile_function, name
from weft.rules.language.syntax import Type
from weft.rules.loading import assign, function_of, item, keep, load, sent_in

Values = msgspec.defstruct(
    "Values", [("class_", float | msgspec.UnsetType, UNSET)], rename={"class_": "class"}
)
PATH = ("telemetry", "class")


def read(values_class: type | None, values: Any, slots: list[Any], kind: Type = Type.DYN) -> Any:
    body = [*load(0, PATH, kind, values_class), ast.Return(value=name("value_0"))]
    return compile_function(function_of("read", ["values", "slots"], body), {})(values, slots)


def test_what_was_sent_is_read_and_kept() -> None:
    """A free number is a double; a key goes by the name that the device uses."""
    slots: list[Any] = [UNSET]
    assert read(dict, {"class": 3}, slots).__class__ is float
    assert slots == [3.0]
    assert read(Values, Values(4.0), slots, Type.DOUBLE) == 4.0
    assert slots == [4.0]


def test_what_was_not_sent_is_as_last_known() -> None:
    """By a reading that lacks it, a class that lacks it, and by no reading."""
    assert read(dict, {}, [7.0]) == 7.0
    assert read(msgspec.defstruct("Other", []), None, [7.0]) == 7.0
    assert read(None, None, [7.0]) == 7.0
    assert sent_in(("reported", "class"), dict) is None


def test_the_parts_write_what_they_say() -> None:
    """Plain statements."""
    made = ast.fix_missing_locations(
        ast.Module(body=[assign("x", item("slots", 2)), keep(1, "x")], type_ignores=[])
    )
    assert ast.unparse(made) == "x = slots[2]\nslots[1] = x"
