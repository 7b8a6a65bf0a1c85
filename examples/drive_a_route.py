"""A vehicle on a planned route: its positions, as a receiver that wanders would tell them.

Reads the GeoJSON that `weft route save` takes and prints a line of telemetry every few
seconds of the journey, all at once, with the moments of the journey. The same seed drives
the same way to the metre.

    python examples/drive_a_route.py tour.geojson --start 2026-03-02T06:00:00Z \
        --hold customer=1800 --detour 600,900,2500 |
        mosquitto_pub -l -q 1 -t devices/me/telemetry -i truck-1 -u truck-1 -P "$TOKEN"
"""

import argparse
import itertools
import json
import math
import random
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

DEGREE_M = 111_195.0  # of latitude, on the mean sphere

Point = tuple[float, float]  # longitude, latitude


class Fix(NamedTuple):
    """Where the vehicle says it is, so many seconds after its start."""

    second: float
    latitude: float
    longitude: float
    accuracy: float  # metres


class Detour(NamedTuple):
    """Between two seconds of the journey it drives so many metres north of the road."""

    begin_s: float
    end_s: float
    metres: float


def drive(
    document: Mapping[str, Any],
    *,
    interval_s: float = 30.0,
    jitter_m: float = 8.0,
    seed: int = 1,
    hold: Mapping[str, float] | None = None,
    detour: Detour | None = None,
) -> Iterator[Fix]:
    """Yield fixes from the first stop to the last; `hold` makes halts so many seconds longer."""
    dice = random.Random(seed)  # noqa: S311  positions, no secret
    line, halts = read(document)
    along = distances(line)
    legs = schedule(halts, hold or {})
    second, ends_at = 0.0, legs[-1][0] + 120.0
    while second <= ends_at:
        longitude, latitude = place_at(line, along, where_at(legs, second))
        north, east = dice.gauss(0, jitter_m / 2), dice.gauss(0, jitter_m / 2)
        if detour is not None and detour.begin_s <= second < detour.end_s:
            north += detour.metres
        latitude += north / DEGREE_M
        longitude += east / DEGREE_M / math.cos(math.radians(latitude))
        yield Fix(second, round(latitude, 6), round(longitude, 6), jitter_m)
        second += interval_s


def read(document: Mapping[str, Any]) -> tuple[list[Point], list[tuple[str, float, float, float]]]:
    """Return the line, and (name, metres along it, arrival, departure) of each stop."""
    lines = [one for one in document["features"] if one["geometry"]["type"] == "LineString"]
    line: list[Point] = [(one[0], one[1]) for one in lines[0]["geometry"]["coordinates"]]
    along = distances(line)
    halts: list[tuple[str, float, float, float]] = []
    for one in document["features"]:
        if one["geometry"]["type"] == "Point":
            told = one["properties"]
            at = along_of(line, along, tuple(one["geometry"]["coordinates"][:2]))
            arrive = told.get("arrive_s", 0)
            halts.append((told["name"], at, arrive, told.get("depart_s", arrive)))
    return line, halts


def metres(begin: Point, end: Point) -> float:
    """Return the distance of two near points."""
    east = (end[0] - begin[0]) * math.cos(math.radians((begin[1] + end[1]) / 2))
    return math.hypot(east, end[1] - begin[1]) * DEGREE_M


def distances(line: Sequence[Point]) -> list[float]:
    """Return how far along the line each of its positions is."""
    along = [0.0]
    for begin, end in itertools.pairwise(line):
        along.append(along[-1] + metres(begin, end))
    return along


def along_of(line: Sequence[Point], along: Sequence[float], point: Point) -> float:
    """Return how far along the line its place nearest to a point is, to some ten metres."""
    steps = max(int(along[-1] / 20), 1)
    places = [along[-1] * step / steps for step in range(steps + 1)]
    return min(places, key=lambda one: metres(place_at(line, along, one), point))


def place_at(line: Sequence[Point], along: Sequence[float], at: float) -> Point:
    """Return the place so many metres along the line."""
    for place in range(1, len(line)):
        if at <= along[place] or place == len(line) - 1:
            length = along[place] - along[place - 1]
            part = min((at - along[place - 1]) / length, 1.0) if length else 0.0
            begin, end = line[place - 1], line[place]
            return begin[0] + (end[0] - begin[0]) * part, begin[1] + (end[1] - begin[1]) * part
    return line[0]


def schedule(
    halts: Sequence[tuple[str, float, float, float]], hold: Mapping[str, float]
) -> list[tuple[float, float]]:
    """Return (second, metres along): as planned, later by what it was held up before."""
    legs: list[tuple[float, float]] = []
    late = 0.0
    for name, at, arrive, depart in halts:
        legs.append((arrive + late, at))
        late += hold.get(name, 0.0)
        legs.append((depart + late, at))
    return legs


def where_at(legs: Sequence[tuple[float, float]], second: float) -> float:
    """Return how far along the line it is."""
    for (begin, start), (end, stop) in itertools.pairwise(legs):
        if second < end:
            return start + (stop - start) * max(second - begin, 0.0) / (end - begin)
    return legs[-1][1]


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("route", type=Path, help="GeoJSON, as weft route save takes it")
    parser.add_argument("--start", required=True, help="the moment of departure, RFC 3339")
    parser.add_argument("--interval", type=float, default=30.0, help="seconds between positions")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--hold", action="append", default=[], metavar="STOP=SECONDS")
    parser.add_argument("--detour", metavar="FROM,UNTIL,METRES")
    return parser.parse_args()


def main() -> None:
    """Print the journey."""
    given = _parse()
    start_ms = round(datetime.fromisoformat(given.start).timestamp() * 1000)
    document = json.loads(given.route.read_text())
    hold = {name: float(text) for name, _, text in (one.partition("=") for one in given.hold)}
    detour = Detour(*map(float, given.detour.split(","))) if given.detour else None
    for fix in drive(
        document, interval_s=given.interval, seed=given.seed, hold=hold, detour=detour
    ):
        values = {
            "latitude": fix.latitude,
            "longitude": fix.longitude,
            "accuracy": fix.accuracy,
        }
        line = {"ts": start_ms + round(fix.second * 1000), "values": values}
        sys.stdout.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    main()
