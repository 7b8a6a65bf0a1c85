"""Two forms of one document give one device type; every error names its place."""

import re
from typing import Any

import pytest
from msgspec.structs import asdict
from tests.registry.support import MAIN, PUMP

from weft.errors import Invalid
from weft.model.device import DeviceType, Field
from weft.model.ids import TenantId
from weft.registry.documents import read_document
from weft.registry.thing_models import FIELDS_MAX, FORMS, read_type

THING_MODEL = """{
  "@context": "https://www.w3.org/2022/wot/td/v1.1",
  "@type": "tm:ThingModel",
  "title": "Pump",
  "properties": {
    "temperature": {
      "type": "number", "unit": "Cel", "minimum": -40, "maximum": 120,
      "readOnly": true, "observable": true
    },
    "rpm": {"type": "integer", "minimum": 0, "observable": true}
  },
  "actions": {
    "stop": {"safe": false},
    "set_speed": {"input": {
      "type": "object", "properties": {"rpm": {"type": "integer"}}, "required": ["rpm"]
    }}
  },
  "events": {"overheated": {"data": {
    "type": "object", "properties": {"temperature": {"type": "number"}}
  }}}
}"""


def read(text: str) -> DeviceType:
    return read_type(TenantId("main"), "pump", read_document(text, "type"), version=1, at=5)


def declared(device_type: DeviceType) -> dict[str, Any]:
    values = asdict(device_type)
    del values["document"]
    return values


def test_the_short_form_and_the_thing_model_say_the_same() -> None:
    """A person writes five lines, a tool writes the standard; the device is checked alike."""
    assert declared(read(PUMP)) == declared(read(THING_MODEL))


def test_the_four_sections_are_read() -> None:
    """Telemetry, properties, commands and events, each with its fields."""
    pump = read(PUMP)
    assert pump.title == "Pump"
    assert pump.telemetry == {
        "temperature": Field(type="number", unit="Cel", minimum=-40, maximum=120)
    }
    assert pump.properties == {"rpm": Field(type="integer", minimum=0)}
    assert pump.commands == {"stop": {}, "set_speed": {"rpm": Field("integer", required=True)}}
    assert pump.events == {"overheated": {"temperature": Field(type="number")}}


def test_a_role_tells_telemetry_from_a_property() -> None:
    """Where read-only and observable are not what the author means, the role decides."""
    model = read(
        "'@type': tm:ThingModel\n"
        "properties:\n"
        "  load: {type: number, 'weft:role': telemetry}\n"
        "  serial: {type: string, readOnly: true, observable: true, 'weft:role': property}\n"
    )
    assert list(model.telemetry) == ["load"]
    assert list(model.properties) == ["serial"]


def test_a_scalar_input_is_a_field_named_value() -> None:
    """WoT lets an action take a bare number."""
    model = read("actions: {dim: {input: {type: number}}}")
    assert model.commands == {"dim": {"value": Field(type="number", required=True)}}


def test_notes_beside_fields_are_notes() -> None:
    """In the short form a command may be described, and may have a field `description`."""
    model = read(
        "commands:\n"
        "  show: {title: Show a text, description: on the display, text: {type: string}}\n"
        "  file: {description: {type: string}}\n"
    )
    assert list(model.commands["show"]) == ["text"]
    assert list(model.commands["file"]) == ["description"]


@pytest.mark.parametrize(
    ("text", "detail", "remedy"),
    [
        ("telemetrie: {}", "the document.telemetrie", "Did you mean telemetry"),
        ("telemetry: {t: {typ: number}}", "telemetry.t.typ", "Did you mean type"),
        ("telemetry: {'a b': {type: number}}", "telemetry has the key 'a b'", "letter"),
        ("telemetry: {+: {type: number}}", r"telemetry has the key '\+'", "letter"),
        ("telemetry: [a]", "telemetry is a list", "below telemetry"),
        ("commands: {a/b: {}}", "'a/b' cannot be a name below commands", "letters"),
        ("events: {'#': {}}", "'#' cannot be", "letters"),
        ("title: 3\ntelemetry: {}", "title is not a text", "quotes"),
        ("actions: {}\ntelemetry: {}", "telemetry stands in a W3C", "weft:role"),
        (
            "'@context': https://www.w3.org/2022/wot/td/v1.1\ncommands: {}",
            "commands stands in a W3C",
            "actions",
        ),
        ("actions: {a: {inputs: {}}}", "actions.a.inputs", "Did you mean input"),
        ("actions: {a: {input: {type: object, required: [x]}}}", "names 'x'", "Declare it"),
        ("actions: {a: {input: {type: object, required: x}}}", "no list of names", "[rpm]"),
        ("actions: {}\nproperties: {a: {type: number, 'weft:role': x}}", "weft:role is 'x'", "or"),
    ],
)
def test_an_error_names_the_place_and_the_remedy(text: str, detail: str, remedy: str) -> None:
    """The author goes straight to the line."""
    with pytest.raises(Invalid, match=detail) as refused:
        read(text)
    assert remedy in refused.value.remedy


def test_the_type_itself_has_a_safe_name() -> None:
    """It stands in paths and in log lines."""
    with pytest.raises(Invalid, match="type name"):
        read_type(TenantId("main"), "pump/7", {}, version=1, at=0)


def test_a_type_has_a_bounded_number_of_fields() -> None:
    """Each is a column in every reading."""
    lines = "".join(f"  k{i}: {{type: number}}\n" for i in range(FIELDS_MAX + 1))
    with pytest.raises(Invalid, match=f"{FIELDS_MAX + 1} fields"):
        read("telemetry:\n" + lines)


def test_a_mapping_stands_in_both_forms() -> None:
    """The short form says mapping, a Thing Model weft:mapping; both are checked."""
    short = {"telemetry": {"t": {"type": "number"}}, "mapping": {"telemetry": {"t": "a.b"}}}
    model = {
        "@type": "tm:ThingModel",
        "properties": {"t": {"type": "number", "weft:role": "telemetry"}},
        "weft:mapping": {"telemetry": {"t": "a.b"}},
    }
    for document in (short, model):
        mapping = read_type(TenantId("main"), "x", document, version=1, at=0).mapping
        assert mapping is not None
        assert mapping.telemetry["t"].path == ("a", "b")
    model["weft:mapping"] = {"telemetry": {"x": "a"}}
    with pytest.raises(Invalid, match=r"weft:mapping\.telemetry\.x is not declared"):
        read_type(TenantId("main"), "x", model, version=1, at=0)


DTDL = """{
  "@context": "dtmi:dtdl:context;3", "@id": "dtmi:com:example:pump;1", "@type": "Interface",
  "contents": [{"@type": "Telemetry", "name": "temperature", "schema": "double"}]
}"""


@pytest.mark.parametrize("text", [DTDL, DTDL.replace('"dtmi:dtdl:context;3"', "[7]")])
def test_a_document_of_another_form_is_refused_with_the_forms_that_are_read(text: str) -> None:
    """Nobody looks for a mistake in a document that is right, and that we do not read."""
    with pytest.raises(Invalid, match=r"@context is .* not read") as caught:
        read(text)
    for form in FORMS:
        assert form.name in caught.value.remedy


def test_each_document_is_of_one_form() -> None:
    """So that the order of the table does not decide what a document means."""
    for text, wanted in ((PUMP, 1), (THING_MODEL, 0)):
        document = read_document(text, "type")
        assert [form.fits(document) for form in FORMS].index(True) == wanted
        assert sum(form.fits(document) for form in FORMS) == 1


def test_a_field_that_is_called_output_is_a_field() -> None:
    """What stands below a command is its input, but for a group of fields named `output`."""
    for entry, inputs, outputs in (
        ({"output": {"type": "boolean"}}, {"output"}, set()),
        ({"output": {"type": {"type": "string"}}}, set(), {"type"}),
        ({"valve": {"type": "integer"}, "output": {"rpm": {"type": "number"}}}, {"valve"}, {"rpm"}),
    ):
        read = read_type(MAIN, "pump", {"commands": {"set": entry}}, version=1, at=0)
        assert read.commands["set"].keys() == inputs
        found = read.outputs.get("set")
        assert (found.fields.keys() if found else set()) == outputs


@pytest.mark.parametrize(
    ("document", "place"),
    [
        ({"commands": {"set": {"output": {"rpm": {"type": "fast"}}}}}, "commands.set.output.rpm"),
        ({"commands": {"set": {"output": {"rpm": 5}}}}, "commands.set.output.rpm"),
        ({"actions": {"set": {"output": {"type": "fast"}}}}, "actions.set.output.type"),
        ({"actions": {"set": {"output": {"oneOf": []}}}}, "actions.set.output.oneOf"),
        ({"actions": {"set": {"output": [1]}}}, "actions.set.output"),
    ],
)
def test_an_output_that_cannot_be_read_is_refused_with_its_place(
    document: dict[str, Any], place: str
) -> None:
    with pytest.raises(Invalid, match=re.escape(place)):
        read_type(MAIN, "pump", document, version=1, at=0)
