"""Traces as values: a condition with everything that it saw, and how people read it.

They stand apart from their making (`trace`), so that records and requests can hold them.
"""

from typing import Any

from msgspec import Struct


class Part(Struct, frozen=True, omit_defaults=True):
    """One part of a condition, as it was."""

    text: str
    value: Any = None
    unknown: str = ""  # why it had no value
    position: int | None = None  # of an input: the message that it came with
    at: int | None = None  # and the moment of that sample
    device_id: str = ""  # the member that it is of, below a call over members
    parts: tuple["Part", ...] = ()


class Trace(Struct, frozen=True, omit_defaults=True):
    """A condition as it was at one moment."""

    condition: str  # when or clear
    at: int
    root: Part
    truncated: bool = False


class AlarmTrace(Struct, frozen=True, omit_defaults=True):
    """Why an alarm was raised, and why it cleared; None where no condition decided it."""

    raised: Trace | None = None
    cleared: Trace | None = None
    reason: str = ""  # why it was ended from outside: its rule was deleted, its device, ...


def words_of(trace: Trace) -> list[str]:
    """Return a trace as people read it: one line a part, what it is made of below it."""
    said = {"when": "raised, because", "clear": "cleared, because"}
    lines: list[str] = [f"{said.get(trace.condition, trace.condition)}"]
    _say(trace.root, 1, lines)
    if trace.truncated:
        lines.append("  … and more than is kept")
    return lines


def _say(part: Part, depth: int, lines: list[str]) -> None:
    who = f"{part.device_id}: " if part.device_id else ""
    value = f"unknown ({part.unknown})" if part.unknown else _shown(part.value)
    where = f", message {part.position}" if part.position is not None else ""
    lines.append(f"{'  ' * depth}{who}{part.text} is {value}{where}")
    for below in part.parts:
        _say(below, depth + 1, lines)


def _shown(value: Any) -> str:
    if value is True or value is False:
        return "true" if value else "false"
    return f"{value:.6g}" if isinstance(value, float) else str(value)
