"""Maintenance plans: work orders before anything breaks, by the calendar or by a meter.

A plan has occurrences with numbers: every so many days, weeks or months at an hour of a
place, or each time that a device's counter has grown by so much. The order of an occurrence
has an id derived from plan and number and is written with the plan's state, so that it is
made once, whatever restarts. What was missed while Weft was down, or lay in the past when
the plan was made, is not made up for: the newest occurrence stands for those before it.
"""

from collections.abc import Callable, Sequence
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from typing import Any, Final
from zoneinfo import ZoneInfo

from msgspec import Struct
from msgspec.structs import replace

from weft.errors import AlreadyExists, Invalid, QuotaExceeded
from weft.model.alarm import (
    Action,
    OutboxEntry,
    OutboxState,
    Priority,
    WorkOrder,
    WorkOrderState,
)
from weft.model.ids import (
    ActionId,
    AlarmId,
    DeviceId,
    TenantId,
    WorkOrderId,
    derived_id_at,
    new_id,
    require_name,
)
from weft.model.moments import NS_PER_S
from weft.model.principal import Principal
from weft.ports import Clock, Deciding, Kind, Reader, Records, Writer
from weft.rules.calendars import due_at
from weft.rules.feeds.schedule import read_schedule
from weft.rules.kinds import OUTBOX, WORK_ORDERS
from weft.security.audit import Audit

PLANS_MAX: Final = 1_000  # of one tenant
ACT: Final = "rule.act"  # a plan acts with the rights of its owner, as a rule does
_PAGE: Final = 500


class Unit(StrEnum):
    """Of what a calendar plan counts."""

    DAYS = "days"
    WEEKS = "weeks"
    MONTHS = "months"


class ByCalendar(Struct, frozen=True):
    """Every `every` units from a date on, at an hour of a place."""

    every: int
    unit: Unit
    start: str  # a date
    at: str = "07:00"
    zone: str = "UTC"

    def moment(self, number: int) -> int:
        """Return when an occurrence is (ns UTC), from 0; the 31st is the last of a short month."""
        first = date.fromisoformat(self.start)
        if self.unit is Unit.MONTHS:
            day = _months_on(first, number * self.every)
        else:
            days = self.every * (7 if self.unit is Unit.WEEKS else 1)
            day = first + timedelta(days=number * days)
        wall = datetime.combine(day, time.fromisoformat(self.at), ZoneInfo(self.zone))
        return int(wall.timestamp()) * NS_PER_S

    def newest(self, now: int) -> int | None:
        """Return the number of the newest occurrence that has been, or None."""
        if self.moment(0) > now:
            return None
        low, high = 0, 1
        while self.moment(high) <= now:
            low, high = high, high * 2
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self.moment(middle) <= now else (low, middle)
        return low


class ByMeter(Struct, frozen=True):
    """Each time that a device's counter (kilometres, strokes, running hours) has grown so far."""

    device: str
    key: str
    every: float


class Plan(Struct, frozen=True):
    """What is to be done again and again, and how far it has come."""

    tenant: TenantId
    name: str
    uid: str  # never used again after a delete
    owner: Principal
    connector: str
    title: str
    instructions: str = ""
    asset: str = ""
    priority: Priority = Priority.MEDIUM
    by_calendar: ByCalendar | None = None
    by_meter: ByMeter | None = None
    created_at: int = 0
    done: int = -1  # the newest occurrence that has its order, or was passed over
    grown: float = 0.0  # of the counter, since the plan was made; a reset loses nothing
    reading: float | None = None  # the counter, as last seen
    denied: str = ""  # why its owner may not order any more


PLANS: Final = Kind("maintenance_plan", Plan)
Reading = Callable[[TenantId, str, str], float | None]  # tenant, device, key


class Plans:
    """The maintenance plans of all tenants."""

    def __init__(self, records: Records, policy: Deciding, audit: Audit, clock: Clock) -> None:
        self._records = records
        self._policy = policy
        self._audit = audit
        self._clock = clock

    async def list_plans(
        self, tenant: TenantId, *, after: str = "", limit: int = 100
    ) -> Sequence[Plan]:
        """Return plans in the order of their names."""
        found = await self._records.read(
            lambda reader: reader.list(PLANS, tenant, after=after, limit=limit)
        )
        return [record.value for record in found]

    async def get(self, tenant: TenantId, name: str) -> Plan:
        """Return a plan, or raise `NotFound`."""
        return (await self._records.read(lambda reader: reader.get(PLANS, tenant, name))).value

    async def create(self, actor: Principal, plan: Plan) -> Plan:
        """Save a plan of `actor`; raise `Invalid` for one that says no time, or two."""
        require_sound(plan)
        now = self._clock.now()
        passed = plan.by_calendar.newest(now) if plan.by_calendar else None
        made = replace(
            plan,
            tenant=actor.tenant,
            uid=new_id(),
            owner=actor,
            created_at=now,
            done=-1 if passed is None else passed,
        )
        if plan.by_meter is not None:
            made = replace(made, done=0)

        def work(writer: Writer) -> None:
            if writer.find(PLANS, actor.tenant, made.name) is not None:
                raise AlreadyExists(
                    f"There is a maintenance plan {made.name!r} already.",
                    remedy="Choose another name, or delete it first.",
                )
            if writer.count(PLANS, actor.tenant) >= PLANS_MAX:
                raise QuotaExceeded(
                    f"The tenant has {PLANS_MAX} maintenance plans, as many as fit.",
                    remedy="Delete those that are not needed any more.",
                )
            writer.insert(PLANS, actor.tenant, made.name, made)
            self._audit.entry(writer, actor, "plan.create", f"plan:{made.name}")

        await self._records.write(work)
        return made

    async def delete(self, actor: Principal, name: str) -> None:
        """Delete a plan, or raise `NotFound`; its work orders stay."""

        def work(writer: Writer) -> None:
            writer.get(PLANS, actor.tenant, name)
            writer.delete(PLANS, actor.tenant, name)
            self._audit.entry(writer, actor, "plan.delete", f"plan:{name}")

        await self._records.write(work)

    async def run_due(self, reading: Reading) -> list[WorkOrder]:
        """Make the work orders of all occurrences that are due; return those that were made."""
        made: list[WorkOrder] = []
        for plan in await self._records.read(_all_plans):
            meter = plan.by_meter
            value = reading(plan.tenant, meter.device, meter.key) if meter else None
            moved = _moved(plan, self._clock.now(), value)
            if moved is None:
                continue
            decision = self._policy.decide(plan.owner, ACT, f"connector:{plan.connector}")
            order = await self._take(plan, moved, "" if decision.allowed else decision.reason)
            made += [order] if order is not None else []
        return made

    async def _take(self, seen: Plan, moved: Plan, denied: str) -> WorkOrder | None:
        def work(writer: Writer) -> WorkOrder | None:
            held = writer.find(PLANS, seen.tenant, seen.name)
            if held is None or held.value != seen:
                return None  # changed or deleted meanwhile: the next turn sees it as it is
            if denied:
                if held.value.denied != denied:
                    writer.put(PLANS, seen.tenant, seen.name, replace(seen, denied=denied))
                    self._audit.entry(
                        writer, seen.owner, ACT, f"connector:{seen.connector}", outcome="denied",
                        detail={"reason": denied, "plan": seen.name},
                    )  # fmt: skip
                return None
            writer.put(PLANS, seen.tenant, seen.name, replace(moved, denied=""))
            if moved.done == seen.done:
                return None  # the counter has moved, and nothing is due yet
            order = _order(writer, moved, self._clock.now())
            self._audit.entry(
                writer, seen.owner, "plan.order", f"plan:{seen.name}",
                detail={"work_order": order.work_order_id, "occurrence": moved.done},
            )  # fmt: skip
            return order

        return await self._records.write(work)


def require_sound(plan: Plan) -> None:
    """Raise `Invalid` unless a plan says when, in one way, and in words that can be read."""
    require_name(plan.name, "plan name")
    if (plan.by_calendar is None) == (plan.by_meter is None):
        raise Invalid(
            "A plan goes by the calendar or by a meter.", remedy="Give one of the two, not both."
        )
    meter, calendar = plan.by_meter, plan.by_calendar
    if meter is not None and not METER_MIN <= meter.every <= METER_MAX:
        raise Invalid(
            f"Every {meter.every} of a meter is no rhythm.",
            remedy=f"Give a number from {METER_MIN} to {METER_MAX:.0e}, as every: 500.",
        )
    if calendar is None:
        return
    if not 1 <= calendar.every <= EVERY_MAX:
        raise Invalid(
            f"Every {calendar.every} {calendar.unit} is no rhythm.",
            remedy=f"Give a number from 1 to {EVERY_MAX}.",
        )
    read_schedule("Mon-Sun 00:00-24:00", calendar.zone)  # names a zone that was meant
    try:
        calendar.moment(0)
    except ValueError as error:
        raise Invalid(
            f"{calendar.start!r} at {calendar.at!r} is no moment.",
            remedy="Write 2026-03-02 and 07:00.",
        ) from error


EVERY_MAX: Final = 1_000
METER_MIN: Final = 0.001
METER_MAX: Final = 1e12
_COUNTER_MAX: Final = 1e15  # beyond it a double no longer counts thousandths; no machine is there


def _moved(plan: Plan, now: int, value: float | None) -> Plan | None:
    """Return a plan as it is now, None where nothing has moved."""
    if plan.by_calendar is not None:
        newest = plan.by_calendar.newest(now)
        return replace(plan, done=newest) if newest is not None and newest > plan.done else None
    assert plan.by_meter is not None
    if value is None or value == plan.reading or not 0 <= value <= _COUNTER_MAX:
        return None  # what no counter can show moves nothing
    before = value if plan.reading is None else plan.reading
    # A counter that is smaller than before was set back: it has grown from nought.
    grown = min(plan.grown + (value - before if value >= before else value), _COUNTER_MAX)
    done = max(plan.done, int(grown // plan.by_meter.every))
    return replace(plan, reading=value, grown=grown, done=done)


def _order(writer: Writer, plan: Plan, now: int) -> WorkOrder:
    at = plan.by_calendar.moment(plan.done) if plan.by_calendar else now
    # Derived from the plan's own birth, not from now: asked for twice it is the same.
    parts = ("plan", plan.tenant, plan.uid, str(plan.done))
    order_id = derived_id_at(plan.created_at if plan.by_meter else at, *parts)
    parameters: dict[str, Any] = {
        "title": plan.title,
        "description": plan.instructions,
        "plan": plan.name,
    }
    device = plan.by_meter.device if plan.by_meter else ""
    action = Action(
        action_id=ActionId(order_id),
        tenant=plan.tenant,
        connector=plan.connector,
        kind="work_order",
        alarm_id=AlarmId(""),
        parameters=parameters,
        created_at=now,
    )
    order = WorkOrder(
        work_order_id=WorkOrderId(order_id),
        tenant=plan.tenant,
        alarm_id=AlarmId(""),
        device_id=DeviceId(device),
        connector=plan.connector,
        title=plan.title,
        state=WorkOrderState.REQUESTED,
        created_at=now,
        details={"plan": plan.name, "occurrence": plan.done},
        asset_id=plan.asset,
        priority=plan.priority,
        instructions=plan.instructions,
        alarms=0,
        told_alarms=0,
        due_at=due_at(writer, (plan.tenant, plan.asset), plan.priority, max(at, 0)),
    )
    writer.insert(WORK_ORDERS, plan.tenant, order_id, order)
    entry = OutboxEntry(action=action, state=OutboxState.PENDING, next_attempt_at=now)
    writer.insert(OUTBOX, plan.tenant, order_id, entry)
    return order


def _months_on(first: date, months: int) -> date:
    year, month = divmod(first.year * 12 + first.month - 1 + months, 12)
    for day in range(first.day, 27, -1):
        try:
            return date(year, month + 1, day)
        except ValueError:
            continue
    return date(year, month + 1, min(first.day, 28))


def _all_plans(reader: Reader) -> list[Plan]:
    found: list[Plan] = []
    for tenant in reader.tenants(PLANS):
        after = ""
        while page := reader.list(PLANS, tenant, after=after, limit=_PAGE):
            found += [record.value for record in page]
            after = page[-1].key
    return found
