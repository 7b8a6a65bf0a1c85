"""Quarantine: devices that came by themselves and wait for somebody's word.

They came by a claim, or with a certificate of a customer's authority. Such a device may
connect and speak, and nothing of what it says reaches twin, history, rules or subscribers:
its first messages are kept in the rejection inbox (code `device_pending`, so many and no
more). From them a type is proposed. Approved, the device is let in and what was kept goes
through the gate at its own moments, each message with its outcome; refused, the device is
revoked and cut.
"""

import builtins
from collections.abc import Sequence
from typing import Annotated, Any, Final

from msgspec import Meta, Struct

from weft.errors import Conflict, Invalid, NotFound, PeerError
from weft.ingest.decode import Decoders, route_format
from weft.ingest.dialects.native import map_topic
from weft.ingest.rejections import Rejection, Rejections
from weft.model.device import Device, Lifecycle
from weft.model.ids import TenantId
from weft.model.message import Operation
from weft.model.principal import Principal, PrincipalKind
from weft.model.telemetry import items_of
from weft.registry.claims import Claim, Claims
from weft.registry.device_types import DeviceTypes
from weft.registry.devices import DevicePatch, Devices
from weft.registry.inference import Proposal, Sample, infer
from weft.registry.provisioning import Provisioning, Serial
from weft.security.enrolment import DevicePending
from weft.security.revocation import Revocation
from weft.wire.payload.formats import JSON

_PAGE: Final = 500
_SECTIONS: Final = {
    Operation.TELEMETRY: "telemetry",
    Operation.REPORTED: "properties",
    Operation.EVENT: "events",
}
_FREE: Final = Decoders(None)


class Approval(Struct, frozen=True, forbid_unknown_fields=True):
    """As what a device is let in: all of it may be left out."""

    type_name: Annotated[str, Meta(description="The type it follows.")] | None = None
    infer: Annotated[
        bool, Meta(description="Save the proposed type under that name, which must be new.")
    ] = False
    document: (
        Annotated[dict[str, Any], Meta(description="The proposed type as edited, to save instead.")]
        | None
    ) = None
    label: Annotated[str, Meta(max_length=256)] | None = None
    attributes: dict[str, Any] | None = None


class Waiting(Struct, frozen=True):
    """A device in the quarantine, with all that is known of it."""

    device: Device
    claim: Claim | None
    serial: Serial | None
    kept: tuple[Rejection, ...]  # oldest first
    left_out: int  # that there was no room for
    proposal: Proposal


class Refused(Struct, frozen=True):
    """A message that the gate did not take, though the device is let in: it stays in the inbox."""

    position: int
    code: str
    detail: str
    remedy: str


class Approved(Struct, frozen=True):
    """A device that was let in, and what became of its first messages."""

    device: Device
    redriven: int
    refused: tuple[Refused, ...]


class Quarantine:
    """What people do with devices that wait."""

    def __init__(
        self,
        registry: tuple[Devices, DeviceTypes],
        claims: Claims,
        provisioning: Provisioning,
        rejections: Rejections,
        revocation: Revocation,
    ) -> None:
        self._devices, self._types = registry
        self._claims = claims
        self._provisioning = provisioning
        self._rejections = rejections
        self._revocation = revocation

    async def list(
        self, tenant: TenantId, *, after: str = "", limit: int = 100
    ) -> Sequence[Device]:
        """Return devices that wait, in the order of their ids."""
        found: builtins.list[Device] = []
        while len(found) < limit:
            page = await self._devices.list(
                tenant, lifecycle=Lifecycle.PENDING, after=after, limit=_PAGE
            )
            found += [device for device in page if device.waits]
            if len(page) < _PAGE:
                break
            after = page[-1].device_id
        return found[:limit]

    async def get(self, tenant: TenantId, device_id: str) -> Waiting:
        """Return one with its messages and the type that they propose, or raise `NotFound`."""
        device = self._require_waiting(tenant, device_id)
        kept = await self._kept(device)
        return Waiting(
            device=device,
            claim=self.claim_of(device),
            serial=await self._provisioning.find_serial(tenant, device_id),
            kept=tuple(kept),
            left_out=sum(one.left_out_before + one.left_out_after for one in kept),
            proposal=propose(kept),
        )

    def claim_of(self, device: Device) -> Claim | None:
        """Return the claim that a device came by, if it is still there."""
        return self._claims.find_by_id(device.came_by("claim"))

    def claim_name(self, device: Device) -> str:
        """Return what people call the claim that a device came by; empty when it is gone."""
        claim = self.claim_of(device)
        return claim.name if claim else ""

    async def approve(self, actor: Principal, device_id: str, approval: Approval) -> Approved:
        """Let a device in and redrive what was kept of it.

        Raises `NotFound` unless it waits, `StaleVersion` where a type of that name is there
        that would have to be saved, and what saving a type or changing a device raises.
        """
        device = self._require_waiting(actor.tenant, device_id)
        kept = await self._kept(device)
        await self._save_type(actor, approval, kept)
        patch: dict[str, Any] = {
            name: value
            for name in ("type_name", "label", "attributes")
            if (value := getattr(approval, name)) is not None
        }
        admitted = await self._devices.approve(actor, device_id, DevicePatch(**patch))
        # What it subscribed to was refused so far; it asks again when it comes again.
        self._revocation.renew(device.uid, "the device was approved")
        return await self._redrive(actor, admitted, kept)

    async def refuse(self, actor: Principal, device_id: str) -> Device:
        """Revoke a device that waits; its connection ends. What was kept stays in the inbox."""
        self._require_waiting(actor.tenant, device_id)
        return await self._devices.move(actor, device_id, Lifecycle.REVOKED)

    async def _save_type(
        self, actor: Principal, approval: Approval, kept: Sequence[Rejection]
    ) -> None:
        document = approval.document
        if document is None and approval.infer:
            document = propose(kept).document
        if document is None:
            return
        if approval.type_name is None:
            raise Invalid("The type has no name.", remedy="Say type_name as well.")
        await self._types.save(actor, approval.type_name, document, version=0)

    async def _redrive(
        self, actor: Principal, device: Device, kept: Sequence[Rejection]
    ) -> Approved:
        sender = Principal(device.tenant, PrincipalKind.DEVICE, device.device_id, device.uid)
        redriven, refused = 0, []
        for one in kept:
            try:
                await self._rejections.redrive(actor, one.position, sender)
                redriven += 1
            except PeerError as error:
                refused.append(Refused(one.position, error.code, error.detail, error.remedy))
        return Approved(device, redriven, tuple(refused))

    async def _kept(self, device: Device) -> Sequence[Rejection]:
        """Return what is kept of a device, oldest first, not of a namesake before it."""
        found: builtins.list[Rejection] = []
        after = ""
        while True:
            page = await self._rejections.list(
                device.tenant, where=("device", device.device_id), after=after, limit=_PAGE
            )
            found += [
                record.value
                for record in page
                if record.value.code == DevicePending.code
                and record.value.principal_uid == device.uid
            ]
            if len(page) < _PAGE:
                return found[::-1]
            after = page[-1].key

    def _require_waiting(self, tenant: TenantId, device_id: str) -> Device:
        device = self._devices.find(tenant, device_id)
        if device is None or not device.waits:
            raise NotFound(
                f"No device {device_id!r} waits in the quarantine.",
                remedy="See weft quarantine list.",
            )
        return device


def propose(kept: Sequence[Rejection]) -> Proposal:
    """Return the type that kept messages propose, with a note on those that no one can read."""
    samples: list[Sample] = []
    unread = 0
    for rejection in kept:
        try:
            samples += _samples_of(rejection)
        except (Invalid, Conflict):
            unread += 1
    proposal = infer(samples)
    if not unread:
        return proposal
    note = f"{unread} of {len(kept)} messages cannot be read without a type."
    return Proposal(proposal.document, (note, *proposal.notes), proposal.samples)


def _samples_of(rejection: Rejection) -> list[Sample]:
    mapped = map_topic(rejection.topic)
    section = _SECTIONS.get(mapped.operation)
    stated = route_format(mapped.operation, rejection.content_type, None)
    decode = _FREE.for_operation(mapped.operation, mapped.name, stated or JSON)
    if section is None or decode is None or rejection.payload_bytes > len(rejection.payload):
        raise Invalid("It cannot be read.")
    decoded = decode(rejection.payload, rejection.received_at)
    if section == "telemetry":
        return [Sample(section, dict(items_of(reading.values))) for reading in decoded]
    return [Sample(section, decoded, mapped.name if section == "events" else "")]


__all__ = ["Approval", "Approved", "Quarantine", "Refused", "Waiting", "propose"]
