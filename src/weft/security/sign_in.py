"""Signing in: the only place that sees a person's password.

A wrong name, a wrong password and a disabled user read and cost the same (AU-5): every
try that is evaluated does one argon2 and writes one audit record.
"""

from weft.errors import Forbidden, RateLimited, Unauthenticated
from weft.model.principal import Principal, PrincipalKind
from weft.security.attempts import address_of, clean_claim
from weft.security.audit import Audit
from weft.security.authentication import REFUSED
from weft.security.metrics import SIGN_INS
from weft.security.passwords import PasswordHasher, require_password
from weft.security.people import PasswordSet, People, User
from weft.security.secrets import PLATFORM
from weft.security.sessions import Sessions, SignedIn
from weft.security.throttle import Throttle


class SignIn:
    """From a link or a password to a session."""

    def __init__(
        self,
        people: People,
        sessions: Sessions,
        hasher: PasswordHasher,
        throttle: Throttle,
        audit: Audit,
    ) -> None:
        self._people = people
        self._sessions = sessions
        self._hasher = hasher
        self._throttle = throttle
        self._audit = audit

    async def sign_up(self, token: str, name: str, password: str, peer: str) -> SignedIn:
        """Use up a one-time link: make its user with this password, and sign in."""
        await self._people.check_invitation(token)
        accepted = require_password(password, (name,))
        user = await self._people.accept(token, name, await self._hasher.hash(accepted))
        return await self._sessions.open(user.principal, address_of(peer))

    async def sign_in(self, name: str, password: str, peer: str) -> SignedIn:
        """Open a session, or raise `Unauthenticated` or `RateLimited`."""
        user = await self._prove(name, password, peer)
        return await self._sessions.open(user.principal, address_of(peer))

    async def sign_in_browser(self, name: str, password: str, peer: str) -> tuple[Principal, str]:
        """As `sign_in`, for a browser: who it is, and the secret for its cookie."""
        user = await self._prove(name, password, peer)
        return user.principal, await self._sessions.open_browser(user.principal, address_of(peer))

    async def refresh(self, refresh_token: str) -> SignedIn:
        """Exchange a refresh token for new tokens."""
        return await self._sessions.refresh(refresh_token)

    async def sign_out(self, principal: Principal, session_id: str) -> None:
        """End a session of this person."""
        held = await self._sessions.list_sessions(principal.tenant, principal.uid)
        if any(session.session_id == session_id for session in held):
            await self._sessions.end(principal.tenant, session_id)

    async def change_password(
        self, principal: Principal, old: str, new: str, peer: str, *, session_id: str
    ) -> PasswordSet:
        """Replace one's own password in a session, which gets other secrets; end every other one.

        A wrong old password is forbidden, not unauthenticated: the session that asks is good.
        """
        try:
            user = await self._prove(principal.id, old, peer)
        except Unauthenticated as error:
            raise Forbidden(
                "The old password is not the one that you sign in with.",
                remedy="Type the password that you have now; nothing was changed.",
            ) from error
        accepted = require_password(new, (user.user_id,))
        password_hash = await self._hasher.hash(accepted)
        return await self._people.set_password_hash(user, password_hash, keep=session_id)

    async def _prove(self, name: str, password: str, peer: str) -> User:
        account, address = clean_claim(name).casefold(), address_of(peer)
        try:
            self._throttle.begin(account, address)
        except RateLimited:
            SIGN_INS.labels("throttled").inc()
            raise
        user = await self._people.find_login(account)
        right = await self._hasher.verify(password, user.password_hash if user else None)
        if right and user is not None and user.disabled_at is None:
            SIGN_INS.labels("accepted").inc()
            self._throttle.succeeded(account, address)
            return user
        SIGN_INS.labels("refused").inc()
        # An unknown name may be a password typed in the wrong place: it is not written down.
        shown = user.user_id if user else "(unknown)"
        await self._audit.record(
            Principal(PLATFORM, PrincipalKind.USER, shown, ""),
            "session.open",
            f"user:{shown}",
            outcome="denied",
        )
        raise Unauthenticated(REFUSED, remedy="Check the name and the password.")
