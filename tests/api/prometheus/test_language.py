"""A part of PromQL: what is read as what, and what is refused with its place."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.api.prometheus.language import (
    DURATION_MAX_S,
    OPERATORS_MAX,
    QUERY_MAX,
    Arithmetic,
    Matcher,
    Number,
    Over,
    Selector,
    Together,
    read_duration_s,
    read_query,
)
from weft.errors import Invalid

T = Selector((Matcher("__name__", "=", "t"),))


def test_selectors() -> None:
    """A name, labels, a name that is none by itself, a time behind."""
    assert read_query("t") == T
    assert read_query(" t { device = \"pump-7\" , type != 'fan', } ") == Selector(
        (
            Matcher("__name__", "=", "t"),
            Matcher("device", "=", "pump-7"),
            Matcher("type", "!=", "fan"),
        )
    )
    assert read_query('{"air-temp", device=~"a|b"}') == Selector(
        (Matcher("__name__", "=", "air-temp"), Matcher("device", "=~", "a|b"))
    )
    assert read_query('{__name__="a\\"b"}') == Selector((Matcher("__name__", "=", 'a"b'),))


def test_functions_and_aggregations() -> None:
    """As dashboards write them, the labels before or behind."""
    five = Selector(T.matchers, 300.0)
    assert read_query("avg_over_time(t[5m])") == Over("avg_over_time", five)
    assert read_query("quantile_over_time(0.95, t[5m])") == Over("quantile_over_time", five, 0.95)
    assert read_query("sum by (type, asset) (t)") == Together("sum", T, ("type", "asset"))
    assert read_query("max(t) without (device)") == Together("max", T, ("device",), without=True)
    assert read_query("sum(rate(t[5m]))") == Together("sum", Over("rate", five))
    assert read_query("sum") == Selector((Matcher("__name__", "=", "sum"),))


def test_arithmetic_binds_as_it_should() -> None:
    """Products before sums; parentheses first; what Grafana tests a connection with."""
    assert read_query("1+1") == Number(2.0)
    assert read_query("1 + 2 * 3") == Number(7.0)
    assert read_query("(t - 32) / 1.8") == Arithmetic("/", Arithmetic("-", T, 32.0), 1.8)
    assert read_query("1 + t * 3") == Arithmetic(
        "+", Arithmetic("*", T, 3.0), 1.0, number_first=True
    )


def test_numbers_are_one_number_wherever_they_stand() -> None:
    """With a sign, in parentheses, several in a row: none of them is a series."""
    assert read_query("t * -1") == Arithmetic("*", T, -1.0)
    assert read_query("-t") == Arithmetic("*", T, -1.0, number_first=True)
    assert read_query("2 * 3 * t") == Arithmetic("*", T, 6.0, number_first=True)
    assert read_query("2 * (3 - -1)") == Number(8.0)
    assert read_query("(t - 32) * (5 / 9)") == Arithmetic("*", Arithmetic("-", T, 32.0), 5 / 9)
    assert read_query("1 / 0") == Number(float("inf"))


@pytest.mark.parametrize(
    ("text", "column"),
    [
        ("", 1),
        ("t{", 3),
        ("t{device}", 9),
        ("t{device=5}", 10),
        ("histogram_quantile(0.9, t[5m])", 1),
        ("rate(t)", 7),
        ("t * u", 3),
        ("t ? 1", 3),
        ("-t * (t * 2)", 4),
        ("rate(t[400y])", 8),
        (f"rate(t[{'9' * 400}d])", 8),
        ("t t", 3),
        ("avg_over_time(t[5])", 17),
    ],
)
def test_what_is_not_read_is_refused_with_its_place(text: str, column: int) -> None:
    """And never read as something else."""
    with pytest.raises(Invalid) as raised:
        read_query(text)
    assert raised.value.detail.startswith(f"Column {column}: "), raised.value.detail


def test_long_and_deep_queries_are_refused() -> None:
    """Before they cost anything."""
    with pytest.raises(Invalid):
        read_query("t" * (QUERY_MAX + 1))
    with pytest.raises(Invalid):
        read_query("(" * 500 + "t" + ")" * 500)
    with pytest.raises(Invalid):
        read_query("-" * 2000 + "1")
    read_query("t" + "+1" * OPERATORS_MAX)
    with pytest.raises(Invalid):
        read_query("t" + "+1" * (OPERATORS_MAX + 1))
    assert read_query("1" + "+1" * 2000) == Number(2001.0)


def test_durations() -> None:
    """With units, several of them, or as seconds."""
    assert [read_duration_s(text) for text in ("15s", "1h30m", "250ms", "15", "0.5")] == [
        15,
        5400,
        0.25,
        15.0,
        0.5,
    ]
    assert read_duration_s("5y") == DURATION_MAX_S
    for text in ("", "soon", "-5", "5x", "inf", "nan", "5y1s", "400y", "9" * 400 + "y", "1e11"):
        with pytest.raises(Invalid):
            read_duration_s(text)


@given(st.text(alphabet="t1(){}[]=~!\"',+-*/ by sum.5m", max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    """Nothing else comes out."""
    try:
        read_query(text)
    except Invalid as error:
        assert error.detail  # noqa: PT017  either is right
