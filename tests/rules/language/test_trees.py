"""Walks: inputs, questions and feeds of a tree."""

from weft.rules.language.check import check
from weft.rules.language.parse import parse
from weft.rules.language.scope import ANY
from weft.rules.language.trees import (
    all_feeds_of,
    asked_of,
    feeds_of,
    inputs_of,
    parts_of,
    paths_of,
)

TREE = check(parse("mean(max(x, 5m) + y, 1h) > z && has(w) && mean(max(x, 5m) + y, 60m) < 9"), ANY)


def test_a_feed_stands_for_what_feeds_it() -> None:
    """The condition reads its value; what feeds it is not read by the condition."""
    assert inputs_of(TREE) == {("telemetry", "z"), ("feed", "mean((max(x, 5m) + y), 1h)")}
    assert asked_of(TREE) == {("telemetry", "w")}
    assert parts_of(feeds_of(TREE)[0]) == ()


def test_feeds_stand_behind_those_that_feed_them() -> None:
    """And the same call written twice is one."""
    assert [feed.text for feed in feeds_of(TREE)] == ["mean((max(x, 5m) + y), 1h)"]
    assert [feed.text for feed in all_feeds_of(TREE)] == [
        "max(x, 5m)", "mean((max(x, 5m) + y), 1h)",
    ]  # fmt: skip


def test_every_slot_is_found() -> None:
    """Inputs below feeds as well."""
    assert {key for source, key in paths_of(TREE) if source == "telemetry"} == set("wxyz")
    assert len(paths_of(TREE)) == 6
