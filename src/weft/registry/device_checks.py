"""What a device must be before it is kept: its name, label, type, and room for it."""

from typing import Final

from msgspec import UNSET
from msgspec.structs import replace

from weft.errors import AlreadyExists, Invalid, NotFound, QuotaExceeded, TooLarge
from weft.model.device import Device
from weft.model.ids import TenantId, require_name
from weft.ports import Reader
from weft.registry.attributes import merged, require_attributes
from weft.registry.device_documents import DevicePatch
from weft.registry.kinds import DEVICES, TOMBSTONES, TYPES
from weft.registry.tags import require_tags
from weft.registry.tenants import quotas_of

LABEL_MAX_CHARACTERS: Final = 256
_PATHS: Final = frozenset({"export", "import"})  # below /devices


def require_room(reader: Reader, tenant: TenantId, *, more: int = 1) -> None:
    """Raise `QuotaExceeded` unless a tenant may have so many devices more."""
    allowed = quotas_of(reader, tenant).devices
    if reader.count(DEVICES, tenant) + more > allowed:
        raise QuotaExceeded(
            f"The tenant may have {allowed} devices, as many as its quota allows.",
            remedy="Delete devices that are out of use, or raise the quota.",
        )


def patched(reader: Reader, old: Device, patch: DevicePatch) -> Device:
    """Return a device as a patch makes it; its place under a gateway stays."""
    new = old
    if patch.label is not UNSET:
        new = replace(new, label=require_label(patch.label))
    if patch.attributes is not UNSET:
        attributes = require_attributes(merged(old.attributes, patch.attributes))
        new = replace(new, attributes=attributes)
    if patch.type_name is not UNSET:
        began = require_type(reader, old.tenant, patch.type_name)
        if patch.type_name == old.type_name:  # the same again is no migration
            began = old.type_version
        new = replace(new, type_name=patch.type_name, type_version=began)
    if patch.adds_children is not UNSET:
        new = replace(new, adds_children=patch.adds_children)
    if patch.tags is not UNSET:
        new = replace(new, tags=require_tags(patch.tags))
    return new


def device_not_found(device_id: str) -> NotFound:
    """Return the error for a device that is not there."""
    return NotFound(f"There is no device {device_id!r}.", remedy="See weft device list.")


def require_device_id(name: str) -> str:
    """Return the name if a device may bear it, else raise `Invalid`."""
    if name in _PATHS:
        raise Invalid(
            f"{name!r} cannot be a device id: the API has something else at that path.",
            remedy="Choose another name.",
        )
    if name == "me":
        raise Invalid(
            "'me' cannot be a device id: in a topic it stands for the device that speaks.",
            remedy="Choose another name.",
        )
    return require_name(name, "device id")


def require_label(label: str) -> str:
    """Return the label if it fits, else raise `TooLarge`."""
    if len(label) > LABEL_MAX_CHARACTERS:
        raise TooLarge(
            f"The label has {len(label)} characters; at most {LABEL_MAX_CHARACTERS} fit.",
            remedy="Keep long text in an attribute.",
        )
    return label


def require_type(reader: Reader, tenant: TenantId, name: str | None) -> int | None:
    """Return the version of the type with which a device begins, or raise `NotFound`."""
    if name is None:
        return None
    found = reader.find(TYPES, tenant, name)
    if found is None:
        raise NotFound(
            f"There is no device type {name!r}.",
            remedy="Save it first (weft type save), or make the device without a type.",
        )
    return found.value.version


def require_forgotten(reader: Reader, tenant: TenantId, name: str) -> None:
    """Refuse a name while what is kept of its last bearer is being deleted by that name."""
    for record in reader.list(TOMBSTONES, tenant, where=("forgotten", "no"), limit=100_000):
        device = record.value.device
        if device is not None and device.device_id == name:
            raise AlreadyExists(
                f"The device {name!r} that was deleted is still being forgotten.",
                remedy="Try again in a minute; if it lasts, see the log of Weft for the reason.",
            )
