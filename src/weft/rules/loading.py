"""Code that reads inputs: from the values of a reading, else as last known in the slots."""

import ast

from msgspec import Struct

from weft.rules.language.generate import call, is_unset, name
from weft.rules.language.syntax import Path, Type


def assign(local: str, value: ast.expr) -> ast.stmt:
    """Make `local = value`."""
    return ast.Assign(targets=[ast.Name(id=local, ctx=ast.Store())], value=value)


def item(of: str, place: int) -> ast.expr:
    """Make `of[place]`."""
    return ast.Subscript(value=name(of), slice=ast.Constant(place), ctx=ast.Load())


def keep(slot: int, local: str) -> ast.stmt:
    """Make `slots[slot] = local`."""
    target = ast.Subscript(value=name("slots"), slice=ast.Constant(slot), ctx=ast.Store())
    return ast.Assign(targets=[target], value=name(local))


def load(
    slot: int, path: Path, kind: Type, values_class: type | None, *, marked: bool = False
) -> list[ast.stmt]:
    """Make the code that reads an input into `value_SLOT`, and keeps what is new."""
    local, known = f"value_{slot}", item("slots", slot)
    sent = sent_in(path, values_class)
    if sent is None:
        return [assign(local, known)]
    return [
        assign(local, sent),
        ast.If(
            test=is_unset(local),
            body=[assign(local, known)],
            orelse=kept(slot, local, kind, marked=marked),
        ),
    ]


def kept(slot: int, local: str, kind: Type, *, marked: bool = False) -> list[ast.stmt]:
    """Make the code that keeps a value that was sent, and where it came from where marked."""
    stored = [keep(slot, local)]
    if marked:
        target = ast.Subscript(
            value=name("slots"), slice=ast.Constant(mark_place(slot)), ctx=ast.Store()
        )
        stored.append(ast.Assign(targets=[target], value=item("slots", NOW)))
    return [_numbers_are_doubles(local), *stored] if kind is Type.DYN else stored


NOW = -1  # of a marked row: (position, moment) of the sample that is being taken in


def mark_place(slot: int) -> int:
    """Return where a marked row holds the sample that an input came from."""
    return NOW - 1 - slot


def sent_in(path: Path, values_class: type | None) -> ast.expr | None:
    """Make the expression that reads a key of the reading, or None when it has no such key."""
    if values_class is None or path[0] != "telemetry":
        return None
    if not issubclass(values_class, Struct):
        get = ast.Attribute(value=name("values"), attr="get", ctx=ast.Load())
        return ast.Call(func=get, args=[ast.Constant(path[1]), name("UNSET")], keywords=[])
    fields = dict(
        zip(values_class.__struct_encode_fields__, values_class.__struct_fields__, strict=True)
    )
    if path[1] not in fields:
        return None
    return ast.Attribute(value=name("values"), attr=fields[path[1]], ctx=ast.Load())


def function_of(
    title: str, arguments: list[str], body: list[ast.stmt], *defaults: None
) -> ast.FunctionDef:
    """Make the definition of a function; `defaults` are of the last arguments."""
    return ast.FunctionDef(
        name=title,
        args=ast.arguments(
            posonlyargs=[],
            args=[ast.arg(arg=one) for one in arguments],
            kwonlyargs=[],
            kw_defaults=[],
            defaults=[ast.Constant(one) for one in defaults],
        ),
        body=body,
        decorator_list=[],
    )


def _numbers_are_doubles(local: str) -> ast.stmt:
    kind = ast.Attribute(value=name(local), attr="__class__", ctx=ast.Load())
    test = ast.Compare(left=kind, ops=[ast.Is()], comparators=[name("int_class")])
    return ast.If(test=test, body=[assign(local, call("plain", name(local)))], orelse=[])
