"""Operations on sessions: signing up by a link, signing in, staying in, signing out."""

from typing import Annotated

from msgspec import Meta, Struct

from weft.api.operation import PUBLIC, Call, Operation
from weft.api.services import Services
from weft.api.views import Moment, Page, moment
from weft.errors import AlreadyExists, Forbidden, Unauthenticated
from weft.model.principal import PrincipalKind
from weft.security.sessions import SignedIn, UserSession

Secret = Annotated[str, Meta(max_length=1024, extra_json_schema={"format": "password"})]
Name = Annotated[str, Meta(max_length=128)]


class SignUp(Struct, frozen=True, forbid_unknown_fields=True):
    """A one-time link's token, and the name and password of the user that it makes."""

    token: Secret
    name: Name
    password: Secret


class SignInBody(Struct, frozen=True, forbid_unknown_fields=True):
    """A name and a password."""

    name: Name
    password: Secret


class Refresh(Struct, frozen=True, forbid_unknown_fields=True):
    """A refresh token, to be used once."""

    refresh_token: Secret


class PasswordChange(Struct, frozen=True, forbid_unknown_fields=True):
    """One's old password, and the new one."""

    old: Secret
    new: Secret


class SessionTokens(Struct, frozen=True):
    """What a person's client keeps; both tokens are secrets."""

    access_token: str
    refresh_token: str
    expires_in_s: int
    token_type: str = "Bearer"  # noqa: S105  the scheme (RFC 6750), not a secret


class SessionView(Struct, frozen=True):
    """One of one's own sign-ins."""

    session_id: str
    created_at: Moment
    refreshed_at: Moment
    address: str
    current: bool


def _tokens(signed_in: SignedIn) -> SessionTokens:
    return SessionTokens(signed_in.access_token, signed_in.refresh_token, signed_in.expires_in_s)


def _view(session: UserSession, current: str) -> SessionView:
    return SessionView(
        session_id=session.session_id,
        created_at=moment(session.created_at) or "",
        refreshed_at=moment(session.refreshed_at) or "",
        address=session.address,
        current=session.session_id == current,
    )


def require_person(call: Call) -> None:
    """Raise `Forbidden` unless a person is calling: nobody else has a password or sessions."""
    if call.principal.kind is not PrincipalKind.USER:
        raise Forbidden(f"{call.principal} is no person and has no session.")


async def sign_up(services: Services, call: Call) -> SessionTokens:
    """Make the user of a one-time link, and sign in."""
    body: SignUp = call.body
    return _tokens(
        await services.sign_in.sign_up(body.token, body.name, body.password, call.address)
    )


async def sign_in(services: Services, call: Call) -> SessionTokens:
    """Open a session."""
    body: SignInBody = call.body
    return _tokens(await services.sign_in.sign_in(body.name, body.password, call.address))


async def refresh_session(services: Services, call: Call) -> SessionTokens:
    """Exchange a refresh token for new tokens."""
    return _tokens(await services.sign_in.refresh(call.body.refresh_token))


async def list_sessions(services: Services, call: Call) -> Page[SessionView]:
    """Answer with one's own sessions."""
    require_person(call)
    principal = call.principal
    found = await services.sessions.list_sessions(principal.tenant, principal.uid)
    return Page([_view(session, call.credential_id) for session in found])


async def end_session(services: Services, call: Call) -> None:
    """End one of one's own sessions; `current` is the one that asks."""
    require_person(call)
    session_id = call.path["session_id"]
    if session_id == "current":
        session_id = call.credential_id
    await services.sign_in.sign_out(call.principal, session_id)


async def change_password(services: Services, call: Call) -> SessionTokens:
    """Change one's own password; every other session ends."""
    require_person(call)
    body: PasswordChange = call.body
    return _tokens(
        await services.sign_in.change_password(call.principal, body.old, body.new, call.address)
    )


OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "sign_up",
        "POST",
        "/sign-up",
        "Make the user of a one-time link and sign in",
        sign_up,
        action=PUBLIC,
        tag="sessions",
        body=SignUp,
        result=SessionTokens,
        status=201,
        secret=True,
        errors=(Unauthenticated, AlreadyExists),
    ),
    Operation(
        "sign_in",
        "POST",
        "/sessions",
        "Sign in with a name and a password",
        sign_in,
        action=PUBLIC,
        body=SignInBody,
        result=SessionTokens,
        status=201,
        secret=True,
        errors=(Unauthenticated,),
    ),
    Operation(
        "refresh_session",
        "POST",
        "/sessions/refresh",
        "Exchange a refresh token for new tokens",
        refresh_session,
        action=PUBLIC,
        description="A refresh token is good for one use; one that comes back ends its session.",
        body=Refresh,
        result=SessionTokens,
        secret=True,
        errors=(Unauthenticated,),
    ),
    Operation(
        "list_sessions",
        "GET",
        "/sessions",
        "List one's own sessions",
        list_sessions,
        action="session.manage",
        result=Page[SessionView],
    ),
    Operation(
        "end_session",
        "DELETE",
        "/sessions/{session_id}",
        "Sign out, here (`current`) or elsewhere",
        end_session,
        action="session.manage",
    ),
    Operation(
        "change_password",
        "POST",
        "/sessions/password",
        "Change one's own password",
        change_password,
        action="session.manage",
        body=PasswordChange,
        result=SessionTokens,
        secret=True,
    ),
)
