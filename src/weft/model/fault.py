"""Faults: what is wrong with one asset, whichever devices and rules notice it.

Fifty sensors on one machine that stops raise fifty alarms; the machine has one fault. A
fault opens with its first alarm and is over when every alarm of it is cleared and its work
orders are ended.
"""

from enum import StrEnum

from msgspec import Struct

from weft.model.alarm import Severity
from weft.model.ids import AlarmId, DeviceId, FaultId, RuleId, TenantId
from weft.model.work_order import OrderRef


class FaultState(StrEnum):
    """Whether there is still something to do or to see."""

    OPEN = "open"
    OVER = "over"


class Fault(Struct, frozen=True):
    """One fault episode of (asset, code), or of (device, code) where no asset is known.

    `fault_id` is derived from the alarm that opened it. `subject` is what it is a fault of,
    by an id that is never used again. Moments are ns UTC.
    """

    fault_id: FaultId
    tenant: TenantId
    code: str
    subject: str
    device_id: DeviceId  # of the alarm that opened it
    severity: Severity  # the worst of its alarms
    state: FaultState
    opened_by: AlarmId
    opened_at: int
    began_at: int  # of its earliest alarm: one that came late may be older than the opener
    last_alarm_at: int
    asset_id: str = ""
    quiet_ns: int = 0  # an alarm this soon after its end opens it again
    alarms: int = 0
    active: int = 0  # alarms that are not cleared
    devices: tuple[DeviceId, ...] = ()  # the first DEVICES_MAX
    orders: tuple[OrderRef, ...] = ()
    reopened: int = 0
    over_at: int | None = None
    version: int = 1


class FaultAlarm(Struct, frozen=True):
    """An alarm as part of a fault, keyed by the alarm's id."""

    fault_id: FaultId
    alarm_id: AlarmId
    device_id: DeviceId
    rule_id: RuleId
    raised_at: int
    cleared_at: int | None = None


DEVICES_MAX = 100
