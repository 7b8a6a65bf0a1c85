"""Trying: the exact request that an alarm would cause, with nothing sent and nothing kept.

It is made by the same mapping and the same connector as the real one, for an alarm that
there was or for a sample. Credentials are not in it: they are added when a request is sent.
"""

from collections.abc import Mapping
from typing import Any, Protocol

from msgspec import Struct, structs

from weft.connectors.base import WORK_ORDER, Connector, Planned, Situation
from weft.connectors.fields import FieldMapping, LeftOut
from weft.connectors.mappings import Mappings, compiled
from weft.model.alarm import (
    Action,
    Alarm,
    OutboxEntry,
    OutboxState,
    WorkOrder,
    WorkOrderState,
)
from weft.model.ids import ActionId, AlarmId, TenantId, WorkOrderId, derived_id
from weft.ports import Reader
from weft.rules.kinds import ALARMS, OUTBOX

_ENTRIES_MAX = 50  # of one alarm
_RIGHTS = {
    "device_attributes": "device.read",
    "asset": "asset.read",
    "asset_attributes": "asset.read",
}


class Tried(Struct, frozen=True):
    """What would be sent, and how its fields came about."""

    planned: Planned
    fields: Mapping[str, Any]
    left_out: tuple[LeftOut, ...]


class Known(Protocol):
    """A configured connector."""

    connector: Connector
    fields: Mapping[str, str]


def rights_of(mapping: FieldMapping, alarm_id: AlarmId | None) -> frozenset[str]:
    """Return the actions that who tries must be allowed: what is shown, they could read."""
    read = {_RIGHTS[source] for source, _ in mapping.paths if source in _RIGHTS}
    read |= {"device.read"} if any(path == ("device", "label") for path in mapping.paths) else set()
    return frozenset(read | ({"alarm.read", "outbox.read"} if alarm_id else set()))


async def mapping_of(
    mappings: Mappings, tenant: TenantId, found: Known, fields: Mapping[str, str] | None
) -> FieldMapping:
    """Return the mapping that is tried: one that is not saved yet, or the one in force."""
    if fields is None:
        saved = await mappings.find(tenant, found.connector.name)
        fields = saved.value.fields if saved else {}
    return compiled(found.connector, found.fields, fields)


def tried(
    mappings: Mappings,
    connector: Connector,
    mapping: FieldMapping,
    entry: OutboxEntry,
    around: Situation,
) -> Tried:
    """Return what a connector would send."""
    filled = mappings.fill(mapping, entry, around)
    planned = connector.plan(entry, structs.replace(around, fields=filled.values))
    return Tried(planned, filled.values, filled.left_out)


def find_entry(
    reader: Reader, tenant: TenantId, alarm_id: AlarmId, connector: Connector
) -> tuple[OutboxEntry, Situation]:
    """Return what an alarm asked of a connector, or what it would ask; raise `NotFound`."""
    alarm = reader.get(ALARMS, tenant, alarm_id).value
    where = ("alarm", str(alarm_id))
    for record in reader.list(OUTBOX, tenant, where=where, limit=_ENTRIES_MAX):
        if record.value.action.connector == connector.name:
            return record.value, Situation(alarm, _order_of(record.value.action, alarm))
    return asked_by(alarm, connector)


def asked_by(alarm: Alarm, connector: Connector) -> tuple[OutboxEntry, Situation]:
    """Return the action that an alarm would ask of a connector."""
    kind = WORK_ORDER if WORK_ORDER in connector.actions else min(connector.actions)
    action = Action(
        action_id=ActionId(derived_id("sample", alarm.alarm_id, connector.name)),
        tenant=alarm.tenant,
        connector=connector.name,
        kind=kind,
        alarm_id=alarm.alarm_id,
        parameters={"title": alarm.message},
        created_at=alarm.raised_at,
    )
    entry = OutboxEntry(action=action, state=OutboxState.PENDING)
    return entry, Situation(alarm, _order_of(action, alarm))


def _order_of(action: Action, alarm: Alarm) -> WorkOrder:
    return WorkOrder(
        work_order_id=WorkOrderId(action.action_id),
        tenant=action.tenant,
        alarm_id=action.alarm_id,
        device_id=alarm.device_id,
        connector=action.connector,
        title=str(action.parameters.get("title", "")),
        state=WorkOrderState.REQUESTED,
        created_at=action.created_at,
    )
