"""The words that a business system gets: complete, bounded, and never code."""

from hypothesis import given
from hypothesis import strategies as st
from tests.connectors.support import NOON, alarm, entry, order_of

from weft.connectors.base import Situation
from weft.connectors.mapping import (
    TITLE_CHARACTERS,
    clear_note_of,
    description_of,
    facts_of,
    key_line,
    title_of,
)
from weft.model.alarm import AlarmState, Evidence

ITEM = entry()


def test_the_rules_title_comes_first_then_the_work_orders_then_the_alarms() -> None:
    """Whatever is known best names the task."""
    bare = entry(parameters={}).action
    order = order_of(ITEM, title="From the work order")
    assert title_of(ITEM.action, Situation(alarm(), order)) == "Check the bearing of pump-7"
    assert title_of(bare, Situation(alarm(), order)) == "From the work order"
    assert title_of(bare, Situation(alarm())) == "Bearing of pump-7 vibrates (pump-7)"
    assert title_of(bare, Situation()) == "Fault reported by Weft"


def test_a_description_tells_the_last_samples_and_ends_with_the_key() -> None:
    """A long episode has thousands of samples; five are enough to read."""
    many = tuple(Evidence(n, NOON, {"vibration": n}) for n in range(20))
    text = description_of(ITEM.action, Situation(alarm(evidence=many)))
    assert text.count("Sample ") == 5
    assert "Sample 19 at 2026-03-01T12:00:00Z: vibration 19" in text
    assert text.splitlines()[-1] == key_line(ITEM.action.action_id)
    assert description_of(ITEM.action, Situation()) == key_line(ITEM.action.action_id)


@given(st.text(max_size=20_000), st.text(max_size=20_000))
def test_no_text_breaks_out_of_its_place(title: str, description: str) -> None:
    """Whatever a device or a rule says: one line of title, our key in the last line."""
    item = entry(parameters={"title": title, "description": description})
    line = title_of(item.action, Situation(alarm()))
    assert len(line) <= TITLE_CHARACTERS
    assert line.isprintable()
    text = description_of(item.action, Situation(alarm(message=description)))
    assert len(text) < 8_200
    assert text.split("\n")[-1] == key_line(item.action.action_id)
    assert all(part.isprintable() for part in text.split("\n"))


def test_a_note_says_who_cleared_the_alarm_and_when() -> None:
    """The technician decides whether to go on."""
    cleared = {"state": AlarmState.CLEARED, "cleared_at": NOON}
    assert "by itself" in clear_note_of(alarm(**cleared, cleared_by="rule"))
    assert "by a person" in clear_note_of(alarm(**cleared, cleared_by="alice"))


def test_facts_are_plain_json() -> None:
    """Moments outside are RFC 3339, enumerations are words."""
    facts = facts_of(alarm(cleared_at=NOON, state=AlarmState.CLEARED))
    assert (facts["state"], facts["severity"]) == ("cleared", "critical")
    assert facts["cleared_at"] == "2026-03-01T12:00:00Z"
    assert facts_of(alarm())["cleared_at"] is None
