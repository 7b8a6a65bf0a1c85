"""Operations on access: may somebody do something, and why; who is signed in, and no more."""

from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct

from weft.api.operation import Call, Command, Operation
from weft.api.services import Services
from weft.api.views import Moment, Page, Paging, after_of, found_page, moment
from weft.errors import Invalid, NotFound
from weft.model.principal import Principal, PrincipalKind
from weft.security.actions import ACTIONS
from weft.security.sessions import UserSession

_Name = Annotated[str, Meta(max_length=128)]


class Holder(StrEnum):
    """Who may hold a right."""

    USER = "user"
    KEY = "key"
    DEVICE = "device"


class ExplainQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """May this one do that, on what."""

    name: Annotated[_Name, Meta(description="Of the user, key or device.")]
    action: Annotated[_Name, Meta(description="As device.read or topic.publish.")]
    kind: Holder = Holder.USER
    target: Annotated[str, Meta(max_length=1024, description="As device:pump-7, topic:a/b.")] = "*"


class Explanation(Struct, frozen=True):
    """The decision as it would be made now, and what stands behind it."""

    principal: str
    action: str
    target: str
    allowed: bool
    reason: str
    holds: list[str]  # the roles of a user, the scopes of a key, the state of a device
    by_roles: list[str]  # that allow the action
    by_scope: str | None  # of a service key that allows it; none: it is for people only


class OtherSessionView(Struct, frozen=True):
    """A session of somebody."""

    session_id: str
    created_at: Moment
    refreshed_at: Moment
    address: str


class PersonSessionView(Struct, frozen=True):
    """A session of somebody, and whose it is."""

    name: str
    session_id: str
    created_at: Moment
    refreshed_at: Moment
    address: str
    browser: bool
    current: bool  # the one that asks


async def explain_policy(services: Services, call: Call) -> Explanation:
    """Answer whether somebody may do something, and why."""
    query: ExplainQuery = call.query
    action = ACTIONS.get(query.action)
    if action is None:
        raise Invalid(
            f"No action is named {query.action!r}.",
            remedy=f"Known: {', '.join(sorted(ACTIONS))}.",
        )
    principal, holds = await _holder(services, call, query)
    decision = services.policy.decide(principal, query.action, query.target)
    return Explanation(
        str(principal),
        query.action,
        query.target,
        decision.allowed,
        decision.reason,
        holds,
        sorted(action.roles),
        action.scope,
    )


async def _holder(
    services: Services, call: Call, query: ExplainQuery
) -> tuple[Principal, list[str]]:
    """Return who is asked about, in the caller's own tenant, and what they hold."""
    tenant = call.principal.tenant
    if query.kind is Holder.USER:
        user = await services.people.get(tenant, query.name)
        disabled = [] if user.disabled_at is None else ["disabled"]
        return user.principal, [*sorted(user.roles), *disabled]
    if query.kind is Holder.KEY:
        key = await services.keys.get(tenant, query.name)
        revoked = [] if key.revoked_at is None else ["revoked"]
        principal = Principal(tenant, PrincipalKind.KEY, key.key_id, key.uid)
        return principal, [*sorted(key.scopes), *revoked]
    device = services.devices.get(tenant, query.name)
    principal = Principal(tenant, PrincipalKind.DEVICE, device.device_id, device.uid)
    return principal, [device.lifecycle.value]


async def list_user_sessions(services: Services, call: Call) -> Page[OtherSessionView]:
    """Answer with the sessions of a user; there are few."""
    tenant = call.principal.tenant
    user = await services.people.get(tenant, call.path["name"])
    found = await services.sessions.list_sessions(tenant, user.uid)
    return Page(
        [
            OtherSessionView(
                one.session_id,
                moment(one.created_at) or "",
                moment(one.refreshed_at) or "",
                one.address,
            )
            for one in found
        ]
    )


async def list_all_sessions(services: Services, call: Call) -> Page[PersonSessionView]:
    """Answer with where the people of the tenant are signed in."""

    def view(one: UserSession) -> PersonSessionView:
        return PersonSessionView(
            one.user_id,
            one.session_id,
            moment(one.created_at) or "",
            moment(one.refreshed_at) or "",
            one.address,
            one.browser,
            one.session_id == call.credential_id,
        )

    found = await services.sessions.list_all(
        call.principal.tenant, after=after_of(call, "user-sessions"), limit=call.query.limit
    )
    return found_page(call, "user-sessions", found, view)


async def end_user_session(services: Services, call: Call) -> None:
    """End a session of a user, and what was opened with it."""
    tenant = call.principal.tenant
    user = await services.people.get(tenant, call.path["name"])
    session_id = call.path["session_id"]
    held = await services.sessions.list_sessions(tenant, user.uid)
    if all(one.session_id != session_id for one in held):
        raise NotFound(
            f"{user.user_id!r} has no session {session_id!r}.",
            remedy=f"See weft user sessions {user.user_id}.",
        )
    await services.audit.record(
        call.principal, "user.sign_out", f"user:{user.user_id}", detail={"session": session_id}
    )
    await services.sessions.end(tenant, session_id)
    services.connections.cut_credential(user.uid, session_id, f"signed out by {call.principal}")


OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "explain_policy",
        "GET",
        "/policy/explain",
        "Tell whether somebody may do something, and why",
        explain_policy,
        action="policy.read",
        tag="security",
        query=ExplainQuery,
        result=Explanation,
        errors=(Invalid, NotFound),
        command=Command("policy", "explain"),
    ),
    Operation(
        "list_user_sessions",
        "GET",
        "/users/{name}/sessions",
        "List where a user is signed in",
        list_user_sessions,
        action="user.read",
        target="user:{name}",
        tag="users",
        result=Page[OtherSessionView],
        errors=(NotFound,),
        command=Command(
            "user", "sessions", columns=("session_id", "created_at", "refreshed_at", "address")
        ),
    ),
    Operation(
        "list_all_sessions",
        "GET",
        "/user-sessions",
        "List who is signed in, and where",
        list_all_sessions,
        action="user.read",
        tag="users",
        description="Of all people of the tenant, by session; each is ended as one of its user.",
        query=Paging,
        result=Page[PersonSessionView],
        command=Command(
            "user",
            "signed-in",
            columns=("name", "session_id", "created_at", "refreshed_at", "address"),
        ),
    ),
    Operation(
        "end_user_session",
        "DELETE",
        "/users/{name}/sessions/{session_id}",
        "End a session of a user, and cut what was opened with it",
        end_user_session,
        action="user.sign_out",
        target="user:{name}",
        tag="users",
        errors=(NotFound,),
        command=Command("user", "sign-out", confirm="End the session {session_id} of {name}?"),
    ),
)
