"""What an evaluation asks for, made of where a rule stands on a device at that moment."""

from typing import Any

from msgspec import UNSET, Struct, field

from weft.model.ids import AlarmId, DeviceId
from weft.rules.cells import Cell
from weft.rules.conditions import Compiled
from weft.rules.language.members import SOURCE
from weft.rules.model import Rule
from weft.rules.requests import Clear, Raise
from weft.rules.state import DeviceState
from weft.rules.subjects import SubjectState
from weft.rules.trace import States, trace_of

_BY_KEY = frozenset({"telemetry", "feed", SOURCE})


class Now(Struct, frozen=True):
    """When something was found: in which message, if in one, and what that had sent."""

    at: int
    position: int | None = None
    sent: dict[str, Any] = field(default_factory=dict)


def raise_of(
    rule: Rule, state: DeviceState, cell: Cell, now: Now, states: States | None = None
) -> Raise:
    """Make the request to raise; templates may name what is known and what was just sent."""
    known = {key: value for (_source, key), value in state.values().items()}
    members: tuple[DeviceId, ...] = ()
    if isinstance(state, SubjectState):
        members = state.named()
        known |= {"subject": str(state.subject), "members": ", ".join(members)}
    return Raise(
        rule=rule,
        device_id=state.device_id,
        position=cell.position,
        episode=cell.episode,
        began_at=cell.evidence[0].at,
        at=now.at,
        evidence=tuple(cell.evidence),
        values={
            **known,
            **now.sent,
            "device": state.subject.name,
            "label": state.label or state.subject.name,
            "rule": rule.rule_id,
            "severity": rule.document.severity.value,
        },
        subject=state.subject,
        members=members,
        trace=trace_of(state, rule.rule_id, "when", now.at, states or {}),
    )


def clear_of(
    rule: Rule,
    state: DeviceState,
    cell: Cell,
    now: Now,
    reason: str = "",
    *,
    states: States | None = None,
) -> Clear:
    """Make the request to clear what a cell has raised."""
    return Clear(
        rule=rule,
        tenant=state.tenant,
        device_id=state.device_id,
        alarm_id=AlarmId(cell.alarm_id),
        at=now.at,
        position=now.position,
        reason=reason,
        subject=state.subject,
        trace=None if reason else trace_of(state, rule.rule_id, "clear", now.at, states or {}),
    )


def inputs_of(state: DeviceState, compiled: Compiled) -> dict[str, Any]:
    """Return the values that the rule saw, for evidence."""
    values: dict[str, Any] = {}
    for path in sorted(compiled.paths):
        value = state.slots[state.program.slots[path]]
        if value is not UNSET and path[0] != "device":
            values[path[1] if path[0] in _BY_KEY else f"{path[0]}.{path[1]}"] = value
    return values
