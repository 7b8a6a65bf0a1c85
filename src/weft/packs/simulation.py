"""A pack's simulated devices: who they are, where they stand, and what happens to them.

What a device measures is written as points over time, with straight lines between numbers
and steps between everything else; a value that has no points wanders as any simulated one.
The story begins again when it has come to its end.
"""

import random
from bisect import bisect_right
from collections.abc import Sequence
from typing import Annotated, Any

from msgspec import Meta, Struct

from weft.model.asset import AttachmentRole

Point = tuple[Annotated[float, Meta(ge=0)], Any]  # seconds from the beginning, and the value


class SimulatedDevice(Struct, frozen=True, forbid_unknown_fields=True):
    """One device of a pack's simulation."""

    device: str
    type: str
    asset: str | None = None  # that it is attached to
    role: AttachmentRole = AttachmentRole.OBSERVES
    label: str = ""
    attributes: dict[str, Any] = {}
    values: dict[str, tuple[Point, ...]] = {}
    noise: dict[str, float] = {}  # share of the value that it scatters by (one sigma)
    silent: tuple[tuple[float, float], ...] = ()  # from, until: it sends nothing


class SimulatedTrip(Struct, frozen=True, forbid_unknown_fields=True):
    """A device on a planned route, from its story's beginning on."""

    trip: str
    route: str
    device: str
    until_s: Annotated[float, Meta(gt=0)]


class Simulation(Struct, frozen=True, forbid_unknown_fields=True):
    """What `weft simulate --pack` plays."""

    every_s: Annotated[float, Meta(gt=0)]
    lasts_s: Annotated[float, Meta(gt=0)]
    devices: tuple[SimulatedDevice, ...]
    trips: tuple[SimulatedTrip, ...] = ()


def value_at(points: Sequence[Point], at_s: float) -> Any:
    """Return what points in the order of their moments give at a moment."""
    place = bisect_right([moment for moment, _value in points], at_s)
    before = points[max(place - 1, 0)]
    if place in (0, len(points)):
        return before[1]
    after = points[place]
    if not (_is_number(before[1]) and _is_number(after[1])):
        return before[1]
    share = (at_s - before[0]) / (after[0] - before[0])
    value = before[1] + share * (after[1] - before[1])
    return round(value) if isinstance(before[1], int) and isinstance(after[1], int) else value


def values_at(device: SimulatedDevice, at_s: float, chance: random.Random) -> dict[str, Any] | None:
    """Return what a device measures at a moment, as its points say; None while it is silent."""
    if any(begin <= at_s < end for begin, end in device.silent):
        return None
    values = {key: value_at(points, at_s) for key, points in device.values.items()}
    for key, share in device.noise.items():
        values[key] = round(values[key] * (1 + chance.gauss(0, share)), 3)
    return values


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
