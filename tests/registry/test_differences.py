"""Differences: what a changed type means for those who use the old one."""

from typing import Any

import pytest
from tests.registry.support import MAIN

from weft.registry.differences import (
    BreakingChange,
    Difference,
    breaks,
    differences,
    require_no_break,
)
from weft.registry.thing_models import read_type

PUMP: dict[str, Any] = {
    "telemetry": {
        "temperature": {"type": "number", "unit": "Cel", "minimum": -40, "maximum": 120},
        "state": {"type": "string", "enum": ["idle", "running"], "maxLength": 20},
    },
    "properties": {"rpm": {"type": "integer"}},
    "commands": {"stop": {}, "start": {"rpm": {"type": "integer"}}},
    "events": {"overheated": {"temperature": {"type": "number"}}},
}


def between(old: dict[str, Any], new: dict[str, Any]) -> list[Difference]:
    """Return what changes from one document to another."""
    before, after = (read_type(MAIN, "pump", one, version=1, at=0) for one in (old, new))
    return differences(before, after)


def with_field(**words: Any) -> dict[str, Any]:
    """Return the pump with other words for its temperature."""
    field = PUMP["telemetry"]["temperature"] | words
    field = {word: value for word, value in field.items() if value is not None}
    return PUMP | {"telemetry": PUMP["telemetry"] | {"temperature": field}}


@pytest.mark.parametrize(
    ("words", "place"),
    [
        ({"maximum": 100}, "maximum"),
        ({"minimum": 0}, "minimum"),
        ({"unit": "K"}, "unit"),
        ({"unit": None}, "unit"),
        ({"type": "integer"}, "type"),
        ({"required": True}, "required"),
        ({"enum": [1, 2], "type": "integer"}, "type"),
    ],
)
def test_what_refuses_or_misreads_a_message_of_today_breaks(
    words: dict[str, Any], place: str
) -> None:
    """A narrower range, another unit or type, a value that is required now."""
    (found,) = between(PUMP, with_field(**words))
    assert (found.place, found.breaking) == (f"telemetry.temperature.{place}", True)


@pytest.mark.parametrize(
    ("words", "place"),
    [
        ({"maximum": 150}, "maximum"),
        ({"maximum": None}, "maximum"),
        ({"minimum": -50}, "minimum"),
        ({"description": "of the bearing"}, "description"),
    ],
)
def test_what_accepts_more_than_before_does_not_break(words: dict[str, Any], place: str) -> None:
    """A wider range refuses nobody."""
    (found,) = between(PUMP, with_field(**words))
    assert (found.place, found.breaking) == (f"telemetry.temperature.{place}", False)


@pytest.mark.parametrize("section", ["telemetry", "properties", "commands", "events"])
def test_what_is_gone_breaks_and_what_is_new_does_not(section: str) -> None:
    """The same in each section, both ways."""
    name = next(iter(PUMP[section]))
    without = PUMP | {section: {key: one for key, one in PUMP[section].items() if key != name}}
    (gone,) = between(PUMP, without)
    (came,) = between(without, PUMP)
    assert (gone.place, gone.breaking) == (f"{section}.{name}", True)
    assert (came.place, came.breaking) == (f"{section}.{name}", False)


def test_a_renamed_key_is_told_as_one() -> None:
    """It breaks, and the text says what it seems to be called now."""
    telemetry = dict(PUMP["telemetry"])
    telemetry["bearing"] = telemetry.pop("temperature")
    gone, came = between(PUMP, PUMP | {"telemetry": telemetry})
    assert gone.breaking
    assert "'bearing' declares the same" in gone.text
    assert (came.place, came.breaking) == ("telemetry.bearing", False)


def test_a_new_field_of_a_command_breaks_its_callers_only_if_it_is_required() -> None:
    """Who sends `start` today does not send `ramp`."""
    for required in (True, False):
        start = {"rpm": {"type": "integer"}, "ramp": {"type": "number", "required": required}}
        (found,) = between(PUMP, PUMP | {"commands": PUMP["commands"] | {"start": start}})
        assert (found.place, found.breaking) == ("commands.start.ramp", required)


@pytest.mark.parametrize(
    ("words", "breaking"),
    [
        ({"enum": ["idle"]}, True),
        ({"enum": ["idle", "running", "fault"]}, False),
        ({"enum": None}, False),
        ({"maxLength": 10}, True),
        ({"maxLength": None}, False),
    ],
)
def test_values_of_a_text_are_compared(words: dict[str, Any], breaking: bool) -> None:
    """A value that is no longer listed breaks; so does less room."""
    state = {k: v for k, v in (PUMP["telemetry"]["state"] | words).items() if v is not None}
    (found,) = between(PUMP, PUMP | {"telemetry": PUMP["telemetry"] | {"state": state}})
    assert found.breaking is breaking


def test_values_listed_for_the_first_time_break() -> None:
    """Any text was good before."""
    free = PUMP | {"telemetry": PUMP["telemetry"] | {"state": {"type": "string", "maxLength": 20}}}
    (found,) = between(free, PUMP)
    assert (found.place, found.breaking) == ("telemetry.state.enum", True)


def test_a_property_that_nobody_may_desire_any_more_breaks() -> None:
    """Rules and people desire it today."""
    fixed = PUMP | {"properties": {"rpm": {"type": "integer", "readOnly": True}}}
    assert [(one.place, one.breaking) for one in between(PUMP, fixed)] == [
        ("properties.rpm.readOnly", True)
    ]
    assert not breaks(between(fixed, PUMP))


def test_the_same_model_in_the_other_form_changes_nothing_that_counts() -> None:
    """What differs is the document, which is said."""
    wot = {
        "@type": "tm:ThingModel",
        "properties": {
            "rpm": {"type": "integer", "readOnly": True, "observable": True, "minimum": 0}
        },
    }
    (found,) = between({"telemetry": {"rpm": {"type": "integer", "minimum": 0}}}, wot)
    assert (found.place, found.breaking) == ("document", False)
    assert between(PUMP, PUMP) == []


def test_a_refusal_names_each_place_and_the_way_on() -> None:
    """Whoever reads it knows what to change, or how to insist."""
    found = between(PUMP, with_field(maximum=100, unit="K") | {"events": {}})
    with pytest.raises(BreakingChange) as refused:
        require_no_break("pump", found)
    for place in ("telemetry.temperature.maximum", "telemetry.temperature.unit", "events.overheat"):
        assert place in refused.value.detail
    assert "breaking=allow" in refused.value.remedy
    require_no_break("pump", [one for one in found if not one.breaking])


def test_a_refusal_has_an_end() -> None:
    """500 fields that are gone are counted, not listed."""
    many = [Difference(f"telemetry.k{n}", "The key is gone.", breaking=True) for n in range(500)]
    with pytest.raises(BreakingChange) as refused:
        require_no_break("pump", many)
    assert "And 480 more." in refused.value.detail
    assert len(refused.value.detail) < 2_000


def test_another_mapping_breaks_nothing_and_is_told() -> None:
    """Mending it has to reach the devices whose messages are refused today."""
    found = between(PUMP, PUMP | {"mapping": {"telemetry": {"temperature": "t"}}})
    assert [(one.place, one.breaking) for one in found] == [("mapping", False)]


@pytest.mark.parametrize(
    ("before", "after", "place", "breaking"),
    [
        (None, {"type": "number"}, "", False),
        ({"type": "number"}, None, "", False),
        ({"type": "number"}, {"type": "string"}, ".type", True),
        ({"type": "number", "maximum": 9}, {"type": "number", "maximum": 5}, ".maximum", True),
        ({"type": "number", "maximum": 5}, {"type": "number", "maximum": 9}, ".maximum", False),
        (
            {"type": "number"},
            {"type": "object", "properties": {"rpm": {"type": "number"}}},
            "",
            True,
        ),
        (
            {"type": "object", "properties": {"rpm": {"type": "number"}}},
            {"type": "object", "properties": {"rpm": {"type": "number", "unit": "/min"}}},
            ".rpm.unit",
            True,
        ),
    ],
)
def test_an_output_breaks_when_a_right_answer_would_be_flagged_or_misread(
    before: dict[str, Any] | None, after: dict[str, Any] | None, place: str, breaking: bool
) -> None:
    """A declaration that comes or goes does not: answers count whatever they are."""

    def document(output: dict[str, Any] | None) -> dict[str, Any]:
        action = {} if output is None else {"output": output}
        return {"@type": "tm:ThingModel", "actions": {"spin": action}}

    (found,) = between(document(before), document(after))
    assert (found.place, found.breaking) == (f"commands.spin.output{place}", breaking)
