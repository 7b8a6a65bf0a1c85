"""Notices: what a person is told of an alarm, as plain text before any channel shapes it.

Text of devices and rules is data: it is one printable line each, cut to a length, and each
channel puts it where nothing in it is read as markup, a mention, a link or a header (SS-3).
"""

from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from weft.connectors.base import Situation
from weft.model.alarm import Action, Alarm
from weft.model.moments import to_rfc3339
from weft.observability.log import escape_controls

TITLE_CHARACTERS = 150  # what Slack's header holds, and what a subject should
LINE_CHARACTERS = 1_000
DIGEST_LINES = 20


class Notice(Struct, frozen=True):
    """One thing to tell: a title, facts by name, and lines below them."""

    title: str
    facts: Sequence[tuple[str, str]] = ()
    lines: Sequence[str] = ()
    thread: str = ""  # what belongs to one alarm belongs together

    def text(self) -> str:
        """Return all of it as plain lines."""
        facts = [f"{name}: {value}" for name, value in self.facts]
        parts = [[self.title], facts, list(self.lines)]
        return "\n\n".join("\n".join(part) for part in parts if part)


def notice_of(action: Action, situation: Situation) -> Notice:
    """Return what an action asks to be told, as things are when it is told."""
    asked = action.parameters
    digest = asked.get("digest")
    if isinstance(digest, dict):
        return _digest_of(digest)
    alarm = situation.alarm
    why = str(asked.get("why", "")) or "alarm"
    if alarm is None:
        return Notice(line_of(f"Weft: {why}", TITLE_CHARACTERS), thread=str(action.alarm_id))
    late = "Late: " if alarm.late else ""
    title = f"[{alarm.urgency.value}] {late}{_prefix(why)}{alarm.message or alarm.rule_id}"
    return Notice(
        title=line_of(title, TITLE_CHARACTERS),
        facts=_facts_of(alarm),
        lines=[line_of(str(asked["text"]))] if asked.get("text") else [],
        thread=str(alarm.alarm_id),
    )


def line_of(text: str, characters: int = LINE_CHARACTERS) -> str:
    """Return a text as one printable line of bounded length."""
    line = escape_controls(text)
    return line if len(line) <= characters else line[: characters - 1] + "…"


def _prefix(why: str) -> str:
    return {
        "alarm": "",
        "reminder": "Still: ",
        "escalation": "Nobody has it: ",
        "cleared": "Over: ",
    }.get(why, "")


def _facts_of(alarm: Alarm) -> list[tuple[str, str]]:
    facts = [
        (alarm.subject.kind.value.capitalize(), alarm.subject.name),
        ("Place", " / ".join(alarm.assets)),
        ("Severity", alarm.severity.value),
        ("Priority", alarm.urgency.value),
        ("State", alarm.state.value),
        ("Since", to_rfc3339(alarm.raised_at)),
        ("Cleared", to_rfc3339(alarm.cleared_at) if alarm.cleared_at else ""),
        ("Assigned to", alarm.assignee or ""),
        ("Rule", str(alarm.rule_id)),
        ("Alarm", str(alarm.alarm_id)),
    ]
    if alarm.flood:
        facts.append(("Held under it", str(alarm.held)))
    return [(name, line_of(value)) for name, value in facts if value]


def _digest_of(digest: dict[str, Any]) -> Notice:
    lines = [line_of(str(one), 200) for one in digest.get("lines", [])][:DIGEST_LINES]
    count = int(digest.get("count", len(lines)))
    if count > len(lines):
        lines.append(f"and {count - len(lines)} more: weft alarm list --open")
    return Notice(title=f"{count} more alarms, told as one", lines=lines, thread="digest")


def sample_notice() -> Notice:
    """Return what a connector is tried with."""
    return Notice("Weft: a test of this channel", lines=["There is nothing to do."], thread="test")
