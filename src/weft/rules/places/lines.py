"""Lines with an index: how far a point is from one, and how far along it the nearest place is.

Each piece has a plane of its own, so that a line may be as long as a continent; pieces are
at most PIECE_M long. A tree of boxes, eight to a box, leaves out what is too far away: a
line of 1,000 pieces costs some 15 µs a question (benchmarks/places.py).
"""

import itertools
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from math import ceil, hypot, inf, sqrt
from typing import Final, NamedTuple

from weft.rules.places.sphere import Position, degree_m

PIECE_M: Final = 50_000.0
_FAN: Final = 8
_FEW: Final = 64  # pieces that are looked at one by one
_TIE_M: Final = 0.01  # nearer by less is not nearer: the earlier place on the line counts
_NORTH_LEAST_M: Final = 110_574.0  # one degree of latitude is nowhere shorter

_Box = tuple[float, float, float, float]  # west, south, east, north


class _Piece(NamedTuple):
    """A straight part of a line, with the scales of its own plane."""

    longitude: float
    latitude: float
    east_m: float  # of a degree, here
    north_m: float
    x: float  # of its end, in metres from its begin
    y: float
    square: float  # of its length
    along_m: float  # where it begins on the line
    length_m: float


class Line:
    """One or several lines, each a list of positions without a jump (`unwrapped`)."""

    def __init__(self, parts: Sequence[Sequence[Position]]) -> None:
        self._pieces: list[_Piece] = []
        boxes: list[_Box] = []
        along = 0.0
        for part in parts:
            for begin, end in itertools.pairwise(part):
                along = self._add(begin, end, along, boxes)
        self.length_m = along
        self._alongs = [piece.along_m for piece in self._pieces]
        self.west = min((box[0] for box in boxes), default=0.0)
        self.south = min((box[1] for box in boxes), default=0.0)
        self.east = max((box[2] for box in boxes), default=0.0)
        self.north = max((box[3] for box in boxes), default=0.0)
        # The bound of a box must not exceed what any of its pieces measures: least scales.
        self._east_least_m = degree_m(max(abs(self.south), abs(self.north)))[0]
        self._middle = (self.west + self.east) / 2
        self._levels = [boxes]
        while len(self._levels[-1]) > _FAN:
            below = self._levels[-1]
            groups = [below[start : start + _FAN] for start in range(0, len(below), _FAN)]
            self._levels.append([_around(group) for group in groups])

    def _add(self, begin: Position, end: Position, along: float, boxes: list[_Box]) -> float:
        east, north = degree_m((begin[1] + end[1]) / 2)
        whole = hypot((end[0] - begin[0]) * east, (end[1] - begin[1]) * north)
        many = max(1, ceil(whole / PIECE_M))
        across, up = (end[0] - begin[0]) / many, (end[1] - begin[1]) / many
        for place in range(many):
            longitude, latitude = begin[0] + across * place, begin[1] + up * place
            east, north = degree_m(latitude + up / 2)
            x, y = across * east, up * north
            length = hypot(x, y)
            self._pieces.append(
                _Piece(longitude, latitude, east, north, x, y, x * x + y * y, along, length)
            )
            boxes.append(
                _around([(longitude, latitude) * 2, (longitude + across, latitude + up) * 2])
            )
            along += length
        return along

    def nearest(
        self, latitude: float, longitude: float, low_m: float = 0.0, high_m: float = inf
    ) -> tuple[float, float]:
        """Return the distance to the line and where along it that is, both in metres.

        With `low_m` and `high_m`, of the part of the line between them alone. Infinite where
        there is no such part.
        """
        longitude = self.beside(longitude)
        if low_m > 0.0 or high_m < inf:
            first = max(bisect_left(self._alongs, low_m) - 1, 0)
            last = bisect_right(self._alongs, high_m, first)
            if last - first <= _FEW:
                return self._nearest_of(range(first, last), (latitude, longitude), (low_m, high_m))
        top = len(self._levels) - 1
        limit = self._descend(latitude, longitude) if low_m <= 0.0 and high_m == inf else inf
        best, where = inf, 0.0
        # In the order of the line, so that of two places as near the earlier one is found.
        waiting = [(top, place) for place in range(len(self._levels[top]) - 1, -1, -1)]
        pieces, levels, east_m = self._pieces, self._levels, self._east_least_m
        while waiting:
            level, place = waiting.pop()
            west, south, east, north = levels[level][place]
            x = west - longitude if longitude < west else max(longitude - east, 0.0)
            y = south - latitude if latitude < south else max(latitude - north, 0.0)
            x, y = x * east_m, y * _NORTH_LEAST_M
            if x * x + y * y > (limit + _TIE_M) * (limit + _TIE_M):
                continue
            if level:
                first = place * _FAN
                last = min(first + _FAN, len(levels[level - 1])) - 1
                waiting += [(level - 1, below) for below in range(last, first - 1, -1)]
                continue
            found, along = _measure(pieces[place], latitude, longitude, low_m, high_m)
            if found < best - _TIE_M:
                best, where = found, along
                limit = min(limit, best)
        return best, where

    def _nearest_of(
        self, places: range, point: tuple[float, float], part: tuple[float, float]
    ) -> tuple[float, float]:
        best, where = inf, 0.0
        for place in places:
            found, along = _measure(self._pieces[place], *point, *part)
            if found < best - _TIE_M:
                best, where = found, along
        return best, where

    def _descend(self, latitude: float, longitude: float) -> float:
        """Return the distance of some piece that is probably near: what is farther can wait."""
        first, last = 0, len(self._levels[-1])
        place = 0
        for level in range(len(self._levels) - 1, -1, -1):
            boxes = self._levels[level]
            place = min(range(first, last), key=lambda one: _reach(boxes[one], latitude, longitude))
            first = place * _FAN
            last = min(first + _FAN, len(self._levels[level - 1])) if level else 0
        return _measure(self._pieces[place], latitude, longitude, 0.0, inf)[0]

    def beside(self, longitude: float) -> float:
        """Return a longitude in the turn around the Earth that the line is in."""
        middle = self._middle
        if longitude - middle > 180:
            return longitude - 360
        if longitude - middle < -180:
            return longitude + 360
        return longitude


def _measure(
    piece: _Piece, latitude: float, longitude: float, low_m: float, high_m: float
) -> tuple[float, float]:
    begin_longitude, begin_latitude, east, north, x, y, square, along, length = piece
    to_x, to_y = (longitude - begin_longitude) * east, (latitude - begin_latitude) * north
    part = (to_x * x + to_y * y) / square if square else 0.0
    least, most = 0.0, 1.0
    if low_m > along:
        if low_m > along + length:
            return inf, 0.0
        least = (low_m - along) / length if length else 0.0
    if high_m < along + length:
        if high_m < along:
            return inf, 0.0
        most = (high_m - along) / length if length else 0.0
    part = least if part < least else min(part, most)
    to_x -= part * x
    to_y -= part * y
    return sqrt(to_x * to_x + to_y * to_y), along + part * length


def _reach(box: _Box, latitude: float, longitude: float) -> float:
    west, south, east, north = box
    return abs(longitude - (west + east) / 2) + abs(latitude - (south + north) / 2)


def _around(boxes: Sequence[_Box]) -> _Box:
    return (
        min(box[0] for box in boxes),
        min(box[1] for box in boxes),
        max(box[2] for box in boxes),
        max(box[3] for box in boxes),
    )
