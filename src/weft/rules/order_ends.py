"""Ends: what becomes of a fault's alarms when its work order ends, or is opened again.

Done in the transaction in which the work order changes. Whoever closes it says that the work
is done; the rule says whether the condition still holds. Where the two disagree, the alarm
is *questioned*: it stays, marked with who closed and when, until the rule clears it.
"""

from typing import Final

from msgspec.structs import replace

from weft.model.alarm import Alarm, AlarmState, StepKind, WorkOrder, WorkOrderState
from weft.model.principal import Principal
from weft.model.work_order import OnClose
from weft.ports import Reader, Writer
from weft.rules.alarms import Alarms, Deed
from weft.rules.faults import active_alarms, order_changed
from weft.rules.kinds import ALARMS

ALARMS_MAX: Final = 1_000  # in one transaction


class OrderEnds:
    """Lets work orders end, and tells the listeners of alarms when that is on disk."""

    def __init__(self, alarms: Alarms) -> None:
        self._alarms = alarms

    def tell(self, changed: list[Alarm]) -> None:
        """Tell of alarms that `end` or `reopen` have changed, once they are on disk."""
        for alarm in changed:
            self._alarms.tell(alarm)

    def end(
        self, writer: Writer, actor: Principal, order: WorkOrder, at: int, on_close: OnClose
    ) -> list[Alarm]:
        """Take in that a work order, as it stands in the records, has ended.

        What the rule says goes before `on_close`. A cancelled one says nothing of a repair,
        so it never clears.
        """
        wanted = OnClose(order.on_close) if order.on_close else on_close
        if order.state is WorkOrderState.CANCELLED and wanted is OnClose.CLEAR:
            wanted = OnClose.QUESTION
        changed: list[Alarm] = []
        if wanted is not OnClose.NOTHING:
            deed = self._clearing(at, actor) if wanted is OnClose.CLEAR else _question(at, actor)
            for alarm in _open_alarms(writer, order):
                old, new = self._alarms.do_in(writer, actor, alarm.alarm_id, deed)
                changed += [new] if new is not old else []
        order_changed(writer, order, at)
        return changed

    def reopen(self, writer: Writer, actor: Principal, order: WorkOrder, at: int) -> list[Alarm]:
        """Take in that a work order is open again: its alarms are in question no longer."""
        changed: list[Alarm] = []
        for alarm in _open_alarms(writer, order):
            old, new = self._alarms.do_in(writer, actor, alarm.alarm_id, _CONFIRM)
            changed += [new] if new is not old else []
        order_changed(writer, order, at)
        return changed

    def _clearing(self, at: int, actor: Principal) -> Deed:
        def change(alarm: Alarm) -> Alarm:
            return replace(alarm, state=AlarmState.CLEARED, cleared_at=at, cleared_by=str(actor))

        return Deed("alarm.clear", StepKind.CLEARED, change, comment="The work order was closed.")


def _question(at: int, actor: Principal) -> Deed:
    def change(alarm: Alarm) -> Alarm:
        return replace(alarm, questioned_at=at, questioned_by=str(actor))

    comment = "The work order has ended and the condition still holds."
    return Deed("alarm.question", StepKind.QUESTIONED, change, comment=comment)


def _confirmed(alarm: Alarm) -> Alarm:
    if alarm.questioned_at is None:
        return alarm
    return replace(alarm, questioned_at=None, questioned_by=None)


_CONFIRM: Final = Deed(
    "alarm.confirm", StepKind.CONFIRMED, _confirmed, comment="The work order was opened again."
)


def _open_alarms(reader: Reader, order: WorkOrder) -> list[Alarm]:
    if order.fault_id:
        return active_alarms(reader, order.tenant, order.fault_id, ALARMS_MAX)
    found = reader.find(ALARMS, order.tenant, order.alarm_id) if order.alarm_id else None
    return [found.value] if found is not None and found.value.is_open else []
