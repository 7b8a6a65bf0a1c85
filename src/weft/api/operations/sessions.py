"""Operations on sessions: signing up by a link, signing in, staying in, signing out."""

from typing import Annotated

from msgspec import Meta, Struct

from weft.api.browser import drop_cookie, keep_cookie, require_own_page, secret_of
from weft.api.operation import PUBLIC, Call, Operation, Reply
from weft.api.services import Services
from weft.api.views import Moment, Page, moment
from weft.errors import AlreadyExists, Forbidden, Invalid, RateLimited, Unauthenticated
from weft.model.principal import PrincipalKind
from weft.security.sessions import SESSION_LIFE_S, SignedIn, UserSession

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


class PasswordChanged(Struct, frozen=True, omit_defaults=True):
    """What a change of one's password has ended, and what the session that asked goes on with."""

    sessions_ended: int  # all but the one that asked
    token: str | None = None  # of a browser's pages; its new cookie is set
    tokens: SessionTokens | None = None  # of every other client


class BrowserSession(Struct, frozen=True):
    """Whom a browser's cookie signs in, and the token that its pages send along."""

    name: str
    tenant: str
    token: str


class SessionView(Struct, frozen=True):
    """One of one's own sign-ins."""

    session_id: str
    created_at: Moment
    refreshed_at: Moment
    address: str
    browser: bool
    current: bool


def _tokens(signed_in: SignedIn) -> SessionTokens:
    return SessionTokens(signed_in.access_token, signed_in.refresh_token, signed_in.expires_in_s)


def _view(session: UserSession, current: str) -> SessionView:
    return SessionView(
        session_id=session.session_id,
        created_at=moment(session.created_at) or "",
        refreshed_at=moment(session.refreshed_at) or "",
        address=session.address,
        browser=session.browser,
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


async def sign_in_browser(services: Services, call: Call) -> Reply:
    """Open a session whose secret goes into a cookie, for a page of ours alone."""
    require_own_page(call.headers)
    body: SignInBody = call.body
    principal, secret = await services.sign_in.sign_in_browser(
        body.name, body.password, call.address
    )
    token = services.sessions.forgery_token(secret)
    told = BrowserSession(principal.id, principal.tenant, token)
    return Reply(told, headers=(keep_cookie(secret, SESSION_LIFE_S),))


async def get_browser_session(services: Services, call: Call) -> BrowserSession:
    """Answer with the token of the session whose cookie was sent."""
    require_person(call)
    secret = secret_of(call.headers)
    if secret is None or b"authorization" in call.headers:
        raise Forbidden(
            "No cookie signs this request in.", remedy="Sign in at the dashboard's own page."
        )
    principal = call.principal
    token = services.sessions.forgery_token(secret)
    return BrowserSession(principal.id, principal.tenant, token)


async def end_session(services: Services, call: Call) -> Reply:
    """End one of one's own sessions; `current` is the one that asks."""
    require_person(call)
    session_id = call.path["session_id"]
    if session_id == "current":
        session_id = call.credential_id
    await services.sign_in.sign_out(call.principal, session_id)
    services.connections.cut_credential(call.principal.uid, session_id, "signed out")
    own = session_id == call.credential_id and secret_of(call.headers) is not None
    return Reply(headers=(drop_cookie(),) if own else ())


async def change_password(services: Services, call: Call) -> Reply:
    """Change one's own password; this session gets other secrets, and every other one ends."""
    require_person(call)
    body: PasswordChange = call.body
    done = await services.sign_in.change_password(
        call.principal, body.old, body.new, call.address, session_id=call.credential_id
    )
    if isinstance(done.kept, SignedIn):
        return Reply(PasswordChanged(done.ended, tokens=_tokens(done.kept)))
    token = services.sessions.forgery_token(done.kept)
    cookie = keep_cookie(done.kept, SESSION_LIFE_S)
    return Reply(PasswordChanged(done.ended, token=token), headers=(cookie,))


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
        "sign_in_browser",
        "POST",
        "/sessions/browser",
        "Sign a browser in with a name and a password",
        sign_in_browser,
        action=PUBLIC,
        description=(
            "The answer sets a cookie that no script reads. Requests with it have to come from "
            "the same origin; those that change something carry the token in X-Weft-Token."
        ),
        body=SignInBody,
        result=BrowserSession,
        status=201,
        secret=True,
        errors=(Unauthenticated, Forbidden),
    ),
    Operation(
        "get_browser_session",
        "GET",
        "/sessions/browser",
        "Show whom a browser's cookie signs in",
        get_browser_session,
        action="session.manage",
        result=BrowserSession,
        errors=(Forbidden,),
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
        description=(
            "The session that asks goes on with what the answer holds: new tokens, or for a "
            "browser a new cookie and `token`. What it had before and every other session end "
            "at once."
        ),
        body=PasswordChange,
        result=PasswordChanged,
        secret=True,
        errors=(Forbidden, Invalid, RateLimited),
    ),
)
