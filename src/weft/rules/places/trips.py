"""Trips: who follows which route, and when. They answer which journey a device is on.

A trip belongs to a device, or to an asset and so to whatever device was attached to it at
that moment. Of several that a device could be on, the one that began last counts.
"""

import builtins
from bisect import bisect_right
from collections.abc import Iterable
from typing import Any, Final

from msgspec import UNSET, Struct, UnsetType

from weft.errors import Invalid, NotFound
from weft.model.asset import Attachment
from weft.model.device import Device
from weft.model.ids import TenantId
from weft.model.principal import Principal
from weft.ports import Reader, Records
from weft.registry.assets import Assets
from weft.registry.attachments import AttachmentChange
from weft.registry.devices import Devices
from weft.registry.kinds import ATTACHMENTS
from weft.rules.feeds.base import NEVER, NS_PER_S
from weft.rules.places.book import Book, Given, Terms
from weft.rules.places.fences import Fences
from weft.rules.places.history import History
from weft.rules.places.kinds import TRIP_VERSIONS, TRIPS, Trip
from weft.rules.places.lookup import Found, Journey
from weft.rules.places.routes import Routes

LONGEST_NS: Final = 60 * 86_400 * NS_PER_S
_Key = tuple[TenantId, str]


class NewTrip(Struct, frozen=True):
    """A trip to be made: of a device or of an asset, not of both."""

    name: str
    route: str
    starts_at: int
    ends_at: int
    device_id: str | None = None
    asset_id: str | None = None
    label: str = ""


class TripPatch(Struct, frozen=True):
    """What may be changed of a trip; an earlier end ends it."""

    route: str | UnsetType = UNSET
    starts_at: int | UnsetType = UNSET
    ends_at: int | UnsetType = UNSET
    label: str | UnsetType = UNSET


class Stay(Struct, frozen=True):
    """A device at an asset."""

    asset_id: str
    from_at: int
    until_at: int


class Trips:
    """The trips of all tenants."""

    def __init__(self, given: Given, routes: Routes, devices: Devices, assets: Assets) -> None:
        self.book = Book(
            given,
            Terms(
                noun="trip",
                kind=TRIPS,
                versions=TRIP_VERSIONS,
                make=lambda one: one,
                weigh=lambda _one: 1,
            ),
        )
        self._records: Records = given.records
        self._routes = routes
        self._devices = devices
        self._assets = assets
        self._of: dict[tuple[str, _Key], set[str]] = {}  # ("device" | "asset", its id) -> trips
        self._stays: dict[_Key, builtins.list[Stay]] = {}
        self._stays_changed = 0

    async def load(self) -> None:
        """Read all trips, and where the devices of their assets have been."""
        await self.book.load()
        tenants = await self._records.read(lambda reader: list(reader.tenants(TRIPS)))
        for tenant in tenants:
            for history in self.book.all(tenant):
                await self._learn(history.newest)

    @property
    def changes(self) -> int:
        """How many times something has changed that an answer may depend on."""
        return self.book.changes + self._routes.book.changes + self._stays_changed

    # --- what is changed ---

    async def create(self, actor: Principal, new: NewTrip) -> Trip:
        """Make a trip; raise `AlreadyExists` for a name that is taken, `NotFound` for its parts."""
        if (new.device_id is None) == (new.asset_id is None):
            raise Invalid(
                "A trip is of a device or of an asset.",
                remedy="Give one of device_id and asset_id.",
            )
        if new.device_id is not None:
            self._devices.get(actor.tenant, new.device_id)
        if new.asset_id is not None:
            self._assets.get(actor.tenant, new.asset_id)
        fields = {
            "route": new.route,
            "starts_at": new.starts_at,
            "ends_at": new.ends_at,
            "device_id": new.device_id,
            "asset_id": new.asset_id,
            "label": new.label,
        }
        self._require_sound(actor.tenant, fields)
        trip = await self.book.save(actor, new.name, fields, new=True)
        await self._learn(trip)
        return trip

    async def patch(
        self, actor: Principal, name: str, patch: TripPatch, *, version: int | None = None
    ) -> Trip:
        """Change a trip; raise `StaleVersion` unless at `version`."""
        old = self.book.get(actor.tenant, name)
        changes = {
            key: value
            for key in patch.__struct_fields__
            if (value := getattr(patch, key)) is not UNSET
        }
        held = {key: getattr(old, key) for key in ("route", "starts_at", "ends_at")}
        self._require_sound(actor.tenant, {**held, **changes})
        return await self.book.save(actor, name, changes, version=version, new=False)

    async def delete(self, actor: Principal, name: str, *, version: int | None = None) -> None:
        """Delete a trip, as if it had never been; to end one, change its end."""
        trip = await self.book.delete(actor, name, version=version)
        names = self._of.get(_owner(trip))
        if names is not None:
            names.discard(name)

    def _require_sound(self, tenant: TenantId, fields: dict[str, Any]) -> None:
        if self._routes.book.find(tenant, fields["route"]) is None:
            raise NotFound(f"There is no route {fields['route']!r}.", remedy="See weft route list.")
        if not 0 < fields["ends_at"] - fields["starts_at"] <= LONGEST_NS:
            raise Invalid(
                "The trip ends before it starts, or lasts more than 60 days.",
                remedy="Give starts_at and ends_at; leave room for a delay.",
            )

    # --- what is remembered ---

    async def _learn(self, trip: Trip) -> None:
        self._of.setdefault(_owner(trip), set()).add(trip.name)
        asset = self._assets.find(trip.tenant, trip.asset_id) if trip.asset_id else None
        if asset is not None:
            where = ("asset", str(asset.uid))
            read = await self._records.read(lambda reader: _attachments(reader, trip.tenant, where))
            for attachment in read:
                self._take(attachment)

    def attachment_changed(self, change: AttachmentChange) -> None:
        """Take in that a device was attached or detached."""
        attachment = change.attachment
        if ("asset", (attachment.tenant, attachment.asset_id)) in self._of:
            self._take(attachment)

    def forget_device(self, device: Device) -> None:
        """Forget where a device has been that is deleted: a namesake has not been there."""
        if self._stays.pop((device.tenant, device.device_id), None):
            self._stays_changed += 1

    def _take(self, attachment: Attachment) -> None:
        until = NEVER if attachment.until_at is None else attachment.until_at
        made = Stay(attachment.asset_id, attachment.from_at, until)
        stays = self._stays.setdefault((attachment.tenant, attachment.device_id), [])
        same = (made.asset_id, made.from_at)
        stays[:] = [one for one in stays if (one.asset_id, one.from_at) != same]
        stays.append(made)
        self._stays_changed += 1

    # --- what is asked ---

    def journey(self, tenant: TenantId, device_id: str, at: int, received: int) -> Found:
        """Return the trip that a device is on at a moment, and how long that is the answer."""
        own = self._of.get(("device", (tenant, device_id)), set())
        candidates = [(history, 0, NEVER) for history in self._histories(tenant, own)]
        for stay in self._stays.get((tenant, device_id), ()):
            there = self._of.get(("asset", (tenant, stay.asset_id)), set())
            candidates += [
                (history, stay.from_at, stay.until_at) for history in self._histories(tenant, there)
            ]
        best: Trip | None = None
        edges, versions = {0, NEVER}, {0, NEVER}
        for history, since, until in candidates:
            versions.update(one.in_force_at for one in history.versions)
            trip = history.at(received)
            low, high = max(trip.starts_at, since), min(trip.ends_at, until)
            edges |= {low, high}
            later = best is None or (trip.starts_at, trip.name) > (best.starts_at, best.name)
            if low <= at < high and later:
                best = trip
        made = None
        if best is not None:
            route = self._routes.book.find(tenant, best.route)
            if route is not None:
                versions.update(one.in_force_at for one in route.versions)
                made = Journey(best, route.made_at(received))
        return Found(made, self.changes, *_between(edges, at), *_between(versions, received))

    def _histories(self, tenant: TenantId, names: Iterable[str]) -> builtins.list[History[Trip]]:
        found = [self.book.find(tenant, name) for name in sorted(names)]
        return [one for one in found if one is not None]


class Atlas:
    """All places, as the functions of rules ask for them (`lookup.Places`)."""

    def __init__(self, fences: Fences, routes: Routes, trips: Trips) -> None:
        self._fences = fences
        self._routes = routes
        self._trips = trips

    @property
    def changes(self) -> int:
        """How many times a trip, a route or an attachment has changed."""
        return self._trips.changes

    def shape(self, tenant: TenantId, name: str, received: int) -> Any:
        """Return the shape of a fence in force at a moment of receipt; None when there is none."""
        history = self._fences.book.find(tenant, name)
        return None if history is None else history.made_at(received)

    def journey(self, tenant: TenantId, device_id: str, at: int, received: int) -> Found:
        """Return the trip that a device is on at a moment."""
        return self._trips.journey(tenant, device_id, at, received)

    def fence_names(self, tenant: TenantId) -> builtins.list[str]:
        """Return the names of a tenant's fences."""
        return [history.newest.name for history in self._fences.book.all(tenant)]

    def stop_names(self, tenant: TenantId) -> builtins.list[str]:
        """Return the names of all stops of a tenant's routes."""
        routes = [history.newest for history in self._routes.book.all(tenant)]
        return sorted({stop.name for route in routes for stop in route.stops})


def _owner(trip: Trip) -> tuple[str, _Key]:
    if trip.device_id is not None:
        return "device", (trip.tenant, trip.device_id)
    return "asset", (trip.tenant, trip.asset_id or "")


def _between(edges: set[int], moment: int) -> tuple[int, int]:
    """Return the edges around a moment: up to it, and behind it."""
    ordered = sorted(edges)
    place = bisect_right(ordered, moment)
    return ordered[place - 1] if place else 0, ordered[place] if place < len(ordered) else NEVER


def _attachments(
    reader: Reader, tenant: TenantId, where: tuple[str, str]
) -> builtins.list[Attachment]:
    records = reader.list(ATTACHMENTS, tenant, where=where, limit=10_000)
    return [record.value for record in records]
