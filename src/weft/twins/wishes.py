"""Wishes: desired properties are checked against the device type before they are kept.

A wish that no device of the type could fulfil would be sent for ever: it is refused, with
the exact place. A device without a type can be wished anything that JSON can hold.
"""

import msgspec

from weft.errors import TooLarge
from weft.model.ids import DeviceId, TenantId
from weft.model.twin import Properties
from weft.registry.checking import require_values
from weft.registry.device_types import DeviceTypes
from weft.registry.devices import Devices
from weft.registry.documents import require_plain

DESIRED_MAX_BYTES = 64 * 1024  # of one device, as JSON: the delta has to fit into one packet


class Wishes:
    """Knows what may be wished of a device."""

    def __init__(self, devices: Devices, types: DeviceTypes) -> None:
        self._devices = devices
        self._types = types

    def require(self, tenant: TenantId, device_id: DeviceId, patch: Properties) -> None:
        """Raise `Invalid` at the first wish that is not as the device's type declares."""
        require_plain(patch, "desired")
        size = len(msgspec.json.encode(patch))
        if size > DESIRED_MAX_BYTES:
            raise TooLarge(
                f"The wishes take {size} bytes; at most {DESIRED_MAX_BYTES} fit.",
                remedy="Wish for an address from which the device fetches the rest.",
            )
        device = self._devices.find(tenant, device_id)
        type_ = self._types.followed_by(device) if device is not None else None
        if type_ is not None:
            of = f"type {type_.name}@{type_.version}"
            require_values(patch, type_.properties, "desired", of=of, patch=True)
