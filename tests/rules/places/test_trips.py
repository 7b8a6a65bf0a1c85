"""Trips: which journey a device is on at a moment, whoever asks and whenever."""

import pytest
from tests.registry.support import ALICE, MAIN, MALLORY, OTHER
from tests.rules.places.support import SQUARE, S, fleet, road, stop

from weft.errors import AlreadyExists, Invalid, NotFound
from weft.model.asset import AttachmentRole
from weft.registry.assets import NewAsset
from weft.rules.places.trips import NewTrip, TripPatch

NEVER_SEEN = 10**18


def on(name: str, start: int, end: int, **more: str) -> NewTrip:
    owner = more or {"device_id": "truck-1"}
    return NewTrip(name, "tour", start * S, end * S, **owner)  # type: ignore[arg-type]  # names


async def test_a_device_is_on_the_trip_of_its_time() -> None:
    """From its start until before its end; of two the one that began last counts."""
    yard = await fleet("truck-1", "truck-2")
    trips, atlas = yard.books.trips, yard.books.atlas
    await trips.create(ALICE, on("monday", 100, 200))
    await trips.create(ALICE, on("errand", 150, 160))

    def at(second: int, device: str = "truck-1") -> str | None:
        journey = atlas.journey(MAIN, device, second * S, NEVER_SEEN).journey
        return journey.trip.name if journey else None

    assert [at(second) for second in (99, 100, 149, 150, 159, 160, 199, 200)] == [
        None, "monday", "monday", "errand", "errand", "monday", "monday", None,
    ]  # fmt: skip
    assert at(120, "truck-2") is None
    assert atlas.journey(OTHER, "truck-1", 120 * S, NEVER_SEEN).journey is None


async def test_an_answer_says_how_long_it_holds() -> None:
    """Asking again within it gives the same; a change of anything ends it."""
    yard = await fleet()
    trips, atlas = yard.books.trips, yard.books.atlas
    await trips.create(ALICE, on("monday", 100, 200))
    found = atlas.journey(MAIN, "truck-1", 120 * S, 7)
    assert (found.from_at, found.until_at) == (100 * S, 200 * S)
    assert found.holds(atlas.changes, 199 * S, 7)
    assert not found.holds(atlas.changes, 200 * S, 7)
    await trips.patch(ALICE, "monday", TripPatch(ends_at=150 * S))
    assert not found.holds(atlas.changes, 120 * S, 7)


async def test_a_trip_that_is_ended_goes_on_for_older_messages() -> None:
    """What was received before the change is judged as it was."""
    yard = await fleet()
    await yard.books.trips.create(ALICE, on("monday", 100, 200))
    yard.clock.turn(10)
    changed = await yard.books.trips.patch(ALICE, "monday", TripPatch(ends_at=150 * S))
    atlas = yard.books.atlas
    assert atlas.journey(MAIN, "truck-1", 180 * S, changed.in_force_at - 1).journey is not None
    assert atlas.journey(MAIN, "truck-1", 180 * S, changed.in_force_at).journey is None
    again = (await yard.restarted()).books.atlas
    assert again.journey(MAIN, "truck-1", 180 * S, changed.in_force_at - 1).journey is not None


async def test_a_change_of_the_route_reaches_its_trips() -> None:
    """From the second on at which it is in force."""
    yard = await fleet()
    await yard.books.trips.create(ALICE, on("monday", 100, 200))
    yard.clock.turn(10)
    other = road(stop("end", 13.0, 51.0, 9, 9))
    changed = await yard.books.routes.save(ALICE, "tour", other)
    for received, version in ((changed.in_force_at - 1, 1), (changed.in_force_at, 2)):
        journey = yard.books.atlas.journey(MAIN, "truck-1", 120 * S, received).journey
        assert journey is not None
        assert journey.plan.version == version


async def test_a_trip_of_an_asset_is_of_whatever_is_attached_then() -> None:
    """The tracker moves to another trailer in the middle; both halves are answered, for ever."""
    yard = await fleet("tracker-1", "tracker-2")
    registry, trips = yard.registry, yard.books.trips
    await registry.assets.create(ALICE, NewAsset("trailer", "trailer-9"))
    start = yard.clock.now()
    observes = AttachmentRole.OBSERVES
    await registry.attachments.attach(ALICE, "tracker-1", observes, "trailer-9")
    trip = NewTrip("monday", "tour", start, start + 1_000 * S, asset_id="trailer-9")
    await trips.create(ALICE, trip)
    yard.clock.turn(100)
    middle = yard.clock.now()
    await registry.attachments.detach(ALICE, "tracker-1", observes)
    await registry.attachments.attach(ALICE, "tracker-2", observes, "trailer-9")
    for books in (yard.books, (await yard.restarted()).books):
        names = [
            (device, moment)
            for device in ("tracker-1", "tracker-2")
            for moment in (start, middle - 1, middle + S)
            if books.atlas.journey(MAIN, device, moment, NEVER_SEEN).journey
        ]
        assert names == [
            ("tracker-1", start),
            ("tracker-1", middle - 1),
            ("tracker-2", middle + S),
        ]
    await registry.devices.delete(ALICE, "tracker-2")
    assert yard.books.atlas.journey(MAIN, "tracker-2", middle + S, NEVER_SEEN).journey is None


async def test_a_trip_that_cannot_be_is_refused() -> None:
    """Of nobody, of two, along nothing, backwards, for a year, of a stranger, twice."""
    yard = await fleet()
    trips = yard.books.trips
    for new, error in (
        (NewTrip("a", "tour", 0, S), Invalid),
        (on("a", 0, 1, device_id="truck-1", asset_id="x"), Invalid),
        (on("a", 5, 5), Invalid),
        (on("a", 0, 90 * 86_400), Invalid),
        (NewTrip("a", "no", 0, S, device_id="truck-1"), NotFound),
        (on("a", 0, 1, device_id="nobody"), NotFound),
        (on("a", 0, 1, asset_id="nothing"), NotFound),
    ):
        with pytest.raises(error):
            await trips.create(ALICE, new)
    await trips.create(ALICE, on("a", 0, 1))
    with pytest.raises(AlreadyExists):
        await trips.create(ALICE, on("a", 0, 1))
    with pytest.raises(Invalid):
        await trips.patch(ALICE, "a", TripPatch(starts_at=2 * S))
    with pytest.raises(NotFound):
        await trips.create(MALLORY, on("b", 0, 1))
    await trips.delete(ALICE, "a")
    assert yard.books.atlas.journey(MAIN, "truck-1", 0, 1).journey is None


async def test_the_atlas_names_what_a_rule_may_name() -> None:
    """Of its own tenant."""
    yard = await fleet()
    await yard.books.fences.save(ALICE, "depot", SQUARE)
    atlas = yard.books.atlas
    assert atlas.fence_names(MAIN) == ["depot"]
    assert atlas.stop_names(MAIN) == ["depot", "end", "middle"]
    assert (atlas.fence_names(OTHER), atlas.stop_names(OTHER)) == ([], [])
    assert atlas.shape(MAIN, "depot", 0).inside(51.05, 12.05)
    assert atlas.shape(OTHER, "depot", 0) is None
