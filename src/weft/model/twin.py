"""Twins: our versioned view of a device; last telemetry and reported, desired properties."""

from typing import Any

from msgspec import Struct, field

from weft.model.ids import DeviceId, TenantId

Properties = dict[str, Any]


class Latest(Struct, frozen=True, array_like=True):
    """The newest value of one telemetry key and the moment it was measured (ns)."""

    value: Any
    at: int


class Stamp(Struct, frozen=True, array_like=True):
    """When a property was last said (ns), and by whom."""

    at: int
    by: str


Stamps = dict[str, Stamp]


class Twin(Struct, frozen=True):
    """The view of one device at one version."""

    tenant: TenantId
    device_id: DeviceId
    version: int
    reported: Properties = field(default_factory=dict)
    desired: Properties = field(default_factory=dict)
    desired_version: int = 0
    telemetry: dict[str, Latest] = field(default_factory=dict)
    last_seen_at: int = 0
    reported_stamps: Stamps = field(default_factory=dict)
    desired_stamps: Stamps = field(default_factory=dict)

    def delta(self) -> Properties:
        """Desired values that the device has not reported yet."""
        return {
            name: value for name, value in self.desired.items() if self.reported.get(name) != value
        }
