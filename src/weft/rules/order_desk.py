"""The desk: what people do with a work order here, each act on record with the change.

The far side hears of it through the order itself: what it is to be told waits in
`tellings` and goes out when it can be reached, once for each act.
"""

from collections.abc import Callable
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from weft.errors import Conflict, Invalid, QuotaExceeded
from weft.model.alarm import Alarm, WorkOrder, WorkOrderState
from weft.model.principal import Principal
from weft.model.work_order import CLEAR_NOTED, DETACHED, OnClose, Remark, Telling, TellingKind
from weft.ports import Clock, Records, Writer
from weft.rules.kinds import WORK_ORDERS
from weft.rules.order_ends import OrderEnds
from weft.security.audit import Audit

REMARKS_MAX: Final = 200
TELLINGS_MAX: Final = 50
TEXT_CHARACTERS: Final = 1_000


class Done(Struct, frozen=True):
    """A work order after an act, and the alarms that changed with it."""

    order: WorkOrder
    alarms: list[Alarm]


Change = Callable[[WorkOrder], WorkOrder]


class OrderDesk:
    """Acknowledge, assign, comment, close, cancel and open again."""

    def __init__(self, records: Records, audit: Audit, clock: Clock, ends: OrderEnds) -> None:
        self._records = records
        self._audit = audit
        self._clock = clock
        self._ends = ends

    async def acknowledge(self, actor: Principal, order_id: str) -> Done:
        """Take note that somebody has seen it; doing so twice changes nothing."""

        def change(order: WorkOrder) -> WorkOrder:
            if order.acknowledged_at is not None:
                return order
            return replace(order, acknowledged_at=self._clock.now(), acknowledged_by=str(actor))

        return await self._do(actor, order_id, "work_order.acknowledge", change)

    async def assign(self, actor: Principal, order_id: str, to: str) -> Done:
        """Give it to somebody, or (empty) to nobody; the far side gets a note."""
        _require_text(to)

        def change(order: WorkOrder) -> WorkOrder:
            if order.assigned_to == to:
                return order
            text = f"Weft: assigned to {to}." if to else "Weft: assigned to nobody."
            return self._telling(replace(order, assigned_to=to), TellingKind.NOTE, text)

        return await self._do(actor, order_id, "work_order.assign", change, {"to": to})

    async def comment(self, actor: Principal, order_id: str, text: str) -> Done:
        """Write something on it; the far side gets it as a note."""
        _require_text(text)
        if not text.strip():
            raise Invalid("The comment is empty.", remedy="Write what there is to say.")

        def change(order: WorkOrder) -> WorkOrder:
            return self._remarked(order, actor, text, TellingKind.NOTE, f"{actor.id}: {text}")

        return await self._do(actor, order_id, "work_order.comment", change, {"comment": text})

    async def close(
        self, actor: Principal, order_id: str, text: str, on_close: OnClose | None = None
    ) -> Done:
        """Say that the work is done; `on_close` goes before what the rule says of its alarms."""
        said = f"Weft: closed by {actor.id}. {text}".rstrip()
        end = (WorkOrderState.CLOSED, TellingKind.CLOSE, said)
        return await self._end(actor, order_id, text, end, on_close)

    async def cancel(self, actor: Principal, order_id: str, text: str) -> Done:
        """Say that there is nothing to do; its alarms are questioned and not cleared."""
        said = f"Weft: cancelled by {actor.id}. {text}".rstrip()
        end = (WorkOrderState.CANCELLED, TellingKind.CANCEL, said)
        return await self._end(actor, order_id, text, end, None)

    async def reopen(self, actor: Principal, order_id: str, text: str) -> Done:
        """Say that the work is not done after all; raise `Conflict` unless it has ended."""
        _require_text(text)

        def change(order: WorkOrder) -> WorkOrder:
            if order.state not in {WorkOrderState.CLOSED, WorkOrderState.CANCELLED}:
                raise Conflict(
                    f"The work order is {order.state}, so it cannot be opened again.",
                    remedy="One that was given up is started again by weft outbox redrive.",
                )
            opened = opened_again(order, WorkOrderState.OPEN)
            said = f"Weft: opened again by {actor.id}. {text}".rstrip()
            return self._remarked(opened, actor, text, TellingKind.REOPEN, said)

        def then(writer: Writer, order: WorkOrder) -> list[Alarm]:
            return self._ends.reopen(writer, actor, order, self._clock.now())

        detail = {"comment": text}
        return await self._do(actor, order_id, "work_order.reopen", change, detail, then)

    async def _end(
        self,
        actor: Principal,
        order_id: str,
        text: str,
        end: tuple[WorkOrderState, TellingKind, str],
        on_close: OnClose | None,
    ) -> Done:
        _require_text(text)
        state, kind, said = end

        def change(order: WorkOrder) -> WorkOrder:
            if order.state in {WorkOrderState.CLOSED, WorkOrderState.CANCELLED}:
                raise Conflict(
                    f"The work order is {order.state} already.", remedy="There is nothing to do."
                )
            ended = replace(
                order,
                state=state,
                closed_at=self._clock.now(),
                closed_by=str(actor),
                on_close=on_close.value if on_close else order.on_close,
            )
            return self._remarked(ended, actor, text, kind, said)

        def then(writer: Writer, order: WorkOrder) -> list[Alarm]:
            now = self._clock.now()
            return self._ends.end(writer, actor, order, now, OnClose.QUESTION)

        verb = "close" if state is WorkOrderState.CLOSED else "cancel"
        return await self._do(
            actor, order_id, f"work_order.{verb}", change, {"comment": text}, then
        )

    async def _do(
        self,
        actor: Principal,
        order_id: str,
        action: str,
        change: Change,
        detail: dict[str, str] | None = None,
        then: Callable[[Writer, WorkOrder], list[Alarm]] | None = None,
    ) -> Done:
        def work(writer: Writer) -> Done:
            old = writer.get(WORK_ORDERS, actor.tenant, order_id).value
            new = change(old)
            if new is old:
                return Done(old, [])
            new = replace(new, version=old.version + 1)
            writer.put(WORK_ORDERS, actor.tenant, order_id, new)
            alarms = then(writer, new) if then is not None else []
            target = f"work_order:{order_id}"
            self._audit.entry(writer, actor, action, target, detail=detail or {})
            return Done(new, alarms)

        done = await self._records.write(work)
        self._ends.tell(done.alarms)
        return done

    def _remarked(
        self, order: WorkOrder, actor: Principal, text: str, kind: TellingKind, said: str
    ) -> WorkOrder:
        if text:
            if len(order.remarks) >= REMARKS_MAX:
                raise QuotaExceeded(
                    f"The work order has {REMARKS_MAX} comments, as many as are kept.",
                    remedy="Go on in the business system that does the work.",
                )
            remark = Remark(self._clock.now(), str(actor), text)
            order = replace(order, remarks=(*order.remarks, remark))
        return self._telling(order, kind, said)

    def _telling(self, order: WorkOrder, kind: TellingKind, text: str) -> WorkOrder:
        if DETACHED in order.details:
            return order  # there is nobody to tell
        if len(order.tellings) >= TELLINGS_MAX:
            raise QuotaExceeded(
                f"{TELLINGS_MAX} things wait to be told to {order.connector!r} already.",
                remedy=f"See why they do not go out: weft connector show {order.connector}",
            )
        telling = Telling(kind, text, self._clock.now())
        return replace(order, tellings=(*order.tellings, telling))


def opened_again(order: WorkOrder, state: WorkOrderState) -> WorkOrder:
    """Return an ended work order as one that is open again; what it noted of its end goes."""
    details = {key: one for key, one in order.details.items() if key != CLEAR_NOTED}
    return replace(
        order, state=state, closed_at=None, closed_by="", watch_until=None, details=details
    )


def _require_text(text: str) -> None:
    if len(text) > TEXT_CHARACTERS:
        raise Invalid(
            f"The text has {len(text)} characters; at most {TEXT_CHARACTERS} fit.",
            remedy="Write a shorter one.",
        )
