"""Devices as they are spoken of: what makes one, what changes one, and what has changed."""

from typing import Any, Final

from msgspec import UNSET, Struct, UnsetType

from weft.model.device import Device, Lifecycle

FIRST_STATES: Final = (Lifecycle.PENDING, Lifecycle.ACTIVE)


class NewDevice(Struct, frozen=True, forbid_unknown_fields=True):
    """What its owner says of a device; without a name it is named by a UUIDv7."""

    device_id: str | None = None
    type_name: str | None = None
    label: str = ""
    attributes: dict[str, Any] = {}
    lifecycle: Lifecycle = Lifecycle.ACTIVE
    gateway: str | None = None  # id of the device that speaks for it
    alias: str = ""  # what that gateway calls it; its id where nothing else is said
    adds_children: bool = False  # a gateway that may add the devices it speaks of
    tags: tuple[str, ...] = ()


class DevicePatch(Struct, frozen=True, forbid_unknown_fields=True):
    """What may be changed of a device; an attribute of None is removed (RFC 7396)."""

    label: str | UnsetType = UNSET
    attributes: dict[str, Any] | UnsetType = UNSET
    type_name: str | UnsetType | None = UNSET
    gateway: str | UnsetType | None = UNSET
    alias: str | UnsetType = UNSET
    adds_children: bool | UnsetType = UNSET
    tags: tuple[str, ...] | UnsetType = UNSET  # all of them: what is not named goes


class DeviceChange(Struct, frozen=True):
    """A device before and after: `old` None when made, `new` None when deleted."""

    old: Device | None
    new: Device | None

    @property
    def device(self) -> Device:
        """The device as it is, or as it last was."""
        device = self.new or self.old
        assert device is not None
        return device
