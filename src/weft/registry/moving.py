"""Moving: a device, with what is behind it, out of one tenant and into another.

A gateway and the devices that it speaks for are one thing to who buys it, so they change
hands together: all of them in one transaction, or none. Each ends where it was and begins
anew, as `claiming.py` tells; what the gateway calls it stays. A device behind a gateway does
not move by itself: its gateway would go on speaking for it out of another tenant.
"""

from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from weft.errors import AlreadyExists, Conflict
from weft.model.device import Device, Lifecycle
from weft.model.principal import Principal, PrincipalKind
from weft.ports import Reader, Writer
from weft.registry.device_checks import require_room
from weft.registry.devices import Devices, NewDevice
from weft.registry.kinds import DEVICES, TYPES
from weft.security.credential_records import DeviceCredential
from weft.security.credentials import Credentials

CHILDREN_MAX: Final = 500  # in one transaction, and forgotten one after the other
OUT: Final = frozenset({Lifecycle.REVOKED, Lifecycle.DECOMMISSIONED})
_NAMED_MAX: Final = 5  # names in an error


class Naming(Struct, frozen=True):
    """What to call them where they come: a device's own name where it is None."""

    device_id: str | None = None
    prefix: str = ""  # before the names of what is behind it


class Moved(Struct, frozen=True):
    """What a transaction did: each device before and after, the one that was claimed first."""

    pairs: list[tuple[Device, Device]]
    secrets: list[DeviceCredential]

    @property
    def device(self) -> Device:
        """The one that was claimed, as it is now."""
        return self.pairs[0][1]


class Moving:
    """Moves devices between tenants."""

    def __init__(self, devices: Devices, credentials: Credentials) -> None:
        self._devices = devices
        self._credentials = credentials

    def require_movable(self, device: Device) -> None:
        """Raise `Conflict` for a device that goes with its gateway only, or with too many."""
        name = device.device_id
        gateway = self._devices.find_uid(device.gateway)
        if gateway is not None:
            raise Conflict(
                f"{name!r} cannot be claimed by itself: it is behind the gateway "
                f"{gateway.device_id!r}, and moves with it.",
                remedy=f"Release {gateway.device_id!r}, or free {name!r} of it first.",
            )
        behind = len(self._children_of(device))
        if behind > CHILDREN_MAX:
            raise Conflict(
                f"{name!r} cannot be claimed: {behind} devices are behind it, and at most "
                f"{CHILDREN_MAX} move at once.",
                remedy="Free those that stay of their gateway, or delete them, first.",
            )

    def move_in(self, writer: Writer, actor: Principal, old: Device, naming: Naming) -> Moved:
        """Move a device and what is behind it into the actor's tenant, in this transaction.

        Raises `QuotaExceeded` where there is no room for all, and `AlreadyExists` for names
        that are taken. What is revoked or decommissioned stays where it is. Afterwards
        `told` and `forget` must be called.
        """
        children = [
            held.value
            for child in self._children_of(old)
            if (held := writer.find(DEVICES, old.tenant, child.device_id)) is not None
            and held.value.uid == child.uid
            and held.value.gateway == old.uid
            and held.value.lifecycle not in OUT
        ]
        require_room(writer, actor.tenant, more=1 + len(children))
        _require_free(writer, actor, children, naming.prefix)
        name = naming.device_id or old.device_id
        new = self._devices.insert_in(writer, actor, self._anew(writer, actor, old, name))
        pairs = [(old, new)]
        for child in children:
            anew = self._anew(writer, actor, child, naming.prefix + child.device_id)
            placed = replace(anew, gateway=new.uid, alias=child.alias)
            pairs.append((child, self._devices.insert_in(writer, actor, placed)))
        secrets: list[DeviceCredential] = []
        giver = Principal(old.tenant, PrincipalKind.SYSTEM, "weft", "system")
        for before, after in pairs:
            secrets += self._credentials.rebind_in(writer, before, after)
            self._devices.delete_in(writer, giver, before, reason="claimed by its owner")
        return Moved(pairs, secrets)

    def told(self, moved: Moved) -> None:
        """Take note of a move that is on disk: nobody finds a device in both tenants, or none."""
        for old, _ in moved.pairs:
            self._devices.told(old, None)
        for secret in moved.secrets:
            self._credentials.learn(secret)
        for _, new in moved.pairs:
            self._devices.told(None, new)

    async def forget(self, moved: Moved) -> None:
        """Have all that is kept of them where they were forgotten; `told` comes first."""
        for old, _ in moved.pairs:
            await self._devices.forget(old)

    def _children_of(self, device: Device) -> list[Device]:
        held = self._devices.children_of(device)
        return [child for child in held if child.lifecycle not in OUT]

    def _anew(self, reader: Reader, actor: Principal, old: Device, name: str) -> Device:
        """Return the owner's device: of the same type where the owner has one of that name."""
        known = old.type_name and reader.find(TYPES, actor.tenant, old.type_name)
        new = NewDevice(
            device_id=name,
            type_name=old.type_name if known else None,
            label=old.label,
            adds_children=old.adds_children,
        )
        return self._devices.prepare(actor.tenant, new)


def _require_free(reader: Reader, actor: Principal, children: list[Device], prefix: str) -> None:
    names = [prefix + child.device_id for child in children]
    taken = [name for name in names if reader.find(DEVICES, actor.tenant, name) is not None]
    if taken:
        shown = ", ".join(map(repr, taken[:_NAMED_MAX])) + (", …" if taken[_NAMED_MAX:] else "")
        raise AlreadyExists(
            f"The gateway brings devices of names that you have already: {shown}.",
            remedy="Claim it with a prefix for the names of its devices, as: --prefix north-",
        )


__all__ = ["CHILDREN_MAX", "Moved", "Moving", "Naming"]
