"""Vector tiles, written from nothing: what a map of one's own is made of, as small as it gets.

One tile (Mapbox Vector Tile 2.1, section 4) in one archive (PMTiles 3): land everywhere, water
in the east, a road, a line of a layer that nobody knows, and a town.
"""

import json
import struct
from collections.abc import Iterable, Sequence

EXTENT = 4096
POINT, LINE, POLYGON = 1, 2, 3  # 4.3.4
Pair = tuple[int, int]


def varint(number: int) -> bytes:
    """Write an unsigned number of Protocol Buffers."""
    written = bytearray()
    while number > 127:
        written.append(number & 127 | 128)
        number >>= 7
    return bytes((*written, number))


def _field(number: int, content: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(content)) + content


def _number(number: int, value: int) -> bytes:
    return varint(number << 3) + varint(value)


def _zigzag(value: int) -> int:
    return value << 1 if value >= 0 else (-value << 1) - 1


def _geometry(points: Sequence[Pair], *, closed: bool) -> bytes:
    """Write a path by commands and steps from point to point (4.3.1)."""
    steps: list[int] = []
    x = y = 0
    for at, (to_x, to_y) in enumerate(points):
        if at == 0:
            steps.append(1 << 3 | 1)  # MoveTo, once
        elif at == 1:
            steps.append(len(points) - 1 << 3 | 2)  # LineTo, so often
        steps += (_zigzag(to_x - x), _zigzag(to_y - y))
        x, y = to_x, to_y
    if closed:
        steps.append(1 << 3 | 7)  # ClosePath
    return b"".join(map(varint, steps))


def layer(name: str, kind: int, points: Sequence[Pair], label: str = "") -> bytes:
    """Write a layer of one feature, which has a name where one is given (4.1)."""
    feature = _number(3, kind) + _field(4, _geometry(points, closed=kind == POLYGON))
    if label:
        feature = _field(2, varint(0) + varint(0)) + feature
    content = _field(1, name.encode()) + _field(2, feature)
    if label:
        content += _field(3, b"name") + _field(4, _field(1, label.encode()))
    return _field(3, content + _number(5, EXTENT) + _number(15, 2))


def square(west: int, north: int, east: int, south: int) -> list[Pair]:
    """An outer ring: clockwise on the screen (4.3.3.3)."""
    return [(west, north), (east, north), (east, south), (west, south)]


def world(label: str) -> tuple[bytes, list[str]]:
    """Return the tile of the whole world, and the names of its layers."""
    middle = EXTENT // 2
    layers = {
        "earth": layer("earth", POLYGON, square(0, 0, EXTENT, EXTENT)),
        "water": layer("water", POLYGON, square(middle, 0, EXTENT, EXTENT)),
        "roads": layer("roads", LINE, [(0, 500), (middle, 900), (EXTENT, 500)]),
        "nobody-knows-it": layer("nobody-knows-it", LINE, [(0, 3000), (EXTENT, 3000)]),
        "places": layer("places", POINT, [(middle - 400, middle - 300)], label),
    }
    return b"".join(layers.values()), list(layers)


def archive(tile: bytes, layers: Iterable[str], attribution: str) -> bytes:
    """Return an archive of one vector tile, with nothing compressed."""
    said = {"vector_layers": [{"id": name, "fields": {}} for name in layers]}
    metadata = json.dumps({**said, "attribution": attribution}).encode()
    # One entry: tile 0, once, so many bytes, at the beginning (offsets count from 1).
    root = varint(1) + varint(0) + varint(1) + varint(len(tile)) + varint(1)
    data_at = 127 + len(root) + len(metadata)
    places = (127, len(root), 127 + len(root), len(metadata), 0, 0, data_at, len(tile), 1, 1, 1)
    # Clustered, nothing compressed, vector tiles (1), of zoom 0 alone.
    head = b"PMTiles\x03" + struct.pack("<11Q", *places) + bytes((1, 1, 1, 1, 0, 0))
    head += struct.pack("<4iB2i", -1_800_000_000, -850_000_000, 1_800_000_000, 850_000_000, 0, 0, 0)
    return head + root + metadata + tile
