"""What humid air does, as functions for rules: a package of its own.

when: surface_temperature < dew_point(temperature, humidity)    # the wall grows wet
"""

import math

from weft.rules.language.functions import RuleFunction


def dew_point(temperature: float, humidity: float) -> float:
    """Return at how many degrees Celsius air of this temperature and humidity grows wet.

    The Magnus formula between -45 and 60 °C; humidity is relative, in percent. At 0 % there is
    no such temperature: the logarithm has no answer, and the evaluation fails.
    """
    part = math.log(humidity / 100) + 17.62 * temperature / (243.12 + temperature)
    return 243.12 * part / (17.62 - part)


DEW_POINT = RuleFunction(
    arguments=("double", "double"),
    gives="double",
    cost_ns=1_000,  # measured: 200
    work=dew_point,
)
