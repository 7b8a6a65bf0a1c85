"""Operations on Weft itself: is it well, what does it count, who am I, what can I ask."""

from typing import Any

from msgspec import Struct
from prometheus_client import REGISTRY, generate_latest

from weft.api.operation import PUBLIC, SIGNED_IN, Call, Command, Operation, Reply
from weft.api.services import Services
from weft.api.snippets import Endpoints
from weft.api.views import Moment, moment

METRICS_TEXT = "text/plain; version=0.0.4; charset=utf-8"


class Liveness(Struct, frozen=True):
    """That the process answers."""

    status: str


class Health(Struct, frozen=True):
    """How it is, part by part: ok, or a word on what is wrong."""

    status: str
    version: str
    started_at: Moment
    journal_head: int
    journal_tail: int
    connections: int
    endpoints: Endpoints
    parts: dict[str, str]


class WhoAmI(Struct, frozen=True):
    """The caller as Weft knows it, and what it may ask for."""

    kind: str
    id: str
    tenant: str
    actions: list[str]
    expires_at: Moment | None


async def get_liveness(_services: Services, _call: Call) -> Liveness:
    """Answer that the process answers; nothing more without a credential."""
    return Liveness("ok")


async def get_health(services: Services, call: Call) -> Health:
    """Answer how each part is."""
    parts = services.health()
    return Health(
        status="ok" if all(word == "ok" for word in parts.values()) else "degraded",
        version=services.version,
        started_at=moment(services.started_at) or "",
        journal_head=services.journal.head,
        journal_tail=services.journal.tail,
        connections=services.connections.count(call.principal.tenant),
        endpoints=services.endpoints(),
        parts=dict(parts),
    )


async def get_metrics(_services: Services, _call: Call) -> Reply:
    """Answer with all counters, for Prometheus."""
    return Reply(content=generate_latest(REGISTRY), media_type=METRICS_TEXT)


async def get_openapi(services: Services, _call: Call) -> Reply:
    """Answer with the description of this API."""
    return Reply(content=services.openapi())


async def get_whoami(services: Services, call: Call) -> WhoAmI:
    """Answer who the caller is and what it may do."""
    actions = services.actions()
    target = f"device:{call.principal.id}" if call.principal.kind == "device" else "*"
    allowed = [
        action
        for action in sorted(actions)
        if services.policy.decide(call.principal, action, target).allowed
    ]
    return WhoAmI(
        kind=call.principal.kind,
        id=call.principal.id,
        tenant=call.principal.tenant,
        actions=allowed,
        expires_at=moment(call.expires_at),
    )


OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "get_liveness",
        "GET",
        "/health/live",
        "Tell that the process answers",
        get_liveness,
        action=PUBLIC,
        tag="system",
        result=Liveness,
    ),
    Operation(
        "get_health",
        "GET",
        "/health",
        "Show how Weft is, part by part",
        get_health,
        action="health.read",
        tag="system",
        result=Health,
        command=Command("system", "health"),
    ),
    Operation(
        "get_metrics",
        "GET",
        "/metrics",
        "Show all counters, for Prometheus",
        get_metrics,
        action="metrics.read",
        tag="system",
        result=str,
        produces=("text/plain",),
    ),
    Operation(
        "get_openapi",
        "GET",
        "/openapi.json",
        "Describe this API",
        get_openapi,
        action="openapi.read",
        tag="system",
        result=dict[str, Any],
    ),
    Operation(
        "get_whoami",
        "GET",
        "/whoami",
        "Show who the caller is and what it may do",
        get_whoami,
        action=SIGNED_IN,
        tag="system",
        result=WhoAmI,
        command=Command("system", "whoami"),
    ),
)
