"""Faults: alarms of one asset and one fault code belong together and ask for one work order.

The first alarm opens the fault, those that follow join it. It is over when all its alarms
are cleared and its work orders are ended; an alarm within `quiet` after that, or one that
came late and is older than the end, opens it again. Everything happens in the transaction
of the alarm or of the work order that changed: neither is ever seen without the other.
"""

from collections.abc import Sequence
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from weft.model.alarm import Alarm, Severity, WorkOrder, WorkOrderState
from weft.model.fault import DEVICES_MAX, Fault, FaultAlarm, FaultState
from weft.model.ids import DeviceId, FaultId, TenantId, derived_id_at
from weft.model.work_order import OrderRef
from weft.ports import Reader, Records, Writer
from weft.rules.fault_subjects import FaultSubject, subject_of
from weft.rules.kinds import ALARMS, FAULT_ALARMS, FAULTS, WORK_ORDERS, fault_key
from weft.rules.model import RuleDocument

ENDED: Final = frozenset({WorkOrderState.CLOSED, WorkOrderState.CANCELLED, WorkOrderState.FAILED})
_SEVERITIES: Final = tuple(Severity)


class Joined(Struct, frozen=True):
    """A fault after an alarm has joined it, what it is a fault of, and whether it is news."""

    fault: Fault
    subject: FaultSubject
    reopened: bool = False


# --- written with alarms and work orders --------------------------------------------------


def join(writer: Writer, alarm: Alarm, document: RuleDocument) -> Joined | None:
    """Let a new alarm join the fault that it is part of, or open one; None: it is part of none."""
    code = document.fault_code
    if code is None:
        return None
    subject = subject_of(writer, alarm)
    found = _find(writer, alarm, fault_key(subject.key, code), document.quiet_ns)
    reopened = found is not None and found.state is FaultState.OVER
    if found is None:
        found = _open(alarm, subject, code)
    devices = with_devices(found.devices, alarm, DEVICES_MAX)
    fault = replace(
        found,
        state=FaultState.OPEN,
        over_at=None,
        severity=max(found.severity, alarm.severity, key=_SEVERITIES.index),
        began_at=min(found.began_at, alarm.raised_at),
        last_alarm_at=max(found.last_alarm_at, alarm.raised_at),
        quiet_ns=max(found.quiet_ns, document.quiet_ns),
        alarms=found.alarms + 1,
        active=found.active + 1,
        devices=devices,
        reopened=found.reopened + reopened,
    )
    part = FaultAlarm(
        fault_id=fault.fault_id,
        alarm_id=alarm.alarm_id,
        device_id=alarm.device_id,
        rule_id=alarm.rule_id,
        raised_at=alarm.raised_at,
    )
    writer.insert(FAULT_ALARMS, alarm.tenant, alarm.alarm_id, part)
    return Joined(_put(writer, fault), subject, reopened)


def with_devices(known: tuple[DeviceId, ...], alarm: Alarm, limit: int) -> tuple[DeviceId, ...]:
    """Return devices with those that an alarm names, up to a bound."""
    named = alarm.members if not alarm.device_id else (alarm.device_id,)
    return (*known, *(one for one in named if one not in known))[:limit]


def add_order(writer: Writer, fault: Fault, order: WorkOrder) -> Fault:
    """Note a work order that was made for a fault."""
    ref = OrderRef(order.connector, order.work_order_id)
    return _put(writer, replace(fault, orders=(*fault.orders, ref)))


def alarm_cleared(writer: Writer, alarm: Alarm) -> Fault | None:
    """Take in that an alarm was cleared, by whomever; return its fault if it has one."""
    record = writer.find(FAULT_ALARMS, alarm.tenant, alarm.alarm_id)
    if record is None or record.value.cleared_at is not None:
        return None
    at = alarm.cleared_at or alarm.raised_at
    part = replace(record.value, cleared_at=at)
    writer.put(FAULT_ALARMS, alarm.tenant, alarm.alarm_id, part)
    fault = writer.get(FAULTS, alarm.tenant, part.fault_id).value
    return _settle(writer, replace(fault, active=fault.active - 1), at)


def order_changed(writer: Writer, order: WorkOrder, at: int) -> Fault | None:
    """Take in that a work order has ended or was opened again; return its fault if it has one."""
    record = writer.find(FAULTS, order.tenant, order.fault_id) if order.fault_id else None
    return _settle(writer, record.value, at) if record is not None else None


def active_alarms(reader: Reader, tenant: TenantId, fault_id: str, limit: int) -> list[Alarm]:
    """Return alarms of a fault that are not cleared, the oldest first."""
    parts = reader.list(FAULT_ALARMS, tenant, where=("active", fault_id), limit=limit)
    return [reader.get(ALARMS, tenant, part.key).value for part in parts]


def _find(reader: Reader, alarm: Alarm, key: str, quiet_ns: int) -> Fault | None:
    for record in reader.list(FAULTS, alarm.tenant, where=("open", key), limit=1):
        return record.value
    for record in reader.list(
        FAULTS, alarm.tenant, where=("key", key), limit=_LATE_MAX, descending=True
    ):
        fault = record.value
        quiet = max(quiet_ns, fault.quiet_ns)
        if fault.began_at - quiet <= alarm.raised_at <= (fault.over_at or 0) + quiet:
            return fault
    return None


_LATE_MAX: Final = 20  # faults back; an alarm later than that opens one of its own


def _open(alarm: Alarm, subject: FaultSubject, code: str) -> Fault:
    return Fault(
        fault_id=FaultId(derived_id_at(alarm.raised_at, "fault", alarm.alarm_id)),
        tenant=alarm.tenant,
        code=code,
        subject=subject.key,
        asset_id=subject.asset_id,
        device_id=alarm.device_id,
        severity=alarm.severity,
        state=FaultState.OPEN,
        opened_by=alarm.alarm_id,
        opened_at=alarm.raised_at,
        began_at=alarm.raised_at,
        last_alarm_at=alarm.raised_at,
        version=0,
    )


def _settle(writer: Writer, fault: Fault, at: int) -> Fault:
    """Write a fault with the state that its alarms and work orders give it."""
    over = fault.active == 0 and all(_ended(writer, fault.tenant, ref) for ref in fault.orders)
    if over and fault.state is FaultState.OPEN:
        fault = replace(fault, state=FaultState.OVER, over_at=max(at, fault.last_alarm_at))
    elif not over and fault.state is FaultState.OVER and not _taken(writer, fault):
        fault = replace(fault, state=FaultState.OPEN, over_at=None, reopened=fault.reopened + 1)
    return _put(writer, fault)


def _ended(reader: Reader, tenant: TenantId, ref: OrderRef) -> bool:
    return reader.get(WORK_ORDERS, tenant, ref.work_order_id).value.state in ENDED


def _taken(reader: Reader, fault: Fault) -> bool:
    """Return whether the next fault of the same kind is open already."""
    where = ("open", fault_key(fault.subject, fault.code))
    return reader.count(FAULTS, fault.tenant, where=where) > 0


def _put(writer: Writer, fault: Fault) -> Fault:
    fault = replace(fault, version=fault.version + 1)
    writer.put(FAULTS, fault.tenant, fault.fault_id, fault)
    return fault


# --- read by people -----------------------------------------------------------------------


class Faults:
    """The faults of all tenants, to read."""

    def __init__(self, records: Records) -> None:
        self._records = records

    async def get(self, tenant: TenantId, fault_id: str) -> Fault:
        """Return a fault, or raise `NotFound`."""
        return (await self._records.read(lambda reader: reader.get(FAULTS, tenant, fault_id))).value

    async def list_faults(
        self,
        tenant: TenantId,
        where: tuple[str, str] | None = None,
        *,
        after: str = "",
        limit: int = 100,
    ) -> Sequence[Fault]:
        """Return faults, newest first; `where` is one of state, asset, device (opener) or code."""
        found = await self._records.read(
            lambda reader: reader.list(
                FAULTS, tenant, where=where, after=after, limit=limit, descending=True
            )
        )
        return [record.value for record in found]

    async def list_alarms(
        self, tenant: TenantId, fault_id: str, *, after: str = "", limit: int = 100
    ) -> Sequence[FaultAlarm]:
        """Return the alarms of a fault, the oldest first."""
        found = await self._records.read(
            lambda reader: reader.list(
                FAULT_ALARMS, tenant, where=("fault", fault_id), after=after, limit=limit
            )
        )
        return [record.value for record in found]
