"""Schedules: the wall clock of a place, through both changes of its time."""

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weft.errors import Invalid
from weft.model.ids import DeviceId, TenantId
from weft.rules.feeds.base import NEVER, Feed, Origin
from weft.rules.feeds.schedule import make_during, read_times

S = 1_000_000_000


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * S


def during(times: str, zone: str = "Europe/Berlin", *holidays: str, now: int = 0) -> Feed:
    origin = Origin(tenant=TenantId("main"), device_id=DeviceId("pump-7"), began_at=now)
    setting = {"times": times, "zone": zone, "holidays": holidays}
    return make_during(setting, origin)


@pytest.mark.parametrize(
    ("times", "moment", "answer", "until"),
    [
        # Winter: Berlin is one hour ahead of UTC. Monday 2026-01-05.
        ("Mon-Fri 06:00-22:00", "2026-01-05 04:59", False, "2026-01-05 05:00"),
        ("Mon-Fri 06:00-22:00", "2026-01-05 05:00", True, "2026-01-05 21:00"),
        ("Mon-Fri 06:00-22:00", "2026-01-09 21:00", False, "2026-01-12 05:00"),
        # Summer: two hours.
        ("Mon-Fri 06:00-22:00", "2026-07-06 04:00", True, "2026-07-06 20:00"),
        # A night shift ends on the next day, and begins on its own.
        ("Fri 22:00-06:00", "2026-01-10 04:59", True, "2026-01-10 05:00"),
        ("Fri 22:00-06:00", "2026-01-09 04:30", False, "2026-01-09 21:00"),
        ("Sat-Sun 00:00-24:00", "2026-01-09 23:00", True, "2026-01-11 23:00"),
        ("Sat-Mon 08:00-09:00, 12:00-13:00", "2026-01-05 07:30", True, "2026-01-05 08:00"),
        # Spring forward on 2026-03-29 at 01:00 UTC: 02:00 to 03:00 is skipped.
        ("Sun 02:15-02:45", "2026-03-29 00:59", False, "2026-04-05 00:15"),
        ("Sun 01:30-03:30", "2026-03-29 00:30", True, "2026-03-29 01:30"),
        ("Sun 02:30-04:00", "2026-03-29 00:30", False, "2026-03-29 01:00"),
        # Back on 2026-10-25 at 01:00 UTC: 02:00 to 03:00 comes twice.
        ("Sun 02:30-02:45", "2026-10-25 00:30", True, "2026-10-25 00:45"),
        ("Sun 02:30-02:45", "2026-10-25 00:45", False, "2026-10-25 01:30"),
        ("Sun 02:30-03:00", "2026-10-25 00:59", True, "2026-10-25 01:00"),
        ("Sun 02:30-03:00", "2026-10-25 01:00", False, "2026-10-25 01:30"),
    ],
)
def test_it_follows_the_wall_clock(times: str, moment: str, answer: bool, until: str) -> None:
    """Each line is a moment in UTC, whether it is within, and when that changes."""
    feed = during(times)
    assert feed.advance(at(moment)) is answer
    assert feed.due == at(until)


@settings(max_examples=40, deadline=None)
@given(
    times=st.sampled_from(
        ["Mon-Fri 06:00-22:00", "Sun 02:15-02:45", "22:00-02:30", "Sat 00:00-24:00"]
    ),
    zone=st.sampled_from(["Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe", "UTC"]),
    week=st.integers(0, 52),
)
def test_the_answer_holds_until_it_is_said_to_change(times: str, zone: str, week: int) -> None:
    """A fresh look each quarter of an hour never differs before, and always does at the change."""
    begins = at("2026-01-01 00:00") + week * 7 * 86_400 * S
    feed = during(times, zone)
    answer = feed.advance(begins)
    for quarter in range(1, 8 * 96):
        moment = begins + quarter * 900 * S
        if moment >= feed.due:
            break
        assert during(times, zone).advance(moment) is answer
    if feed.due < NEVER:
        assert during(times, zone).advance(feed.due) is not answer
        assert during(times, zone).advance(feed.due - S) is answer


def test_a_holiday_is_closed() -> None:
    """By the date of the place."""
    feed = during("Mon-Fri 06:00-22:00", "Europe/Berlin", "2026-12-25")
    assert feed.advance(at("2026-12-25 10:00")) is False
    assert feed.advance(at("2026-12-24 10:00")) is True


def test_a_sample_is_judged_by_its_own_moment() -> None:
    """A buffer is emptied after hours; what it holds was measured within them."""
    feed = during("Mon-Fri 06:00-22:00")
    assert feed.take(at("2026-01-05 20:00"), at("2026-01-05 23:00"), None) is True
    assert feed.due == at("2026-01-06 05:00")


@pytest.mark.parametrize(
    ("times", "zone", "holidays"),
    [
        ("Mon-Fri", "UTC", ()),
        ("Mo-Fr 06:00-22:00", "UTC", ()),
        ("Mon 6:00-22:00", "UTC", ()),
        ("Mon 06:00-25:00", "UTC", ()),
        ("Mon 06:60-22:00", "UTC", ()),
        ("Mon 06:00-06:00", "UTC", ()),
        ("", "UTC", ()),
        ("Mon 06:00-22:00", "Berlin", ()),
        ("Mon 06:00-22:00", "../../etc/passwd", ()),
        ("Mon 06:00-22:00", "UTC", ("25.12.2026",)),
        ("Mon 06:00-22:00", "UTC", (5.0,)),
        ("Mon 06:00-22:00", "UTC", ("2026-12-25",) * 201),
    ],
)
def test_what_cannot_be_read_is_refused(times: str, zone: str, holidays: tuple[str, ...]) -> None:
    """With what to write instead."""
    with pytest.raises(Invalid) as caught:
        during(times, zone, *holidays)
    assert caught.value.remedy


def test_days_go_round_the_week() -> None:
    """Saturday to Monday are three."""
    ((days, begins, ends),) = read_times("Sat-Mon 08:00-09:00")
    assert (days, begins, ends) == (frozenset({5, 6, 0}), 480, 540)
