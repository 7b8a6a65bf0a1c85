"""Kinds: how the registry's records are keyed and by what they are found."""

from typing import Final

from msgspec import Struct

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


# Devices by name, and what is left of deleted ones by uid.
DEVICES: Final = Kind("device", Device, _device_index)
TOMBSTONES: Final = Kind("device_tombstone", Tombstone, _tombstone_index)

# The current version of a type by name, and every version there ever was by name/number.
TYPES: Final = Kind("device_type", DeviceType)
TYPE_VERSIONS: Final = Kind("device_type_version", DeviceType, lambda value: {"name": value.name})
