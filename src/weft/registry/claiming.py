"""Claiming: binding a device to its owner's tenant, by its serial and a one-time code.

A manufacturer or integrator provisions devices into a tenant of its own and makes a code for
each, which goes to the owner with the device: on its box, in the order. Who shows serial and
code takes the device. The tenant is part of every key, so nothing is re-labelled: in one
transaction the device ends where it was, with all that is kept of it, and a new one with a
uid of its own begins in the owner's tenant. Its secrets go along, so that it comes back by
itself and is the owner's; certificates and pre-shared keys name the old tenant and end.
History, twin and attributes stay with nobody. A gateway brings the devices behind it
(`moving.py`).

The key under which a code is kept is an HMAC of serial and code together, so an unknown
serial and a wrong code are the same look-up that finds nothing: neither words nor time tell
one from the other (AU-5). One code is one claim, whoever asks at once (PR-3). Making a code
is what releases a device: without one nobody can take it.
"""

import hashlib
import hmac
import os
from typing import Annotated, Final

from msgspec import Meta, Struct
from msgspec.structs import replace

from weft.errors import Conflict, NotFound
from weft.model.device import Device
from weft.model.ids import NAME_MAX_CHARACTERS, DeviceId, DeviceUid, TenantId
from weft.model.moments import NS_PER_S
from weft.model.principal import Principal
from weft.ports import Clock, Kind, Records, Writer
from weft.registry.devices import Devices
from weft.registry.kinds import DEVICES
from weft.registry.moving import OUT, Moved, Moving, Naming
from weft.registry.tenants import PLATFORM
from weft.security.audit import Audit
from weft.security.credentials import Credentials
from weft.security.throttle import Throttle

LIFE_S: Final = 30 * 86_400  # a box on its way to the site
LIFE_MAX_S: Final = 2 * 366 * 86_400
_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford: no I, L, O, U
_AS_READ: Final = str.maketrans("ILO", "110", " -")
_CHARACTERS: Final = 16  # 80 bits: throttled as it is, nobody guesses one
_SWEEP_PAGE: Final = 500


class ClaimCode(Struct, frozen=True):
    """That a device may be claimed. Holds no code; its key is an HMAC of serial and code."""

    tenant: TenantId
    device_id: DeviceId
    device_uid: DeviceUid
    expires_at: int
    used_at: int | None = None


class NewClaimCode(Struct, frozen=True, forbid_unknown_fields=True):
    """How long a code is good."""

    life_s: Annotated[int, Meta(ge=1, le=LIFE_MAX_S, description="30 days if left out.")] = LIFE_S


class IssuedCode(Struct, frozen=True):
    """A new code, shown this once."""

    device: Device
    code: str
    expires_at: int


class OwnerClaim(Struct, frozen=True, forbid_unknown_fields=True):
    """What an owner shows."""

    serial: Annotated[
        str,
        Meta(min_length=1, max_length=NAME_MAX_CHARACTERS, description="As on the device."),
    ]
    code: Annotated[str, Meta(min_length=1, max_length=64, description="As on the box.")]
    device_id: Annotated[
        str | None, Meta(description="What to call it here; its serial if left out.")
    ] = None
    prefix: Annotated[
        str,
        Meta(max_length=64, description="Before the names of the devices behind a gateway."),
    ] = ""


class Claimed(Struct, frozen=True):
    """A device in its owner's tenant, how many secrets still let it and those behind it in."""

    device: Device
    secrets: int
    children: int = 0  # that came with it


CLAIM_CODES: Final[Kind[ClaimCode]] = Kind(
    "claim_code", ClaimCode, index=lambda code: {"device": code.device_uid}
)


class _Wrong(Exception):
    """No such serial, not its code, or too late."""


class Claiming:
    """Makes codes, and moves devices to those who show them."""

    def __init__(
        self,
        records: Records,
        audit: Audit,
        clock: Clock,
        secret: tuple[bytes, Throttle],
        devices: Devices,
        credentials: Credentials,
    ) -> None:
        """`secret` is the pepper of codes, and what slows those who guess one."""
        self._records = records
        self._audit = audit
        self._clock = clock
        self._pepper, self._throttle = secret
        self._devices = devices
        self._moving = Moving(devices, credentials)

    async def make_code(
        self, actor: Principal, device_id: str, *, life_s: int = LIFE_S
    ) -> IssuedCode:
        """Release a device of the actor's tenant to whoever gets the code; one before it ends.

        Raises `NotFound`, or `Conflict` for a device that is revoked, decommissioned, or behind
        a gateway: that is released, with all that is behind it.
        """
        device = self._devices.get(actor.tenant, device_id)
        text = "".join(_ALPHABET[byte % 32] for byte in os.urandom(_CHARACTERS))
        expires_at = self._clock.now() + life_s * NS_PER_S
        made = ClaimCode(device.tenant, device.device_id, device.uid, expires_at)
        key = self._key(device.device_id, text)

        def work(writer: Writer) -> None:
            held = writer.find(DEVICES, device.tenant, device.device_id)
            if held is None or held.value.uid != device.uid:
                raise NotFound(f"There is no device {device_id!r}.")
            if held.value.lifecycle in OUT:
                raise Conflict(f"{device_id!r} cannot be claimed: it is {held.value.lifecycle}.")
            self._moving.require_movable(held.value)
            _forget_codes(writer, device)
            writer.insert(CLAIM_CODES, PLATFORM, key, made)
            self._audit.entry(writer, actor, "device.release", f"device:{device_id}")

        await self._records.write(work)
        return IssuedCode(device, "-".join(_groups(text)), expires_at)

    async def drop_code(self, actor: Principal, device_id: str) -> None:
        """End a device's code before it is used; raise `NotFound` where there is none."""
        device = self._devices.get(actor.tenant, device_id)

        def work(writer: Writer) -> None:
            if not _forget_codes(writer, device):
                raise NotFound(f"The device {device_id!r} has no claim code.")
            self._audit.entry(writer, actor, "device.keep", f"device:{device_id}")

        await self._records.write(work)

    async def claim(self, actor: Principal, shown: OwnerClaim, address: str) -> Claimed:
        """Move the device of a serial and code into the actor's tenant.

        Raises `RateLimited` when too much was tried; `NotFound` for a serial that is unknown, a
        code that is wrong or too old, in the same words; `Conflict` for one that was claimed,
        or that is behind a gateway by now;
        `AlreadyExists` and `QuotaExceeded` as when a device is made.
        """
        account = f"claim:{shown.serial}"
        self._throttle.begin(account, address)
        try:
            done = await self._records.write(lambda writer: self._work(writer, actor, shown))
        except _Wrong:
            await self._audit.record(
                actor, "device.claim", f"device:{shown.serial}", outcome="denied"
            )
            raise NotFound(
                "No device waits for this serial and code.",
                remedy="Compare both with what came with the device; codes end, and are good once.",
            ) from None
        self._throttle.succeeded(account, address)
        self._moving.told(done)
        await self._moving.forget(done)
        return Claimed(done.device, len(done.secrets), len(done.pairs) - 1)

    async def sweep(self) -> int:
        """Forget codes whose time is over; return how many."""
        now, after, forgotten = self._clock.now(), "", 0

        while True:
            start = after

            def work(writer: Writer, start: str = start) -> tuple[int, str, bool]:
                page = writer.list(CLAIM_CODES, PLATFORM, after=start, limit=_SWEEP_PAGE)
                old = [one.key for one in page if one.value.expires_at <= now]
                for key in old:
                    writer.delete(CLAIM_CODES, PLATFORM, key)
                return len(old), page[-1].key if page else "", len(page) == _SWEEP_PAGE

            count, after, more = await self._records.write(work)
            forgotten += count
            if not more:
                return forgotten

    def _work(self, writer: Writer, actor: Principal, shown: OwnerClaim) -> Moved:
        now = self._clock.now()
        stored = writer.find(CLAIM_CODES, PLATFORM, self._key(shown.serial, shown.code))
        if stored is None or stored.value.expires_at <= now:
            raise _Wrong
        code = stored.value
        if code.used_at is not None or code.tenant == actor.tenant:
            raise Conflict(
                "The device was claimed already.",
                remedy="Ask whoever gave you the code for a new one.",
            )
        held = writer.find(DEVICES, code.tenant, code.device_id)
        if held is None or held.value.uid != code.device_uid or held.value.lifecycle in OUT:
            raise _Wrong
        self._moving.require_movable(held.value)
        naming = Naming(shown.device_id, shown.prefix)
        moved = self._moving.move_in(writer, actor, held.value, naming)
        used = replace(code, used_at=now)
        writer.put(CLAIM_CODES, PLATFORM, stored.key, used, version=stored.version)
        detail = {"uid": moved.device.uid, "children": len(moved.pairs) - 1}
        target = f"device:{moved.device.device_id}"
        self._audit.entry(writer, actor, "device.claim", target, detail=detail)
        return moved

    def _key(self, serial: str, code: str) -> str:
        read = code.upper().translate(_AS_READ)
        text = f"claim-code\x1f{serial}\x1f{read}"
        return hmac.digest(self._pepper, text.encode(), hashlib.sha256).hex()


def _groups(text: str) -> list[str]:
    return [text[start : start + 4] for start in range(0, len(text), 4)]


def _forget_codes(writer: Writer, device: Device) -> int:
    held = writer.list(CLAIM_CODES, PLATFORM, where=("device", device.uid), limit=10)
    for record in held:
        writer.delete(CLAIM_CODES, PLATFORM, record.key)
    return len(held)


__all__ = ["CLAIM_CODES", "Claimed", "Claiming", "IssuedCode", "NewClaimCode", "OwnerClaim"]
