"""Operations on how alarms are handled: assigned, commented on, prioritised, put aside."""

from typing import Annotated, Any

from msgspec import Meta, Struct

from weft.api.operation import Call, Command, Handler, Operation, Reply
from weft.api.operations.alarms import AlarmView, view_of
from weft.api.services import Services
from weft.api.views import Moment, Page, Paging, after_of, found_page, moment
from weft.errors import Conflict, Invalid, NotFound, QuotaExceeded
from weft.model.alarm import Alarm, Priority, Step, StepKind
from weft.model.ids import AlarmId
from weft.rules.durations import read_duration

Words = Annotated[str, Meta(max_length=1000)]
Duration = Annotated[str, Meta(max_length=32, description="As 30m, 8h or 2d; 30d at most.")]


class Assignment(Struct, frozen=True, forbid_unknown_fields=True):
    """Who takes care of it."""

    user: Annotated[str, Meta(max_length=128)] | None = None  # none: nobody any more
    comment: Words = ""


class NewComment(Struct, frozen=True, forbid_unknown_fields=True):
    """What others should know."""

    comment: Words


class NewPriority(Struct, frozen=True, forbid_unknown_fields=True):
    """How urgent it is."""

    priority: Priority | None = None  # none: as it is derived
    comment: Words = ""


class NewShelf(Struct, frozen=True, forbid_unknown_fields=True):
    """For how long it is put aside, and why."""

    duration: Duration
    reason: Words


class Unshelving(Struct, frozen=True, forbid_unknown_fields=True):
    """Why it is taken back."""

    comment: Words = ""


class StepView(Struct, frozen=True):
    """Something that was done to an alarm."""

    number: int
    kind: StepKind
    at: Moment
    by: str
    text: str
    facts: dict[str, str]


def _step_view(step: Step) -> StepView:
    return StepView(step.number, step.kind, moment(step.at) or "", step.by, step.text, step.facts)


def _reply(alarm: Alarm) -> Reply:
    return Reply(view_of(alarm), version=alarm.version)


def _alarm_of(call: Call) -> AlarmId:
    return AlarmId(call.path["alarm_id"])


async def assign_alarm(services: Services, call: Call) -> Reply:
    """Give it to somebody."""
    body: Assignment = call.body
    handling = services.alarm_work.handling
    return _reply(
        await handling.assign(
            call.principal,
            _alarm_of(call),
            body.user or None,
            version=call.if_match,
            comment=body.comment,
        )
    )


async def comment_alarm(services: Services, call: Call) -> Reply:
    """Say something about it."""
    body: NewComment = call.body
    return _reply(
        await services.alarm_work.handling.comment(call.principal, _alarm_of(call), body.comment)
    )


async def prioritise_alarm(services: Services, call: Call) -> Reply:
    """Say how urgent it is."""
    body: NewPriority = call.body
    return _reply(
        await services.alarm_work.handling.prioritise(
            call.principal,
            _alarm_of(call),
            body.priority,
            version=call.if_match,
            comment=body.comment,
        )
    )


async def shelve_alarm(services: Services, call: Call) -> Reply:
    """Put it aside for a time."""
    body: NewShelf = call.body
    return _reply(
        await services.alarm_work.handling.shelve(
            call.principal,
            _alarm_of(call),
            read_duration(body.duration),
            body.reason,
            version=call.if_match,
        )
    )


async def unshelve_alarm(services: Services, call: Call) -> Reply:
    """Take it back before its time."""
    body: Unshelving = call.body or Unshelving()
    return _reply(
        await services.alarm_work.handling.unshelve(
            call.principal, _alarm_of(call), version=call.if_match, comment=body.comment
        )
    )


async def list_alarm_history(services: Services, call: Call) -> Page[StepView]:
    """Answer with what was done to it, in order."""
    found = await services.alarms.history(
        call.principal.tenant,
        _alarm_of(call),
        after=after_of(call, "alarm_history"),
        limit=call.query.limit,
    )
    return found_page(call, "alarm_history", found, _step_view)


_ONE = "/alarms/{alarm_id}"
_TARGET = "alarm:{alarm_id}"


def _act(name: str, verb: str, summary: str, handler: Handler, **more: Any) -> Operation:
    """Return what one may do with an alarm; it answers with the alarm as it is then."""
    return Operation(
        name,
        "POST",
        f"{_ONE}/{verb}",
        summary,
        handler,
        target=_TARGET,
        tag="alarms",
        result=AlarmView,
        etag=True,
        **more,
    )


OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "list_alarm_history",
        "GET",
        _ONE + "/history",
        "List what was done to an alarm",
        list_alarm_history,
        action="alarm.read",
        target=_TARGET,
        tag="alarms",
        query=Paging,
        result=Page[StepView],
        errors=(NotFound,),
        command=Command("alarm", "history", columns=("at", "by", "kind", "text", "facts")),
    ),
    _act(
        "assign_alarm",
        "assign",
        "Give an alarm to a user",
        assign_alarm,
        action="alarm.assign",
        description="Without a user it is nobody's any more.",
        body=Assignment,
        if_match="optional",
        errors=(NotFound, Conflict, Invalid, QuotaExceeded),
        example={"user": "alice", "comment": "your shift"},
        command=Command("alarm", "assign", arguments=("user",)),
    ),
    _act(
        "comment_alarm",
        "comments",
        "Say something about an alarm",
        comment_alarm,
        action="alarm.comment",
        description="It stands in the alarm's history; also of an alarm that is over.",
        body=NewComment,
        errors=(NotFound, Invalid, QuotaExceeded),
        example={"comment": "the spare part is ordered"},
        command=Command("alarm", "comment", arguments=("comment",)),
    ),
    _act(
        "prioritise_alarm",
        "priority",
        "Override an alarm's priority",
        prioritise_alarm,
        action="alarm.prioritise",
        description=(
            "It is derived from the severity and from the attribute `criticality` of the asset "
            "(low, medium, high or critical); none goes back to that."
        ),
        body=NewPriority,
        if_match="optional",
        errors=(NotFound, Conflict, QuotaExceeded),
        example={"priority": "urgent", "comment": "the line waits for it"},
        command=Command("alarm", "prioritise", arguments=("priority",)),
    ),
    _act(
        "shelve_alarm",
        "shelve",
        "Put an alarm aside for a time",
        shelve_alarm,
        action="alarm.shelve",
        description="It comes back by the clock, or when it is taken back.",
        body=NewShelf,
        if_match="optional",
        errors=(NotFound, Conflict, Invalid, QuotaExceeded),
        example={"duration": "8h", "reason": "the sensor is loose, Bob comes tomorrow"},
        command=Command("alarm", "shelve", arguments=("duration", "reason")),
    ),
    _act(
        "unshelve_alarm",
        "unshelve",
        "Take an alarm back before its time",
        unshelve_alarm,
        action="alarm.shelve",
        body=Unshelving,
        body_optional=True,
        if_match="optional",
        errors=(NotFound, Conflict),
        example={"comment": "repaired early"},
        command=Command("alarm", "unshelve"),
    ),
)
