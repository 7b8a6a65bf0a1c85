"""Operations on rules: save them, switch them, and try them on what was."""

from typing import Annotated, Any

from msgspec import Meta, Struct

from weft.api.operation import JSON, YAML, Call, Command, Operation, Reply
from weft.api.services import Services
from weft.api.views import Moment, Page, Paging, after_of, moment, page_of
from weft.errors import AlreadyExists, Conflict, Damaged, Forbidden, NotFound, QuotaExceeded
from weft.model.alarm import Evidence, Severity
from weft.model.moments import from_rfc3339
from weft.rules.model import Rule
from weft.rules.proving import Proof
from weft.rules.replay import Trial, try_rule


class RuleHealthView(Struct, frozen=True):
    """Since the start: failures of evaluation, actions denied, types it does not fit."""

    failures: int
    last_failure: str
    last_device: str
    last_failed_at: Moment | None
    denied: int
    last_denied: str
    unfit: str


class RuleView(Struct, frozen=True):
    """A rule as the API shows it, at one version."""

    rule_id: str
    version: int
    enabled: bool
    mode: str  # live, or dry_run: its alarms are marked as tried, and nothing is asked for
    paused: str  # why Weft has stopped it; empty while it runs
    severity: Severity
    description: str
    owner: str
    document: dict[str, Any]  # as its owner wrote it
    created_at: Moment
    updated_at: Moment
    health: RuleHealthView


class Saving(Struct, frozen=True, forbid_unknown_fields=True):
    """How a rule is saved."""

    force: Annotated[bool, Meta(description="Save it though its own tests fail.")] = False


class RuleTestView(Struct, frozen=True):
    """One test of a rule and what became of it."""

    name: str
    passed: bool
    problems: list[str]


class ProofsView(Struct, frozen=True):
    """All tests of a rule. Nothing was kept or sent."""

    passed: bool
    tests: list[RuleTestView]


class EvidenceView(Struct, frozen=True):
    """One sample that proved a condition, with its place in the journal."""

    position: int
    at: Moment
    values: dict[str, Any]
    device_id: str = ""  # the member that sent it, where the alarm is of a group or an asset


class FiringView(Struct, frozen=True):
    """One alarm that a rule would have raised."""

    device_id: str  # empty where it is of a group or an asset
    subject: str  # pump-7, group pumps, asset line-2
    members: list[str]
    severity: Severity
    message: str
    raised_at: Moment
    cleared_at: Moment | None
    evidence: list[EvidenceView]
    actions: int


class TrialView(Struct, frozen=True):
    """What a rule would have done. Nothing was sent."""

    firings: list[FiringView]
    messages: int
    failures: int
    last_failure: str
    complete: bool  # false: there would have been more alarms than are shown


class TrialQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """Over which time to try; over all that the journal keeps where nothing is said."""

    start: Annotated[str, Meta(extra_json_schema={"format": "date-time"})] | None = None
    end: Annotated[str, Meta(extra_json_schema={"format": "date-time"})] | None = None


def evidence_of(samples: tuple[Evidence, ...]) -> list[EvidenceView]:
    """Show samples."""
    return [EvidenceView(s.position, moment(s.at) or "", s.values, s.device_id) for s in samples]


def _view(services: Services, rule: Rule) -> RuleView:
    health = services.engine.health(rule.tenant, rule.rule_id)
    return RuleView(
        rule_id=rule.rule_id,
        version=rule.version,
        enabled=rule.enabled,
        mode="dry_run" if rule.document.dry_run else "live",
        paused=rule.paused,
        severity=rule.document.severity,
        description=rule.document.description,
        owner=str(rule.owner),
        document=rule.source,
        created_at=moment(rule.created_at) or "",
        updated_at=moment(rule.updated_at) or "",
        health=RuleHealthView(
            failures=health.failures,
            last_failure=health.last_failure,
            last_device=health.last_device,
            last_failed_at=moment(health.last_failed_at),
            denied=health.denied,
            last_denied=health.last_denied,
            unfit=health.unfit,
        ),
    )


def _reply(services: Services, rule: Rule) -> Reply:
    return Reply(_view(services, rule), version=rule.version)


async def list_rules(services: Services, call: Call) -> Page[RuleView]:
    """Answer with a page of rules."""
    found = await services.rules.list(
        call.principal.tenant, after=after_of(call, "rules"), limit=call.query.limit + 1
    )
    return page_of(
        call, "rules", found, lambda rule: _view(services, rule), lambda rule: rule.rule_id
    )


async def create_rule(services: Services, call: Call) -> Reply:
    """Make a rule; it acts with the rights of whoever saves it."""
    query: Saving = call.query
    saved = await services.rules.create(call.principal, call.body, force=query.force)
    return _reply(services, saved)


async def get_rule(services: Services, call: Call) -> Reply:
    """Answer with one rule."""
    found = await services.rules.get(call.principal.tenant, call.path["rule_id"])
    return _reply(services, found)


async def update_rule(services: Services, call: Call) -> Reply:
    """Save a rule's next version."""
    query: Saving = call.query
    saved = await services.rules.update(
        call.principal,
        call.path["rule_id"],
        call.body,
        version=call.if_match,
        force=query.force,
    )
    return _reply(services, saved)


async def delete_rule(services: Services, call: Call) -> None:
    """Delete a rule; its versions stay, for the alarms that name them."""
    await services.rules.delete(call.principal, call.path["rule_id"], version=call.if_match)


async def enable_rule(services: Services, call: Call) -> Reply:
    """Let a rule run."""
    return await _switch(services, call, enabled=True)


async def disable_rule(services: Services, call: Call) -> Reply:
    """Stop a rule."""
    return await _switch(services, call, enabled=False)


async def _switch(services: Services, call: Call, *, enabled: bool) -> Reply:
    rule = await services.rules.set_enabled(
        call.principal, call.path["rule_id"], enabled=enabled, version=call.if_match
    )
    return _reply(services, rule)


async def list_rule_versions(services: Services, call: Call) -> Page[RuleView]:
    """Answer with the kept versions of a rule, oldest first."""
    tenant, rule_id = call.principal.tenant, call.path["rule_id"]
    found = await services.rules.versions(tenant, rule_id)
    if not found:
        await services.rules.get(tenant, rule_id)
    return Page([_view(services, rule) for rule in found])


async def try_document(services: Services, call: Call) -> TrialView:
    """Answer what a rule that is not saved yet would have done."""
    services.rules.check(call.principal.tenant, call.body)
    return await _try(services, call, call.body)


async def test_rule(services: Services, call: Call) -> ProofsView:
    """Answer what became of the tests of a saved rule."""
    rule = await services.rules.get(call.principal.tenant, call.path["rule_id"])
    return _proofs(services.rules.prove(rule.tenant, rule.source))


async def test_document(services: Services, call: Call) -> ProofsView:
    """Answer what became of the tests of a rule that is not saved."""
    return _proofs(services.rules.prove(call.principal.tenant, call.body))


def _proofs(proofs: list[Proof]) -> ProofsView:
    views = [RuleTestView(one.name, one.passed, list(one.problems)) for one in proofs]
    return ProofsView(all(one.passed for one in proofs), views)


async def _try(services: Services, call: Call, document: dict[str, Any]) -> TrialView:
    query: TrialQuery = call.query
    journal = services.journal
    after, until = journal.tail - 1, journal.head
    if query.start is not None:
        after = await journal.first_after(from_rfc3339(query.start)) - 1
    if query.end is not None:
        until = min(until, await journal.first_after(from_rfc3339(query.end)) - 1)
    trial = await try_rule(
        document,
        services.past.samples(after, max(after, until)),
        tenant=call.principal.tenant,
        around=services.surroundings,
        until=None if query.end is None else from_rfc3339(query.end),
    )
    return _trial_view(trial)


def _trial_view(trial: Trial) -> TrialView:
    firings = [
        FiringView(
            device_id=firing.device_id,
            subject=str(firing.subject),
            members=list(firing.members),
            severity=firing.severity,
            message=firing.message,
            raised_at=moment(firing.raised_at) or "",
            cleared_at=moment(firing.cleared_at),
            evidence=evidence_of(firing.evidence),
            actions=firing.actions,
        )
        for firing in trial.firings
    ]
    health = trial.health
    return TrialView(firings, trial.messages, health.failures, health.last_failure, trial.complete)


_ONE = "/rules/{rule_id}"
_TARGET = "rule:{rule_id}"
_EXAMPLE = {
    "name": "too-hot",
    "when": "temperature > 80",
    "for": "30s",
    "severity": "major",
    "message": "{device} is too hot",
}
_SAVING = (NotFound, Forbidden, QuotaExceeded)

OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "list_rules",
        "GET",
        "/rules",
        "List rules",
        list_rules,
        action="rule.read",
        query=Paging,
        result=Page[RuleView],
        command=Command(
            "rule", "list", columns=("rule_id", "version", "enabled", "paused", "severity", "owner")
        ),
    ),
    Operation(
        "create_rule",
        "POST",
        "/rules",
        "Make a rule",
        create_rule,
        action="rule.write",
        description="It acts with the rights of whoever saves it, now and later.",
        query=Saving,
        body=dict[str, Any],
        accepts=(JSON, YAML),
        result=RuleView,
        status=201,
        etag=True,
        errors=(AlreadyExists, *_SAVING),
        example=_EXAMPLE,
        command=Command("rule", "add", file=True),
    ),
    Operation(
        "get_rule",
        "GET",
        _ONE,
        "Show a rule and how it is doing",
        get_rule,
        action="rule.read",
        target=_TARGET,
        result=RuleView,
        etag=True,
        errors=(NotFound,),
        command=Command("rule", "show"),
    ),
    Operation(
        "update_rule",
        "PUT",
        _ONE,
        "Save a rule's next version",
        update_rule,
        action="rule.write",
        target=_TARGET,
        query=Saving,
        body=dict[str, Any],
        accepts=(JSON, YAML),
        result=RuleView,
        if_match="optional",
        etag=True,
        errors=_SAVING,
        example=_EXAMPLE,
        command=Command("rule", "update", file=True),
    ),
    Operation(
        "delete_rule",
        "DELETE",
        _ONE,
        "Delete a rule",
        delete_rule,
        action="rule.delete",
        target=_TARGET,
        if_match="optional",
        errors=(NotFound,),
        command=Command("rule", "delete", confirm="Delete the rule {rule_id}?"),
    ),
    Operation(
        "enable_rule",
        "POST",
        _ONE + "/enable",
        "Let a rule run",
        enable_rule,
        action="rule.write",
        target=_TARGET,
        result=RuleView,
        if_match="optional",
        etag=True,
        errors=(NotFound,),
        command=Command("rule", "enable"),
    ),
    Operation(
        "disable_rule",
        "POST",
        _ONE + "/disable",
        "Stop a rule",
        disable_rule,
        action="rule.write",
        target=_TARGET,
        result=RuleView,
        if_match="optional",
        etag=True,
        errors=(NotFound,),
        command=Command("rule", "disable"),
    ),
    Operation(
        "list_rule_versions",
        "GET",
        _ONE + "/versions",
        "List the versions of a rule",
        list_rule_versions,
        action="rule.read",
        target=_TARGET,
        result=Page[RuleView],
        errors=(NotFound,),
        command=Command("rule", "versions", columns=("version", "enabled", "owner", "updated_at")),
    ),
    Operation(
        "test_rule",
        "POST",
        _ONE + "/test",
        "Run the tests of a saved rule",
        test_rule,
        action="rule.replay",
        target=_TARGET,
        description="The live evaluation on a virtual clock. Nothing is kept or sent.",
        result=ProofsView,
        errors=(NotFound,),
        command=Command("rule", "test"),
    ),
    Operation(
        "prove_rule",
        "POST",
        "/rule-tests",
        "Run the tests of a rule that is not saved",
        test_document,
        action="rule.replay",
        description="The live evaluation on a virtual clock. Nothing is kept or sent.",
        tag="rules",
        body=dict[str, Any],
        accepts=(JSON, YAML),
        result=ProofsView,
        errors=(NotFound,),
        example=_EXAMPLE,
        command=Command("rule", "prove", file=True),
    ),
    Operation(
        "try_rule",
        "POST",
        "/rule-trials",
        "Try a rule that is not saved on what was",
        try_document,
        action="rule.replay",
        description="The live evaluation over messages of the journal. Nothing is sent.",
        tag="rules",
        query=TrialQuery,
        body=dict[str, Any],
        accepts=(JSON, YAML),
        result=TrialView,
        errors=(NotFound, Conflict, Damaged),
        example=_EXAMPLE,
        command=Command("rule", "try", file=True),
    ),
)
