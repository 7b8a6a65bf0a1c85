"""Migration: devices go to another version of their type, when that would not break them.

Each is tried first: what it last reported and measured is decoded by the version that it is
to follow, exactly as the gate will do. One whose values would be refused stays where it is and
is listed with the reason, unless it is moved by force. Done in parts with a cursor, so a fleet
of any size neither holds up the store nor is lost half-way: asking again goes on.
"""

from collections.abc import Sequence
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct, field
from msgspec.structs import replace

from weft.errors import Invalid, PayloadInvalid
from weft.ingest.decode import Decoders
from weft.model.device import Device, DeviceType
from weft.model.ids import DeviceId
from weft.model.message import Operation
from weft.model.principal import Principal
from weft.ports import Records, Writer
from weft.registry.device_types import DeviceTypes
from weft.registry.devices import Devices
from weft.registry.kinds import DEVICES
from weft.security.audit import Audit
from weft.twins.twins import Twins

AT_ONCE_MAX: Final = 1_000  # devices in one request: about 0.1 s of the loop


class Move(Struct, frozen=True, forbid_unknown_fields=True):
    """Which devices should go where."""

    to: Annotated[int, Meta(ge=1, lt=2**31, description="The version; the newest if left out.")] | (
        None
    ) = None
    since: (
        Annotated[int, Meta(ge=1, lt=2**31, description="Only devices that follow this version.")]
        | None
    ) = field(default=None, name="from")
    devices: Annotated[
        tuple[Annotated[str, Meta(max_length=128)], ...],
        Meta(max_length=AT_ONCE_MAX, description="Only these; all of the type if left out."),
    ] = ()
    dry_run: Annotated[bool, Meta(description="Try it, and change nothing.")] = False
    force: Annotated[bool, Meta(description="Also those whose last values would be refused.")] = (
        False
    )
    limit: Annotated[
        int, Meta(ge=1, le=AT_ONCE_MAX, description="How many are looked at in one request.")
    ] = AT_ONCE_MAX
    after: Annotated[
        str, Meta(max_length=128, description="`next` of the answer before, to go on.")
    ] = ""


class Failing(Struct, frozen=True):
    """A device whose last values the other version would refuse."""

    device_id: str
    follows: int
    reason: str


class Report(Struct, frozen=True):
    """What became of the devices that were looked at."""

    to: int
    dry_run: bool
    looked_at: int
    moved: int  # or would be, where it was only tried
    unchanged: int  # follow that version already, or another than the one asked for
    failing: list[Failing]
    next: str | None = None  # where to go on; None: all were looked at


class Migration:
    """Moves devices between the versions of their types."""

    def __init__(
        self, records: Records, audit: Audit, types: DeviceTypes, devices: Devices, twins: Twins
    ) -> None:
        self._records = records
        self._audit = audit
        self._types = types
        self._devices = devices
        self._twins = twins

    async def run(self, actor: Principal, name: str, move: Move) -> Report:
        """Look at the devices that are asked for, move those that may go, and report."""
        target = self._types.get(actor.tenant, name)
        if move.to is not None:
            target = self._types.get(actor.tenant, name, move.to)
        found, following = await self._chosen(actor, name, move)
        failing: list[Failing] = []
        going: list[Device] = []
        # What is tried has the type's own keys already: a mapping would look for the device's.
        decoders = Decoders(replace(target, mapping=None))
        for device in found:
            follows = self._types.followed_by(device)
            number = follows.version if follows else 0
            if number == self._reached(device, target) or move.since not in {None, number}:
                continue
            reason = self._refusal(decoders, device)
            if reason:
                failing.append(Failing(device.device_id, number, reason))
            if not reason or move.force:
                going.append(device)
        moved = going if move.dry_run else await self._move(actor, going, target)
        stuck = 0 if move.force else len(failing)
        return Report(
            to=target.version,
            dry_run=move.dry_run,
            looked_at=len(found),
            moved=len(moved),
            unchanged=len(found) - len(moved) - stuck,
            failing=failing,
            next=following,
        )

    async def _chosen(
        self, actor: Principal, name: str, move: Move
    ) -> tuple[Sequence[Device], str | None]:
        if move.devices:
            devices = [self._devices.get(actor.tenant, one) for one in dict.fromkeys(move.devices)]
            for device in devices:
                if device.type_name != name:
                    raise Invalid(
                        f"Device {device.device_id!r} is of type {device.type_name!r}.",
                        remedy=f"Name devices of type {name!r} only.",
                    )
            return devices, None
        found = await self._devices.list(
            actor.tenant, type_name=name, after=move.after, limit=move.limit + 1
        )
        if len(found) <= move.limit:
            return found, None
        return found[: move.limit], found[move.limit - 1].device_id

    def _reached(self, device: Device, target: DeviceType) -> int:
        """Return the version that a device would follow if it began at the target."""
        reached = self._types.followed_by(replace(device, type_version=target.version))
        return reached.version if reached else target.version

    def _refusal(self, decoders: Decoders, device: Device) -> str:
        """Return why the last values of a device would be refused; empty if they would not."""
        twin = self._twins.get(device.tenant, DeviceId(device.device_id))
        measured = {key: latest.value for key, latest in twin.telemetry.items()}
        now = max((latest.at for latest in twin.telemetry.values()), default=0)
        for operation, values in (
            (Operation.TELEMETRY, measured),
            (Operation.REPORTED, twin.reported),
        ):
            decode = decoders.for_operation(operation, "")
            if not values or decode is None:
                continue
            try:
                decode(msgspec.json.encode(values), now)
            except PayloadInvalid as error:
                return error.detail
        return ""

    async def _move(
        self, actor: Principal, going: Sequence[Device], target: DeviceType
    ) -> list[Device]:
        """Write where the devices begin now, each with its audit entry, as one transaction."""
        if not going:
            return []

        def work(writer: Writer) -> list[tuple[Device, Device]]:
            changed = []
            for device in going:
                held = writer.find(DEVICES, device.tenant, device.device_id)
                if held is None or held.value.uid != device.uid:
                    continue  # deleted while it was looked at
                if held.value.type_name != target.name:
                    continue  # has got another type meanwhile
                old = held.value
                new = replace(old, type_version=target.version, version=old.version + 1)
                writer.put(DEVICES, old.tenant, old.device_id, new, version=held.version)
                detail = {"uid": old.uid, "from": old.type_version, "to": target.version}
                where = f"device:{old.device_id}"
                self._audit.entry(writer, actor, "device.migrate", where, detail=detail)
                changed.append((old, new))
            return changed

        changed = await self._records.write(work)
        for old, new in changed:
            self._devices.told(old, new)
        return [new for _old, new in changed]
