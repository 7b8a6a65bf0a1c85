"""A machine with many devices on it, and rules that overlap: what faults are tried with."""

from collections.abc import Sequence
from typing import Any

from tests.rules.support import ALICE, MAIN, START, Plant, S, device

from weft.model.alarm import Alarm
from weft.model.asset import Asset, Attachment, AttachmentRole
from weft.model.fault import Fault
from weft.model.ids import AssetId, AssetUid, DeviceId, DeviceUid
from weft.ports import Records, Writer
from weft.registry.kinds import ASSETS, ATTACHMENTS, DEVICES
from weft.rules.firing import Firing
from weft.rules.health import Health
from weft.rules.kinds import FAULTS
from weft.rules.model import Rule
from weft.rules.requests import Clear, Raise

MS = 1_000_000
PRESS = Asset(
    tenant=MAIN,
    asset_id=AssetId("press-1"),
    uid=AssetUid("uid-press-1"),
    kind="machine",
    created_at=0,
    attributes={"criticality": "high"},
)


def rule_of(name: str, **more: Any) -> dict[str, Any]:
    order = {"connector": "erp", "title": "Repair {device}", "instructions": "Stop it first."}
    return {
        "name": name,
        "selector": {"type": "machine"},
        "when": "temperature > 80",
        "severity": "major",
        "message": "{device} is at {temperature}",
        "fault": "overheated",
        "actions": [{"work_order": order}],
        **more,
    }


class Machine:
    """Firing, rules and records with `devices` attached to one asset."""

    def __init__(self, devices: int = 2, records: Records | None = None) -> None:
        self.names = [f"sensor-{number:02d}" for number in range(devices)]
        self.plant = Plant(*(device(name) for name in self.names), records=records)  # type: ignore[arg-type]  # any backend
        self.records = self.plant.records
        self.firing = Firing(self.plant.policy, self.plant.audit, Health())

    async def ready(self, *documents: dict[str, Any], from_at: int = 0) -> Sequence[Rule]:
        """Attach the devices and save the rules."""

        def work(writer: Writer) -> None:
            writer.put(ASSETS, MAIN, PRESS.asset_id, PRESS)
            for name in self.names:
                made = device(name)
                writer.put(DEVICES, MAIN, name, made)
                at = attached(name, from_at)
                writer.put(ATTACHMENTS, MAIN, at.key, at)

        await self.records.write(work)
        return [await self.plant.rules.create(ALICE, document) for document in documents]

    async def write(self, *requests: Raise | Clear) -> None:
        denied = self.firing.denied(requests)
        await self.records.write(lambda writer: self.firing.write(writer, requests, denied))

    async def faults(self) -> Sequence[Fault]:
        return await self.plant.all(FAULTS)


def attached(name: str, from_at: int = 0, until_at: int | None = None) -> Attachment:
    return Attachment(
        tenant=MAIN,
        device_id=DeviceId(name),
        device_uid=DeviceUid(f"uid-{name}"),
        asset_id=PRESS.asset_id,
        asset_uid=PRESS.uid,
        role=AttachmentRole.OBSERVES,
        from_at=from_at,
        attached_by="user:alice",
        until_at=until_at,
    )


def trips(rule: Rule, name: str, *, at: int = START, position: int = 1) -> Raise:
    """Return what is asked for when a rule finds its condition true on a device."""
    return Raise(
        rule=rule,
        device_id=DeviceId(name),
        position=position,
        episode=str(position),
        began_at=at,
        at=at,
        evidence=(),
        values={"device": name, "temperature": 99.0},
    )


def clears(request: Raise, *, after_s: float = 1) -> Clear:
    """Return what is asked for when that condition is over."""
    at = request.at + round(after_s * S)
    return Clear(request.rule, MAIN, request.device_id, request.alarm_id, at, 99)


def active(alarms: Sequence[Alarm]) -> int:
    return sum(alarm.cleared_at is None for alarm in alarms)
