"""Thing Models written: reading them again gives the same type."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some
from tests.api.documents import PUMP
from tests.registry.support import MAIN

from weft.model.device import DeviceType
from weft.registry.documents import read_document
from weft.registry.thing_model_writer import affordances_of, thing_model_of
from weft.registry.thing_models import read_type

SECTIONS = ("title", "telemetry", "properties", "commands", "events", "mapping", "outputs")


def read(document: dict[str, Any]) -> DeviceType:
    """Return the type of a document."""
    return read_type(MAIN, "pump", document, version=3, at=0)


def assert_same(one: DeviceType, other: DeviceType) -> None:
    """Check what counts in two types."""
    for section in SECTIONS:
        assert getattr(one, section) == getattr(other, section), section


def test_a_short_document_becomes_a_thing_model_of_the_same_type() -> None:
    """With its version, its notes, and telemetry told from properties."""
    pump = read(read_document(PUMP, "type"))
    model = thing_model_of(pump)
    assert_same(read(model), pump)
    assert model["@type"] == "tm:ThingModel"
    assert model["version"] == {"model": "3"}
    assert model["description"] == "A cooling pump"
    assert model["actions"]["start"]["title"] == "Start it"
    assert model["properties"]["rpm"]["weft:required"] is True


def test_a_thing_model_is_given_back_as_its_owner_wrote_it() -> None:
    """With what we do not read, as links; what is missing of its head is added."""
    written = {
        "@type": "tm:ThingModel",
        "title": "Pump",
        "links": [{"rel": "manual", "href": "https://plant.example/manual"}],
        "properties": {"rpm": {"type": "number", "readOnly": True, "observable": True}},
    }
    model = thing_model_of(read(written))
    assert model.items() >= written.items()
    assert "@context" in model
    assert_same(read(model), read(written))


def test_what_commands_give_back_is_the_output_of_actions() -> None:
    """An object of fields in either form, or one plain value."""
    fields = {"rpm": {"type": "number", "required": True}}
    pump = read({"commands": {"spin": {"within_s": {"type": "number"}, "output": fields}}})
    action = thing_model_of(pump)["actions"]["spin"]
    assert action["output"] == {
        "type": "object",
        "properties": {"rpm": {"type": "number"}},
        "required": ["rpm"],
    }
    assert "output" not in action["input"]["properties"]
    assert_same(read(thing_model_of(pump)), pump)
    for plain in ({"type": "integer", "minimum": 0}, {"type": "object"}):
        model = {"@type": "tm:ThingModel", "actions": {"spin": {"output": plain}}}
        assert affordances_of(read(model))["actions"]["spin"]["output"] == plain


@pytest.mark.parametrize("flag", [True, False])
def test_a_property_that_only_the_device_sets_does_not_turn_into_telemetry(flag: bool) -> None:
    """To the W3C both are read-only and observable."""
    pump = read({"properties": {"firmware": {"type": "string", "readOnly": flag}}})
    assert_same(read(thing_model_of(pump)), pump)


_NUMBER = some.fixed_dictionaries(
    {"type": some.sampled_from(["number", "integer"])},
    optional={
        "unit": some.sampled_from(["Cel", "/min"]),
        "minimum": some.integers(-1000, 0),
        "maximum": some.integers(1, 1000),
        "required": some.booleans(),
        "readOnly": some.booleans(),
        "description": some.text(max_size=5, alphabet="abc"),
    },
)
_TEXT = some.fixed_dictionaries(
    {"type": some.just("string")},
    optional={
        "enum": some.lists(some.sampled_from(["a", "b", "c"]), min_size=1, unique=True),
        "maxLength": some.integers(1, 50),
    },
)
_PLAIN = some.sampled_from(["boolean", "object", "array"]).map(lambda kind: {"type": kind})
_FIELDS = some.dictionaries(some.sampled_from("abcdef"), _NUMBER | _TEXT | _PLAIN, max_size=4)
_GROUPS = some.dictionaries(some.sampled_from(["one", "two"]), _FIELDS, max_size=2)


@given(some.tuples(_FIELDS, _FIELDS, _GROUPS, _GROUPS))
def test_every_type_comes_back(sections: tuple[Any, ...]) -> None:
    """Whatever fields there are; a name is either telemetry or a property."""
    telemetry, properties, commands, events = sections
    properties = {f"p_{key}": field for key, field in properties.items()}
    document = {
        "title": "Any",
        "telemetry": telemetry,
        "properties": properties,
        "commands": commands,
        "events": events,
    }
    assert_same(read(thing_model_of(read(document))), read(document))


def test_a_mapping_is_written_too() -> None:
    document = {"telemetry": {"t": {"type": "number"}}, "mapping": {"telemetry": {"t": "a.b"}}}
    assert_same(read(thing_model_of(read(document))), read(document))
