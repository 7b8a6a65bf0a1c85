"""Facts: what a mapping may read when an alarm comes, looked up at that moment.

They are the alarm, its rule, the device and the asset that it observes (or else steers), the
work order and the rule's own words, all of the action's tenant. What is not there is absent,
never empty: `has()` tells the two apart.
"""

from collections.abc import Mapping
from typing import Any

from weft.connectors.base import Situation
from weft.connectors.mapping import text_of, title_of
from weft.groups.filters import Around
from weft.model.alarm import Action, Alarm, WorkOrder
from weft.model.asset import Asset
from weft.model.device import Device
from weft.model.moments import to_rfc3339
from weft.rules.language.syntax import Path
from weft.rules.language.values import plain

_NS_PER_MS = 1_000_000


def facts_of(action: Action, situation: Situation, around: Around | None) -> dict[Path, Any]:
    """Return everything that is known around an action."""
    facts: dict[Path, Any] = {
        ("", "title"): title_of(action, situation),
        ("", "text"): text_of(action, situation),
        ("", "key"): action.action_id,
        ("work_order", "id"): action.action_id,
        ("work_order", "title"): title_of(action, situation),
    }
    facts |= _below("parameters", action.parameters)
    if situation.work_order is not None:
        facts |= _order(situation.work_order)
    alarm = situation.alarm
    if alarm is None:
        return facts
    facts |= _alarm(alarm)
    facts["device", "id"] = alarm.device_id
    device = around.devices.find(action.tenant, alarm.device_id) if around else None
    if around is None or device is None:
        return facts
    facts |= _device(device)
    held = around.attachments.of_device(device.uid)
    asset = around.assets.find_uid(held[0].asset_uid) if held else None
    if asset is not None and asset.tenant == action.tenant:
        path = "/" + "/".join(around.assets.chain_of(asset))
        facts |= _asset(asset) | {("asset", "path"): path}
    return facts


def _order(order: WorkOrder) -> dict[Path, Any]:
    named = {
        "priority": order.priority.value,
        "fault": order.fault_code,
        "asset": order.asset_id,
        "instructions": order.instructions,
    }
    return {("work_order", name): text for name, text in named.items() if text}


def _alarm(alarm: Alarm) -> dict[Path, Any]:
    newest = alarm.evidence[-1].values if alarm.evidence else {}
    return {
        ("alarm", "id"): alarm.alarm_id,
        ("alarm", "device"): alarm.device_id,
        ("alarm", "rule"): alarm.rule_id,
        ("alarm", "severity"): alarm.severity.value,
        ("alarm", "state"): alarm.state.value,
        ("alarm", "message"): alarm.message,
        ("alarm", "raised_at"): to_rfc3339(alarm.raised_at),
        ("alarm", "raised_at_ms"): alarm.raised_at // _NS_PER_MS,
        ("rule", "id"): alarm.rule_id,
        ("rule", "version"): alarm.rule_version,
        **_below("evidence", newest),
    }


def _device(device: Device) -> dict[Path, Any]:
    return {
        ("device", "id"): device.device_id,
        ("device", "type"): device.type_name or "",
        ("device", "label"): device.label,
        ("device", "lifecycle"): device.lifecycle.value,
        **_below("device_attributes", device.attributes),
    }


def _asset(asset: Asset) -> dict[Path, Any]:
    return {
        ("asset", "id"): asset.asset_id,
        ("asset", "kind"): asset.kind,
        ("asset", "label"): asset.label,
        **_below("asset_attributes", asset.attributes),
    }


def _below(source: str, values: Mapping[str, Any]) -> dict[Path, Any]:
    return {(source, key): plain(value) for key, value in values.items()}
