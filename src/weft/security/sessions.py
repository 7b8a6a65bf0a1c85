"""Sessions of people: a short access token, and a refresh token that is used once (AU-8).

Each refresh replaces the refresh token. One that comes back after its use was copied by
somebody, so the whole session ends, whoever of the two is asking. Which sessions live is
known in memory: logging out or disabling a user ends access with the next request.

A browser keeps one secret in a cookie that no script reads, and two of its pages may ask at
once, so that secret stays the same as long as its session. With it goes a token against forged
requests, which only a page of ours is told (HT-3). A session that changes its password goes on
under another id: what was copied of its secrets is good for nothing.
"""

import hashlib
import hmac
from collections.abc import Sequence

from msgspec import Struct, structs

from weft.errors import Unauthenticated
from weft.model.ids import TenantId
from weft.model.moments import NS_PER_S
from weft.model.principal import Principal, PrincipalKind
from weft.ports import Clock, Kind, Reader, Records, Writer
from weft.security.audit import Audit
from weft.security.authentication import REFUSED, Proof
from weft.security.machine_secrets import MachineSecret, make_secret, parse_secret
from weft.security.tokens import ACCESS_LIFE_S, AccessTokens

SESSION_LIFE_S = 30 * 24 * 3600  # then the password is asked for again
IDLE_LIFE_S = 3 * 24 * 3600  # a session that is not refreshed ends
PER_USER_MAX = 20  # the oldest gives way
SEEN_STEP_S = 600  # a browser's use is noted no more often


class UserSession(Struct, frozen=True):
    """One sign-in of one person."""

    tenant: TenantId
    session_id: str
    user_id: str
    user_uid: str
    digest: str  # of the refresh token that is valid now
    created_at: int
    refreshed_at: int
    address: str = ""
    browser: bool = False  # its secret stands in a cookie and is not exchanged


class SignedIn(Struct, frozen=True):
    """What a person's client keeps. Both tokens are secrets."""

    access_token: str
    refresh_token: str
    expires_in_s: int
    principal: Principal


class SomeSessions(Struct, frozen=True):
    """Some of a tenant's sessions, and the one behind which others follow, if any."""

    items: Sequence[UserSession]
    after: str | None


class Renewed(Struct, frozen=True):
    """A session that goes on with other secrets, and the id under which nobody comes in now."""

    session: UserSession
    secret: MachineSecret
    before: str


SESSIONS: Kind[UserSession] = Kind(
    "user_session", UserSession, index=lambda s: {"user": s.user_uid}
)


class Sessions:
    """Opens, renews and ends sessions."""

    def __init__(
        self, records: Records, audit: Audit, clock: Clock, pepper: bytes, tokens: AccessTokens
    ) -> None:
        self._records = records
        self._audit = audit
        self._clock = clock
        self._pepper = pepper
        self._tokens = tokens
        self._live: dict[str, UserSession] = {}
        self._seen: set[str] = set()  # browsers whose last use is not written down yet

    async def load(self) -> None:
        """Read all sessions."""
        found = await self._records.read(_all_sessions)
        self._live = {s.session_id: s for s in found if self._is_live(s)}

    def find_access(self, token: str) -> Proof | None:
        """Return who an access token speaks for, if its session still lives."""
        claims = self._tokens.read(token)
        session = self._live.get(claims.sid) if claims else None
        if claims is None or session is None or not self._is_live(session):
            return None
        if (session.user_uid, session.tenant) != (claims.sub, claims.tid):
            return None
        return Proof(_principal(session), session.session_id, claims.exp * NS_PER_S)

    def is_ours(self, token: str) -> bool:
        """Whether it is an access token that we signed, whatever has become of its session."""
        return self._tokens.is_ours(token)

    def find_browser(self, text: str) -> Proof | None:
        """Return who a cookie's secret speaks for, if its session still lives."""
        secret = parse_secret(text)
        session = self._live.get(secret.key_id) if secret else None
        if secret is None or session is None or not session.browser or not self._is_live(session):
            return None
        if not secret.matches(session.digest, self._pepper):
            return None
        now = self._clock.now()
        if now - session.refreshed_at > SEEN_STEP_S * NS_PER_S:
            self._live[session.session_id] = structs.replace(session, refreshed_at=now)
            self._seen.add(session.session_id)
        ends_at = session.created_at + SESSION_LIFE_S * NS_PER_S
        return Proof(_principal(session), session.session_id, ends_at)

    def forgery_token(self, text: str) -> str:
        """Return what a page of ours sends beside the cookie with this secret."""
        return hmac.digest(self._pepper, b"forgery:" + text.encode(), hashlib.sha256).hex()

    async def open(self, principal: Principal, address: str) -> SignedIn:
        """Open a session for a person whose password was right."""
        session, secret = await self._open(principal, address, browser=False)
        return self._signed_in(session, secret)

    async def open_browser(self, principal: Principal, address: str) -> str:
        """As `open`, for a browser; return the secret for its cookie."""
        _, secret = await self._open(principal, address, browser=True)
        return secret.text

    async def _open(
        self, principal: Principal, address: str, *, browser: bool
    ) -> tuple[UserSession, MachineSecret]:
        secret, now = make_secret(), self._clock.now()
        session = UserSession(
            tenant=principal.tenant,
            session_id=secret.key_id,
            user_id=principal.id,
            user_uid=principal.uid,
            digest=secret.digest(self._pepper),
            created_at=now,
            refreshed_at=now,
            address=address,
            browser=browser,
        )

        def work(writer: Writer) -> list[str]:
            held = _of_user(writer, principal.tenant, principal.uid)
            surplus = sorted(held, key=lambda s: s.refreshed_at)[: len(held) + 1 - PER_USER_MAX]
            gone = [s.session_id for s in surplus] if len(held) >= PER_USER_MAX else []
            for session_id in gone:
                writer.delete(SESSIONS, principal.tenant, session_id)
            writer.insert(SESSIONS, session.tenant, session.session_id, session)
            self._audit.entry(writer, principal, "session.open", f"user:{principal.id}")
            return gone

        for session_id in await self._records.write(work):
            self._live.pop(session_id, None)
        self._live[session.session_id] = session
        return session, secret

    async def refresh(self, refresh_token: str) -> SignedIn:
        """Exchange a refresh token, once; a used one ends its session."""
        secret = parse_secret(refresh_token)
        session = self._live.get(secret.key_id) if secret else None
        if secret is None or session is None or session.browser:
            raise _refused()
        fresh = MachineSecret(secret.key_id, make_secret().secret)
        now, digest = self._clock.now(), fresh.digest(self._pepper)

        def work(writer: Writer) -> UserSession | None:
            stored = writer.find(SESSIONS, session.tenant, session.session_id)
            if stored is None:
                return None
            if self._is_live(stored.value) and secret.matches(stored.value.digest, self._pepper):
                renewed = structs.replace(stored.value, digest=digest, refreshed_at=now)
                writer.put(SESSIONS, session.tenant, stored.key, renewed, version=stored.version)
                return renewed
            self._end_in(writer, stored.value, "the refresh token was used before, or is too old")
            return None

        renewed = await self._records.write(work)
        if renewed is None:
            self._live.pop(session.session_id, None)
            raise _refused()
        self._live[session.session_id] = renewed
        return self._signed_in(renewed, fresh)

    async def end(self, tenant: TenantId, session_id: str) -> None:
        """End one session, as logging out does; asking twice changes nothing."""

        def work(writer: Writer) -> None:
            stored = writer.find(SESSIONS, tenant, session_id)
            if stored is not None:
                self._end_in(writer, stored.value, "logged out")

        await self._records.write(work)
        self._live.pop(session_id, None)

    def end_all_in(self, writer: Writer, tenant: TenantId, user_uid: str, *, keep: str = "") -> int:
        """Remove a user's sessions but `keep` in the caller's transaction; return how many."""
        gone = [s for s in _of_user(writer, tenant, user_uid) if s.session_id != keep]
        for session in gone:
            writer.delete(SESSIONS, tenant, session.session_id)
        return len(gone)

    def renew_in(self, writer: Writer, tenant: TenantId, user_uid: str, session_id: str) -> Renewed:
        """Give a user's session other secrets in the caller's transaction; then `take_over`.

        It keeps its beginning and gets another id, which cookie, refresh token and access tokens
        carry: with it all of them are over at once, also those signed in this second. Raises
        `Unauthenticated` where it has ended.
        """
        stored = writer.find(SESSIONS, tenant, session_id)
        if stored is None or stored.value.user_uid != user_uid or not self._is_live(stored.value):
            raise _refused()
        secret = make_secret()
        session = structs.replace(
            stored.value,
            session_id=secret.key_id,
            digest=secret.digest(self._pepper),
            refreshed_at=self._clock.now(),
        )
        writer.delete(SESSIONS, tenant, session_id)
        writer.insert(SESSIONS, tenant, session.session_id, session)
        return Renewed(session, secret, session_id)

    def take_over(self, renewed: Renewed) -> SignedIn | str:
        """Know a renewed session, after that transaction; return its tokens or cookie's secret."""
        self._live.pop(renewed.before, None)
        self._live[renewed.session.session_id] = renewed.session
        if renewed.session.browser:
            return renewed.secret.text
        return self._signed_in(renewed.session, renewed.secret)

    def forget(self, user_uid: str) -> None:
        """Drop a user's sessions from memory, after that transaction."""
        gone = [s.session_id for s in self._live.values() if s.user_uid == user_uid]
        for session_id in gone:
            del self._live[session_id]

    async def list_sessions(self, tenant: TenantId, user_uid: str) -> Sequence[UserSession]:
        """Return a user's sessions."""
        return await self._records.read(lambda r: _of_user(r, tenant, user_uid))

    async def list_all(self, tenant: TenantId, *, after: str, limit: int) -> SomeSessions:
        """Return where people of a tenant are signed in; what has run out is left out."""
        found = await self._records.read(
            lambda r: r.list(SESSIONS, tenant, after=after, limit=limit + 1)
        )
        kept = [self._live.get(one.key, one.value) for one in found[:limit]]
        following = found[limit - 1].key if len(found) > limit else None
        return SomeSessions([one for one in kept if self._is_live(one)], following)

    async def sweep(self) -> int:
        """Remove sessions that have run out, and note when browsers were used; return how many."""
        old = [s for s in self._live.values() if not self._is_live(s)]
        seen = [self._live[name] for name in self._seen if name in self._live]
        self._seen.clear()

        def work(writer: Writer) -> None:
            for session in old:
                writer.delete(SESSIONS, session.tenant, session.session_id)
            for session in seen:
                stored = writer.find(SESSIONS, session.tenant, session.session_id)
                if stored is not None:
                    writer.put(
                        SESSIONS, session.tenant, stored.key, session, version=stored.version
                    )

        if old or seen:
            await self._records.write(work)
            for session in old:
                self._live.pop(session.session_id, None)
        return len(old)

    def _end_in(self, writer: Writer, session: UserSession, reason: str) -> None:
        writer.delete(SESSIONS, session.tenant, session.session_id)
        self._audit.entry(
            writer,
            _principal(session),
            "session.end",
            f"user:{session.user_id}",
            detail={"reason": reason},
        )

    def _is_live(self, session: UserSession) -> bool:
        now = self._clock.now()
        idle_until = session.refreshed_at + IDLE_LIFE_S * NS_PER_S
        return now < min(idle_until, session.created_at + SESSION_LIFE_S * NS_PER_S)

    def _signed_in(self, session: UserSession, secret: MachineSecret) -> SignedIn:
        return SignedIn(
            access_token=self._tokens.sign(session.tenant, session.user_uid, session.session_id),
            refresh_token=secret.text,
            expires_in_s=ACCESS_LIFE_S,
            principal=_principal(session),
        )


def _principal(session: UserSession) -> Principal:
    return Principal(session.tenant, PrincipalKind.USER, session.user_id, session.user_uid)


def _refused() -> Unauthenticated:
    return Unauthenticated(REFUSED, remedy="Sign in again.")


def _of_user(reader: Reader, tenant: TenantId, user_uid: str) -> list[UserSession]:
    return [
        stored.value
        for stored in reader.list(SESSIONS, tenant, where=("user", user_uid), limit=1_000)
    ]


def _all_sessions(reader: Reader) -> list[UserSession]:
    found: list[UserSession] = []
    for tenant in reader.tenants(SESSIONS):
        after = ""
        while page := reader.list(SESSIONS, tenant, after=after, limit=1_000):
            found += [stored.value for stored in page]
            after = page[-1].key
    return found
