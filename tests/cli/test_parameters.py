"""Fields of Structs as options: every kind of field that the table uses."""

from enum import StrEnum
from typing import Annotated, Any

import click
import pytest
from msgspec import UNSET, Meta, Struct, UnsetType

from weft.cli.parameters import JsonText, parameters_of


class Colour(StrEnum):
    RED = "red"


class Everything(Struct):
    text: str
    number: Annotated[int, Meta(ge=1, description="How many.")] | None = None
    ratio: float = 0.5
    flag: bool = False
    colour: Colour | None = None
    many: tuple[str, ...] = ()
    colours: tuple[Colour, ...] = ()
    free: dict[str, Any] | UnsetType = UNSET
    anything: Any = None
    patch: str | UnsetType | None = UNSET


def test_each_kind_of_field_is_read() -> None:
    """Required where there is no default; a list repeats; a document is JSON."""
    found = {parameter.field: parameter for parameter in parameters_of(Everything)}
    assert found["text"].required
    assert (found["number"].type, found["number"].help) == (int, "How many.")
    assert found["ratio"].type is float
    assert found["flag"].flag
    assert isinstance(found["colour"].type, click.Choice)
    assert found["many"].multiple
    assert isinstance(found["colours"].type, click.Choice)
    assert found["free"].document
    assert found["free"].multiple
    assert found["anything"].document
    assert found["patch"].type is str
    assert [name for name, one in found.items() if one.required] == ["text"]
    assert [name for name, one in found.items() if one.nullable] == ["patch"]


def test_null_takes_away_what_can_be_taken_away() -> None:
    """`--parent null` is no name; `--text null` is a text."""
    found = {parameter.field: parameter for parameter in parameters_of(Everything)}
    assert found["patch"].value_of("null") is None
    assert found["patch"].value_of("x") == "x"
    assert found["text"].value_of("null") == "null"


def test_members_are_merged_into_one_object() -> None:
    """--attributes room=3 --attributes '{"hall": "B"}'."""
    parameter = next(p for p in parameters_of(Everything) if p.field == "free")
    assert parameter.value_of(({"room": 3}, {"hall": "B"})) == {"room": 3, "hall": "B"}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": 1}', {"a": 1}),
        ("a=1", {"a": 1}),
        ("a=on the left", {"a": "on the left"}),
        ("3", 3),
        ('"a=b"', "a=b"),
    ],
)
def test_json_or_name_and_value(text: str, value: object) -> None:
    """Whatever is less to type."""
    assert JsonText().convert(text, None, None) == value


def test_what_is_neither_is_refused() -> None:
    """As a usage error."""
    with pytest.raises(click.BadParameter):
        JsonText().convert("nonsense", None, None)
