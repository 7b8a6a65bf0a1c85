"""Scopes: what a device type lets a condition speak of."""

from tests.rules.support import MACHINE

from weft.rules.language.scope import ANY, scope_of, suggest
from weft.rules.language.syntax import Type


def test_a_device_types_fields_are_inputs() -> None:
    """Telemetry by name, properties as reported, attributes untyped."""
    scope = scope_of(MACHINE)
    assert scope.type_of(("telemetry", "temperature")) is Type.DOUBLE
    assert scope.type_of(("telemetry", "gps")) is Type.MAP
    assert scope.type_of(("reported", "limit")) is Type.DOUBLE
    assert scope.type_of(("reported", "temperature")) is None
    assert scope.type_of(("attribute", "anything")) is Type.DYN
    assert scope.type_of(("device", "id")) is Type.STRING
    assert scope.units == {"temperature": "Cel"}


def test_a_device_without_a_type_may_say_anything() -> None:
    """Checked when the value is there."""
    assert scope_of(None) is ANY
    assert ANY.type_of(("telemetry", "x")) is Type.DYN


def test_suggestions_are_near_or_listed() -> None:
    """One that was likely meant, else those there are."""
    assert suggest("temprature", ["rpm", "temperature"]) == "Did you mean 'temperature'?"
    assert suggest("zzz", ["rpm", "mode"]) == "Known: rpm, mode."
    assert suggest("zzz", map(str, range(20))).endswith("11, ….")
    assert "declares none" in suggest("zzz", [])


def test_a_chain_of_names_is_one_input_or_none() -> None:
    """A root is no input by itself; what is longer is looked into when the value is there."""
    scope = scope_of(MACHINE)
    for chain, path in (
        (("temperature",), ("telemetry", "temperature")),
        (("telemetry", "x"), ("telemetry", "x")),
        (("twin", "reported", "x"), ("reported", "x")),
        (("device", "attributes", "x"), ("attribute", "x")),
        (("device", "type"), ("device", "type")),
        (("device",), None),
        (("device", "label"), None),
        (("temperature", "x"), None),
    ):
        assert scope.path_of(chain) == path, chain
    assert scope.unknown(("telemetry", "temprature"))[1] == "Did you mean 'temperature'?"
    assert scope.example("twin").startswith("Write twin.reported.x")
