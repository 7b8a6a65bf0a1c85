"""What made-up devices say is what their type allows, and changes."""

from hypothesis import given
from hypothesis import strategies as st

from weft.api.simulating import values_of
from weft.model.device import Field

FIELDS = {
    "temperature": Field("number", minimum=-20, maximum=80),
    "parts": Field("integer", minimum=0),
    "level": Field("number", maximum=-5),
    "state": Field("string", enum=("running", "idle")),
    "open": Field("boolean"),
    "latitude": Field("number", unit="deg", minimum=-90, maximum=90),
    "serial": Field("string"),
    "name": Field("string", required=True, max_length=3),
}


@given(st.integers(0, 20), st.floats(0, 1e10))
def test_values_are_within_what_is_declared(number: int, at_s: float) -> None:
    """At any moment, for any of the devices."""
    said = values_of(FIELDS, number, at_s)
    assert -20 <= said["temperature"] <= 80
    assert isinstance(said["parts"], int)
    assert said["parts"] >= 0
    assert said["level"] <= -5
    assert said["state"] in {"running", "idle"}
    assert isinstance(said["open"], bool)
    assert 51 <= said["latitude"] <= 52
    assert said["name"] == "sim"
    assert "serial" not in said


def test_devices_differ_and_time_changes_them() -> None:
    """Lines that lie on each other show nothing."""
    temperatures = {values_of(FIELDS, n, 0.0)["temperature"] for n in range(5)}
    assert len(temperatures) == 5
    over_time = {values_of(FIELDS, 0, float(at))["temperature"] for at in range(0, 600, 60)}
    assert len(over_time) == 10
    assert {values_of(FIELDS, 0, float(at))["state"] for at in range(0, 600, 60)} == {
        "running",
        "idle",
    }
