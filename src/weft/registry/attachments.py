"""Attachments: which device is at which asset, and where every device has been before.

A device has each role (observes, steers) for one asset at a time. Attaching it elsewhere
ends what was before at that very moment, so that any moment is answered by one asset or by
none. What has ended is kept: a trailer's tracks stay the trailer's when its tracker moves.
"""

import builtins
from collections.abc import Callable
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from weft.errors import Conflict, NotFound, QuotaExceeded
from weft.model.asset import Asset, Attachment, AttachmentRole
from weft.model.device import Device
from weft.model.ids import TenantId
from weft.model.moments import to_rfc3339
from weft.model.principal import Principal
from weft.ports import Clock, Reader, Records, Writer
from weft.registry.assets import AssetChange, Assets
from weft.registry.changes import Listeners
from weft.registry.devices import DeviceChange, Devices
from weft.registry.kinds import ASSETS, ATTACHMENTS, DEVICES
from weft.registry.listing import Part, Wanted, examine
from weft.security.audit import Audit

KEPT_PER_DEVICE: Final = 1_000  # the oldest that have ended are forgotten first
DEVICES_PER_ASSET: Final = 1_000
BY_DELETE: Final = "a delete"


class AttachmentChange(Struct, frozen=True):
    """An attachment that has begun, or one that has ended."""

    attachment: Attachment

    @property
    def attached(self) -> bool:
        """Whether it has begun."""
        return self.attachment.until_at is None


class Attachments:
    """The attachments of all devices; those that last are kept in memory as well."""

    def __init__(
        self, records: Records, audit: Audit, clock: Clock, devices: Devices, assets: Assets
    ) -> None:
        self._records = records
        self._audit = audit
        self._clock = clock
        self._devices = devices
        self._assets = assets
        self._of_device: dict[str, dict[AttachmentRole, Attachment]] = {}
        self._of_asset: dict[str, dict[tuple[str, AttachmentRole], Attachment]] = {}
        self._listeners: Listeners[AttachmentChange] = Listeners()
        devices.in_delete(self._device_goes)
        devices.on_change(self._device_changed)
        assets.in_delete(self._asset_goes)
        assets.on_change(self._asset_changed)

    def on_change(self, callback: Callable[[AttachmentChange], None]) -> None:
        """Call `callback` on the loop when a device was attached or detached by somebody."""
        self._listeners.add(callback)

    async def load(self) -> None:
        """Read the attachments that last; call once, at start."""
        for attachment in await self._records.read(_all_open):
            self._learn(attachment)

    # --- what is asked ---

    def of_device(self, device_uid: str) -> builtins.list[Attachment]:
        """Return where a device is attached now; first what it observes."""
        held = self._of_device.get(device_uid, {})
        return [held[role] for role in AttachmentRole if role in held]

    def of_asset(self, asset_uid: str) -> builtins.list[Attachment]:
        """Return what is attached to an asset now."""
        return list(self._of_asset.get(asset_uid, {}).values())

    async def list(
        self,
        tenant: TenantId,
        where: tuple[str, str],
        *,
        at: int | None = None,
        after: str = "",
        limit: int = 100,
    ) -> Part[Attachment]:
        """Return attachments by ("device", uid), newest first, or by ("asset", uid).

        With `at`, only those that held at that moment.
        """
        sieve = None if at is None else (lambda one: one.holds_at(at))
        wanted = Wanted(ATTACHMENTS, tenant, where, sieve, descending=where[0] == "device")
        return await self._records.read(
            lambda reader: examine(reader, wanted, after=after, limit=limit)
        )

    # --- what is changed ---

    async def attach(
        self,
        actor: Principal,
        device_id: str,
        role: AttachmentRole,
        asset_id: str,
        *,
        from_at: int | None = None,
    ) -> Attachment:
        """Attach a device from now on, or from a moment that has been; the same again is no change.

        Raises `Conflict` for a moment that is not behind all that is known of this role.
        """
        tenant = actor.tenant
        device = self._devices.get(tenant, device_id)
        asset = self._assets.get(tenant, asset_id)
        now = self._clock.now()

        def work(writer: Writer) -> tuple[Attachment | None, Attachment | None]:
            _require_there(writer, device, asset)
            newest = _newest(writer, device, role)
            lasting = newest if newest is not None and newest.until_at is None else None
            if lasting is not None and lasting.asset_uid == asset.uid and from_at is None:
                return None, None
            begin = _begin(newest, from_at, now)
            ended = None if lasting is None else _ended(writer, lasting, begin, str(actor))
            _require_room(writer, asset)
            made = Attachment(
                tenant=tenant,
                device_id=device.device_id,
                device_uid=device.uid,
                asset_id=asset.asset_id,
                asset_uid=asset.uid,
                role=role,
                from_at=begin,
                attached_by=str(actor),
            )
            writer.insert(ATTACHMENTS, tenant, made.key, made)
            _forget_oldest(writer, device)
            detail = {"asset": asset.asset_id, "role": role.value, "from": to_rfc3339(begin)}
            self._audit.entry(
                writer, actor, "device.attach", f"device:{device.device_id}", detail=detail
            )
            return ended, made

        ended, made = await self._records.write(work)
        if ended is not None:
            self._told(ended)
        if made is not None:
            self._told(made)
        return made or self._of_device[device.uid][role]

    async def detach(
        self, actor: Principal, device_id: str, role: AttachmentRole, *, at: int | None = None
    ) -> Attachment:
        """End an attachment now, or at a moment since it began; raise `NotFound` without one."""
        tenant = actor.tenant
        device = self._devices.get(tenant, device_id)
        now = self._clock.now()

        def work(writer: Writer) -> Attachment:
            newest = _newest(writer, device, role)
            if newest is None or newest.until_at is not None:
                raise NotFound(
                    f"{device_id!r} {role.value} nothing.",
                    remedy=f"See where it was: weft asset attachments {device_id}",
                )
            ended = _ended(writer, newest, _begin(newest, at, now), str(actor))
            detail = {"asset": newest.asset_id, "role": role.value}
            target = f"device:{device.device_id}"
            self._audit.entry(writer, actor, "device.detach", target, detail=detail)
            return ended

        ended = await self._records.write(work)
        self._told(ended)
        return ended

    # --- deletes ---

    def _device_goes(self, writer: Writer, device: Device) -> None:
        self._end_all(writer, device.tenant, ("device", device.uid))

    def _asset_goes(self, writer: Writer, _actor: Principal, asset: Asset) -> None:
        self._end_all(writer, asset.tenant, ("at", asset.uid))

    def _end_all(self, writer: Writer, tenant: TenantId, where: tuple[str, str]) -> None:
        now = self._clock.now()
        for record in writer.list(ATTACHMENTS, tenant, where=where, limit=10_000_000):
            lasting = record.value
            if lasting.until_at is None:
                _ended(writer, lasting, max(now, lasting.from_at + 1), BY_DELETE)

    def _device_changed(self, change: DeviceChange) -> None:
        if change.new is None:
            for attachment in self.of_device(change.device.uid):
                self._unlearn(attachment)

    def _asset_changed(self, change: AssetChange) -> None:
        if change.new is None:
            for attachment in self.of_asset(change.asset.uid):
                self._unlearn(attachment)

    # --- what is remembered ---

    def _told(self, attachment: Attachment) -> None:
        if attachment.until_at is None:
            self._learn(attachment)
        else:
            self._unlearn(attachment)
        self._listeners.tell(AttachmentChange(attachment))

    def _learn(self, attachment: Attachment) -> None:
        held = self._of_device.setdefault(attachment.device_uid, {})
        held[attachment.role] = attachment
        attached = self._of_asset.setdefault(attachment.asset_uid, {})
        attached[attachment.device_uid, attachment.role] = attachment

    def _unlearn(self, attachment: Attachment) -> None:
        held = self._of_device.get(attachment.device_uid, {})
        held.pop(attachment.role, None)
        attached = self._of_asset.get(attachment.asset_uid, {})
        attached.pop((attachment.device_uid, attachment.role), None)
        if not held:
            self._of_device.pop(attachment.device_uid, None)
        if not attached:
            self._of_asset.pop(attachment.asset_uid, None)


def _begin(newest: Attachment | None, asked: int | None, now: int) -> int:
    """Return the moment of a change: behind the begin of what lasts, not before the last end."""
    earliest = 0
    if newest is not None:
        earliest = newest.from_at + 1 if newest.until_at is None else newest.until_at
    if asked is None:
        return max(now, earliest)  # our own clock may have been set back
    if not earliest <= asked <= now:
        raise Conflict(
            f"{to_rfc3339(asked)} is not behind what is known, or it has not been yet.",
            remedy=f"Give a moment from {to_rfc3339(earliest)} until now."
            if earliest
            else "Give a moment that has been.",
        )
    return asked


def _newest(reader: Reader, device: Device, role: AttachmentRole) -> Attachment | None:
    where = ("device", device.uid)
    page = reader.list(
        ATTACHMENTS, device.tenant, where=where, limit=KEPT_PER_DEVICE + 1, descending=True
    )
    return next((one.value for one in page if one.value.role is role), None)


def _ended(writer: Writer, lasting: Attachment, at: int, by: str) -> Attachment:
    ended = replace(lasting, until_at=at, detached_by=by)
    writer.put(ATTACHMENTS, lasting.tenant, lasting.key, ended)
    return ended


def _forget_oldest(writer: Writer, device: Device) -> None:
    where = ("device", device.uid)
    excess = writer.count(ATTACHMENTS, device.tenant, where=where) - KEPT_PER_DEVICE
    if excess > 0:
        for record in writer.list(ATTACHMENTS, device.tenant, where=where, limit=excess + 2):
            if record.value.until_at is not None and excess > 0:
                writer.delete(ATTACHMENTS, device.tenant, record.key)
                excess -= 1


def _require_there(reader: Reader, device: Device, asset: Asset) -> None:
    """Raise `NotFound` if either has been deleted since it was looked up."""
    held = reader.find(DEVICES, device.tenant, device.device_id)
    if held is None or held.value.uid != device.uid:
        raise NotFound(f"There is no device {device.device_id!r}.", remedy="See weft device list.")
    stands = reader.find(ASSETS, asset.tenant, asset.asset_id)
    if stands is None or stands.value.uid != asset.uid:
        raise NotFound(f"There is no asset {asset.asset_id!r}.", remedy="See weft asset list.")


def _require_room(reader: Reader, asset: Asset) -> None:
    if reader.count(ATTACHMENTS, asset.tenant, where=("at", asset.uid)) >= DEVICES_PER_ASSET:
        raise QuotaExceeded(
            f"{DEVICES_PER_ASSET} devices are attached to {asset.asset_id!r}, as many as may be.",
            remedy="Attach them to what stands below it, where they really are.",
        )


def _all_open(reader: Reader) -> builtins.list[Attachment]:
    return [
        record.value
        for tenant in reader.tenants(ATTACHMENTS)
        for record in reader.list(ATTACHMENTS, tenant, where=("open", "yes"), limit=10_000_000)
    ]
