"""Parameters: how fields of an operation's Structs are written at the command line."""

import json
import re
from enum import Enum
from typing import Any

import click
from msgspec import NODEFAULT, Struct, UnsetType, inspect

_MEMBERS = re.compile(r",(?=\w+=)")  # a comma in a value stays
UNSET_TYPE = inspect.type_info(UnsetType)


class JsonText(click.ParamType[Any]):
    """A document: JSON, or NAME=VALUE for the members of an object, with commas between."""

    name = "json"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read JSON; text that is no JSON behind an equals sign is itself."""
        if not isinstance(value, str):
            return value
        if "=" in value and not value.lstrip().startswith(("{", "[", '"')):
            return dict(map(_member, _MEMBERS.split(value)))
        try:
            return json.loads(value)
        except ValueError as error:
            self.fail(f"{value!r} is neither JSON nor NAME=VALUE: {error}", param, ctx)


def _member(text: str) -> tuple[str, Any]:
    name, _, value = text.partition("=")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


class Parameter(Struct, frozen=True):
    """One field, ready for click."""

    field: str
    type: Any
    required: bool
    multiple: bool = False
    flag: bool = False
    document: bool = False
    nullable: bool = False  # null is a value here, told apart from an option left out
    help: str = ""

    def value_of(self, given: Any) -> Any:
        """Return what goes into the request for what click has read."""
        if self.nullable and given == "null":
            return None
        if self.document and self.multiple:
            merged: dict[str, Any] = {}
            for part in given:
                merged |= part
            return merged
        return list(given) if self.multiple else given


def parameters_of(struct: type[Struct]) -> list[Parameter]:
    """Return the parameters of a Struct's fields, in their order."""
    return [_parameter(field) for field in inspect.type_info(struct).fields]  # type: ignore[attr-defined]  # a StructType, as a Struct was given


def _parameter(field: inspect.Field) -> Parameter:
    kind, help_text = _plain(field.type)
    required = field.required
    name = field.encode_name
    if isinstance(kind, inspect.BoolType):
        return Parameter(name, bool, required, flag=True, help=help_text)
    if isinstance(kind, inspect.IntType):
        return Parameter(name, int, required, help=help_text)
    if isinstance(kind, inspect.FloatType):
        return Parameter(name, float, required, help=help_text)
    if isinstance(kind, inspect.EnumType):
        return Parameter(name, _choice(kind.cls), required, help=help_text)
    if isinstance(kind, inspect.VarTupleType | inspect.ListType):
        return Parameter(name, _item(kind.item_type), required, multiple=True, help=help_text)
    if isinstance(kind, inspect.StrType):
        nullable = not required and field.default is NODEFAULT and _takes_null(field.type)
        return Parameter(name, str, required, nullable=nullable, help=help_text)
    is_object = isinstance(kind, inspect.DictType)
    return Parameter(name, JsonText(), required, multiple=is_object, document=True, help=help_text)


def _plain(kind: inspect.Type) -> tuple[inspect.Type, str]:
    """Return a type without its metadata, null and unset, and its description."""
    text = ""
    while True:
        if isinstance(kind, inspect.Metadata):
            text = (kind.extra_json_schema or {}).get("description", text)
            kind = kind.type
        elif isinstance(kind, inspect.UnionType):
            rest = [
                part
                for part in kind.types
                if not isinstance(part, inspect.NoneType) and part != UNSET_TYPE
            ]
            if len(rest) != 1:
                return inspect.AnyType(), text
            kind = rest[0]
        else:
            return kind, text


def _takes_null(kind: inspect.Type) -> bool:
    parts = kind.types if isinstance(kind, inspect.UnionType) else ()
    return any(isinstance(part, inspect.NoneType) for part in parts)


def _item(kind: inspect.Type) -> Any:
    plain, _ = _plain(kind)
    if isinstance(plain, inspect.EnumType):
        return _choice(plain.cls)
    return str if isinstance(plain, inspect.StrType) else JsonText()


def _choice(cls: type[Enum]) -> click.Choice[str]:
    return click.Choice([str(member.value) for member in cls])
