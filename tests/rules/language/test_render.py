"""Canonical text: what means the same is written the same."""

import pytest

from weft.rules.feeds.base import Count, Span
from weft.rules.language.check import check
from weft.rules.language.parse import parse
from weft.rules.language.render import constant, duration, render
from weft.rules.language.scope import ANY

S = 1_000_000_000


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("a>1", "(a > 1)"),
        ("telemetry.a + telemetry['b c'] > .5", '((a + telemetry["b c"]) > 0.5)'),
        ("mean( x*2 , 90m )>1", "(mean((x * 2), 1h30m) > 1)"),
        ("count(x, 3 samples) == 3", "(count(x, 3 samples) == 3)"),
        ("!b && has(twin.reported.m.k) || c", "((!b && has(twin.reported.m.k)) || c)"),
        ("device.attributes.hall in ['1', \"2\"]", '(device.attributes.hall in ["1", "2"])'),
        ("b ? x.startsWith('a') : l[0] == null", '(b ? x.startsWith("a") : (l[0] == null))'),
        ("abs(-x) > 1", "(abs(-x) > 1)"),
    ],
)
def test_the_same_meaning_has_one_text(text: str, canonical: str) -> None:
    """And that text means the same again."""
    assert render(check(parse(text), ANY)) == canonical
    assert render(check(parse(canonical), ANY)) == canonical


def test_durations_are_written_in_whole_units() -> None:
    """As they are read."""
    assert [duration(ns) for ns in (5_400 * S, 90 * S, S // 4, 26 * 3_600 * S, 0)] == [
        "1h30m", "1m30s", "250ms", "1d2h", "0s",
    ]  # fmt: skip
    assert constant(Span(60 * S)) == "1m"
    assert constant(Count(10)) == "10 samples"
    assert constant(((1.5, 2.0), "é")) == '[[1.5, 2.0], "é"]'
