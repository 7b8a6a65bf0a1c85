"""A checked tree as canonical text: the same meaning written twice gives the same text.

What is remembered is kept under it, so it holds no columns, no spaces that were a matter
of taste, and durations in one unit.
"""

import json
from typing import Any

from weft.rules.feeds.base import Count, Span
from weft.rules.language.syntax import (
    Apply,
    Checked,
    Choose,
    Const,
    Feed,
    Has,
    Input,
    Items,
    Logic,
    Path,
)

_UNITS = (
    ("d", 86_400_000_000_000),
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
)
_ROOTS = {
    "telemetry": "", "reported": "twin.reported.", "attribute": "device.attributes.",
    "device": "device.", "members": "",
}  # fmt: skip
_PREFIX = {"negate": "-", "!": "!"}
_METHODS = frozenset({"startsWith", "endsWith", "contains"})


def render(tree: Checked) -> str:
    """Return the text of a tree."""
    match tree:
        case Const():
            return constant(tree.value)
        case Input():
            return _path(tree.path)
        case Has():
            return f"has({'.'.join((_path(tree.path), *tree.keys))})"
        case Logic():
            joint = " && " if tree.every else " || "
            return f"({joint.join(render(part) for part in tree.operands)})"
        case Choose():
            parts = (tree.condition, tree.then, tree.otherwise)
            return "({} ? {} : {})".format(*map(render, parts))
        case Items():
            return f"[{', '.join(map(render, tree.items))}]"
        case Feed():
            return tree.text
        case Apply():
            return _apply(tree.operation, [render(part) for part in tree.arguments])


def call_text(name: str, arguments: list[str]) -> str:
    """Return the text of a call."""
    return f"{name}({', '.join(arguments)})"


def constant(value: Any) -> str:
    """Return the text of a value that is written out."""
    match value:
        case Span(ns):
            return duration(ns)
        case Count(samples):
            return f"{samples} samples"
        case tuple() | list():
            return f"[{', '.join(map(constant, value))}]"
    return json.dumps(value, ensure_ascii=False)


def duration(ns: int) -> str:
    """Return nanoseconds as people write them: 90 minutes are 1h30m."""
    parts = []
    for name, size in _UNITS:
        if count := ns // size:
            parts.append(f"{count}{name}")
            ns -= count * size
    return "".join(parts) + (f"{ns}ns" if ns else "") or "0s"


def _path(path: Path) -> str:
    source, key = path
    if source == "telemetry" and not (key.isidentifier() and key.isascii()):
        return f"telemetry[{json.dumps(key, ensure_ascii=False)}]"
    return f"{_ROOTS.get(source, source + '.')}{key}"


def _apply(operation: str, parts: list[str]) -> str:
    if operation in _PREFIX:
        return f"{_PREFIX[operation]}{parts[0]}"
    if operation == "index":
        return f"{parts[0]}[{parts[1]}]"
    if operation in _METHODS:
        return f"{parts[0]}.{call_text(operation, parts[1:])}"
    if operation.isidentifier() and operation != "in":
        return call_text(operation, parts)
    return f"({parts[0]} {operation} {parts[1]})"
