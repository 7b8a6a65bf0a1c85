"""Synchronising: the work order here and the record there say the same, in both directions.

What the far side says becomes the work order's state, and what that means for its alarms is
written with it. What is to be told goes out in its order and is taken off the work order only
then: after a crash it may be told twice, and connectors tell twice without harm. An order
that has ended is followed for some days: people open closed tasks again.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol, runtime_checkable

from msgspec import Struct, structs

from weft.connectors.base import Connector, RemoteState
from weft.connectors.mapping import clear_note_of, more_alarms_note_of
from weft.connectors.registry import Configured
from weft.errors import ConnectorError
from weft.model.alarm import Alarm, AlarmState, WorkOrder, WorkOrderState
from weft.model.ids import TenantId, WorkOrderId
from weft.model.moments import NS_PER_S
from weft.model.principal import Principal, PrincipalKind
from weft.model.work_order import CLEAR_NOTED, CLOSING, OnClose, Telling, TellingKind
from weft.observability.log import get_logger
from weft.ports import Clock, Reader, Records, Writer
from weft.rules.faults import order_changed
from weft.rules.kinds import ALARMS, FAULTS, WORK_ORDERS
from weft.rules.order_desk import opened_again
from weft.rules.order_ends import OrderEnds
from weft.rules.orders import come_again

log = get_logger(__name__)

OPEN_STATES: Final = (WorkOrderState.OPEN, WorkOrderState.IN_PROGRESS)
ENDED: Final = frozenset({WorkOrderState.CLOSED, WorkOrderState.CANCELLED})
WATCH_NS: Final = 7 * 86_400 * NS_PER_S  # a task that is opened later again is a new story
MORE_EVERY_NS: Final = 3_600 * NS_PER_S  # one note an hour on further alarms, not fifty


@runtime_checkable
class Closing(Protocol):
    """What a connector may do beside its five methods: end the far side's record, or open it.

    Each is asked again after a lost answer and then changes nothing. One that cannot do it for
    this record returns False, and a note is written instead.
    """

    async def close_order(self, order: WorkOrder, text: str, *, cancelled: bool) -> bool:
        """End the record and leave the text on it."""
        ...

    async def reopen_order(self, order: WorkOrder, text: str) -> bool:
        """Open the record again and leave the text on it."""
        ...


class Followed(Struct, frozen=True):
    """A work order with what stands around it."""

    order: WorkOrder
    alarm: Alarm | None = None
    active: int = 0  # alarms of its fault that are not cleared


class _Result(Struct):
    orders: list[WorkOrder]
    alarms: list[Alarm]


class Synchroniser:
    """Writes what the far side says, and says there what happened here."""

    def __init__(self, records: Records, clock: Clock, ends: OrderEnds) -> None:
        self._records = records
        self._clock = clock
        self._ends = ends

    async def store(
        self, found: Configured, tenant: TenantId, states: Mapping[WorkOrderId, RemoteState]
    ) -> list[WorkOrder]:
        """Take in what the far side says; return the work orders that changed."""
        now = self._clock.now()
        actor = Principal(
            tenant, PrincipalKind.SYSTEM, f"connector:{found.connector.name}", "connector"
        )

        def work(writer: Writer) -> _Result:
            result = _Result([], [])
            for order_id, told in states.items():
                record = writer.find(WORK_ORDERS, tenant, order_id)
                if record is not None and record.value.place == found.place:
                    self._take(writer, record.value, told, (actor, now, found.on_close), result)
            return result

        result = await self._records.write(work)
        self._ends.tell(result.alarms)
        return result.orders

    def _take(
        self,
        writer: Writer,
        order: WorkOrder,
        told: RemoteState,
        given: tuple[Principal, int, OnClose],
        result: _Result,
    ) -> None:
        """Take in one state. The far side is right, but for what it has not been told yet."""
        actor, now, on_close = given
        watched = order.state in ENDED and order.watch_until is not None
        untold = any(one.kind is not TellingKind.NOTE for one in order.tellings)
        if untold or not (order.state in OPEN_STATES or watched):
            return
        over = watched and now >= (order.watch_until or 0)
        if not differs(order, told):
            if over:
                _put(writer, structs.replace(order, watch_until=None))
            return
        if told.state in ENDED and CLOSING in order.details and not watched:
            result.orders.append(_ended_by_us(writer, order, told, now))
            return
        changed = structs.replace(order, remote_state=told.text, polled_at=now)
        if told.state in ENDED:
            changed = structs.replace(changed, state=told.state)
            if not watched:
                changed = structs.replace(changed, closed_at=now, watch_until=now + WATCH_NS)
            changed = _put(writer, changed)
            if not watched:
                result.alarms += self._ends.end(writer, actor, changed, now, on_close)
        elif watched:
            changed = _put(writer, opened_again(changed, told.state))
            result.alarms += self._ends.reopen(writer, actor, changed, now)
        else:
            changed = _put(writer, structs.replace(changed, state=told.state))
        result.orders.append(changed)

    async def tell(self, found: Configured, one: Followed) -> WorkOrder:
        """Tell the far side what it does not know of a work order yet; return that as it is then.

        Raises `ConnectorError` where it should be tried again.
        """
        order = await self.tell_waiting(found, one.order)
        if order.state not in OPEN_STATES:
            return order
        now = self._clock.now()
        if order.alarms > order.told_alarms and now >= (order.told_at or 0) + MORE_EVERY_NS:
            await _noted(found, order, more_alarms_note_of(order))
            order = await self._change(
                order,
                lambda _, held: structs.replace(held, told_alarms=order.alarms, told_at=now),
            )
        alarm = one.alarm
        if alarm is not None and alarm.state is AlarmState.CLEARED and not one.active:
            order = await self._tell_cleared(found, order, alarm)
        return order

    async def tell_waiting(self, found: Configured, order: WorkOrder) -> WorkOrder:
        """Tell what waits to be told of a work order, and nothing else; as `tell`."""
        for telling in order.tellings:
            order = await self._tell(found, order, telling)
        return order

    async def _tell_cleared(self, found: Configured, order: WorkOrder, alarm: Alarm) -> WorkOrder:
        """Tell that all is well again, and end the order where that is wanted.

        What was read with the page may be minutes old, and telling takes a while: whether the
        fault is still over is asked before, and again in the transaction that ends the order.
        """
        if CLEAR_NOTED in order.details:
            return order
        now = self._clock.now()
        follows = found.connector.follows
        ends = not follows  # nobody will ever tell that it is done
        closes = follows and (order.close_when_cleared or found.close_when_cleared)
        if not await self._records.write(lambda w: _begin_to_tell(w, order, closes, now)):
            return order
        if closes:
            text = clear_note_of(alarm, closing=True)
            ends = await _ended(found, order, text, cancelled=False)
        if not ends or not follows:
            await _noted(found, order, clear_note_of(alarm))
        now = self._clock.now()

        def change(writer: Writer, held: WorkOrder) -> WorkOrder:
            held = structs.replace(held, details=_without(held, CLOSING))
            if held.state in OPEN_STATES and _holds(writer, held):  # it has come again meanwhile
                kind = TellingKind.REOPEN if ends and follows else TellingKind.NOTE
                return structs.replace(held, tellings=come_again(held, kind, alarm.message, now))
            if ends and held.state in OPEN_STATES:
                return _closed(held, now, now + WATCH_NS if follows else None)
            return structs.replace(held, details={**held.details, CLEAR_NOTED: now})

        return await self._change(order, change)

    async def _tell(self, found: Configured, order: WorkOrder, telling: Telling) -> WorkOrder:
        done = False
        match telling.kind:
            case TellingKind.CLOSE | TellingKind.CANCEL:
                cancelled = telling.kind is TellingKind.CANCEL
                done = await _ended(found, order, telling.text, cancelled=cancelled)
            case TellingKind.REOPEN:
                done = await _reopened(found, order, telling.text)
        if not done:
            await _noted(found, order, telling.text)
        now = self._clock.now()

        def change(_writer: Writer, held: WorkOrder) -> WorkOrder:
            rest = tuple(one for one in held.tellings if one != telling)
            held = structs.replace(held, tellings=rest)
            if done and telling.kind is TellingKind.REOPEN and held.state is WorkOrderState.CLOSED:
                return opened_again(held, WorkOrderState.OPEN)
            if done and held.state in ENDED and telling.kind is not TellingKind.REOPEN:
                return structs.replace(held, watch_until=now + WATCH_NS)
            return held

        return await self._change(order, change)

    async def _change(
        self, order: WorkOrder, change: Callable[[Writer, WorkOrder], WorkOrder]
    ) -> WorkOrder:
        now = self._clock.now()

        def work(writer: Writer) -> WorkOrder:
            held = writer.get(WORK_ORDERS, order.tenant, order.work_order_id).value
            changed = _put(writer, change(writer, held))
            if changed.state is not held.state:
                order_changed(writer, changed, now)
            return changed

        return await self._records.write(work)


def differs(order: WorkOrder, told: RemoteState) -> bool:
    """Return whether the far side says something new."""
    return (order.state, order.remote_state) != (told.state, told.text)


def _holds(reader: Reader, order: WorkOrder) -> bool:
    """Return whether what an order is for is not over: its fault, or without one its alarm."""
    if order.fault_id:
        fault = reader.find(FAULTS, order.tenant, order.fault_id)
        return fault is not None and fault.value.active > 0
    alarm = reader.find(ALARMS, order.tenant, order.alarm_id) if order.alarm_id else None
    return alarm is not None and alarm.value.is_open


def _begin_to_tell(writer: Writer, order: WorkOrder, closes: bool, now: int) -> bool:  # noqa: FBT001  a fact of the order
    """Return whether an end may be told now; note where Weft is to end the record itself."""
    record = writer.find(WORK_ORDERS, order.tenant, order.work_order_id)
    if record is None or record.value.state not in OPEN_STATES:
        return False
    held = record.value  # what waits to be told goes out first
    if held.tellings or CLEAR_NOTED in held.details or _holds(writer, held):
        return False
    if closes and CLOSING not in held.details:
        _put(writer, structs.replace(held, details={**held.details, CLOSING: now}))
    return True


def _ended_by_us(writer: Writer, order: WorkOrder, told: RemoteState, now: int) -> WorkOrder:
    """Take in that the record has ended by what Weft did, though its answer was lost.

    Nobody says that work was done: no alarm is questioned or cleared for it.
    """
    order = structs.replace(
        order, remote_state=told.text, polled_at=now, details=_without(order, CLOSING)
    )
    if _holds(writer, order):
        tellings = come_again(order, TellingKind.REOPEN, order.title, now)
        return _put(writer, structs.replace(order, tellings=tellings))
    changed = _put(writer, _closed(order, now, now + WATCH_NS))
    order_changed(writer, changed, now)
    return changed


def _closed(order: WorkOrder, now: int, watch_until: int | None) -> WorkOrder:
    return structs.replace(
        order,
        state=WorkOrderState.CLOSED,
        closed_at=now,
        closed_by="weft",
        watch_until=watch_until,
        details={**order.details, CLEAR_NOTED: now},
    )


def _without(order: WorkOrder, name: str) -> dict[str, Any]:
    return {key: one for key, one in order.details.items() if key != name}


def _put(writer: Writer, order: WorkOrder) -> WorkOrder:
    order = structs.replace(order, version=order.version + 1)
    writer.put(WORK_ORDERS, order.tenant, order.work_order_id, order)
    return order


async def _ended(found: Configured, order: WorkOrder, text: str, *, cancelled: bool) -> bool:
    connector: Connector = found.connector
    if not isinstance(connector, Closing):
        return False
    try:
        return await connector.close_order(order, text, cancelled=cancelled)
    except ConnectorError as error:
        return _refused(found, order, error, "close_refused")


async def _reopened(found: Configured, order: WorkOrder, text: str) -> bool:
    connector: Connector = found.connector
    if not isinstance(connector, Closing):
        return False
    try:
        return await connector.reopen_order(order, text)
    except ConnectorError as error:
        return _refused(found, order, error, "reopen_refused")


async def _noted(found: Configured, order: WorkOrder, text: str) -> None:
    try:
        await found.connector.note(order, text)
    except ConnectorError as error:
        _refused(found, order, error, "note_refused")


def _refused(found: Configured, order: WorkOrder, error: ConnectorError, event: str) -> bool:
    """Say in the log that something was refused for good; raise what may go well later."""
    if not error.permanent:
        raise error
    log.warning(
        event,
        connector=found.connector.name,
        work_order_id=order.work_order_id,
        error=error.detail,
    )
    return False
