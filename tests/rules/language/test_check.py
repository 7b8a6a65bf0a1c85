"""The checker: names, types and arguments, each mistake with its column and remedy."""

import re

import pytest
from tests.rules.support import MACHINE

from weft.errors import Invalid
from weft.rules.language.check import check
from weft.rules.language.parse import parse
from weft.rules.language.scope import ANY, scope_of
from weft.rules.language.syntax import Type

SCOPE = scope_of(MACHINE)


@pytest.mark.parametrize(
    ("text", "message", "remedy"),
    [
        ("mode > 3", "Column 6: > cannot compare string with int", "one type"),
        ("mode == 3", "Column 6: == compares string with int", "one type"),
        ("rpm == null", "Column 5: == compares int with null", "has"),
        ("rpm", "Column 1: the condition gives int", "Compare"),
        ("rpm && running", "Column 1: && takes bool", "Compare"),
        ("!rpm", "Column 2: ! takes bool", "Compare"),
        ("mode + 1 == mode", r"Column 6: \+ cannot take string and int", "Convert"),
        ("temperature % 2 == 0", "% cannot take double and int", "int"),
        ("-mode == mode", "Column 1: string has no sign", "numbers"),
        ("mode in mode", "Column 6: in looks into a list", "in \\['a', 'b'\\]"),
        ("running ? 1 : 'a'", "two choices", "one type"),
        ("abs(mode) > 1", "Column 5: abs\\(\\) takes double or int", "Convert"),
        ("abs(1, 2) > 1", "Column 1: abs\\(\\) takes 1 and was given 2", "Count"),
        ("min(rpm) > 1", "at least 2", "two numbers"),
        ("min(rpm, mode) > 1", "min\\(\\) takes numbers", "Convert"),
        ("startsWith(mode, 'a')", "stands behind a text", "key.startsWith"),
        ("rpm.abs() > 1", "does not stand behind", "abs\\(key\\)"),
        ("sizee(mode) > 1", "no function sizee", "Did you mean 'size'"),
        ("has(rpm > 1)", "has\\(\\) takes one input", "has\\(temperature\\)"),
        ("has(rpmm)", "'rpmm' is no telemetry key", "rpm"),
        ("twin.reported.limt > 1", "'limt' is no reported property", "limit"),
        ("twin.desired.limit > 1", "'twin' by itself", "desired properties are not read"),
        ("device.name == 'a'", "'device' by itself", "device.attributes.x"),
        ("rpm.x == 1", "a int has no members", "objects and lists"),
        ("gps[0] == 1", "a map is not indexed by int", "Index a list"),
    ],
)
def test_each_mistake_names_column_and_remedy(text: str, message: str, remedy: str) -> None:
    """What was found, what fits, what to write."""
    with pytest.raises(Invalid, match=message) as caught:
        check(parse(text), SCOPE)
    assert re.search(remedy, caught.value.remedy), caught.value.remedy


@pytest.mark.parametrize(
    "text",
    [
        "temperature > 80", "rpm / 2 > temperature", "gps.lat > 50.0", "telemetry.rpm > 1",
        "telemetry['rpm'] > 1", "has(telemetry.rpm)", "has(gps.lat)", "device.type == 'machine'",
        "device.id in ['a'] || device.attributes['room'] == 1", "min(rpm, 2.5, 3) > 1",
        "running ? rpm > 1 : mode == ''", "(running ? rpm : 2.5) > 2", "mode + 'x' < 'y'",
        "'lat' in gps", "size(gps) + size(mode) > 3", "mode.size() == 2", "[1, 'a'][0] == 1",
    ],
)  # fmt: skip
def test_what_fits_is_accepted(text: str) -> None:
    """And nothing needs a conversion that a person would not write."""
    assert check(parse(text), SCOPE).type is Type.BOOL


def test_without_a_type_the_value_decides() -> None:
    """Any key, any type; a condition that may give bool passes."""
    assert check(parse("anything"), ANY).type is Type.DYN
    assert check(parse("a + b > c.d.e && f"), ANY).type is Type.BOOL
