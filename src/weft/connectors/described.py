"""Settings of connectors, described: what a form, or a person, needs to fill them in.

Everything is read off the settings' Structs: their types say what may stand there, and the
comment beside a field is its line of help, as in docs/reference/settings.md. There is no
second list that could fall behind. What only the operator of the machine may say (`tenants`,
`allow`) is left out.
"""

import inspect as source
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any, Final

from msgspec import NODEFAULT, Struct, inspect, to_builtins

OPERATORS: Final = ("tenants", "allow")
TAG: Final = "kind"  # of a table that is one of several
_COMMENT = re.compile(r"^    (\w+):.*?#\s(.+)$")
_REFERENCE = re.compile(r"^(?:a )?reference(?: to |; |$)")


class Setting(Struct, frozen=True):
    """One setting. A setting within a table has the table's name and a dot in front."""

    name: str
    type: str  # text, number, boolean, choice, list or table
    required: bool  # of one within a table: where the table is given
    default: Any
    secret: bool
    help: str
    choices: tuple[str, ...] = ()  # of a choice, or of a table that is one of several
    of: str = ""  # for which choice of its table; "" for all


@cache
def settings_of(kind: type[Struct]) -> tuple[Setting, ...]:
    """Return the settings of a kind of connector, tables before what stands in them."""
    return tuple(_settings(kind))


def in_force(settings: Sequence[Setting], given: Mapping[str, Any]) -> list[Setting]:
    """Return those that can stand beside what is given: of a table's choices, the chosen one."""
    return [
        one
        for one in settings
        if not one.of or table_of(one.name, given).get(TAG, one.of) == one.of
    ]


def table_of(name: str, given: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the table in which a setting stands; an empty one where it is not given."""
    found = _table(name, given)
    return found if isinstance(found, Mapping) else {}


def has_table(name: str, given: Mapping[str, Any]) -> bool:
    """Return whether the table in which a setting stands is given, be it empty."""
    return isinstance(_table(name, given), Mapping)


def _table(name: str, given: Mapping[str, Any]) -> Any:
    table: Any = given
    for part in name.split(".")[:-1]:
        table = table.get(part) if isinstance(table, Mapping) else None
    return table


def _settings(kind: type[Struct], before: str = "", of: str = "") -> Iterator[Setting]:
    helps = _helps(kind)
    info = inspect.type_info(kind)
    assert isinstance(info, inspect.StructType)
    for field in info.fields:
        if not before and field.encode_name in OPERATORS:
            continue
        name = f"{before}{field.encode_name}"
        plain, secret = _plain(field.type)
        help_ = helps.get(field.name, "")
        yield Setting(
            name=name,
            type=_type_of(plain),
            required=field.required,
            default=None if secret else _default(field),
            secret=secret,
            help=_REFERENCE.sub("", help_) if secret else help_,
            choices=_choices(plain),
            of=of,
        )
        for table in _tables(plain):
            more = str(table.tag) if len(_tables(plain)) > 1 else ""
            yield from _settings(table.cls, f"{name}.", more)


def _plain(kind: inspect.Type) -> tuple[inspect.Type, bool]:
    """Return a type without what is said beside it and without None; whether it is a secret."""
    secret = False
    while True:
        if isinstance(kind, inspect.Metadata):
            secret = secret or bool((kind.extra or {}).get("secret"))
            kind = kind.type
        elif isinstance(kind, inspect.UnionType):
            rest = [one for one in kind.types if not isinstance(one, inspect.NoneType)]
            if len(rest) != 1:
                return kind, secret
            kind = rest[0]
        else:
            return kind, secret


_TYPES: Final[Sequence[tuple[tuple[type[inspect.Type], ...], str]]] = (
    ((inspect.BoolType,), "boolean"),
    ((inspect.IntType, inspect.FloatType), "number"),
    ((inspect.LiteralType, inspect.EnumType), "choice"),
    ((inspect.ListType, inspect.VarTupleType), "list"),
    ((inspect.DictType, inspect.StructType, inspect.UnionType), "table"),
)


def _type_of(kind: inspect.Type) -> str:
    return next((name for types, name in _TYPES if isinstance(kind, types)), "text")


def _tables(kind: inspect.Type) -> list[inspect.StructType]:
    found = kind.types if isinstance(kind, inspect.UnionType) else (kind,)
    return [one for one in found if isinstance(one, inspect.StructType)]


def _choices(kind: inspect.Type) -> tuple[str, ...]:
    if isinstance(kind, inspect.LiteralType):
        return tuple(str(one) for one in kind.values)
    if isinstance(kind, inspect.EnumType):
        return tuple(str(one.value) for one in kind.cls)
    tables = _tables(kind)
    return tuple(str(one.tag) for one in tables) if len(tables) > 1 else ()


def _default(field: inspect.Field) -> Any:
    if field.default is not NODEFAULT:
        return to_builtins(field.default)
    if field.default_factory is not NODEFAULT:
        return to_builtins(field.default_factory())
    return None


def _helps(kind: type[Struct]) -> dict[str, str]:
    """Return the comment beside each field, bases first; nothing where there is no source."""
    found: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        if base is Struct or not issubclass(base, Struct):
            continue
        try:
            lines = source.getsource(base).splitlines()
        except (OSError, TypeError):  # an installation without sources has no help, and works
            continue
        for line in lines:
            if match := _COMMENT.match(line):
                found[match[1]] = match[2]
    return found
