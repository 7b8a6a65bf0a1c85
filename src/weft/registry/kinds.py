"""Kinds: how the registry's records are keyed and by what they are found."""

from typing import Final

from msgspec import Struct

from weft.model.asset import Asset, Attachment, Relation
from weft.model.device import Device, DeviceType
from weft.model.ids import DeviceUid
from weft.ports import Kind


class Tombstone(Struct, frozen=True):
    """What stays of a deleted device, for ever: its uid, and the device until all forgot it."""

    uid: DeviceUid
    deleted_at: int
    device: Device | None


def _device_index(device: Device) -> dict[str, str]:
    return {"type": device.type_name or "", "lifecycle": device.lifecycle.value}


def _tombstone_index(tombstone: Tombstone) -> dict[str, str]:
    return {"forgotten": "no" if tombstone.device else "yes"}


def _asset_index(asset: Asset) -> dict[str, str]:
    return {"parent": asset.parent or "", "kind": asset.kind}


def _attachment_index(attachment: Attachment) -> dict[str, str]:
    lasts = attachment.until_at is None
    return {
        "device": attachment.device_uid,
        "asset": attachment.asset_uid,
        "open": "yes" if lasts else "no",
        "at": attachment.asset_uid if lasts else "",
    }


# Devices by name, and what is left of deleted ones by uid.
DEVICES: Final = Kind("device", Device, _device_index)
TOMBSTONES: Final = Kind("device_tombstone", Tombstone, _tombstone_index)

# The current version of a type by name, and every version there ever was by name/number.
TYPES: Final = Kind("device_type", DeviceType)
TYPE_VERSIONS: Final = Kind("device_type_version", DeviceType, lambda value: {"name": value.name})

# Assets by name, found by what they stand below; `parent` is empty for the roots.
ASSETS: Final = Kind("asset", Asset, _asset_index)
ATTACHMENTS: Final = Kind("asset_attachment", Attachment, _attachment_index)
RELATIONS: Final = Kind(
    "asset_relation", Relation, lambda value: {"from": value.source, "to": value.target}
)
