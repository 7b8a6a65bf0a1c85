"""Units: what is the same quantity can be converted, and nothing else."""

import pytest

from weft.registry.units import UNITS, conversion, from_senml, suggestion_for


@pytest.mark.parametrize(
    ("source", "target", "value", "expected"),
    [
        ("K", "Cel", 300, 26.85),
        ("[degF]", "Cel", 212, 100),
        ("Cel", "[degF]", -40, -40),
        ("hPa", "bar", 1013.25, 1.01325),
        ("[psi]", "kPa", 1, 6.894757293168),
        ("km/h", "m/s", 36, 10),
        ("mV", "V", 3300, 3.3),
        ("kW.h", "MJ", 1, 3.6),
        ("%", "1", 50, 0.5),
        ("m3/h", "L/min", 6, 100),
        ("/min", "Hz", 3000, 50),
    ],
)
def test_a_value_is_converted(source: str, target: str, value: float, expected: float) -> None:
    found = conversion(source, target)
    assert found is not None
    assert value * found[0] + found[1] == pytest.approx(expected)


def test_what_measures_something_else_is_not_converted() -> None:
    assert conversion("V", "A") is None
    assert conversion("V", "unknown") is None
    assert conversion("anything", "anything") == (1.0, 0.0)


@pytest.mark.parametrize("name", sorted(UNITS))
def test_there_and_back_is_the_same(name: str) -> None:
    for other, unit in UNITS.items():
        there, back = conversion(name, other), conversion(other, name)
        assert (there is None) == (back is None) == (unit.measures != UNITS[name].measures)
        if there is not None and back is not None:
            assert (5.0 * there[0] + there[1]) * back[0] + back[1] == pytest.approx(5.0)


def test_what_senml_and_people_write_is_understood() -> None:
    """RFC 8428 says %RH and lon where UCUM says % and deg; people write °C."""
    for name, unit in (
        ("%RH", "%"),
        ("/", "1"),
        ("lon", "deg"),
        ("V", "V"),
        ("Wh", "W.h"),
        ("1/min", "/min"),
    ):
        assert from_senml(name) == unit
    assert suggestion_for("°C") == "Cel"
    assert suggestion_for("nonsense") == ""
