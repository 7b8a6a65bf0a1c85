"""Worked readings: what stands in for a memory knows what it tells and when silence ends it."""

from typing import Any

import pytest
from msgspec import UNSET

from weft.rules.feeds.base import NEVER, Span
from weft.rules.feeds.folds import FOLDS
from weft.rules.feeds.windows import Window
from weft.rules.worked import Standing, Worked, feeder_of, settle

TEXT = "mean(temperature, 5m)"


def test_a_reading_brings_what_is_remembered_after_it() -> None:
    """The slot has the value, and the timer the moment at which silence ends it."""
    slots: list[Any] = [UNSET, UNSET]
    feeds: list[Any] = [Window(FOLDS["mean"], 10, 0)]
    feed = feeder_of([(TEXT, 1)], lambda row, sent: row.__setitem__(0, sent["temperature"]))
    assert feed(Worked({"temperature": 20.0}, {TEXT: (21.5, 77)}), slots, feeds, 1, 1) == 77
    assert slots == [20.0, 21.5]
    assert feeds[0].due == 77
    assert feeds[0].advance(77) is UNSET
    assert feeds[0].due == NEVER


def test_what_stands_in_takes_no_sample_and_is_not_kept() -> None:
    """Whoever would mix both ways hears of it."""
    standing = Standing(0)
    for wrong in (lambda: standing.take(1, 1, 2.0), standing.state, lambda: standing.restore([])):
        with pytest.raises(AssertionError):
            wrong()


@pytest.mark.parametrize(("due", "told"), [(15, 4.0), (NEVER, UNSET)])
def test_the_window_itself_takes_over_where_time_has_come_to(due: int, told: Any) -> None:
    """Silence that has ended what is remembered ends the window as well."""
    window = Window(FOLDS["mean"], Span(10).ns, 0)
    window.take(5, 5, 4.0)
    standing = Standing(UNSET)
    standing.due = due
    feeds: list[Any] = [standing]
    slots: list[Any] = [UNSET if due == NEVER else 4.0]
    settle(feeds, slots, [0], [window])
    assert feeds == [window]
    assert slots == [told]
    assert window.due == due
