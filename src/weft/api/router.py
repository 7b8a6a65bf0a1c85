"""Routing: from method and path to an operation, by walking the path's segments once.

A literal segment wins over a parameter (`devices/me` is not the device named me by chance).
A path that is there with another method is told apart from one that is not.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import unquote

from weft.api.operation import Operation
from weft.api.problems import Malformed


@dataclass
class _Node:
    literals: "dict[str, _Node]" = field(default_factory=dict)
    parameter: "_Node | None" = None
    operations: dict[str, Operation] = field(default_factory=dict)


class Router:
    """The routes of a table of operations."""

    def __init__(self, operations: Sequence[Operation]) -> None:
        self._root = _Node()
        for operation in operations:
            node = self._root
            for segment in operation.full_path.split("/")[1:]:
                if segment.startswith("{"):
                    node.parameter = node.parameter or _Node()
                    node = node.parameter
                else:
                    node = node.literals.setdefault(segment, _Node())
            node.operations[operation.method] = operation

    def find(self, raw_path: bytes) -> tuple[dict[str, Operation], list[str]] | None:
        """Return the operations at a path, by method, with the values of its parameters."""
        try:
            segments = raw_path.decode("ascii").split("/")[1:]
            if b"%" in raw_path:
                segments = [unquote(segment, errors="strict") for segment in segments]
        except UnicodeDecodeError as error:
            raise Malformed(
                "The path is not UTF-8, percent-encoded.",
                remedy="Encode the path as RFC 3986 says.",
            ) from error
        values: list[str] = []
        node = _walk(self._root, segments, 0, values)
        if node is None:
            return None
        return node.operations, values


def _walk(node: _Node, segments: list[str], index: int, values: list[str]) -> _Node | None:
    if index == len(segments):
        return node if node.operations else None
    literal = node.literals.get(segments[index])
    if literal is not None:
        found = _walk(literal, segments, index + 1, values)
        if found is not None:
            return found
    if node.parameter is None or not segments[index]:
        return None
    values.append(segments[index])
    found = _walk(node.parameter, segments, index + 1, values)
    if found is None:
        values.pop()
    return found


def methods_of(operations: dict[str, Operation]) -> str:
    """Return the methods that a path answers, as the Allow header lists them."""
    methods = set(operations) | {"OPTIONS"} | ({"HEAD"} if "GET" in operations else set())
    return ", ".join(sorted(methods))
