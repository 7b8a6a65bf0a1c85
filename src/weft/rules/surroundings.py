"""What the evaluation of rules looks up and never changes: devices, types, what was reported.

Rules run live, after a crash and over last month's journal in the same surroundings; the
registry's services fit the two protocols as they are.
"""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from msgspec import Struct

from weft.model.device import Device, DeviceType
from weft.model.ids import DeviceId, TenantId


class DeviceFinder(Protocol):
    """What is asked of the registry's devices."""

    def find(self, tenant: TenantId, device_id: str) -> Device | None:
        """Return a device, or None."""
        ...

    def behind(self, tenant: TenantId, after: str, limit: int) -> list[Device]:
        """Return devices in the order of their ids, those behind `after`, from memory."""
        ...


class TypeFinder(Protocol):
    """What is asked of the registry's device types."""

    def find(self, tenant: TenantId, name: str, version: int | None = None) -> DeviceType | None:
        """Return a type at a version (None: the current one), or None."""
        ...

    def followed_by(self, device: Device) -> DeviceType | None:
        """Return the version that a device follows, or None."""
        ...


Reported = Callable[[TenantId, DeviceId], Mapping[str, Any]]


class Surroundings(Struct, frozen=True, eq=False):
    """What the evaluation looks up and never changes."""

    devices: DeviceFinder
    types: TypeFinder
    # Asked once, when a device is first met: what it had reported before there were rules.
    reported: Reported | None = None
