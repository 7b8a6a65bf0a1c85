"""Trails: where something has been, in as few points as a map needs.

A place is a latitude and a longitude of one moment. What stands still is drawn once when it
came and once when it went. Of the rest, the points stay that span the largest triangles on the
plane (S. Steinarsson, 2013, with the longitude in the place of time), so that corners stay.
"""

from typing import Final

import numpy as np
import numpy.typing as npt
from msgspec import Struct

from weft.history.downsample import largest_areas
from weft.history.values import Floats
from weft.ports import HistoryTrace

STANDS_DEG: Final = 2e-5  # some two metres: what a receiver wanders anyway

Moments = npt.NDArray[np.int64]


class Trail(Struct, frozen=True, eq=False):
    """Places in the order of time: moments in ns, degrees."""

    at: Moments
    latitude: Floats
    longitude: Floats


def trail_of(latitude: HistoryTrace | None, longitude: HistoryTrace | None, points: int) -> Trail:
    """Join two traces by their moments and keep at most `points` places (2 or more)."""
    if latitude is None or longitude is None:
        return Trail(np.array([], np.int64), np.array([]), np.array([]))
    at, north_at, east_at = np.intersect1d(
        latitude.at, longitude.at, assume_unique=True, return_indices=True
    )
    north, east = latitude.values[north_at], longitude.values[east_at]
    real = (np.abs(north) <= 90) & (np.abs(east) <= 180)  # what is no number is neither
    at, north, east = at[real], north[real], east[real]
    kept = _moving(north, east)
    if len(kept) > points:
        kept = kept[largest_areas(east[kept], north[kept], points)]
    return Trail(at[kept], north[kept], east[kept])


def _moving(north: Floats, east: Floats) -> npt.NDArray[np.int64]:
    """Return all places but those in the middle of a halt."""
    if len(north) < 3:
        return np.arange(len(north))
    stood = (np.abs(np.diff(north)) < STANDS_DEG) & (np.abs(np.diff(east)) < STANDS_DEG)
    inner = stood[:-1] & stood[1:]
    return np.flatnonzero(np.concatenate([[True], ~inner, [True]]))
