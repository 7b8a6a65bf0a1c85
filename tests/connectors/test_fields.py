"""Field mappings: checked when they are saved, filled when an alarm comes, text all the way."""

from typing import Any

import pytest

from weft.connectors.fields import Field, FieldMapping, plain_lines, read_mapping
from weft.errors import Invalid
from weft.rules.language.syntax import Type

FIELDS = {
    "name": Field("title", characters=20),
    "priority": Field("alarm.severity == 'critical' ? 1 : 3", type=Type.INT),
    "hours": Field(type=Type.DOUBLE),
    "down": Field("false", type=Type.BOOL),
}
FACTS = {
    ("", "title"): "Bearing",
    ("alarm", "severity"): "critical",
    ("device_attributes", "cost_centre"): 4711.0,
    ("device_attributes", "tags"): ["a"],
    ("evidence", "vibration"): 9.5,
}


def made(**given: str) -> FieldMapping:
    return read_mapping(given, FIELDS, more=True)


def test_defaults_fill_what_nobody_changed() -> None:
    """A connector works before anybody has written a mapping."""
    filled = made().fill(FACTS)
    assert filled.values == {"name": "Bearing", "priority": 1, "down": False}
    assert filled.left_out == ()


def test_a_mapping_changes_adds_and_takes_out() -> None:
    """Custom fields take what the expression gives; a whole number has no decimals."""
    filled = made(
        name="title + ': ' + string(evidence.vibration)",
        down="",
        x_cost_centre="device.attributes.cost_centre",
        hours="2",
    ).fill(FACTS)
    assert filled.values == {
        "name": "Bearing: 9.5",
        "priority": 1,
        "hours": 2.0,
        "x_cost_centre": 4711,
    }


def test_what_has_no_value_is_left_out_and_told() -> None:
    """A work order without a cost centre is better than none."""
    filled = made(
        absent="device.attributes.missing",
        failing="1 / 0",
        listed="device.attributes.tags",
        priority="device.attributes.tags",
    ).fill(FACTS)
    assert sorted(filled.values) == ["down", "name"]
    assert [one.field for one in filled.left_out] == ["priority", "absent", "failing", "listed"]
    assert "missing" in filled.left_out[1].why
    assert [one.failed for one in filled.left_out] == [True, False, True, True]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"priority": "'high'"}, "'priority': Column 1: the expression gives string.*takes int"),
        ({"name": "alarm.severty"}, "'name': Column 6: alarm has no 'severty'"),
        ({"name": "title +"}, "Column 8"),
        ({"x": "[1, 2]"}, "gives list"),
        ({"x": "alarm"}, "no value"),
        ({"x": "severity"}, "no name that a mapping knows"),
        ({"a b": "title"}, "cannot be a field"),
        ({"x\r\ny": "title"}, "cannot be a field"),
        ({f"f{n}": "1" for n in range(65)}, "at most 64"),
    ],
)
def test_what_does_not_fit_is_refused_when_it_is_saved(given: dict[str, str], words: str) -> None:
    """With the field, the column and what to write; nothing waits for the first alarm."""
    with pytest.raises(Invalid, match=words) as caught:
        read_mapping(given, FIELDS, more=True)
    assert caught.value.remedy


def test_a_kind_with_fixed_fields_takes_no_others() -> None:
    """A name that was mistyped is found, with the one that was meant."""
    with pytest.raises(Invalid, match="no field 'nam'") as caught:
        read_mapping({"nam": "title"}, FIELDS, more=False)
    assert "'name'" in caught.value.remedy


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("a\r\nX: y", "a\\r\nX: y"),
        ("\x00\x1b[31m", "\\x00\\x1b[31m"),
        ("x" * 50, "x" * 19 + "…"),
        ("{{7*7}} {device}", "{{7*7}} {device}"),
    ],
)
def test_ss_3_what_a_device_says_is_put_in_as_text(value: str, shown: str) -> None:
    """Escaped, cut to what the far side holds, and evaluated by nobody."""
    filled = made().fill({**FACTS, ("", "title"): value})
    assert filled.values["name"] == shown


def test_values_of_every_type_fit_or_are_left_out() -> None:
    """A bool is no number, and half an hour is no whole one."""
    cases: list[tuple[Type, Any, bool]] = [
        (Type.INT, 3.0, True), (Type.INT, 3.5, False), (Type.INT, True, False),
        (Type.DOUBLE, 3.5, True), (Type.DOUBLE, "3", False), (Type.BOOL, True, True),
        (Type.BOOL, 1.0, False), (Type.DYN, "x", True), (Type.DYN, {"a": 1}, False),
        (Type.STRING, 3.0, True), (Type.STRING, [1], False),
    ]  # fmt: skip
    for type_, value, fits in cases:
        mapping = read_mapping({}, {"f": Field("device.attributes.v", type=type_)}, more=False)
        filled = mapping.fill({("device_attributes", "v"): value})
        assert ("f" in filled.values) is fits, (type_, value)
    assert plain_lines("a\nb") == "a\nb"
