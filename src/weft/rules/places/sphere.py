"""Distances on the Earth of WGS 84, in degrees and metres.

Near points are compared on the plane that touches the ellipsoid at their middle latitude,
with its two radii of curvature: better than a thousandth up to 300 km, far below what a
receiver knows. Beyond, the great circle on the mean sphere is exact to half a percent.
"""

from math import asin, cos, hypot, isfinite, pi, sin, sqrt
from typing import Final

from weft.errors import Invalid

EQUATOR_M: Final = 6_378_137.0  # WGS 84, semi-major axis
ECCENTRICITY_2: Final = 6.694_379_990_141e-3  # first eccentricity squared
MEAN_M: Final = 6_371_008.8  # IUGG mean radius
LATITUDE_MAX: Final = 85.0  # of fences and routes: meridians run together towards a pole
_RADIANS: Final = pi / 180
_PLANE_DEGREES: Final = 3.0  # apart at most, to be compared on a plane

Position = tuple[float, float]  # longitude, latitude, as GeoJSON has them


def degree_m(latitude: float) -> tuple[float, float]:
    """Return the metres of one degree of longitude and of one of latitude, at a latitude."""
    angle = latitude * _RADIANS
    sine = sin(angle)
    bend = 1 - ECCENTRICITY_2 * sine * sine
    across = EQUATOR_M / sqrt(bend)
    return across * cos(angle) * _RADIANS, across * (1 - ECCENTRICITY_2) / bend * _RADIANS


def distance_m(latitude: float, longitude: float, to_latitude: float, to_longitude: float) -> float:
    """Return the metres between two points; the way across the antimeridian is known."""
    up, across = to_latitude - latitude, to_longitude - longitude
    if across > 180:
        across -= 360
    elif across < -180:
        across += 360
    if -_PLANE_DEGREES < up < _PLANE_DEGREES and -_PLANE_DEGREES < across < _PLANE_DEGREES:
        east, north = degree_m(latitude + up / 2)
        return hypot(across * east, up * north)
    half_up, half_across = sin(up * _RADIANS / 2), sin(across * _RADIANS / 2)
    chord = half_up * half_up + (
        cos(latitude * _RADIANS) * cos(to_latitude * _RADIANS) * half_across * half_across
    )
    return 2 * MEAN_M * asin(min(1.0, sqrt(chord)))


def is_place(latitude: float, longitude: float) -> bool:
    """Return whether both are degrees of a place on Earth; what is not a number is none."""
    return -90 <= latitude <= 90 and -180 <= longitude <= 180


def require_place(longitude: float, latitude: float, what: str) -> Position:
    """Return a position of a fence or a route; raise `Invalid` where there can be none."""
    if not (isfinite(longitude) and isfinite(latitude) and is_place(latitude, longitude)):
        raise Invalid(
            f"{what}: [{longitude}, {latitude}] is no place on Earth.",
            remedy="GeoJSON writes the longitude first: [longitude, latitude], in degrees.",
        )
    if abs(latitude) > LATITUDE_MAX:
        raise Invalid(
            f"{what}: the latitude {latitude} is too near to a pole.",
            remedy=f"Fences and routes lie between {-LATITUDE_MAX:g} and {LATITUDE_MAX:g} degrees.",
        )
    return longitude, latitude


def unwrapped(positions: list[Position]) -> list[Position]:
    """Return a line without the jump at the antimeridian: each step goes the short way round.

    Longitudes may then leave -180 to 180. Raises `Invalid` for a step of exactly half the Earth.
    """
    made = positions[:1]
    for longitude, latitude in positions[1:]:
        step = (longitude - made[-1][0] + 180) % 360 - 180
        if step == -180:
            raise Invalid(
                f"The line to [{longitude}, {latitude}] goes half around the Earth.",
                remedy="Put a position between, so that it is clear on which side it goes.",
            )
        made.append((made[-1][0] + step, latitude))
    return made
