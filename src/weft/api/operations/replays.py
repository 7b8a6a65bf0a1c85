"""Operations on replays: a rule over the past as a job, compared with what live did."""

from typing import Annotated, Any

from msgspec import Meta, Struct
from msgspec.structs import replace

from weft.api.cursors import make_cursor, read_cursor
from weft.api.operation import Call, Command, Operation, Reply
from weft.api.operations.rules import EvidenceView, evidence_of
from weft.api.services import Services
from weft.api.views import Cursor, Limit, Moment, Page, Paging, after_of, moment, page_of
from weft.errors import Conflict, Invalid, NotFound, QuotaExceeded
from weft.model.alarm import Severity
from weft.model.ids import TenantId
from weft.model.moments import NS_PER_S, from_rfc3339, to_rfc3339
from weft.model.principal import Principal
from weft.rules.documents import read_rule
from weft.rules.durations import read_duration
from weft.rules.past.asking import warm_up_for
from weft.rules.past.assuming import assumed_by
from weft.rules.past.model import (
    Against,
    Asked,
    Finding,
    Replay,
    ReplayPath,
    ReplayState,
    Verdict,
)
from weft.security.policy import require

_DAY_NS = 86_400 * NS_PER_S
_Instant = Annotated[str, Meta(extra_json_schema={"format": "date-time"})]
_Devices = Annotated[tuple[str, ...], Meta(max_length=1_000, description="All if left out.")]


class RuleReplay(Struct, frozen=True, forbid_unknown_fields=True):
    """Over which time to replay a rule, and what to compare it with."""

    start: Annotated[_Instant | None, Meta(description="Where the journal begins.")] = None
    end: Annotated[_Instant | None, Meta(description="Now, if left out.")] = None
    devices: _Devices = ()
    warm_up: Annotated[
        str | None, Meta(description="How long before start to read, as 1h; as the rule needs.")
    ] = None
    against: Annotated[Against, Meta(description="What the result is compared with.")] = (
        Against.RECORDED
    )
    against_version: (
        Annotated[int, Meta(ge=1, description="Of the rule; the one in force if left out.")] | None
    ) = None


class Recompute(Struct, frozen=True, forbid_unknown_fields=True):
    """Over which time to judge again by all that was measured, however late it came."""

    start: Annotated[_Instant | None, Meta(description="A day ago, if left out.")] = None
    end: Annotated[_Instant | None, Meta(description="Now, if left out.")] = None
    devices: _Devices = ()


class NewReplay(RuleReplay, frozen=True, kw_only=True):
    """A document that need not be saved, and over which time to replay it."""

    document: dict[str, Any]


class ReplayView(Struct, frozen=True):
    """A replay, and how far it is."""

    replay_id: str
    rule_id: str
    version: int  # 0: the document is not saved
    state: ReplayState
    percent: float
    samples: int
    samples_per_s: float
    start: Moment | None  # None: from where the journal begins
    end: Moment
    against: Against
    against_version: int
    raised: int
    subjects: int  # devices, groups or assets on which it would have raised
    added: int
    missing: int
    same: int
    failures: int
    last_failure: str
    complete: bool  # false: there would have been more alarms than are kept
    measured: bool  # over history alone, in the order of the measuring
    late: bool  # Weft has asked for it, because data came late
    path: ReplayPath  # how history was read: fast, or exact where a rule needs each sample
    assumes: list[str]  # what is taken as it is today, since nothing says how it was
    problem: str
    actor: str
    created_at: Moment
    ended_at: Moment | None


class FindingView(Struct, frozen=True):
    """One alarm that the rule would have raised, or that it would not have."""

    verdict: Verdict
    subject: str
    device_id: str  # empty for an alarm of a group or an asset
    severity: Severity
    message: str
    raised_at: Moment
    cleared_at: Moment | None
    evidence: list[EvidenceView]  # a position of 0: the sample was read from history
    actions: int
    recorded: str | None  # the alarm that it is compared with
    recorded_raised_at: Moment | None
    recorded_cleared_at: Moment | None


class FindingsQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """Which findings to list."""

    limit: Limit = 100
    cursor: Cursor | None = None


class ReplaysQuery(Paging, frozen=True, forbid_unknown_fields=True):
    """Which replays to list."""

    rule: str | None = None


def view_of(replay: Replay) -> ReplayView:
    """Show a replay."""
    asked, counts = replay.asked, replay.counts
    return ReplayView(
        replay_id=replay.replay_id,
        rule_id=asked.rule_id,
        version=asked.version,
        state=replay.state,
        percent=replay.percent,
        samples=replay.samples,
        samples_per_s=replay.samples_per_s,
        start=moment(asked.start),
        end=moment(asked.end) or "",
        against=asked.against,
        against_version=asked.against_version,
        raised=counts.raised,
        subjects=counts.subjects,
        added=counts.added,
        missing=counts.missing,
        same=counts.same,
        failures=replay.failures,
        last_failure=replay.last_failure,
        complete=replay.complete,
        measured=asked.measured,
        late=asked.late,
        path=replay.path,
        assumes=assumed_by(asked.document),
        problem=replay.problem,
        actor=replay.actor,
        created_at=moment(replay.created_at) or "",
        ended_at=moment(replay.ended_at),
    )


def finding_view(finding: Finding) -> FindingView:
    """Show what was found."""
    samples = evidence_of(finding.evidence)
    return FindingView(
        verdict=finding.verdict,
        subject=finding.subject,
        device_id=finding.device_id,
        severity=finding.severity,
        message=finding.message,
        raised_at=moment(finding.raised_at) or "",
        cleared_at=moment(finding.cleared_at),
        evidence=[EvidenceView(max(one.position, 0), one.at, one.values) for one in samples],
        actions=finding.actions,
        recorded=finding.recorded,
        recorded_raised_at=moment(finding.recorded_raised_at),
        recorded_cleared_at=moment(finding.recorded_cleared_at),
    )


async def replay_rule(services: Services, call: Call) -> Reply:
    """Begin to replay a saved rule."""
    rule = await services.rules.get(call.principal.tenant, call.path["rule_id"])
    options = call.body or RuleReplay()
    asked = await _asked(services, call, options, rule.source, rule.version)
    return Reply(view_of(await services.past.replays.start(call.principal, asked)))


async def recompute_rule(services: Services, call: Call) -> Reply:
    """Begin to judge again by what was measured."""
    rule = await services.rules.get(call.principal.tenant, call.path["rule_id"])
    body = call.body or Recompute()
    day_ago = to_rfc3339(services.clock.now() - _DAY_NS)
    options = RuleReplay(start=body.start or day_ago, end=body.end, devices=body.devices)
    asked = await _asked(services, call, options, rule.source, rule.version)
    asked = replace(asked, measured=True)
    return Reply(view_of(await services.past.replays.start(call.principal, asked)))


async def replay_document(services: Services, call: Call) -> Reply:
    """Begin to replay a document."""
    services.rules.check(call.principal.tenant, call.body.document)
    asked = await _asked(services, call, call.body, call.body.document, 0)
    return Reply(view_of(await services.past.replays.start(call.principal, asked)))


def _require_sight(services: Services, principal: Principal) -> None:
    """Raise `Forbidden` unless one may see what a replay shows: samples, and alarms beside them."""
    for right in ("history.read", "alarm.read"):
        require(services.policy, principal, right, "*")


async def _asked(
    services: Services, call: Call, options: RuleReplay, document: dict[str, Any], version: int
) -> Asked:
    _require_sight(services, call.principal)
    tenant = call.principal.tenant
    end = services.clock.now() + 1 if options.end is None else from_rfc3339(options.end)
    start = await _start(services, options)
    if start >= end:
        raise Invalid("The time to replay is empty.", remedy="Let start be before end.")
    read, source = read_rule(document)
    other, other_version = await _other(services, tenant, read.name, options)
    wanted = None if options.warm_up is None else read_duration(options.warm_up)
    return Asked(
        rule_id=read.name,
        document=source,
        version=version,
        start=start,
        end=end,
        warm_up_ns=warm_up_for(source, tenant, services.surroundings) if wanted is None else wanted,
        devices=options.devices,
        against=options.against,
        against_version=other_version,
        against_document=other,
        open=options.start is None,
    )


async def _start(services: Services, options: RuleReplay) -> int:
    if options.start is not None:
        return from_rfc3339(options.start)
    journal = services.journal
    async for batch in journal.read(journal.tail - 1, until=journal.tail):
        return batch.envelopes[0].received_at
    return 0


async def _other(
    services: Services, tenant: TenantId, name: str, options: RuleReplay
) -> tuple[dict[str, Any] | None, int]:
    """Return the document that is replayed beside, and its version."""
    if options.against is not Against.VERSION:
        if options.against_version is not None:
            raise Invalid(
                "A version is named, and nothing is compared with it.",
                remedy="Add against: version, or leave against_version out.",
            )
        return None, 0
    rule = await services.rules.get(tenant, name, options.against_version)
    return rule.source, rule.version


async def list_replays(services: Services, call: Call) -> Page[ReplayView]:
    """Answer with a page of replays."""
    found = await services.past.replays.list(
        call.principal.tenant,
        rule_id=call.query.rule,
        after=after_of(call, "replays"),
        limit=call.query.limit + 1,
    )
    return page_of(call, "replays", found, view_of, lambda replay: replay.replay_id)


async def get_replay(services: Services, call: Call) -> ReplayView:
    """Answer with how far a replay is."""
    tenant = call.principal.tenant
    return view_of(await services.past.replays.get(tenant, call.path["replay_id"]))


async def list_findings(services: Services, call: Call) -> Page[FindingView]:
    """Answer with a page of what a replay has found."""
    _require_sight(services, call.principal)
    tenant, query = call.principal.tenant, call.query
    listing = f"findings/{call.path['replay_id']}"
    after = 0 if query.cursor is None else read_cursor(tenant, listing, query.cursor, int)
    found = await services.past.replays.findings(
        tenant, call.path["replay_id"], after=max(after, 0), limit=query.limit + 1
    )
    more = len(found) > query.limit
    following = make_cursor(tenant, listing, after + query.limit) if more else None
    return Page([finding_view(one) for one in found[: query.limit]], following)


async def cancel_replay(services: Services, call: Call) -> ReplayView:
    """End a replay."""
    return view_of(await services.past.replays.cancel(call.principal, call.path["replay_id"]))


_ONE = "/replays/{replay_id}"
_SAID = (
    "The live evaluation over the journal and, before it, over history. Nothing is sent. It runs "
    "beside live; ask how far it is with get_replay."
)
_COLUMNS = ("replay_id", "rule_id", "state", "percent", "raised", "added", "missing", "same")

OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "replay_rule",
        "POST",
        "/rules/{rule_id}/replay",
        "Replay a saved rule over the past",
        replay_rule,
        action="rule.replay",
        target="rule:{rule_id}",
        description=_SAID,
        body=RuleReplay,
        body_optional=True,
        result=ReplayView,
        status=202,
        errors=(NotFound, QuotaExceeded),
        example={"start": "2026-03-01T00:00:00Z", "end": "2026-03-08T00:00:00Z"},
    ),
    Operation(
        "recompute_rule",
        "POST",
        "/rules/{rule_id}/recompute",
        "Judge again by all that was measured, however late it came",
        recompute_rule,
        action="rule.replay",
        target="rule:{rule_id}",
        description=(
            "A replay over history in the order of the measuring, against the alarms that there "
            "were: added is what late data would have raised, missing what it speaks against."
        ),
        body=Recompute,
        body_optional=True,
        result=ReplayView,
        status=202,
        errors=(NotFound, QuotaExceeded),
        example={"start": "2026-03-01T00:00:00Z", "devices": ["pump-7"]},
        command=Command("rule", "recompute"),
    ),
    Operation(
        "replay_document",
        "POST",
        "/replays",
        "Replay a rule that is not saved over the past",
        replay_document,
        action="rule.replay",
        description=_SAID,
        body=NewReplay,
        result=ReplayView,
        status=202,
        errors=(NotFound, Conflict, QuotaExceeded),
        example={"document": {"name": "too-hot", "when": "temperature > 80"}},
    ),
    Operation(
        "list_replays",
        "GET",
        "/replays",
        "List replays, newest first",
        list_replays,
        action="rule.read",
        query=ReplaysQuery,
        result=Page[ReplayView],
        command=Command("replay", "list", columns=_COLUMNS),
    ),
    Operation(
        "get_replay",
        "GET",
        _ONE,
        "Show a replay, and how far it is",
        get_replay,
        action="rule.read",
        result=ReplayView,
        errors=(NotFound,),
        command=Command("replay", "show"),
    ),
    Operation(
        "list_findings",
        "GET",
        _ONE + "/findings",
        "List what a replay has found, in the order of its moments",
        list_findings,
        action="rule.read",
        query=FindingsQuery,
        result=Page[FindingView],
        errors=(NotFound,),
        command=Command(
            "replay",
            "findings",
            columns=("verdict", "device_id", "severity", "raised_at", "cleared_at", "message"),
        ),
    ),
    Operation(
        "cancel_replay",
        "POST",
        _ONE + "/cancel",
        "Cancel a replay",
        cancel_replay,
        action="rule.replay",
        result=ReplayView,
        errors=(NotFound, Conflict),
        command=Command("replay", "cancel"),
    ),
)
