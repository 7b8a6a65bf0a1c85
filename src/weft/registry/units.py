"""Units: the part of UCUM that devices report in, and how to get from one to another.

A value is converted only where both units measure the same; anything else is refused when
the type is saved, not guessed when a message comes. SenML's names (RFC 8428, 12.1; RFC 8798)
are read as the UCUM units that they mean.
"""

from typing import Final, NamedTuple


class Unit(NamedTuple):
    """What a unit measures, and how its numbers become those of the base unit."""

    measures: str
    factor: float
    offset: float = 0.0


_KELVIN_AT_0_CEL: Final = 273.15
_FAHRENHEIT: Final = 5 / 9

_TABLE: Final[dict[str, dict[str, float]]] = {
    "length": {"m": 1, "km": 1e3, "dm": 0.1, "cm": 1e-2, "mm": 1e-3, "um": 1e-6, "[in_i]": 0.0254,
               "[ft_i]": 0.3048, "[yd_i]": 0.9144, "[mi_i]": 1609.344, "[nmi_i]": 1852},
    "mass": {"g": 1, "kg": 1e3, "mg": 1e-3, "ug": 1e-6, "t": 1e6, "[lb_av]": 453.59237,
             "[oz_av]": 28.349523125},
    "time": {"s": 1, "ms": 1e-3, "us": 1e-6, "ns": 1e-9, "min": 60, "h": 3600, "d": 86_400,
             "wk": 604_800},
    "speed": {"m/s": 1, "km/h": 1 / 3.6, "mm/s": 1e-3, "cm/s": 1e-2, "[mi_i]/h": 0.44704,
              "[kn_i]": 1852 / 3600, "m/min": 1 / 60, "m/h": 1 / 3600, "mm/h": 1e-3 / 3600},
    "acceleration": {"m/s2": 1, "mm/s2": 1e-3, "[g]": 9.80665},
    "pressure": {"Pa": 1, "hPa": 100, "kPa": 1e3, "MPa": 1e6, "mbar": 100, "bar": 1e5,
                 "atm": 101_325, "[psi]": 6894.757293168, "mm[Hg]": 133.322387415},
    "voltage": {"V": 1, "mV": 1e-3, "uV": 1e-6, "kV": 1e3},
    "current": {"A": 1, "mA": 1e-3, "uA": 1e-6, "kA": 1e3},
    "charge": {"C": 1, "A.h": 3600, "mA.h": 3.6},
    "power": {"W": 1, "mW": 1e-3, "kW": 1e3, "MW": 1e6, "[HP]": 745.69987158227022},
    "apparent power": {"V.A": 1, "kV.A": 1e3},
    "energy": {"J": 1, "kJ": 1e3, "MJ": 1e6, "W.h": 3600, "kW.h": 3.6e6, "MW.h": 3.6e9,
               "cal": 4.184, "kcal": 4184},
    "frequency": {"Hz": 1, "kHz": 1e3, "MHz": 1e6, "GHz": 1e9, "/s": 1, "/min": 1 / 60,
                  "/h": 1 / 3600},
    "ratio": {"1": 1, "%": 1e-2, "[ppth]": 1e-3, "[ppm]": 1e-6, "[ppb]": 1e-9},
    "volume": {"L": 1, "mL": 1e-3, "m3": 1e3, "dm3": 1, "cm3": 1e-3, "[gal_us]": 3.785411784},
    "flow": {"L/s": 1, "L/min": 1 / 60, "L/h": 1 / 3600, "m3/s": 1e3, "m3/h": 1 / 3.6},
    "area": {"m2": 1, "cm2": 1e-4, "mm2": 1e-6, "km2": 1e6, "har": 1e4},
    "angle": {"rad": 1, "deg": 0.017453292519943295},
    "data": {"By": 1, "bit": 0.125, "kBy": 1e3, "MBy": 1e6, "GBy": 1e9, "KiBy": 1024},
    "data rate": {"bit/s": 1, "kbit/s": 1e3, "Mbit/s": 1e6, "By/s": 8, "MBy/s": 8e6},
    "concentration": {"g/m3": 1, "mg/m3": 1e-3, "ug/m3": 1e-6, "g/L": 1e3, "mg/L": 1},
    "resistance": {"Ohm": 1, "kOhm": 1e3, "MOhm": 1e6},
    "conductivity": {"S/m": 1, "uS/cm": 1e-4, "mS/cm": 0.1},
    "illuminance": {"lx": 1, "klx": 1e3},
}  # fmt: skip

UNITS: Final[dict[str, Unit]] = {
    name: Unit(measures, factor)
    for measures, units in _TABLE.items()
    for name, factor in units.items()
} | {
    "K": Unit("temperature", 1),
    "Cel": Unit("temperature", 1, _KELVIN_AT_0_CEL),
    "[degF]": Unit("temperature", _FAHRENHEIT, _KELVIN_AT_0_CEL - 32 * _FAHRENHEIT),
}

# SenML's name where it is not UCUM's. %RH and %EL are percent of something.
_SENML: Final = {
    "%RH": "%", "%EL": "%", "/": "1", "EL": "s", "l": "L", "l/s": "L/s", "count": "1",
    "1/s": "/s", "1/min": "/min", "beat/min": "/min", "beats": "1", "VA": "V.A", "kVA": "kV.A",
    "Ah": "A.h", "Wh": "W.h", "kWh": "kW.h", "B": "By", "KiB": "KiBy", "GB": "GBy",
    "B/s": "By/s", "MB/s": "MBy/s", "Mbit/s": "Mbit/s", "ppm": "[ppm]", "/100": "%",
    "/1000": "[ppth]", "lon": "deg", "lat": "deg",
}  # fmt: skip

# What people write, told with what UCUM calls it.
_COMMON: Final = {
    "C": "Cel", "°C": "Cel", "degC": "Cel", "celsius": "Cel", "F": "[degF]", "°F": "[degF]",
    "psi": "[psi]", "rpm": "/min", "kWh": "kW.h", "Wh": "W.h", "VA": "V.A", "ppm": "[ppm]",
    "l": "L", "ohm": "Ohm", "knots": "[kn_i]", "mph": "[mi_i]/h", "in": "[in_i]",
    "ft": "[ft_i]", "°": "deg", "sec": "s", "mmHg": "mm[Hg]", "m/s²": "m/s2", "m³": "m3",
    "m³/h": "m3/h", "µg/m³": "ug/m3",
}  # fmt: skip


def suggestion_for(name: str) -> str:
    """Return what UCUM calls a unit that people write otherwise, or an empty text."""
    return _COMMON.get(name, "")


def from_senml(name: str) -> str:
    """Return the UCUM unit that SenML's name means; most are the same."""
    return _SENML.get(name, name)


def conversion(source: str, target: str) -> tuple[float, float] | None:
    """Return scale and offset from one unit to another; None where there is no way."""
    if source == target:
        return 1.0, 0.0
    old, new = UNITS.get(source), UNITS.get(target)
    if old is None or new is None or old.measures != new.measures:
        return None
    return old.factor / new.factor, (old.offset - new.offset) / new.factor
