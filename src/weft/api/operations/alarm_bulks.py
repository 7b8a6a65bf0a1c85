"""Operations on bulks of alarms: one act on all that a filter finds, and how far that is."""

from typing import Annotated

from msgspec import Meta, Struct

from weft.api.operation import Call, Command, Operation, Reply
from weft.api.operations.alarm_handling import Words
from weft.api.operations.alarms import AlarmList, wanted_of
from weft.api.services import Services
from weft.api.views import Moment, moment
from weft.errors import Invalid, NotFound, TooLarge
from weft.model.alarm import AlarmState, Priority, Severity
from weft.rules.alarm_bulks import Act, AlarmBulk, AlarmFailure, Order


class NewAlarmBulk(Struct, frozen=True, forbid_unknown_fields=True):
    """What is done, and to which alarms: those that match all that is given."""

    act: Act
    state: AlarmState | None = None
    severity: Severity | None = None
    device: str | None = None
    rule: str | None = None
    assignee: Annotated[str, Meta(description="Whose they are; empty: nobody's.")] | None = None
    asset: Annotated[str, Meta(description="Of this asset and those below it.")] | None = None
    shelved: Annotated[bool, Meta(description="Those put aside, or the others.")] | None = None
    suppressed: Annotated[bool, Meta(description="Those kept back, or the others.")] | None = None
    under: Annotated[str, Meta(description="Kept back by this alarm.")] | None = None
    comment: Words = ""
    user: Annotated[str, Meta(max_length=128, description="Whom they are given to.")] | None = None
    priority: Annotated[Priority, Meta(description="What they get.")] | None = None
    duration: Annotated[str, Meta(max_length=32, description="Of a shelf, as 8h.")] = ""


class AlarmBulkView(Struct, frozen=True):
    """A bulk as the API shows it."""

    bulk_id: str
    act: Act
    actor: str
    created_at: Moment
    alarms: int
    waiting: int  # not dealt with yet
    failed: int
    done: bool
    failures: list[AlarmFailure]  # the first 1,000


def _view(bulk: AlarmBulk) -> AlarmBulkView:
    return AlarmBulkView(
        bulk_id=bulk.bulk_id,
        act=bulk.order.act,
        actor=str(bulk.actor),
        created_at=moment(bulk.created_at) or "",
        alarms=len(bulk.alarms),
        waiting=len(bulk.alarms) - bulk.done,
        failed=bulk.failed,
        done=bulk.is_done,
        failures=list(bulk.failures),
    )


async def handle_alarms(services: Services, call: Call) -> Reply:
    """Keep a bulk; it is worked off from now on."""
    body: NewAlarmBulk = call.body
    wanted = wanted_of(
        AlarmList(
            state=body.state,
            severity=body.severity,
            device=body.device,
            rule=body.rule,
            assignee=body.assignee,
            asset=body.asset,
            shelved=body.shelved,
            suppressed=body.suppressed,
            under=body.under,
            open=True,  # what is over is not handled any more
        )
    )
    order = Order(body.act, body.comment, body.user or None, body.priority, body.duration)
    return Reply(_view(await services.alarm_work.bulks.start(call.principal, wanted, order)))


async def get_alarm_bulk(services: Services, call: Call) -> AlarmBulkView:
    """Answer with how far a bulk is."""
    return _view(await services.alarm_work.bulks.get(call.principal.tenant, call.path["bulk_id"]))


OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "handle_alarms",
        "POST",
        "/alarms/bulk",
        "Do one thing to all open alarms that a filter finds",
        handle_alarms,
        action="alarm.bulk",
        description=(
            "Which alarms is decided now; each is then handled as if it were the only one, with "
            "the caller's rights and an entry of its own in history and audit. One on which it "
            "cannot be done is a failure and hinders no other."
        ),
        tag="alarms",
        body=NewAlarmBulk,
        result=AlarmBulkView,
        status=202,
        errors=(Invalid, NotFound, TooLarge),
        example={"act": "acknowledge", "asset": "line-1", "comment": "power cut, known"},
        command=Command("alarm", "bulk", arguments=("act",)),
    ),
    Operation(
        "get_alarm_bulk",
        "GET",
        "/alarms/bulk/{bulk_id}",
        "Show how far a bulk of alarms is",
        get_alarm_bulk,
        action="alarm.read",
        tag="alarms",
        result=AlarmBulkView,
        errors=(NotFound,),
        command=Command("alarm", "progress"),
    ),
)
