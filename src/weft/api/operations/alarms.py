"""Operations on alarms: see, count, acknowledge and clear them."""

from typing import Annotated, Any

from msgspec import Meta, Struct

from weft.api.operation import Call, Command, Operation, Reply
from weft.api.operations.rules import EvidenceView, evidence_of
from weft.api.services import Services
from weft.api.views import Moment, Page, Paging, after_of, found_page, moment
from weft.errors import Conflict, NotFound
from weft.model.alarm import Alarm, AlarmState, Priority, Severity, Suppression, SuppressionKind
from weft.model.ids import AlarmId, DeviceId, RuleId
from weft.rules.alarms import Wanted
from weft.rules.tracing import Part, Trace, words_of


class ShelfView(Struct, frozen=True):
    """How an alarm was put aside."""

    at: Moment
    until: Moment
    by: str
    reason: str


class SuppressionView(Struct, frozen=True):
    """What keeps an alarm back, or kept it back until it came forth."""

    kind: SuppressionKind
    by: str
    at: Moment
    released_at: Moment | None


class AlarmView(Struct, frozen=True):
    """An alarm as the API shows it."""

    alarm_id: str
    rule_id: str
    rule_version: int
    device_id: str  # empty where the alarm is of a group or an asset
    group: str
    asset: str
    subject: str  # pump-7, group pumps, asset line-2
    dry_run: bool  # it would have been raised; its rule only tries
    late: bool  # found in data that came late, when it was over already
    members: list[str]  # of a group or asset: who made the condition true
    severity: Severity
    state: AlarmState
    message: str
    raised_at: Moment
    episode: int  # journal position of the sample that began it
    evidence: list[EvidenceView]
    acknowledged_at: Moment | None
    acknowledged_by: str | None
    cleared_at: Moment | None
    cleared_by: str | None
    priority: Priority
    priority_by: str | None  # who overrode what was derived
    asset_id: str | None  # what the device observed when it was raised
    assignee: str | None
    shelved: ShelfView | None
    suppressed: SuppressionView | None
    flood: bool  # it stands for many others
    held: int  # how many of them there are, as last counted
    questioned_at: Moment | None  # its work order has ended though its condition holds
    questioned_by: str | None
    version: int


class OverviewView(Struct, frozen=True):
    """How many alarms are open, and how many of them are put aside."""

    severities: dict[str, dict[str, int]]  # severity -> state -> how many are before one's eyes
    shelved: int
    suppressed: int


class PartView(Struct, frozen=True):
    """One part of a condition, as it was."""

    text: str
    value: Any
    unknown: str  # why it had no value; empty where it had
    position: int | None  # of an input: the message that it came with
    at: Moment | None
    device_id: str  # the member that it is of, below a call over members
    parts: list["PartView"]


class ConditionView(Struct, frozen=True):
    """A condition as it was when it decided."""

    condition: str  # when or clear
    at: Moment
    truncated: bool
    root: PartView


class TraceView(Struct, frozen=True):
    """Why an alarm was raised, and why it cleared."""

    alarm_id: str
    raised: ConditionView | None
    cleared: ConditionView | None
    reason: str  # why it was ended from outside; empty where its condition did
    words: list[str]  # the same, to read


class AlarmList(Paging, frozen=True):
    """Which alarms to list; all that is given must match."""

    state: AlarmState | None = None
    severity: Severity | None = None
    device: str | None = None
    group: Annotated[str, Meta(description="Of this group only.")] | None = None
    rule: str | None = None
    priority: Priority | None = None
    assignee: Annotated[str, Meta(description="A user's name; empty: nobody's.")] | None = None
    asset: Annotated[str, Meta(description="Of this asset and those below it.")] | None = None
    shelved: bool | None = None
    suppressed: bool | None = None
    under: Annotated[str, Meta(description="Kept back by this alarm.")] | None = None
    open: Annotated[bool, Meta(description="Active or acknowledged.")] | None = None


class Comment(Struct, frozen=True, forbid_unknown_fields=True):
    """Why, in words."""

    comment: Annotated[str, Meta(max_length=1000)] = ""


def view_of(alarm: Alarm) -> AlarmView:
    """Show an alarm."""
    return AlarmView(
        alarm_id=alarm.alarm_id,
        rule_id=alarm.rule_id,
        rule_version=alarm.rule_version,
        device_id=alarm.device_id,
        group=alarm.group,
        asset=alarm.asset,
        subject=str(alarm.subject),
        dry_run=alarm.dry_run,
        late=alarm.late,
        members=list(alarm.members),
        severity=alarm.severity,
        state=alarm.state,
        message=alarm.message,
        raised_at=moment(alarm.raised_at) or "",
        episode=alarm.episode,
        evidence=evidence_of(alarm.evidence),
        acknowledged_at=moment(alarm.acknowledged_at),
        acknowledged_by=alarm.acknowledged_by,
        cleared_at=moment(alarm.cleared_at),
        cleared_by=alarm.cleared_by,
        priority=alarm.urgency,
        priority_by=alarm.priority_by,
        asset_id=alarm.assets[-1] if alarm.assets else None,
        assignee=alarm.assignee,
        shelved=_shelf_of(alarm),
        suppressed=_mark_of(alarm.suppression),
        flood=alarm.flood,
        held=alarm.held,
        questioned_at=moment(alarm.questioned_at),
        questioned_by=alarm.questioned_by,
        version=alarm.version,
    )


def _shelf_of(alarm: Alarm) -> ShelfView | None:
    shelf = alarm.shelf
    if shelf is None or not alarm.is_open:
        return None
    return ShelfView(moment(shelf.at) or "", moment(shelf.until) or "", shelf.by, shelf.reason)


def _mark_of(mark: Suppression | None) -> SuppressionView | None:
    if mark is None:
        return None
    return SuppressionView(mark.kind, mark.by, moment(mark.at) or "", moment(mark.released_at))


def _reply(alarm: Alarm) -> Reply:
    return Reply(view_of(alarm), version=alarm.version)


def wanted_of(query: AlarmList) -> Wanted:
    """Return what a query asks for."""
    return Wanted(
        state=query.state,
        severity=query.severity,
        device_id=None if query.device is None else DeviceId(query.device),
        rule_id=None if query.rule is None else RuleId(query.rule),
        priority=query.priority,
        assignee=query.assignee,
        asset=query.asset,
        group=query.group,
        shelved=query.shelved,
        open=query.open,
        suppressed=query.suppressed,
        under=query.under,
    )


async def list_alarms(services: Services, call: Call) -> Page[AlarmView]:
    """Answer with a page of alarms."""
    query: AlarmList = call.query
    found = await services.alarms.list(
        call.principal.tenant,
        wanted_of(query),
        after=after_of(call, "alarms"),
        limit=query.limit,
    )
    return found_page(call, "alarms", found, view_of)


async def get_alarm(services: Services, call: Call) -> Reply:
    """Answer with one alarm."""
    return _reply(await services.alarms.get(call.principal.tenant, AlarmId(call.path["alarm_id"])))


async def count_alarms(services: Services, call: Call) -> OverviewView:
    """Answer with how many alarms stand before the operators."""
    overview = await services.alarms.overview(call.principal.tenant)
    severities = {
        severity.value: {state.value: count for state, count in counts.items()}
        for severity, counts in overview.counts.items()
    }
    return OverviewView(severities, overview.shelved, overview.suppressed)


async def get_trace(services: Services, call: Call) -> TraceView:
    """Answer why an alarm was raised and cleared."""
    alarm_id = AlarmId(call.path["alarm_id"])
    trace = await services.alarms.trace(call.principal.tenant, alarm_id)
    words = [line for one in (trace.raised, trace.cleared) if one for line in words_of(one)]
    if trace.reason:
        words.append(f"ended, because {trace.reason}")
    return TraceView(
        alarm_id, _condition(trace.raised), _condition(trace.cleared), trace.reason, words
    )


def _condition(trace: Trace | None) -> ConditionView | None:
    if trace is None:
        return None
    return ConditionView(
        trace.condition, moment(trace.at) or "", trace.truncated, _part(trace.root)
    )


def _part(part: Part) -> PartView:
    return PartView(
        text=part.text,
        value=part.value,
        unknown=part.unknown,
        position=part.position,
        at=moment(part.at),
        device_id=part.device_id,
        parts=[_part(one) for one in part.parts],
    )


async def acknowledge_alarm(services: Services, call: Call) -> Reply:
    """Take note that a person has seen it."""
    body: Comment = call.body or Comment()
    alarm = await services.alarms.acknowledge(
        call.principal,
        AlarmId(call.path["alarm_id"]),
        version=call.if_match,
        comment=body.comment,
    )
    return _reply(alarm)


async def clear_alarm(services: Services, call: Call) -> Reply:
    """Clear it by hand."""
    body: Comment = call.body or Comment()
    alarm = await services.alarms.clear(
        call.principal,
        AlarmId(call.path["alarm_id"]),
        version=call.if_match,
        comment=body.comment,
    )
    return _reply(alarm)


_ONE = "/alarms/{alarm_id}"
_TARGET = "alarm:{alarm_id}"

OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "list_alarms",
        "GET",
        "/alarms",
        "List alarms",
        list_alarms,
        action="alarm.read",
        query=AlarmList,
        result=Page[AlarmView],
        command=Command(
            "alarm",
            "list",
            columns=(
                "alarm_id",
                "subject",
                "severity",
                "priority",
                "state",
                "assignee",
                "message",
                "raised_at",
            ),
        ),
    ),
    Operation(
        "count_alarms",
        "GET",
        "/alarms/counts",
        "Count open alarms by severity",
        count_alarms,
        action="alarm.read",
        result=OverviewView,
        command=Command("alarm", "counts"),
    ),
    Operation(
        "get_alarm",
        "GET",
        _ONE,
        "Show an alarm with its evidence",
        get_alarm,
        action="alarm.read",
        target=_TARGET,
        result=AlarmView,
        etag=True,
        errors=(NotFound,),
        command=Command("alarm", "show"),
    ),
    Operation(
        "get_alarm_trace",
        "GET",
        _ONE + "/trace",
        "Show why an alarm was raised and cleared",
        get_trace,
        action="alarm.read",
        target=_TARGET,
        description="Each part of the condition with its value, and the sample it came from.",
        result=TraceView,
        errors=(NotFound,),
        command=Command("alarm", "why"),
    ),
    Operation(
        "acknowledge_alarm",
        "POST",
        _ONE + "/acknowledge",
        "Take note that a person has seen an alarm",
        acknowledge_alarm,
        action="alarm.acknowledge",
        target=_TARGET,
        body=Comment,
        body_optional=True,
        result=AlarmView,
        if_match="optional",
        etag=True,
        errors=(NotFound, Conflict),
        example={"comment": "on my way"},
        command=Command("alarm", "acknowledge"),
    ),
    Operation(
        "clear_alarm",
        "POST",
        _ONE + "/clear",
        "Clear an alarm by hand",
        clear_alarm,
        action="alarm.clear",
        target=_TARGET,
        description="It stays cleared until its condition has been false and true again.",
        body=Comment,
        body_optional=True,
        result=AlarmView,
        if_match="optional",
        etag=True,
        errors=(NotFound, Conflict),
        example={"comment": "bearing replaced"},
        command=Command("alarm", "clear", confirm="Clear the alarm {alarm_id}?"),
    ),
)
