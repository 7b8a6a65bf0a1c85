"""All books of places together, wired to devices, assets and attachments."""

from dataclasses import dataclass

from weft.registry.assets import Assets
from weft.registry.attachments import Attachments
from weft.registry.devices import DeviceChange, Devices
from weft.rules.places.book import Given
from weft.rules.places.fences import Fences
from weft.rules.places.routes import Routes
from weft.rules.places.trips import Atlas, Trips


@dataclass(frozen=True)
class PlaceBooks:
    """Fences, routes and trips, and the atlas in which rules look them up."""

    fences: Fences
    routes: Routes
    trips: Trips
    atlas: Atlas

    async def load(self) -> None:
        """Read all; call once, before the engine evaluates the first message."""
        await self.fences.book.load()
        await self.routes.book.load()
        await self.trips.load()


def make_places(
    given: Given, devices: Devices, assets: Assets, attachments: Attachments
) -> PlaceBooks:
    """Make the books; they are told of devices that go and of attachments that change."""
    fences, routes = Fences(given), Routes(given)
    trips = Trips(given, routes, devices, assets)

    def device_changed(change: DeviceChange) -> None:
        if change.new is None:
            trips.forget_device(change.device)

    attachments.on_change(trips.attachment_changed)
    devices.on_change(device_changed)
    return PlaceBooks(fences, routes, trips, Atlas(fences, routes, trips))
