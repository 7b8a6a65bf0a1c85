"""Calls that remember: taken out with their settings, refused with column and remedy."""

import re

import pytest

from weft.errors import Invalid
from weft.rules.feeds.base import Count, Span
from weft.rules.feeds.table import FUNCTIONS
from weft.rules.language import Scope, compile_condition
from weft.rules.language.check import check
from weft.rules.language.parse import parse
from weft.rules.language.stateful import is_stateful
from weft.rules.language.syntax import Call, Type

SCOPE = Scope(telemetry={"t": Type.DOUBLE, "i": Type.INT, "s": Type.STRING, "b": Type.BOOL})
S = 1_000_000_000


def test_a_call_becomes_a_feed_with_its_settings() -> None:
    """The window is a constant; the expression is checked like any other."""
    (feed,) = compile_condition("mean(t * i, 1m30s) > 80", SCOPE).feeds
    assert (feed.name, feed.settings, feed.type) == (
        "mean", (("window", Span(90 * S)),), Type.DOUBLE,
    )  # fmt: skip
    (feed,) = compile_condition("count(i, 10 samples) == 10", SCOPE).feeds
    assert (feed.settings, feed.type) == ((("window", Count(10)),), Type.INT)


def test_min_and_max_remember_only_with_a_window() -> None:
    """min(a, b) was here before, and means what it did."""
    assert not compile_condition("min(t, 5.0) > 1.0", SCOPE).feeds
    assert compile_condition("min(t, 5m) > 1.0", SCOPE).feeds
    assert not is_stateful(Call("mean", None, (), 1), None)
    assert is_stateful(Call("mean", None, (), 1), FUNCTIONS["mean"])


@pytest.mark.parametrize(
    ("text", "column", "what", "remedy"),
    [
        ("mean(t) > 1", 1, "takes (value, window) and was given 1", "mean(temperature, 5m)"),
        ("b && mean(t, 5) > 1", 14, "a time or a count of samples as window", "5m, 1h30m"),
        ("mean(t, i) > 1", 9, "a time or a count", "10 samples"),
        ("mean(s, 5m) > 1", 6, "takes number as value, not string", "a key that is a number"),
        ("mean(b, 5m) > 1", 6, "takes number as value, not bool", "a key that is a number"),
        ("mean(u, 5m) > 1", 6, "'u' is no telemetry key", "Known"),
        ("mean(1.0, 5m) > 1", 1, "no message feeds mean()", "Write mean("),
        ("mean(device.attributes.x, 5m) > 1", 1, "no message feeds mean()", "Write mean("),
        ("mean(t, 0s) > 1", 9, "a time or a count", "5m"),
        ("mean(t, 0 samples) > 1", 1, "between 1 and", "a time instead"),
        ("mean(t, 501 samples) > 1", 1, "between 1 and", "a time instead"),
        ("mean(t, 31d) > 1", 9, "longer than 30 days", "shorter"),
        ("maen(t, 5m) > 1", 1, "no function maen()", "mean"),
        ("t.mean(5m) > 1", 3, "does not stand behind a value", "mean(key)"),
        ("t > 5m", 5, "duration is no value by itself", "mean(temperature, 5m)"),
        ("t > 5 samples", 5, "samples is no value by itself", "mean(temperature, 5m)"),
        ("abs(5m) > 1", 5, "duration is no value", "mean("),
        ("sum(sum(sum(sum(t,1s),1s),1s),1s) > 1", 1, "nested 4 deep; at most 3", "two rules"),
    ],
)
def test_a_refusal_names_column_and_remedy(text: str, column: int, what: str, remedy: str) -> None:
    """The editor underlines it, and says what to write."""
    with pytest.raises(Invalid, match=f"Column {column}: .*{re.escape(what)}") as caught:
        check(parse(text), SCOPE)
    assert remedy in caught.value.remedy
