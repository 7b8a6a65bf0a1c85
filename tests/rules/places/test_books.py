"""All books together: told of devices and attachments, and read again at a start."""

from tests.registry.support import ALICE, MAIN
from tests.rules.places.support import SQUARE, S, fleet

from weft.rules.places.trips import NewTrip


async def test_a_start_knows_what_was_saved() -> None:
    """Fences, routes and trips, in one call."""
    yard = await fleet()
    await yard.books.fences.save(ALICE, "depot", SQUARE)
    await yard.books.trips.create(ALICE, NewTrip("t", "tour", 0, 9 * S, device_id="truck-1"))
    atlas = (await yard.restarted()).books.atlas
    assert atlas.fence_names(MAIN) == ["depot"]
    journey = atlas.journey(MAIN, "truck-1", S, 0).journey
    assert journey is not None
    assert journey.trip.name == "t"
