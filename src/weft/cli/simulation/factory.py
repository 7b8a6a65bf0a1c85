"""The factory of the demonstration: its machines, their type, the rules that watch them.

One machine after another breaks, in a fixed order, so that the first alarm and its work
order come within a minute; when the technician has closed the task, the machine is whole.
"""

from typing import Any

from msgspec import Struct

from weft.cli.simulation.faults import Fault

CONNECTOR = "erp"
TYPE = "factory-machine"

TYPE_DOCUMENT: dict[str, Any] = {
    "title": "Factory machine",
    "telemetry": {
        "temperature": {"type": "number", "unit": "Cel", "minimum": 20, "maximum": 150},
        "vibration": {"type": "number", "unit": "[g]", "minimum": 0, "maximum": 10},
        "rotations": {"type": "integer", "unit": "/min", "minimum": 0, "maximum": 3600},
        "power": {"type": "number", "unit": "kW", "minimum": 0, "maximum": 75},
    },
    "properties": {"firmware": {"type": "string"}, "interval_s": {"type": "number"}},
}

MACHINES = (
    "mill-1",
    "mill-2",
    "press-1",
    "press-2",
    "pump-1",
    "pump-2",
    "robot-1",
    "compressor-1",
)

RULES: tuple[dict[str, Any], ...] = (
    {
        "name": "bearing-wear",
        "selector": {"type": TYPE},
        "when": "vibration > 6.0",
        "for": "3s",
        "clear": "vibration < 5.0",
        "clear_for": "3s",
        "severity": "critical",
        "message": "{device} vibrates at {vibration} g: its bearing is worn",
        "actions": [
            {
                "work_order": {
                    "connector": CONNECTOR,
                    "title": "Replace the bearing of {device}",
                    "priority": "high",
                }
            }
        ],
    },
    {
        "name": "overheating",
        "selector": {"type": TYPE},
        "when": "temperature > 110.0",
        "for": "3s",
        "clear": "temperature < 95.0",
        "severity": "major",
        "message": "{device} is at {temperature} degrees",
        "actions": [
            {
                "work_order": {
                    "connector": CONNECTOR,
                    "title": "Check the cooling of {device}",
                    "priority": "medium",
                }
            }
        ],
    },
)


class Breakdown(Struct, frozen=True):
    """Something that goes wrong, at a moment after the start."""

    after_s: float
    device_id: str
    fault: Fault


BREAKDOWNS = (
    Breakdown(6, "pump-1", Fault.BEARING_WEAR),
    Breakdown(25, "press-2", Fault.OVERHEATING),
    Breakdown(40, "robot-1", Fault.SENSOR_LOSS),
    Breakdown(55, "compressor-1", Fault.OUT_OF_RANGE),
    Breakdown(90, "mill-2", Fault.BEARING_WEAR),
)
PASSING_S = 20.0  # sensor loss and values out of range end by themselves
EVERY_S = 150.0  # then it begins again
