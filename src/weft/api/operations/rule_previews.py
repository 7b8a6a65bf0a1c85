"""Operations for who writes a rule: what a condition would have said, and what may stand in it."""

from typing import Annotated, Any

from msgspec import Meta, Struct

from weft.api.operation import Call, Command, Operation
from weft.api.operations.history import DAY_NS
from weft.api.services import Services
from weft.errors import Invalid, NotFound, TooLarge
from weft.model.ids import TenantId
from weft.model.moments import from_rfc3339
from weft.rules.language.tokens import MAX_CHARACTERS
from weft.rules.past.pace import Pace
from weft.rules.past.preview import NAME, Asked, Course, Held, column_of, preview
from weft.rules.words import FunctionWord, NameWord, functions, names
from weft.security.policy import require

_SLICE_MS, _SHARE = 5.0, 0.5  # of the loop, while somebody types
_Name = Annotated[str, Meta(max_length=128)]
_OF_OTHERS = ("selector", "scope")  # an error of these is none of a condition


class NewPreview(Struct, frozen=True, forbid_unknown_fields=True):
    """A condition that need not be saved, on one device over some time."""

    when: Annotated[str, Meta(max_length=MAX_CHARACTERS, description="The condition.")]
    device_id: Annotated[_Name, Meta(description="On whose history.")]
    start: Annotated[str, Meta(description="RFC 3339; a day before end if left out.")] | None = None
    end: Annotated[str, Meta(description="RFC 3339; now if left out.")] | None = None
    points: Annotated[int, Meta(ge=1, le=2000, description="Of each input, at most.")] = 500


class ConditionFault(Struct, frozen=True):
    """What is wrong with a condition, and where."""

    detail: str
    remedy: str
    column: int | None  # counted from 1


class ConditionHeld(Struct, frozen=True):
    """From when until when a condition had one answer."""

    start_ms: int
    end_ms: int
    holds: bool | None  # none: unknown, for want of a value or by a failure
    problem: str


class PreviewView(Struct, frozen=True):
    """How a condition went, or what is wrong with it."""

    fault: ConditionFault | None
    held: list[ConditionHeld]
    at_ms: list[int]
    inputs: dict[str, list[Any]]  # beside at_ms; null while unknown
    messages: int
    truncated: bool


_Condition = Annotated[str, Meta(max_length=MAX_CHARACTERS)]


class ConditionsCheck(Struct, frozen=True, forbid_unknown_fields=True):
    """The conditions of a rule that is being written, and whom it is about."""

    when: Annotated[_Condition, Meta(description="When it is raised; empty: not looked at.")] = ""
    clear: Annotated[_Condition, Meta(description="When it is cleared; likewise.")] = ""
    selector: Annotated[dict[str, Any], Meta(description="As in the rule's document.")] = {}
    scope: Annotated[dict[str, Any], Meta(description="As in the rule's document.")] | None = None


class ConditionFaults(Struct, frozen=True):
    """What is wrong with each of the two; none: nothing, or it is empty."""

    when: ConditionFault | None
    clear: ConditionFault | None


class WordsQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """For which device type."""

    type: Annotated[_Name, Meta(description="Whose names; of no type if left out.")] | None = None


class WordsView(Struct, frozen=True):
    """What may be written in a condition."""

    functions: list[FunctionWord]
    names: list[NameWord]
    fences: list[str]
    stops: list[str]


async def preview_rule(services: Services, call: Call) -> PreviewView:
    """Answer how a condition would have gone."""
    body: NewPreview = call.body
    tenant = call.principal.tenant
    device = services.devices.get(tenant, body.device_id)
    require(services.policy, call.principal, "history.read", f"device:{device.device_id}")
    end = services.clock.now() + 1 if body.end is None else from_rfc3339(body.end)
    start = end - DAY_NS if body.start is None else from_rfc3339(body.start)
    if start >= end:
        raise Invalid("The time asked for is empty.", remedy="Let start be before end.")
    asked = Asked(tenant, device, body.when, start, end, body.points)
    pace = Pace(_SLICE_MS, _SHARE)
    try:
        course = await preview(asked, services.history, services.surroundings, pace)
    except Invalid as error:
        # Of who is still typing it is no mistake of the request.
        fault = ConditionFault(error.detail, error.remedy, column_of(error))
        return PreviewView(fault, [], [], {}, 0, truncated=False)
    return _shown(course)


def _shown(course: Course) -> PreviewView:
    return PreviewView(
        None,
        [_held(one) for one in course.held],
        [at // 1_000_000 for at in course.at],
        course.inputs,
        course.messages,
        course.truncated,
    )


def _held(one: Held) -> ConditionHeld:
    return ConditionHeld(one.start // 1_000_000, one.end // 1_000_000, one.holds, one.problem)


async def check_conditions(services: Services, call: Call) -> ConditionFaults:
    """Answer what is wrong with conditions, for every device that they are about."""
    body: ConditionsCheck = call.body
    tenant = call.principal.tenant
    return ConditionFaults(
        _fault(services, tenant, body, body.when), _fault(services, tenant, body, body.clear)
    )


def _fault(
    services: Services, tenant: TenantId, body: ConditionsCheck, condition: str
) -> ConditionFault | None:
    """Check a rule that has this one condition, so that a fault of the other hides none of it."""
    if not condition.strip():
        return None
    document: dict[str, Any] = {"name": NAME, "when": condition, "message": NAME}
    document |= {"selector": body.selector} if body.selector else {}
    document |= {"scope": body.scope} if body.scope else {}
    try:
        services.rules.check(tenant, document)
    except Invalid as error:
        if error.detail.startswith(_OF_OTHERS):
            raise
        detail = error.detail.removeprefix("when: ").removeprefix("when or clear: ")
        return ConditionFault(detail, error.remedy, column_of(error))
    return None


async def get_rule_words(services: Services, call: Call) -> WordsView:
    """Answer with what may be written in a condition."""
    tenant: TenantId = call.principal.tenant
    name = call.query.type
    kind = None if name is None else services.types.get(tenant, name)
    places = services.places.atlas
    return WordsView(
        functions(), names(kind), sorted(places.fence_names(tenant)), places.stop_names(tenant)
    )


OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "preview_rule",
        "POST",
        "/rule-previews",
        "Show how a condition would have gone on a device's history",
        preview_rule,
        action="rule.replay",
        description=(
            "For who is still writing: a condition that cannot be read is answered with what is "
            "wrong and in which column. Nothing is saved and nothing is raised."
        ),
        tag="rules",
        body=NewPreview,
        result=PreviewView,
        errors=(Invalid, NotFound, TooLarge),
        example={"when": "mean(temperature, 5m) > 80", "device_id": "pump-7"},
        command=Command("rule", "preview", arguments=("device_id", "when")),
    ),
    Operation(
        "check_conditions",
        "POST",
        "/rule-checks",
        "Tell what is wrong with a rule's conditions, and where",
        check_conditions,
        action="rule.read",
        description=(
            "For who is still writing: for the types and devices that the rule is about, whether "
            "or not any of them is there. A fault is an answer, with its column."
        ),
        tag="rules",
        body=ConditionsCheck,
        result=ConditionFaults,
        errors=(Invalid, NotFound),
        example={"when": "temperature > 80", "selector": {"type": "pump"}},
        command=Command("rule", "check", arguments=("when",)),
    ),
    Operation(
        "get_rule_words",
        "GET",
        "/rule-words",
        "List what may be written in a condition",
        get_rule_words,
        action="rule.read",
        tag="rules",
        query=WordsQuery,
        result=WordsView,
        errors=(NotFound,),
        command=Command("rule", "words"),
    ),
)
