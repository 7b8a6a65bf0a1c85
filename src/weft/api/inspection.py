"""Inspection: why a device does not get through, from everything that Weft knows of it.

The first connection fails and nothing says why: that is what an owner reads here. Each
finding names the reason and the remedy, the newest first: the device's own state, proofs
that failed in its name or from its address, handshakes, and messages that were refused.
"""

import re
from collections.abc import Sequence

from msgspec import Struct

from weft.api.services import Services
from weft.api.views import Moment, moment
from weft.errors import Invalid
from weft.model.device import Device, Lifecycle
from weft.model.ids import TenantId, require_name
from weft.registry.presence import Spell
from weft.security.attempts import Attempt, address_of
from weft.security.credentials import DeviceCredential
from weft.security.reasons import SESSION_OVER

NOBODY = TenantId("")
REJECTIONS_SHOWN = 20
SPELLS_READ = 20  # their addresses are where the device seems to be
FINDINGS_MAX = 50
_PLACEHOLDER = re.compile(r"\bDEVICE\b")  # of remedies that were written before one knew whose


class Finding(Struct, frozen=True):
    """One thing that stands, or stood, between a device and Weft."""

    kind: str  # state, credential, proof, handshake, message
    at: Moment | None  # none for what holds now
    reason: str
    remedy: str
    peer: str = ""
    topic: str = ""
    code: str = ""
    position: int | None = None  # of the refused message, in the rejection inbox


async def findings_of(services: Services, device: Device) -> list[Finding]:
    """Return what is found, what holds now first, then the newest."""
    spells = [
        record.value
        for record in await services.presence.list(device.tenant, device.uid, limit=SPELLS_READ)
    ]
    credentials = await services.credentials.list_credentials(device)
    now = [*_of_state(device), *_of_credentials(services, device, credentials)]
    now += _of_silence(services, device)
    past = [*_of_attempts(services, device, spells), *await _of_messages(services, device)]
    past.sort(key=lambda finding: finding.at or "", reverse=True)
    return [*now, *past][:FINDINGS_MAX]


def _of_state(device: Device) -> list[Finding]:
    if device.lifecycle is Lifecycle.ACTIVE:
        return []
    remedy = {
        Lifecycle.PENDING: f"Approve it: weft device move {device.device_id} active.",
        Lifecycle.SUSPENDED: f"Take it back into service: weft device move {device.device_id} "
        "active.",
    }.get(device.lifecycle, "It does not come back: make a new device.")
    return [Finding("state", None, f"The device is {device.lifecycle}.", remedy)]


def _of_credentials(
    services: Services, device: Device, credentials: Sequence[DeviceCredential]
) -> list[Finding]:
    now = services.clock.now()
    live = [
        one
        for one in credentials
        if one.revoked_at is None and (one.expires_at is None or one.expires_at > now)
    ]
    if live or device.gateway:
        return []
    issue = f"Issue one: weft credential add {device.device_id}."
    if not credentials:
        return [Finding("credential", None, "The device has no credential.", issue)]
    ended = max(one.revoked_at or one.expires_at or 0 for one in credentials)
    reason = "All credentials of the device were revoked or have expired."
    return [Finding("credential", moment(ended), reason, issue)]


def _of_silence(services: Services, device: Device) -> list[Finding]:
    """Say so when a device is connected and nothing of it has ever been kept."""
    if not services.presence.is_connected(device.uid):
        return []
    if services.twins.get(device.tenant, device.device_id).last_seen_at:
        return []
    return [
        Finding(
            "state",
            None,
            "The device is connected and has sent nothing that was kept.",
            f"It sends to devices/{device.device_id}/telemetry (or devices/me/telemetry).",
        )
    ]


def _of_attempts(services: Services, device: Device, spells: Sequence[Spell]) -> list[Finding]:
    """Return failed proofs in the device's name, and from where it seems to be."""
    attempts = services.authenticator.attempts
    named = attempts.of_device(device.tenant, device.device_id)
    addresses = {address_of(one.peer) for one in spells if not one.through}
    addresses |= {address_of(one.peer) for one in named}
    found = [one for one in named if not one.accepted]
    if len(services.tenants.list()) == 1:
        # What proves nothing belongs to no tenant; where there is one, there is no doubt.
        found += attempts.of_device(NOBODY, device.device_id)
        if addresses:
            for address in sorted(addresses):
                found += attempts.of_address(NOBODY, address)
        elif not any(one.accepted for one in named):
            found += attempts.unproven()
    # A person's session that has run out at the same address is nothing of a device's.
    own = [one for one in dict.fromkeys(found) if one.reason != SESSION_OVER.text]
    return [_of_attempt(one, device) for one in own]


def _of_attempt(attempt: Attempt, device: Device) -> Finding:
    kind = "handshake" if attempt.claimed.startswith("(") and not attempt.remedy else "proof"
    claimed = "" if attempt.claimed.startswith("(") else f" (as {attempt.claimed})"
    remedy = _PLACEHOLDER.sub(lambda _found: _whose(attempt, device), attempt.remedy)
    return Finding(kind, moment(attempt.at), attempt.reason + claimed, remedy, peer=attempt.peer)


def _whose(attempt: Attempt, device: Device) -> str:
    """Return whom a remedy is for: who came under another name, though from here, is another."""
    if attempt.claimed.startswith("("):
        return device.device_id
    try:
        return require_name(attempt.claimed, "device id")
    except Invalid:  # a remedy is pasted into a shell: what cannot be a name does not get there
        return "DEVICE"


async def _of_messages(services: Services, device: Device) -> list[Finding]:
    refused = await services.rejections.list(
        device.tenant, where=("device", device.device_id), limit=REJECTIONS_SHOWN
    )
    return [
        Finding(
            "message",
            moment(one.value.received_at),
            one.value.detail,
            one.value.remedy,
            topic=one.value.topic,
            code=one.value.code,
            position=one.value.position,
        )
        for one in refused
    ]
