"""Fields: what a mapping puts into the far side's record, checked before it is needed.

A mapping gives each field an expression of the rules' language over the alarm, its rule, the
device, its asset and the work order. Names and types are checked when it is saved, with the
column. When an alarm comes, a field whose value is not there is left out: a work order
without a cost centre is better than none. What is put in is plain text, cut to what the far
side holds; nothing in it is ever evaluated (SS-3).
"""

import re
from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from weft.errors import Invalid
from weft.groups.vocabulary import Vocabulary
from weft.observability.log import escape_controls
from weft.rules.language.evaluate import FAILURES
from weft.rules.language.expression import Expression, compile_expression
from weft.rules.language.scope import suggest
from weft.rules.language.syntax import Path, Type
from weft.rules.language.values import AbsentError, to_text

FIELDS_MAX = 64
TEXT_MAX = 8_000
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.@/:-]{0,99}")

FACTS = Vocabulary(
    records={
        "alarm": {
            **dict.fromkeys(("id", "device", "rule", "severity", "state", "message"), Type.STRING),
            "raised_at": Type.STRING,
            "raised_at_ms": Type.INT,
        },
        "rule": {"id": Type.STRING, "version": Type.INT},
        "work_order": dict.fromkeys(
            ("id", "title", "priority", "fault", "asset", "instructions"), Type.STRING
        ),
        "device": dict.fromkeys(("id", "type", "label", "lifecycle"), Type.STRING),
        "asset": dict.fromkeys(("id", "kind", "label", "path"), Type.STRING),
    },
    open={"parameters": "parameters", "evidence": "evidence"},
    words=dict.fromkeys(("title", "text", "key"), Type.STRING),
    nested={
        ("device", "attributes"): "device_attributes",
        ("asset", "attributes"): "asset_attributes",
    },
    what="mapping",
)


class Field(Struct, frozen=True):
    """One field of the far side's record."""

    default: str = ""  # expression; nothing is sent where it is empty
    type: Type = Type.STRING  # DYN: whatever the expression gives
    characters: int = TEXT_MAX  # a longer text is cut


class LeftOut(Struct, frozen=True):
    """A field that was not filled, and why."""

    field: str
    why: str
    failed: bool = False  # its expression fails; else what it reads is not there


class Filled(Struct, frozen=True):
    """What a mapping made of one alarm."""

    values: Mapping[str, Any]
    left_out: tuple[LeftOut, ...] = ()


class FieldMapping(Struct, frozen=True, eq=False):
    """A checked mapping of one connector."""

    expressions: Mapping[str, Expression]
    fields: Mapping[str, Field]

    @property
    def paths(self) -> frozenset[Path]:
        """All facts that it reads."""
        return frozenset(path for one in self.expressions.values() for path in one.paths)

    def fill(self, facts: Mapping[Path, Any]) -> Filled:
        """Return the fields for these facts, without those that have no value."""
        values: dict[str, Any] = {}
        left_out: list[LeftOut] = []
        for name, expression in self.expressions.items():
            try:
                values[name] = _fit(self.fields.get(name, _OTHER), expression.value(facts))
            except AbsentError as error:
                left_out.append(LeftOut(name, f"{error}."))
            except FAILURES as error:
                left_out.append(LeftOut(name, f"The expression fails: {error}.", failed=True))
        return Filled(values, tuple(left_out))


_OTHER = Field(type=Type.DYN)


def read_mapping(
    given: Mapping[str, str], fields: Mapping[str, Field], *, more: bool
) -> FieldMapping:
    """Check what a mapping says over the kind's own fields, or raise `Invalid`.

    `more` lets it name fields that the kind does not know: the far side's custom ones.
    """
    if len(given) > FIELDS_MAX:
        raise Invalid(
            f"The mapping has {len(given)} fields; at most {FIELDS_MAX} are taken.",
            remedy="Leave the rest to the business system's own defaults.",
        )
    for name in given:
        if name not in fields and not more:
            raise Invalid(f"There is no field {name!r}.", remedy=suggest(name, sorted(fields)))
        if not _NAME.fullmatch(name):
            raise Invalid(
                f"{name!r} cannot be a field.",
                remedy="Write its technical name: letters, digits, _.",
            )
    texts = {name: field.default for name, field in fields.items()} | dict(given)
    expressions = {
        name: _checked(name, text, fields.get(name, _OTHER)) for name, text in texts.items() if text
    }
    return FieldMapping(expressions, fields)


def _checked(name: str, text: str, field: Field) -> Expression:
    try:
        expression = compile_expression(text, FACTS)
    except Invalid as error:
        raise Invalid(f"The field {name!r}: {error.detail}", remedy=error.remedy) from error
    if expression.type not in _TAKES[field.type]:
        wanted = "a text, number or bool" if field.type is Type.DYN else field.type.value
        raise Invalid(
            f"The field {name!r}: Column 1: the expression gives {expression.type}, and the field "
            f"takes {wanted}.",
            remedy="Convert the value with string(), int() or double().",
        )
    return expression


_TAKES: Mapping[Type, frozenset[Type]] = {
    Type.STRING: frozenset({Type.STRING, Type.DYN}),
    Type.INT: frozenset({Type.INT, Type.DYN}),
    Type.DOUBLE: frozenset({Type.INT, Type.DOUBLE, Type.DYN}),
    Type.BOOL: frozenset({Type.BOOL, Type.DYN}),
    Type.DYN: frozenset({Type.STRING, Type.INT, Type.DOUBLE, Type.BOOL, Type.DYN}),
}


def _fit(field: Field, value: Any) -> Any:
    """Return a value as the field holds it, or raise one of FAILURES."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        value = int(value)  # every number of JSON is a double to the language
    match field.type:
        case Type.STRING:
            return cut(plain_lines(to_text(value)), field.characters)
        case Type.INT if type(value) is int:
            return value
        case Type.DOUBLE if type(value) in (int, float):
            return float(value)
        case Type.BOOL if type(value) is bool:
            return value
        case Type.DYN if type(value) in (bool, int, float):
            return value
        case Type.DYN if isinstance(value, str):
            return cut(plain_lines(value), field.characters)
        case _:
            raise TypeError(f"a value of type {type(value).__name__} does not fit")


def plain_lines(text: str) -> str:
    """Return a text without control characters but for its line breaks."""
    return "\n".join(escape_controls(line) for line in text.split("\n"))


def cut(text: str, characters: int) -> str:
    """Return at most so many characters, the last an ellipsis where some were cut."""
    return text if len(text) <= characters else text[: characters - 1] + "…"
