"""Shapes: readings gathered by the class of their values, and turned into columns together.

Readings of one device type are Structs of one class, so a column is one field of all of them;
free readings are gathered by the keys that they have.
"""

from collections.abc import Iterable
from typing import Any

from msgspec import UNSET

from weft.model.message import Route
from weft.model.telemetry import Reading
from weft.ports import Rows


class Gathered:
    """Three parallel lists: readings of one class, where they came from, and their positions."""

    __slots__ = ("positions", "readings", "routes")

    def __init__(self) -> None:
        self.readings: list[Reading] = []
        self.routes: list[Route] = []
        self.positions: list[int] = []

    def join(self, later: "Gathered") -> None:
        """Put what came later behind what is here."""
        self.readings += later.readings
        self.routes += later.routes
        self.positions += later.positions


def to_rows(by_class: Iterable[tuple[type, Gathered]]) -> list[Rows]:
    """Return all readings as columns."""
    parts: list[Rows] = []
    for kind, gathered in by_class:
        if issubclass(kind, dict):
            parts += _free_rows(gathered)
        else:
            parts.append(_typed_rows(kind, gathered))
    return parts


def _typed_rows(kind: type, gathered: Gathered) -> Rows:
    values = [reading.values for reading in gathered.readings]
    fields: tuple[str, ...] = kind.__struct_fields__  # type: ignore[attr-defined]  # a Struct
    return Rows(
        tenants=[route.tenant for route in gathered.routes],
        devices=[route.device_id for route in gathered.routes],
        at=[reading.at for reading in gathered.readings],
        positions=gathered.positions,
        keys=kind.__struct_encode_fields__,  # type: ignore[attr-defined]  # as above
        # Column by column: a tuple per reading wakes the garbage collector, at twice the cost.
        columns=tuple([getattr(value, field) for value in values] for field in fields),
    )


def _free_rows(gathered: Gathered) -> list[Rows]:
    by_keys: dict[tuple[str, ...], Gathered] = {}
    rows = zip(gathered.readings, gathered.routes, gathered.positions, strict=True)
    for reading, route, position in rows:
        keys = tuple(reading.values)  # type: ignore[arg-type]  # gathered under dict
        same = by_keys.get(keys)
        if same is None:
            same = by_keys[keys] = Gathered()
        same.readings.append(reading)
        same.routes.append(route)
        same.positions.append(position)
    return [_same_rows(keys, same) for keys, same in by_keys.items() if keys]


def _same_rows(keys: tuple[str, ...], gathered: Gathered) -> Rows:
    values: list[Any] = [reading.values for reading in gathered.readings]
    return Rows(
        tenants=[route.tenant for route in gathered.routes],
        devices=[route.device_id for route in gathered.routes],
        at=[reading.at for reading in gathered.readings],
        positions=gathered.positions,
        keys=keys,
        columns=tuple([value.get(key, UNSET) for value in values] for key in keys),
    )
