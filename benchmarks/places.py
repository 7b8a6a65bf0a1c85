"""Places: what one sample costs against a fence, and against a planned route.

Fences are stars of 100 and 1,000 corners, a circle, and a corridor of 1,000 pieces; points
lie around the border, where nothing can be left out early.

    python -m benchmarks.places
"""

import argparse
import gc
import math
import random
import time
from collections.abc import Callable, Sequence
from typing import Any

from benchmarks import support
from weft.rules.places.lines import Line
from weft.rules.places.shapes import Circle, Corridor, Polygon
from weft.rules.places.sphere import Position

DESCRIPTION = "a sample against a fence or a planned route, in microseconds"
CENTRE = (51.34, 12.38)


def star(corners: int) -> list[Position]:
    """Make a closed ring, dented at every second corner."""
    ring = [
        (
            CENTRE[1] + math.cos(2 * math.pi * place / corners) * (0.1 if place % 2 else 0.09),
            CENTRE[0] + math.sin(2 * math.pi * place / corners) * (0.1 if place % 2 else 0.09),
        )
        for place in range(corners)
    ]
    return [*ring, ring[0]]


def road(pieces: int) -> list[Position]:
    """Make a winding line of some 200 km."""
    return [
        (12.0 + 2.0 * place / pieces, 51.0 + 0.05 * math.sin(place / 25))
        for place in range(pieces + 1)
    ]


def micros(ask: Callable[[float, float], Any], points: Sequence[Position], rounds: int) -> float:
    """Return the CPU time of one question: the least of five turns, as others disturb."""
    gc.collect()
    best = math.inf
    for _ in range(5):
        begun = time.process_time()
        for _ in range(rounds):
            for longitude, latitude in points:
                ask(latitude, longitude)
        best = min(best, time.process_time() - begun)
    return best / rounds / len(points) * 1e6


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=DESCRIPTION)
    parser.add_argument("--rounds", type=int, default=20)
    given = parser.parse_args(arguments)
    dice = random.Random(7)
    border = [
        (lon + dice.uniform(-0.01, 0.01), lat + dice.uniform(-0.01, 0.01))
        for lon, lat in star(1_000)
    ]
    beside = [(lon, lat + dice.uniform(-0.005, 0.005)) for lon, lat in road(1_000)]
    route = Line([road(1_000)])
    asked: dict[str, tuple[Callable[[float, float], Any], list[Position]]] = {
        "circle": (Circle(*CENTRE, 7_000).inside, border),
        "polygon_100": (Polygon([star(100)]).inside, border),
        "polygon_1000": (Polygon([star(1_000)]).inside, border),
        "polygon_1000_margin": (Polygon([star(1_000)]).margin_m, border),
        "corridor_1000": (Corridor(route, 200).inside, beside),
        "off_route_1000": (route.nearest, beside),
    }
    figures = {name: micros(ask, points, given.rounds) for name, (ask, points) in asked.items()}
    rows = [(name, f"{figure:.2f} us") for name, figure in figures.items()]
    support.report("places", rows, **figures)


if __name__ == "__main__":
    main()
