"""Devices are found by type and state, tombstones by whether all forgot them."""

from weft.model.asset import Asset
from weft.model.device import Device, Lifecycle
from weft.model.ids import AssetId, AssetUid, DeviceId, DeviceUid, TenantId, TypeName
from weft.registry.kinds import (
    ASSETS,
    ATTACHMENTS,
    DEVICES,
    RELATIONS,
    TOMBSTONES,
    TYPE_VERSIONS,
    TYPES,
    Tombstone,
)

DEVICE = Device(
    TenantId("main"), DeviceId("p"), DeviceUid("u"), TypeName("pump"), Lifecycle.ACTIVE, 1
)


def test_a_device_is_found_by_type_and_state() -> None:
    """`weft device list --type pump` need not read all devices."""
    assert DEVICES.index(DEVICE) == {"type": "pump", "lifecycle": "active"}


def test_an_unfinished_delete_is_found_at_start() -> None:
    """A crash between commit and forgetting leaves a mark."""
    assert TOMBSTONES.index(Tombstone(DEVICE.uid, 1, DEVICE)) == {"forgotten": "no"}
    assert TOMBSTONES.index(Tombstone(DEVICE.uid, 1, None)) == {"forgotten": "yes"}


def test_an_asset_is_found_by_what_it_stands_below() -> None:
    """Children are listed by page; a root stands below the empty name."""
    asset = Asset(TenantId("main"), AssetId("north"), AssetUid("u"), "site", 1)
    assert ASSETS.index(asset) == {"parent": "", "kind": "site"}


def test_kinds_do_not_share_a_name() -> None:
    """Two kinds of one name would read each other's records."""
    names = [
        kind.name
        for kind in (DEVICES, TOMBSTONES, TYPES, TYPE_VERSIONS, ASSETS, ATTACHMENTS, RELATIONS)
    ]
    assert len(set(names)) == len(names)
