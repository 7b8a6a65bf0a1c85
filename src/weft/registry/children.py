"""Children: devices that a gateway speaks for, under the names that it calls them.

A gateway that may add devices introduces those it speaks of; they belong to it until an
operator says otherwise. A name of its own choosing never reaches a topic: the device's id
is made from it, and one that is taken by another device is never given away.
"""

import re
from hashlib import blake2b

from weft.errors import AlreadyExists, Forbidden
from weft.model.device import Device
from weft.model.ids import NAME_MAX_CHARACTERS
from weft.model.principal import Principal
from weft.ports import Deciding
from weft.registry.device_types import DeviceTypes
from weft.registry.devices import Devices, NewDevice
from weft.security.policy import require

_UNFIT = re.compile(r"[^A-Za-z0-9._:@~-]+")


class Children:
    """Adds the devices that a gateway introduces."""

    def __init__(self, devices: Devices, types: DeviceTypes, policy: Deciding) -> None:
        self._devices = devices
        self._types = types
        self._policy = policy

    async def introduce(self, gateway: Principal, alias: str, type_name: str = "") -> Device:
        """Return the device that a gateway calls `alias`, made now if there was none.

        A type that is not known is left out: what a foreign gateway calls one need not be
        ours. Raises `Forbidden` for a gateway that may not add devices, `QuotaExceeded` when
        the tenant has enough.
        """
        require(self._policy, gateway, "device.introduce", f"device:{gateway.id}")
        owner = self._devices.get(gateway.tenant, gateway.id)
        found = self._devices.find_child(owner, alias)
        if found is not None:
            return found
        if not owner.adds_children:
            raise Forbidden(
                f"The gateway {owner.device_id!r} may not add devices.",
                remedy=f"Allow it: weft device update {owner.device_id} --adds-children, or add "
                "the device yourself with this gateway.",
            )
        known = self._types.find(gateway.tenant, type_name) if type_name else None
        for name in _names(owner, alias):
            new = NewDevice(
                device_id=name,
                type_name=known.name if known else None,
                label=alias,
                gateway=owner.device_id,
                alias=alias,
            )
            try:
                return await self._devices.create(gateway, new)
            except AlreadyExists:
                found = self._devices.find_child(owner, alias)  # another message was faster
                if found is not None:
                    return found
        raise AlreadyExists(
            f"No id is free for the device that {owner.device_id!r} calls {alias!r}.",
            remedy="Add it yourself, with this gateway and alias.",
        )


def _names(gateway: Device, alias: str) -> list[str]:
    """Return the ids to try, the plainest first; the last is nobody else's."""
    plain = _UNFIT.sub("-", alias).strip("-._:@~")[:NAME_MAX_CHARACTERS]
    digest = blake2b(f"{gateway.uid}\x1f{alias}".encode(), digest_size=6).hexdigest()
    names = [plain] if plain and plain != "me" else []
    return [*names, f"{plain[: NAME_MAX_CHARACTERS - 13]}-{digest}" if plain else f"child-{digest}"]
