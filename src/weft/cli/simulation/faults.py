"""Faults that a simulated device can be given, by name."""

from enum import StrEnum

from weft.errors import Invalid


class Fault(StrEnum):
    """What goes wrong."""

    NONE = "none"
    BEARING_WEAR = "bearing-wear"  # vibration grows, slowly and then fast
    OVERHEATING = "overheating"  # temperature climbs away from its usual value
    SENSOR_LOSS = "sensor-loss"  # one value is missing from the messages
    STUCK = "stuck"  # values stop changing
    SILENCE = "silence"  # no messages at all
    OUT_OF_RANGE = "out-of-range"  # values that the type does not allow: refused by the gate


def read_fault(text: str) -> Fault:
    """Return the fault of that name, or raise `Invalid` naming those there are."""
    try:
        return Fault(text)
    except ValueError:
        names = ", ".join(Fault)
        raise Invalid(f"There is no fault {text!r}.", remedy=f"Choose one of: {names}.") from None
