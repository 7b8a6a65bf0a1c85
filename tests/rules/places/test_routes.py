"""Planned routes: a FeatureCollection in and out, and what cannot be driven is refused."""

from typing import Any

import pytest
from tests.registry.support import ALICE
from tests.rules.places.support import Yard, fleet, road, stop

from weft.errors import Conflict, Invalid
from weft.rules.places.routes import STOPS_MAX, document_of, read_route
from weft.rules.places.trips import NewTrip

S = 1_000_000_000


async def test_what_goes_out_comes_back_in() -> None:
    """A route is copied from one Weft to another as GeoJSON."""
    yard = Yard()
    saved = await yard.books.routes.save(ALICE, "tour", road())
    assert await yard.books.routes.save(ALICE, "tour", document_of(saved)) == saved
    assert [one.dwell_max_s for one in saved.stops] == [None, 1800.0, None]
    assert saved.stops[0].radius_m == 150.0


LINE = road()["features"][0]


@pytest.mark.parametrize(
    ("document", "match"),
    [
        ({"type": "Feature"}, "A route is a FeatureCollection"),
        ({"type": "FeatureCollection", "features": [7]}, r"features\[0\] is no Feature"),
        ({"type": "FeatureCollection", "features": []}, "has 0 LineStrings"),
        ({"type": "FeatureCollection", "features": [LINE, LINE]}, "has 2 LineStrings"),
        ({"type": "FeatureCollection", "features": [LINE]}, "has no stop"),
        (road(stop("a", 12.1, 51.0, 5, 2)), "is left before it is reached"),
        (road(stop("a", 12.1, 51.0, 0, 9), stop("b", 12.2, 51.0, 5, 9)), "'b' is left before"),
        (road(stop("a", 12.1, 51.0, 0, 0), stop("a", 12.2, 51.0, 1, 1)), "Two stops have one"),
        (road(stop("a", 12.1, 51.0, -1, 0)), r"features\[1\]: arrive_s is no number"),
        (road(stop("a", 12.1, 51.0, 0, 0, radius_m=1e9)), "radius_m is no number from 0"),
        (road(stop("a", 12.1, 51.0, 0, 0, radius_m=0)), "less than a metre"),
        (road(stop("a", 12.1, 51.0, 0, 0, dwell_max_s="long")), "dwell_max_s is no number"),
        (road({"type": "Feature", "geometry": {"type": "Polygon"}}), "Point with coordinates"),
        (
            road({"type": "Feature", "geometry": {"type": "Point", "coordinates": [12.1, 51]}}),
            "The stop has no name",
        ),
        (road(*[stop(f"s{n}", 12.1, 51, n, n) for n in range(STOPS_MAX + 1)]), "more than 100"),
    ],
)
def test_a_route_that_cannot_be_driven_is_refused(document: dict[str, Any], match: str) -> None:
    """With what to change."""
    with pytest.raises(Invalid, match=match) as caught:
        read_route(document)
    assert caught.value.remedy


async def test_a_route_beneath_a_trip_is_not_deleted() -> None:
    """The trip goes first."""
    yard = await fleet()
    await yard.books.trips.create(ALICE, NewTrip("monday", "tour", 0, 9 * S, device_id="truck-1"))
    with pytest.raises(Conflict, match="'monday' follows the route 'tour'"):
        await yard.books.routes.delete(ALICE, "tour")
    await yard.books.trips.delete(ALICE, "monday")
    await yard.books.routes.delete(ALICE, "tour")
