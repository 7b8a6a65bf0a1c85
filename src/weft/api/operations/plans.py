"""Operations on maintenance plans and working calendars: what is due when, and who is there."""

from typing import Annotated

from msgspec import Meta, Struct

from weft.api.operation import Call, Command, Operation
from weft.api.services import Services
from weft.api.views import Moment, Page, Paging, after_of, moment, page_of
from weft.errors import AlreadyExists, Invalid, NotFound, QuotaExceeded
from weft.model.alarm import Priority
from weft.rules.calendars import Calendars, WorkingCalendar
from weft.rules.plans import ByCalendar, ByMeter, Plan, Plans, Unit

Word = Annotated[str, Meta(max_length=128)]
Text = Annotated[str, Meta(max_length=1000)]
Dates = Annotated[tuple[Word, ...], Meta(max_length=200)]


class NewPlan(Struct, frozen=True, forbid_unknown_fields=True):
    """A plan: every so many days, weeks or months from a date on, or by a device's counter."""

    name: Word
    connector: Word
    title: Annotated[str, Meta(min_length=1, max_length=120)]
    every: Annotated[float, Meta(gt=0)]
    unit: (
        Annotated[Unit, Meta(description="Of the calendar; left out, it is the counter's.")] | None
    ) = None
    start: Word = ""  # a date: 2026-03-02
    at: Annotated[Word, Meta(description="The time of the day.")] = "07:00"
    zone: Annotated[Word, Meta(description="As Europe/Berlin.")] = "UTC"
    device: Word = ""  # whose counter
    key: Annotated[Word, Meta(description="The counter: a key of the device's telemetry.")] = ""
    asset: Annotated[Word, Meta(description="What the work is done on.")] = ""
    priority: Annotated[Priority, Meta(description="Of the work orders.")] = Priority.MEDIUM
    instructions: Annotated[Text, Meta(description="What is to be done.")] = ""


class PlanView(Struct, frozen=True):
    """A plan as the API shows it."""

    name: str
    connector: str
    title: str
    instructions: str
    asset: str
    priority: Priority
    every: float
    unit: Unit | None
    start: str
    at: str
    zone: str
    device: str
    key: str
    owner: str
    created_at: Moment
    occurrence: int  # the newest that has its work order, or was passed over
    next_at: Moment | None  # by the calendar
    next_reading: float | None  # by the counter, unless that is set back
    denied: str  # why nothing is ordered any more


class CalendarBody(Struct, frozen=True, forbid_unknown_fields=True):
    """When people work at a place, and how soon they respond."""

    times: Text
    zone: Annotated[Word, Meta(description="As Europe/Berlin.")] = "UTC"
    holidays: Annotated[Dates, Meta(description="Dates without work: 2026-12-25.")] = ()
    respond: Annotated[
        dict[str, Word], Meta(description="How soon, by severity: critical=4h.")
    ] = {}


class CalendarView(Struct, frozen=True):
    """A working calendar as the API shows it."""

    name: str
    times: str
    zone: str
    holidays: tuple[str, ...]
    respond: dict[str, str]
    version: int


def _plans(services: Services) -> Plans:
    return Plans(services.records, services.policy, services.audit, services.clock)


def _calendars(services: Services) -> Calendars:
    return Calendars(services.records, services.audit, services.clock)


def _plan_view(plan: Plan) -> PlanView:
    calendar, meter = plan.by_calendar, plan.by_meter
    reading = None
    if meter is not None and plan.reading is not None:
        reading = plan.reading + (plan.done + 1) * meter.every - plan.grown
    return PlanView(
        name=plan.name,
        connector=plan.connector,
        title=plan.title,
        instructions=plan.instructions,
        asset=plan.asset,
        priority=plan.priority,
        every=calendar.every if calendar else meter.every if meter else 0,
        unit=calendar.unit if calendar else None,
        start=calendar.start if calendar else "",
        at=calendar.at if calendar else "",
        zone=calendar.zone if calendar else "",
        device=meter.device if meter else "",
        key=meter.key if meter else "",
        owner=str(plan.owner),
        created_at=moment(plan.created_at) or "",
        occurrence=plan.done,
        next_at=moment(calendar.moment(plan.done + 1)) if calendar else None,
        next_reading=reading,
        denied=plan.denied,
    )


def _plan_of(call: Call, body: NewPlan) -> Plan:
    by_calendar = by_meter = None
    if body.unit is not None:
        if body.every != int(body.every):
            raise Invalid(f"Every {body.every:g} {body.unit} is no rhythm.", remedy="Write 2.")
        if body.device or body.key:
            raise Invalid(
                "A plan goes by the calendar or by a meter.",
                remedy="Leave out unit, or device and key.",
            )
        by_calendar = ByCalendar(int(body.every), body.unit, body.start, body.at, body.zone)
    elif body.device and body.key:
        by_meter = ByMeter(body.device, body.key, body.every)
    else:
        raise Invalid(
            "The plan says neither a unit nor a counter.",
            remedy="Give unit and start, or device and key.",
        )
    return Plan(
        tenant=call.principal.tenant,
        name=body.name,
        uid="",
        owner=call.principal,
        connector=body.connector,
        title=body.title,
        instructions=body.instructions,
        asset=body.asset,
        priority=body.priority,
        by_calendar=by_calendar,
        by_meter=by_meter,
    )


def _calendar_view(calendar: WorkingCalendar) -> CalendarView:
    return CalendarView(
        name=calendar.name,
        times=calendar.times,
        zone=calendar.zone,
        holidays=calendar.holidays,
        respond=calendar.respond,
        version=calendar.version,
    )


async def list_plans(services: Services, call: Call) -> Page[PlanView]:
    """Answer with a page of plans."""
    found = await _plans(services).list_plans(
        call.principal.tenant, after=after_of(call, "plans"), limit=call.query.limit + 1
    )
    return page_of(call, "plans", found, _plan_view, lambda plan: plan.name)


async def create_plan(services: Services, call: Call) -> PlanView:
    """Save a plan; it acts with the rights of whoever saves it."""
    body: NewPlan = call.body
    services.connectors.get(call.principal.tenant, body.connector)
    return _plan_view(await _plans(services).create(call.principal, _plan_of(call, body)))


async def get_plan(services: Services, call: Call) -> PlanView:
    """Answer with one plan."""
    return _plan_view(await _plans(services).get(call.principal.tenant, call.path["plan"]))


async def delete_plan(services: Services, call: Call) -> None:
    """Delete a plan; its work orders stay."""
    await _plans(services).delete(call.principal, call.path["plan"])


async def list_calendars(services: Services, call: Call) -> Page[CalendarView]:
    """Answer with a page of calendars."""
    found = await _calendars(services).list_calendars(
        call.principal.tenant, after=after_of(call, "calendars"), limit=call.query.limit + 1
    )
    return page_of(call, "calendars", found, _calendar_view, lambda one: one.name)


async def save_calendar(services: Services, call: Call) -> CalendarView:
    """Save a calendar."""
    body: CalendarBody = call.body
    calendar = WorkingCalendar(
        tenant=call.principal.tenant,
        name=call.path["calendar"],
        times=body.times,
        zone=body.zone,
        holidays=body.holidays,
        respond=body.respond,
    )
    return _calendar_view(await _calendars(services).save(call.principal, calendar))


async def get_calendar(services: Services, call: Call) -> CalendarView:
    """Answer with one calendar."""
    found = await _calendars(services).get(call.principal.tenant, call.path["calendar"])
    return _calendar_view(found)


async def delete_calendar(services: Services, call: Call) -> None:
    """Delete a calendar; due dates that stand already stay."""
    await _calendars(services).delete(call.principal, call.path["calendar"])


_PLAN = "/maintenance-plans/{plan}"
_CALENDAR = "/calendars/{calendar}"

OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "list_plans",
        "GET",
        "/maintenance-plans",
        "List maintenance plans",
        list_plans,
        action="plan.read",
        query=Paging,
        result=Page[PlanView],
        command=Command(
            "plan", "list", columns=("name", "title", "asset", "every", "unit", "device", "next_at")
        ),
    ),
    Operation(
        "create_plan",
        "POST",
        "/maintenance-plans",
        "Plan work that comes again and again",
        create_plan,
        action="plan.write",
        description="It orders with the rights of whoever saves it, once for each occurrence.",
        body=NewPlan,
        result=PlanView,
        status=201,
        errors=(AlreadyExists, Invalid, NotFound, QuotaExceeded),
        example={
            "name": "oil",
            "connector": "erp",
            "title": "Change the oil",
            "every": 2,
            "unit": "weeks",
            "start": "2026-03-02",
        },
        command=Command("plan", "add", arguments=("name", "connector", "title", "every")),
    ),
    Operation(
        "get_plan",
        "GET",
        _PLAN,
        "Show a maintenance plan",
        get_plan,
        action="plan.read",
        target="plan:{plan}",
        result=PlanView,
        errors=(NotFound,),
        command=Command("plan", "show"),
    ),
    Operation(
        "delete_plan",
        "DELETE",
        _PLAN,
        "Delete a maintenance plan",
        delete_plan,
        action="plan.write",
        target="plan:{plan}",
        errors=(NotFound,),
        command=Command("plan", "delete", confirm="Delete the plan {plan}?"),
    ),
    Operation(
        "list_calendars",
        "GET",
        "/calendars",
        "List working calendars",
        list_calendars,
        action="plan.read",
        query=Paging,
        result=Page[CalendarView],
        command=Command("calendar", "list", columns=("name", "times", "zone")),
    ),
    Operation(
        "save_calendar",
        "PUT",
        _CALENDAR,
        "Save a working calendar",
        save_calendar,
        action="plan.write",
        target="calendar:{calendar}",
        description="The one named `default` counts where an asset names none.",
        body=CalendarBody,
        result=CalendarView,
        errors=(Invalid, QuotaExceeded),
        example={"times": "Mon-Fri 07:00-15:00", "zone": "Europe/Berlin"},
        command=Command("calendar", "save", arguments=("times",)),
    ),
    Operation(
        "get_calendar",
        "GET",
        _CALENDAR,
        "Show a working calendar",
        get_calendar,
        action="plan.read",
        target="calendar:{calendar}",
        result=CalendarView,
        errors=(NotFound,),
        command=Command("calendar", "show"),
    ),
    Operation(
        "delete_calendar",
        "DELETE",
        _CALENDAR,
        "Delete a working calendar",
        delete_calendar,
        action="plan.write",
        target="calendar:{calendar}",
        errors=(NotFound,),
        command=Command("calendar", "delete", confirm="Delete the calendar {calendar}?"),
    ),
)
