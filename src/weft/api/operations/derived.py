"""Operations on derivations: keys of telemetry that Weft computes, and how."""

from typing import Annotated, Any

from msgspec import Meta, Struct

from weft.api.operation import JSON, YAML, Call, Command, Operation, Reply
from weft.api.services import Services
from weft.api.views import Moment, Page, Paging, after_of, moment, page_of
from weft.errors import Conflict, Invalid, NotFound, QuotaExceeded
from weft.model.moments import NS_PER_S
from weft.rules.derived.model import Derivation, DerivationDocument
from weft.rules.derived.recomputing import Recomputing, RecomputingState
from weft.rules.durations import read_duration
from weft.rules.model import RuleScope, Selector

Word = Annotated[str, Meta(max_length=128)]
Text = Annotated[str, Meta(max_length=1000)]
Expression = Annotated[str, Meta(min_length=1, max_length=4096)]


class SelectorBody(Struct, frozen=True, forbid_unknown_fields=True):
    """Which devices are meant; all that is given must match."""

    type: Word | None = None
    devices: Annotated[tuple[Word, ...], Meta(max_length=1000)] = ()
    attributes: dict[str, Any] = {}


class ScopeBody(Struct, frozen=True, forbid_unknown_fields=True):
    """Over whom it is rolled up: one of the two."""

    group: Word = ""
    asset: Annotated[Word, Meta(description="Its name, or the path to it; all below it count.")] = (
        ""
    )
    stale_after: Annotated[
        Word, Meta(description="A member that is silent for longer does not count: 10m.")
    ] = ""


class DerivationBody(Struct, frozen=True, forbid_unknown_fields=True):
    """How a key of telemetry is computed."""

    key: Annotated[Word, Meta(description="Of the telemetry that it gives.")]
    value: Annotated[Expression, Meta(description="In the rule language: voltage * current.")]
    selector: SelectorBody = SelectorBody()
    scope: Annotated[ScopeBody, Meta(description="Left out: each device by itself.")] | None = None
    device: Annotated[Word, Meta(description="Whose telemetry a roll-up becomes.")] = ""
    unit: Annotated[Word, Meta(description="UCUM, as kW.")] = ""
    description: Text = ""


class DerivationView(Struct, frozen=True):
    """A derivation as the API shows it, at one version."""

    name: str
    version: int
    key: str
    value: str
    selector: SelectorBody
    scope: ScopeBody | None
    device: str
    unit: str
    description: str
    gives: str  # double, string, bool, or dyn where that is seen only when it is computed
    inputs: list[str]  # the telemetry keys that it reads
    created_at: Moment
    created_by: str
    updated_at: Moment


def _view(one: Derivation) -> DerivationView:
    document = one.document
    selector = document.selector
    return DerivationView(
        name=one.name,
        version=one.version,
        key=document.key,
        value=document.value,
        selector=SelectorBody(selector.type_name, selector.devices, selector.attributes),
        scope=_scope_view(document.scope),
        device=document.device,
        unit=document.unit,
        description=document.description,
        gives=one.gives,
        inputs=list(one.inputs),
        created_at=moment(one.created_at) or "",
        created_by=one.created_by,
        updated_at=moment(one.updated_at) or "",
    )


def _document(body: DerivationBody) -> DerivationDocument:
    selector = body.selector
    return DerivationDocument(
        key=body.key,
        value=body.value,
        selector=Selector(selector.type, selector.devices, selector.attributes),
        unit=body.unit,
        description=body.description,
        scope=None if body.scope is None else _scope(body.scope),
        device=body.device,
    )


def _scope(body: ScopeBody) -> RuleScope:
    if bool(body.group) == bool(body.asset):
        raise Invalid(
            "scope: it names either a group or an asset.", remedy="Write scope: {asset: line-1}."
        )
    stale_after_ns = read_duration(body.stale_after) if body.stale_after else 0
    return RuleScope(group=body.group, asset=body.asset.strip("/"), stale_after_ns=stale_after_ns)


def _scope_view(scope: RuleScope | None) -> ScopeBody | None:
    if scope is None:
        return None
    seconds = f"{scope.stale_after_ns / NS_PER_S:.3f}s" if scope.stale_after_ns else ""
    return ScopeBody(scope.group, scope.asset, seconds)


async def list_derivations(services: Services, call: Call) -> Page[DerivationView]:
    """Answer with a page of derivations."""
    after = after_of(call, "derivations")
    every = services.derived.derivations.of(call.principal.tenant)
    found = [one for one in every if one.name > after][: call.query.limit + 1]
    return page_of(call, "derivations", found, _view, lambda one: one.name)


async def get_derivation(services: Services, call: Call) -> Reply:
    """Answer with one derivation."""
    found = await services.derived.derivations.get(call.principal.tenant, call.path["derivation"])
    return Reply(_view(found), version=found.version)


async def save_derivation(services: Services, call: Call) -> Reply:
    """Save a derivation."""
    saved = await services.derived.derivations.save(
        call.principal, call.path["derivation"], _document(call.body), version=call.if_match
    )
    return Reply(_view(saved), version=saved.version)


async def delete_derivation(services: Services, call: Call) -> None:
    """Delete a derivation."""
    await services.derived.derivations.delete(
        call.principal, call.path["derivation"], version=call.if_match
    )


async def list_derivation_versions(services: Services, call: Call) -> Page[DerivationView]:
    """Answer with all versions of a derivation."""
    name = call.path["derivation"]
    found = await services.derived.derivations.versions(call.principal.tenant, name)
    if not found:
        raise NotFound(f"There is no derivation {name!r}.", remedy="See weft derived list.")
    return Page([_view(one) for one in found], None)


class ChangeView(Struct, frozen=True):
    """One value that is not what it was."""

    device_id: str
    key: str
    at: Moment
    old: Any  # null: there was none
    new: Any


class RecomputingView(Struct, frozen=True):
    """What late data of some devices has changed."""

    recomputing_id: str
    state: RecomputingState
    devices: list[str]  # whose data came late
    start: Moment  # the first late moment
    end: Moment
    started_at: Moment
    ended_at: Moment | None
    percent: float
    samples: int
    changed: int
    changes: list[ChangeView]  # the first of them
    uncertain: list[str]  # device/key of which too little of the past was read to say anything
    problem: str


def _recomputing_view(one: Recomputing) -> RecomputingView:
    changes = [
        ChangeView(each.device_id, each.key, moment(each.at) or "", each.old, each.new)
        for each in one.changes
    ]
    return RecomputingView(
        recomputing_id=one.recomputing_id,
        state=one.state,
        devices=list(one.devices),
        start=moment(one.start) or "",
        end=moment(one.end) or "",
        started_at=moment(one.started_at) or "",
        ended_at=moment(one.ended_at),
        percent=round(one.percent, 1),
        samples=one.samples,
        changed=one.changed,
        changes=changes,
        uncertain=list(one.uncertain),
        problem=one.problem,
    )


async def list_recomputings(services: Services, call: Call) -> Page[RecomputingView]:
    """Answer with a page of what late data has changed, newest first."""
    found = await services.derived.recomputings.list(
        call.principal.tenant, after=after_of(call, "recomputings"), limit=call.query.limit + 1
    )
    return page_of(call, "recomputings", found, _recomputing_view, lambda one: one.recomputing_id)


async def get_recomputing(services: Services, call: Call) -> RecomputingView:
    """Answer with what late data has changed."""
    held = await services.derived.recomputings.get(call.principal.tenant, call.path["recomputing"])
    return _recomputing_view(held)


_ONE = "/derivations/{derivation}"
_TARGET = "derivation:{derivation}"
_COLUMNS = ("name", "key", "value", "unit", "version")

OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "list_derivations",
        "GET",
        "/derivations",
        "List derivations",
        list_derivations,
        action="derivation.read",
        query=Paging,
        result=Page[DerivationView],
        command=Command("derived", "list", columns=_COLUMNS),
    ),
    Operation(
        "get_derivation",
        "GET",
        _ONE,
        "Show a derivation",
        get_derivation,
        action="derivation.read",
        target=_TARGET,
        result=DerivationView,
        etag=True,
        errors=(NotFound,),
        command=Command("derived", "show"),
    ),
    Operation(
        "save_derivation",
        "PUT",
        _ONE,
        "Save how a key of telemetry is computed",
        save_derivation,
        action="derivation.write",
        target=_TARGET,
        description=(
            "The expression is of the rule language, with its windows. It is computed of every "
            "message that names an input of it, from the next one on, and what it gives is "
            "telemetry of the same device: in history, twin and live, and for rules. With a scope "
            "it is of all members (sum_of, mean_of, min_of, max_of, count, share, any, all), and "
            "telemetry of the device that is named for them."
        ),
        body=DerivationBody,
        accepts=(JSON, YAML),
        result=DerivationView,
        if_match="optional",
        etag=True,
        errors=(Invalid, NotFound, Conflict, QuotaExceeded),
        example={
            "key": "power",
            "unit": "W",
            "selector": {"type": "pump"},
            "value": "voltage * current",
        },
        command=Command("derived", "save", file=True),
    ),
    Operation(
        "delete_derivation",
        "DELETE",
        _ONE,
        "Delete a derivation that no other stands on",
        delete_derivation,
        action="derivation.delete",
        target=_TARGET,
        description="What it has given stays in history.",
        if_match="optional",
        errors=(NotFound, Conflict),
        command=Command("derived", "delete", confirm="Delete the derivation {derivation}?"),
    ),
    Operation(
        "list_derivation_versions",
        "GET",
        _ONE + "/versions",
        "List the versions of a derivation",
        list_derivation_versions,
        action="derivation.read",
        target=_TARGET,
        result=Page[DerivationView],
        errors=(NotFound,),
        command=Command("derived", "versions", columns=("version", "key", "value", "updated_at")),
    ),
    Operation(
        "list_recomputings",
        "GET",
        "/recomputings",
        "List what late data has changed of derived telemetry",
        list_recomputings,
        action="history.read",
        description="Newest first. Samples that come late are looked at once a minute.",
        query=Paging,
        result=Page[RecomputingView],
        command=Command(
            "derived",
            "changes",
            columns=("recomputing_id", "state", "percent", "devices", "start", "changed"),
        ),
    ),
    Operation(
        "get_recomputing",
        "GET",
        "/recomputings/{recomputing}",
        "Show what late data has changed of derived telemetry: old, new, and from when",
        get_recomputing,
        action="history.read",
        result=RecomputingView,
        errors=(NotFound,),
        command=Command("derived", "change"),
    ),
)
