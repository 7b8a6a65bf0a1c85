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
