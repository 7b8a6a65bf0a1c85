"""Checking: values that people and programs send, against what a device type declares.

The gate checks what devices say while it decodes (`ingest/decode.py`); here is checked what
is said to them (a command's input, desired properties), and what they give back of a command,
which counts whatever it is. Every error names the exact place.
"""

import difflib
from collections.abc import Mapping
from typing import Any

from weft.errors import Invalid
from weft.model.device import Field, Output
from weft.registry.fields import fits

TEXT_MAX_CHARACTERS = 4096  # of a string whose type names no length, as in what devices send
SHOWN_MAX = 100


def require_values(
    values: Mapping[str, Any],
    fields: Mapping[str, Field],
    place: str,
    *,
    of: str,
    patch: bool = False,
) -> None:
    """Raise `Invalid` at the first value that is not as declared.

    `place` is where the values stand (`input`), `of` names who declares the fields. In a
    `patch` null takes a value away, nothing is required, and read-only fields are refused.
    """
    for name, value in values.items():
        declared = fields.get(name)
        where = f"{place}.{name[:SHOWN_MAX]}"
        if declared is None:
            raise Invalid(f"{where} is not declared by {of}.", remedy=_nearest(name, fields))
        if patch and declared.read_only:
            raise Invalid(
                f"{where} is read-only: {of} lets its device alone say it.",
                remedy="Leave it out, or declare the property without readOnly.",
            )
        if not (patch and value is None):
            require_value(value, declared, where)
    if not patch:
        for name, declared in fields.items():
            if declared.required and name not in values:
                raise Invalid(
                    f"{place}.{name} is missing; {of} requires it.",
                    remedy=f"Send {name} as {declared.type}.",
                )


def require_value(value: Any, declared: Field, where: str) -> None:
    """Raise `Invalid` unless a value is as its field declares."""
    if not fits(value, declared.type):
        raise Invalid(
            f"{where} is {_kind(value)}; declared is {declared.type}.",
            remedy=f"Send it as {declared.type}.",
        )
    if declared.enum and value not in declared.enum:
        allowed = ", ".join(map(str, declared.enum))
        raise Invalid(f"{where} is {_shown(value)}.", remedy=f"Send one of: {allowed}.")
    if declared.minimum is not None and value < declared.minimum:
        raise Invalid(
            f"{where} is {value}, below the minimum of {declared.minimum:g}.",
            remedy=f"Send {declared.minimum:g} or more.",
        )
    if declared.maximum is not None and value > declared.maximum:
        raise Invalid(
            f"{where} is {value}, above the maximum of {declared.maximum:g}.",
            remedy=f"Send {declared.maximum:g} or less.",
        )
    if declared.type == "string":
        longest = declared.max_length or TEXT_MAX_CHARACTERS
        if len(value) > longest:
            raise Invalid(
                f"{where} has {len(value)} characters; at most {longest} fit.",
                remedy="Send a shorter text.",
            )


def require_output(output: Any, declared: Output, *, of: str) -> None:
    """Raise `Invalid` unless what a command gave back is as declared; `of` names who declares."""
    if declared.value is not None:
        require_value(output, declared.value, "output")
        return
    given = {} if output is None else output
    if not isinstance(given, dict):
        raise Invalid(
            f"output is {_kind(output)}; declared is an object.",
            remedy=f"Send an object with: {', '.join(declared.fields)}.",
        )
    require_values(given, declared.fields, "output", of=of)


def _nearest(name: str, fields: Mapping[str, Field]) -> str:
    near = difflib.get_close_matches(name[:SHOWN_MAX], fields, n=1)
    if near:
        return f"Did you mean {near[0]!r}?"
    if not fields:
        return "Leave it out: nothing is declared there."
    return f"Declare it in the type, or send only: {', '.join(fields)}."


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= SHOWN_MAX else f"{text[:SHOWN_MAX]}..."


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    names: dict[type, str] = {
        str: "a string",
        int: "an integer",
        float: "a number",
        list: "an array",
    }
    return names.get(type(value), "an object")
