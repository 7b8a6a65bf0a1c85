"""Assets: the business objects that devices observe or steer; they never connect.

A plant's assets stand in a tree (site, area, line, machine), are related across it (a tank
feeds a line), and have devices attached to them for a time. Which device told of an asset at
a moment is never forgotten when the device moves on.
"""

from enum import StrEnum
from typing import Any, Final

from msgspec import Struct, field

from weft.model.ids import AssetId, AssetUid, DeviceId, DeviceUid, TenantId

# Kinds are free words; these are what most plants, fleets and buildings begin with.
KNOWN_KINDS: Final = (
    "site",
    "area",
    "building",
    "room",
    "line",
    "machine",
    "tank",
    "meter",
    "vehicle",
    "trailer",
)
DEPTH_MAX: Final = 16  # from a root to the lowest of its assets


class Position(Struct, frozen=True):
    """Where something stood at a moment (WGS 84, degrees; metres above the ellipsoid)."""

    latitude: float
    longitude: float
    altitude_m: float | None = None
    at: int = 0  # ns


class PositionKeys(Struct, frozen=True, forbid_unknown_fields=True):
    """Telemetry keys of the attached devices that say where an asset is."""

    latitude: str = "latitude"
    longitude: str = "longitude"
    altitude: str = ""  # none where nothing is said


class Asset(Struct, frozen=True):
    """A business object."""

    tenant: TenantId
    asset_id: AssetId
    uid: AssetUid
    kind: str
    created_at: int
    label: str = ""
    parent: AssetId | None = None
    attributes: dict[str, Any] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    position: Position | None = None  # as somebody entered it
    position_keys: PositionKeys | None = None  # asked first; the entered one where they are silent
    version: int = 1


class AttachmentRole(StrEnum):
    """What a device is to an asset. A device has each role for one asset at a time."""

    OBSERVES = "observes"
    STEERS = "steers"


class Attachment(Struct, frozen=True):
    """A device at an asset, from one moment until before another."""

    tenant: TenantId
    device_id: DeviceId
    device_uid: DeviceUid
    asset_id: AssetId
    asset_uid: AssetUid
    role: AttachmentRole
    from_at: int  # ns
    attached_by: str
    until_at: int | None = None  # None while it lasts
    detached_by: str = ""

    @property
    def key(self) -> str:
        """Sorts a device's attachments by age."""
        return f"{self.device_uid}/{self.from_at:020d}/{self.role.value}"

    def holds_at(self, at: int) -> bool:
        """Whether the device was at the asset at a moment."""
        return self.from_at <= at and (self.until_at is None or at < self.until_at)


class Relation(Struct, frozen=True):
    """A named edge from one asset to another: `source` feeds, tows or serves `target`."""

    tenant: TenantId
    name: str
    source: AssetId
    target: AssetId
    created_at: int
    created_by: str

    @property
    def key(self) -> str:
        """Names cannot hold a slash, so no two relations share a key."""
        return f"{self.source}/{self.name}/{self.target}"
