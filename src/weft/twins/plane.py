"""Plane: devices on the map that web maps are drawn on, near ones drawn together.

Near devices become one mark by a grid whose cells are as wide on the screen at every zoom.
The devices of a view are found among columns of numbers: ten thousand in a millisecond.
"""

import math
from collections.abc import Sequence
from heapq import nsmallest
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from msgspec import Struct

from weft.model.device import Device
from weft.model.ids import DeviceId

MERCATOR_MAX: Final = 85.051129  # degrees; the square world of web maps ends there
TILE_PX: Final = 512  # the world at zoom 0, as MapLibre draws it
CELL_PX: Final = 64  # marks nearer than this are hard to tell apart, or to touch
ZOOM_MAX: Final = 24.0
_EDGE: Final = 1 - 1e-12

Floats = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]


class View(Struct, frozen=True):
    """What a map shows: degrees, and how near. A `west` beyond `east` crosses the date line."""

    west: float = -180.0
    south: float = -90.0
    east: float = 180.0
    north: float = 90.0
    zoom: float = 0.0
    type_name: str | None = None


class Mark(Struct, frozen=True):
    """One device, or several that are near to each other."""

    key: str  # the same as long as it is the same mark
    latitude: float
    longitude: float
    count: int
    device_id: DeviceId | None = None  # of one
    at: int | None = None  # ns, when it was measured; of one
    bounds: tuple[float, float, float, float] | None = None  # west, south, east, north; of several


class Marks(Struct, frozen=True):
    """What a view shows; `zoom` is lower than asked for where there were too many marks."""

    marks: list[Mark]
    zoom: float
    devices: int


class Place(Struct, frozen=True):
    """Where one device is."""

    device: Device
    latitude: float
    longitude: float
    at: int  # ns; 0 for a place that somebody entered


class Plane:
    """The devices of one tenant as columns; a slot of a device that is gone is used again."""

    def __init__(self) -> None:
        self.slots: dict[DeviceId, int] = {}
        self.names: list[DeviceId | None] = []
        self.types: list[str | None] = []
        self.columns: Floats = np.full((4, 64), np.nan)  # x, y of the plane, longitude, latitude
        self.at: Index = np.zeros(64, np.int64)
        self._free: list[int] = []

    def put(self, places: Sequence[Place]) -> None:
        """Take note of where devices are."""
        slots = [self._slot(place.device) for place in places]
        east = np.array([place.longitude for place in places])
        north = np.array([place.latitude for place in places])
        self.columns[:, slots] = *_on_plane(east, north), east, north
        self.at[slots] = [place.at for place in places]

    def drop(self, name: DeviceId) -> None:
        """Forget a device."""
        slot = self.slots.pop(name, None)
        if slot is not None:
            self.names[slot], self.types[slot] = None, None
            self.columns[:, slot] = np.nan
            self._free.append(slot)

    def marks(self, view: View, *, limit: int) -> Marks:
        """Return at most `limit` marks of a view."""
        zoom = min(max(view.zoom, 0.0), ZOOM_MAX)
        while True:
            cells = max(TILE_PX / CELL_PX * 2.0**zoom, 1.0)
            found = _grid(self, view, cells)
            if found is None:
                return Marks([], zoom, 0)
            if found.cells <= limit or cells <= 1.0:
                return Marks(found.marks(), zoom, int(found.slots.size))
            zoom -= 1.0

    def list_names(self, view: View, *, after: str, limit: int) -> list[tuple[DeviceId, int]]:
        """Return some devices of a view in the order of their names, with their slots."""
        slots = self.within(_box(view), view.type_name).tolist()
        named = ((name, slot) for slot in slots if (name := self.names[slot]) is not None)
        return nsmallest(limit, (one for one in named if one[0] > after))

    def _slot(self, device: Device) -> int:
        slot = self.slots.get(device.device_id)
        if slot is None:
            slot = self.slots[device.device_id] = self._take()
            self.names[slot] = device.device_id
        self.types[slot] = device.type_name
        return slot

    def _take(self) -> int:
        if self._free:
            return self._free.pop()
        slot = len(self.names)
        self.names.append(None)
        self.types.append(None)
        room = self.columns.shape[1]
        if slot >= room:
            self.columns = np.pad(self.columns, ((0, 0), (0, room)), constant_values=np.nan)
            self.at = np.pad(self.at, (0, room))
        return slot

    def within(self, box: tuple[float, float, float, float], type_name: str | None) -> Index:
        """Return the slots between west, north, east and south of the plane."""
        west, north, east, south = box
        x, y = self.columns[0], self.columns[1]
        across = (x >= west) & (x <= east) if west <= east else (x >= west) | (x <= east)
        found = np.flatnonzero(across & (y >= north) & (y <= south))
        if type_name is None:
            return found
        types = self.types
        return np.array([slot for slot in found.tolist() if types[slot] == type_name], np.int64)


class _Grid(Struct, frozen=True, eq=False):
    """Devices of a view, sorted by the cell in which each lies."""

    plane: Any
    slots: Index
    starts: Index  # of each cell within `slots`
    names: list[str]  # of the cells

    @property
    def cells(self) -> int:
        return len(self.starts)

    def marks(self) -> list[Mark]:
        counts = np.diff(np.append(self.starts, self.slots.size))
        _, _, longitudes, latitudes = self.plane.columns[:, self.slots]
        rows = zip(
            self.names,
            counts.tolist(),
            self.slots[self.starts].tolist(),
            *(np.add.reduceat(column, self.starts) / counts for column in (latitudes, longitudes)),
            *(np.minimum.reduceat(column, self.starts) for column in (longitudes, latitudes)),
            *(np.maximum.reduceat(column, self.starts) for column in (longitudes, latitudes)),
            strict=True,
        )
        return [self._mark(*row) for row in rows]

    def _mark(self, cell: str, count: int, slot: int, *figures: Any) -> Mark:
        north, east, *box = (round(float(figure), 6) for figure in figures)
        if count > 1:
            return Mark(cell, north, east, count, bounds=(box[0], box[1], box[2], box[3]))
        name = self.plane.names[slot]
        return Mark(f"device:{name}", north, east, 1, name, int(self.plane.at[slot]) or None)


def _grid(plane: Plane, view: View, cells: float) -> _Grid | None:
    """Sort what a view shows into cells; whole ones, so that panning does not change a mark."""
    west, north, east, south = _box(view)
    box = (
        math.floor(west * cells) / cells,
        math.floor(north * cells) / cells,
        math.ceil(east * cells) / cells,
        math.ceil(south * cells) / cells,
    )
    slots = plane.within(box, view.type_name)
    if not slots.size:
        return None
    columns = np.floor(plane.columns[0][slots] * cells).astype(np.int64)
    rows = np.floor(plane.columns[1][slots] * cells).astype(np.int64)
    keys = (rows << 32) | columns
    order = np.argsort(keys, kind="stable")
    keys = keys[order]
    starts = np.flatnonzero(np.append(True, keys[1:] != keys[:-1]))
    names = [f"{cells:g}/{key & 0xFFFFFFFF}/{key >> 32}" for key in keys[starts].tolist()]
    return _Grid(plane, slots[order], starts, names)


def _box(view: View) -> tuple[float, float, float, float]:
    east, north = _on_plane(np.array([view.west, view.east]), np.array([view.north, view.south]))
    return float(east[0]), float(north[0]), float(east[1]), float(north[1])


def _on_plane(longitude: Floats, latitude: Floats) -> tuple[Floats, Floats]:
    """Return places on the unit square of the web's Mercator projection (EPSG:3857)."""
    sine = np.sin(np.radians(np.clip(latitude, -MERCATOR_MAX, MERCATOR_MAX)))
    down = 0.5 - np.log((1 + sine) / (1 - sine)) / (4 * math.pi)
    # Its edges belong to the last cell, also where a sine was rounded.
    return np.clip((longitude + 180) / 360, 0, _EDGE), np.clip(down, 0, _EDGE)
