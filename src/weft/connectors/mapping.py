"""Mapping: from an alarm and its action to the words that a business system takes.

Text of devices and rules goes out as plain text only. It is cut to what the far side holds,
control characters are taken out, and nothing in it is ever evaluated (SS-3).
"""

from typing import Any

from weft.connectors.base import Situation
from weft.model.alarm import Action, Alarm, WorkOrder
from weft.model.moments import to_rfc3339
from weft.observability.log import escape_controls

TITLE_CHARACTERS = 120
TEXT_CHARACTERS = 8_000
_EVIDENCE_LINES = 5
_DEVICES_NAMED = 20
_KEY_PREFIX = "Weft work order: "


def key_line(action_id: str) -> str:
    """Return the line by which our record is found again at the far side."""
    return _KEY_PREFIX + action_id


def title_of(action: Action, situation: Situation) -> str:
    """Return one line for the far side's list of tasks."""
    given = action.parameters.get("title")
    if isinstance(given, str) and given:
        text = given
    elif situation.work_order is not None and situation.work_order.title:
        text = situation.work_order.title
    elif situation.alarm is not None:
        text = f"{situation.alarm.message} ({situation.alarm.subject})"
    else:
        text = "Fault reported by Weft"
    return _cut(escape_controls(text), TITLE_CHARACTERS)


def text_of(action: Action, situation: Situation) -> str:
    """Return what the technician reads: what, where, since when, by which samples."""
    lines: list[str] = []
    given = action.parameters.get("description")
    if isinstance(given, str) and given:
        lines += [*(escape_controls(line) for line in given.splitlines()), ""]
    if situation.work_order is not None:
        lines += _order_lines(situation.work_order)
    if situation.alarm is not None:
        lines += _alarm_lines(situation.alarm)
    return _cut("\n".join(lines), TEXT_CHARACTERS)


def description_of(action: Action, situation: Situation) -> str:
    """Return that text with the line by which our record is found again."""
    return with_key(text_of(action, situation), action.action_id)


def with_key(text: str, action_id: str, characters: int = 2 * TEXT_CHARACTERS) -> str:
    """Return a text that ends with the line of our key, cut so that the line always fits."""
    key = key_line(action_id)
    text = _cut(text, characters - len(key) - 2).rstrip("\n")
    return f"{text}\n\n{key}".lstrip("\n")


def clear_note_of(alarm: Alarm, *, closing: bool = False) -> str:
    """Return what the far side is told when an alarm clears before its task is done."""
    since = to_rfc3339(alarm.cleared_at or 0)
    who = "by itself" if alarm.cleared_by in {None, "rule"} else "by a person"
    stands = "The task is closed with it." if closing else "The task is still open."
    return f"Weft: the alarm has cleared {who} at {since}. {stands}"


def facts_of(alarm: Alarm) -> dict[str, Any]:
    """Return an alarm as plain JSON for a receiver of ours."""
    about = {} if alarm.device_id else {alarm.subject.kind.value: alarm.subject.name}
    return {
        "alarm_id": alarm.alarm_id,
        "rule_id": alarm.rule_id,
        "rule_version": alarm.rule_version,
        "device_id": alarm.device_id,
        **about,
        "severity": str(alarm.severity),
        "state": str(alarm.state),
        "message": alarm.message,
        "raised_at": to_rfc3339(alarm.raised_at),
        "cleared_at": None if alarm.cleared_at is None else to_rfc3339(alarm.cleared_at),
        "evidence": [
            {"position": item.position, "at": to_rfc3339(item.at), "values": item.values}
            for item in alarm.evidence
        ],
    }


def more_alarms_note_of(order: WorkOrder) -> str:
    """Return what the far side is told when a fault has more alarms than it was told of."""
    devices = ", ".join(order.devices[:_DEVICES_NAMED])
    more = ", …" if len(order.devices) > _DEVICES_NAMED else ""
    return f"Weft: this fault has {order.alarms} alarms now, of {devices}{more}."


def _order_lines(order: WorkOrder) -> list[str]:
    lines = [escape_controls(line) for line in order.instructions.splitlines()]
    if lines:
        lines.append("")
    if order.asset_id:
        lines.append(f"Asset: {order.asset_id}")
    if order.fault_code:
        lines.append(f"Fault: {order.fault_code} ({order.fault_id})")
        lines.append(f"Priority: {order.priority}")
    if order.due_at is not None:
        lines.append(f"Due: {to_rfc3339(order.due_at)}")
    if order.alarms > 1:
        lines.append(f"Alarms: {order.alarms}, of {', '.join(order.devices[:_DEVICES_NAMED])}")
    return [*lines, ""] if lines else []


def _alarm_lines(alarm: Alarm) -> list[str]:
    lines = [
        f"{escape_controls(alarm.message)}",
        "",
        f"{alarm.subject.kind.capitalize()}: {alarm.subject.name}",
        f"Severity: {alarm.severity}",
        f"Since: {to_rfc3339(alarm.raised_at)}",
        f"Alarm: {alarm.alarm_id} (rule {alarm.rule_id}, version {alarm.rule_version})",
    ]
    for item in alarm.evidence[-_EVIDENCE_LINES:]:
        values = ", ".join(f"{key} {value}" for key, value in item.values.items())
        lines.append(f"Sample {item.position} at {to_rfc3339(item.at)}: {escape_controls(values)}")
    return lines


def _cut(text: str, characters: int) -> str:
    return text if len(text) <= characters else text[: characters - 1] + "…"
