"""Fleet: where devices are now, looked at from above, near ones drawn together.

A device is where its newest telemetry says: by the keys that its asset names for it, else
`latitude` and `longitude` (or `lat` and `lon`); where it measures none, by attributes of those
names. Degrees, WGS 84. A message costs nothing here: devices that were heard of are looked up
when somebody looks at the map, some at a time, so that nobody waits for them.
"""

import asyncio
from collections.abc import Iterator, Mapping
from typing import Any, Final

from weft.model.asset import AttachmentRole
from weft.model.device import Device
from weft.model.ids import DeviceId, TenantId
from weft.model.twin import Latest
from weft.registry.assets import Assets
from weft.registry.attachments import Attachments
from weft.registry.devices import Devices
from weft.twins.plane import Marks, Place, Plane, View
from weft.twins.twins import Twins

KEYS: Final = (("latitude", "longitude"), ("lat", "lon"), ("lat", "lng"))
LOOKED_UP_AT_ONCE: Final = 250  # devices: below a millisecond of the loop


class Fleet:
    """The map of all tenants: asked by whoever draws one."""

    def __init__(
        self, twins: Twins, devices: Devices, assets: Assets, attachments: Attachments
    ) -> None:
        self._twins = twins
        self._devices = devices
        self._assets = assets
        self._attachments = attachments
        self._planes: dict[TenantId, Plane] = {}
        self._due: dict[TenantId, set[DeviceId]] = {}
        devices.on_change(lambda change: self._changed(change.device))
        attachments.on_change(
            lambda change: self._due_again(change.attachment.tenant, change.attachment.device_id)
        )

    async def refresh(self, tenant: TenantId) -> None:
        """Look up the devices that were heard of since the last time."""
        for owner, name in self._twins.take_heard():
            self._due_again(owner, name)
        plane = self._planes.get(tenant)
        if plane is None:
            # Nobody has looked before: all of them, and only now.
            plane = self._planes[tenant] = Plane()
            self._due[tenant] = {one.device_id for one in self._all(tenant)}
        due = self._due.setdefault(tenant, set())
        # What is still due stays due: whoever is cut off in between leaves the rest to the next,
        # and who looks meanwhile works at the same rest until nothing of it is left.
        while due:
            names = [due.pop() for _ in range(min(len(due), LOOKED_UP_AT_ONCE))]
            self._look_up(plane, tenant, names)
            await asyncio.sleep(0)

    def marks(self, tenant: TenantId, view: View, *, limit: int) -> Marks:
        """Return at most `limit` marks of a view, from what `refresh` has looked up."""
        plane = self._planes.get(tenant)
        return Marks([], view.zoom, 0) if plane is None else plane.marks(view, limit=limit)

    def list_places(
        self, tenant: TenantId, view: View, *, after: str = "", limit: int = 100
    ) -> list[Place]:
        """Return some devices of a view in the order of their names."""
        plane = self._planes.get(tenant)
        if plane is None:
            return []
        found: list[Place] = []
        for name, slot in plane.list_names(view, after=after, limit=limit):
            device = self._devices.find(tenant, name)
            if device is not None:
                _, _, longitude, latitude = plane.columns[:, slot].tolist()
                found.append(Place(device, latitude, longitude, int(plane.at[slot])))
        return found

    def find_place(self, device: Device) -> Place | None:
        """Return where one device is, or None where nothing says so."""
        telemetry = self._twins.telemetry(device.tenant, device.device_id)
        for keys in (*self._keys_of(device), *KEYS):
            place = _measured(device, telemetry, keys)
            if place is not None:
                return place
        for north, east in KEYS if device.attributes else ():
            entered = _degrees(device.attributes.get(north), device.attributes.get(east))
            if entered is not None:
                return Place(device, *entered, 0)
        return None

    def _changed(self, device: Device) -> None:
        self._due_again(device.tenant, device.device_id)

    def _due_again(self, tenant: TenantId, name: DeviceId) -> None:
        # Of a tenant whose map nobody has looked at there is nothing to keep.
        if tenant in self._planes:
            self._due.setdefault(tenant, set()).add(name)

    def _all(self, tenant: TenantId) -> Iterator[Device]:
        after = ""
        while page := self._devices.behind(tenant, after, 1_000):
            yield from page
            after = page[-1].device_id

    def _look_up(self, plane: Plane, tenant: TenantId, names: list[DeviceId]) -> None:
        found: list[Place] = []
        for name in names:
            device = self._devices.find(tenant, name)
            place = None if device is None else self.find_place(device)
            if place is None:
                plane.drop(name)
            else:
                found.append(place)
        if found:
            plane.put(found)

    def _keys_of(self, device: Device) -> Iterator[tuple[str, str]]:
        for attachment in self._attachments.of_device(device.uid):
            asset = self._assets.find_uid(attachment.asset_uid)
            if (
                attachment.role is AttachmentRole.OBSERVES
                and asset is not None
                and asset.position_keys is not None
            ):
                yield asset.position_keys.latitude, asset.position_keys.longitude


def _measured(
    device: Device, telemetry: Mapping[str, Latest], keys: tuple[str, str]
) -> Place | None:
    north, east = telemetry.get(keys[0]), telemetry.get(keys[1])
    if north is None or east is None:
        return None
    found = _degrees(north.value, east.value)
    return None if found is None else Place(device, *found, min(north.at, east.at))


def _degrees(north: Any, east: Any) -> tuple[float, float] | None:
    """Return a place on Earth, or None for what is none."""
    for value, most in ((north, 90), (east, 180)):
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        if not -most <= value <= most:
            return None
    return float(north), float(east)
