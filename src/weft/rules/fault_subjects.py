"""Subjects: what an alarm is about, which is the asset that its device was at, or the device.

Asked in the transaction that writes the alarm, at the alarm's own moment: a tracker that has
moved to another trailer meanwhile still tells of the first one.
"""

from typing import Any

from msgspec import Struct, field

from weft.model.alarm import Alarm
from weft.model.asset import Asset, AttachmentRole
from weft.ports import Reader
from weft.registry.attachments import KEPT_PER_DEVICE
from weft.registry.kinds import ASSETS, ATTACHMENTS, DEVICES


class FaultSubject(Struct, frozen=True):
    """What has the fault. `key` is made of ids that are never used again."""

    key: str
    asset_id: str = ""
    attributes: dict[str, Any] = field(default_factory=dict)  # of the asset, as it is now


def subject_of(reader: Reader, alarm: Alarm) -> FaultSubject:
    """Return what the alarm is about; of a device, the asset that it observed (or else steered)."""
    if alarm.group:
        return FaultSubject(f"group:{alarm.group}")
    if alarm.asset:
        return _asset_of(reader, alarm)
    device = reader.find(DEVICES, alarm.tenant, alarm.device_id)
    if device is None:
        return FaultSubject(f"device:{alarm.device_id}")
    uid = device.value.uid
    held = [
        record.value
        for record in reader.list(
            ATTACHMENTS,
            alarm.tenant,
            where=("device", uid),
            limit=KEPT_PER_DEVICE + 1,
            descending=True,
        )
        if record.value.holds_at(alarm.raised_at)
    ]
    held.sort(key=lambda one: one.role is not AttachmentRole.OBSERVES)
    if not held:
        return FaultSubject(f"device:{uid}")
    at = held[0]
    asset = reader.find(ASSETS, alarm.tenant, at.asset_id)
    stands = asset is not None and asset.value.uid == at.asset_uid
    attributes = asset.value.attributes if asset is not None and stands else {}
    return FaultSubject(f"asset:{at.asset_uid}", at.asset_id, attributes)


def _asset_of(reader: Reader, alarm: Alarm) -> FaultSubject:
    found = reader.find(ASSETS, alarm.tenant, alarm.asset)
    if found is None:  # deleted since; its name is all there is
        return FaultSubject(f"asset:{alarm.asset}", alarm.asset)
    asset = found.value
    return FaultSubject(f"asset:{asset.uid}", alarm.asset, asset.attributes)


def chain_of(reader: Reader, tenant: Any, asset_id: str) -> list[Asset]:
    """Return an asset and what it stands below, up to the root."""
    found: list[Asset] = []
    while asset_id and len(found) < CHAIN_MAX:
        record = reader.find(ASSETS, tenant, asset_id)
        if record is None:
            break
        found.append(record.value)
        asset_id = record.value.parent or ""
    return found


CHAIN_MAX = 64  # deeper than any plant; the registry lets no cycle be
