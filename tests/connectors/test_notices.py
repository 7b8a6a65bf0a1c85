"""Notices: what a person is told, as plain text of bounded length."""

from tests.connectors.support import alarm, entry

from weft.connectors.base import Situation
from weft.connectors.notices import DIGEST_LINES, line_of, notice_of, sample_notice


def told(why: str = "alarm", **changes: object) -> str:
    item = entry(kind="notification", parameters={"why": why})
    return notice_of(item.action, Situation(alarm=alarm(**changes))).text()


def test_a_notice_says_what_where_and_since_when() -> None:
    """What somebody who is woken needs, with the id that the command line takes."""
    text = told(assets=("north", "press-1"), assignee="bob")
    for part in (
        "[urgent] Bearing",
        "Device: pump-7",
        "Place: north / press-1",
        "Assigned to: bob",
    ):
        assert part in text


def test_why_one_is_told_again_is_said() -> None:
    """A reminder, an escalation and the end differ from the first word on."""
    assert told("reminder").startswith("[urgent] Still: ")
    assert told("escalation").startswith("[urgent] Nobody has it: ")
    assert told("cleared").startswith("[urgent] Over: ")


def test_a_digest_lists_some_and_counts_all() -> None:
    """Fifty alarms in one message: the first twenty, and how many more."""
    lines = [f"alarm {number}" for number in range(30)]
    item = entry(kind="notification", parameters={"digest": {"count": 50, "lines": lines}})
    notice = notice_of(item.action, Situation(alarm=alarm()))
    assert notice.title == "50 more alarms, told as one"
    assert len(notice.lines) == DIGEST_LINES + 1
    assert notice.lines[-1].startswith("and 30 more")


def test_a_notice_without_its_alarm_says_at_least_that() -> None:
    """The alarm is not there any more; the message is not lost for it."""
    item = entry(kind="notification", parameters={"why": "alarm"})
    assert notice_of(item.action, Situation()).title == "Weft: alarm"


def test_a_line_is_one_printable_line() -> None:
    """Control characters are written out, and what is too long is cut."""
    assert "\n" not in line_of("a\r\nb\x00")
    assert len(line_of("x" * 5_000)) == 1_000
    assert sample_notice().lines
