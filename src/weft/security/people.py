"""People: users, their roles, and the one-time links by which they come.

There is no default account. On an empty folder a link is printed that makes the first
administrator, once, within ten minutes (ID-3); everybody else is invited by somebody. A
user's uid is never used again: who comes back under a name is another user (ID-1).
"""

from collections.abc import Sequence

from msgspec import Struct, structs

from weft.errors import AlreadyExists, Conflict, Forbidden, Invalid, NotFound, Unauthenticated
from weft.model.ids import TenantId, UserId, new_id, require_name
from weft.model.moments import NS_PER_S
from weft.model.principal import Principal, PrincipalKind
from weft.ports import Clock, Kind, Reader, Records, Writer
from weft.security.actions import Role
from weft.security.audit import Audit
from weft.security.machine_secrets import make_secret, parse_secret
from weft.security.revocation import Revocation
from weft.security.secrets import PLATFORM
from weft.security.sessions import Renewed, Sessions, SignedIn

INVITATION_LIFE_S = 600
INVITATION_LIFE_MAX_S = 7 * 24 * 3600
FIRST_ROLES = (Role.PLATFORM_ADMIN, Role.TENANT_ADMIN)


class User(Struct, frozen=True):
    """A person who signs in. `password_hash` never leaves this station."""

    tenant: TenantId
    user_id: UserId
    uid: str
    roles: tuple[Role, ...]
    password_hash: str
    created_at: int
    disabled_at: int | None = None

    @property
    def principal(self) -> Principal:
        """The user as an actor."""
        return Principal(self.tenant, PrincipalKind.USER, self.user_id, self.uid)


class PasswordSet(Struct, frozen=True):
    """What a new password has ended, and what the session that is kept goes on with."""

    ended: int  # sessions
    kept: SignedIn | str  # its tokens, or the secret for a browser's cookie


class Login(Struct, frozen=True):
    """Whose a login name is: names are unique in all tenants, so nobody types a tenant."""

    tenant: TenantId
    uid: str


class Invitation(Struct, frozen=True):
    """A link that makes one user, once."""

    tenant: TenantId
    invitation_id: str
    digest: str
    roles: tuple[Role, ...]
    created_at: int
    created_by: str
    expires_at: int


USERS: Kind[User] = Kind(
    "user", User, index=lambda u: {"name": u.user_id}, unique=frozenset({"name"})
)
LOGINS: Kind[Login] = Kind("login", Login)
INVITATIONS: Kind[Invitation] = Kind("invitation", Invitation)


class People:
    """Invites, keeps, disables and deletes users."""

    def __init__(
        self,
        records: Records,
        audit: Audit,
        clock: Clock,
        pepper: bytes,
        sessions: Sessions,
        revocation: Revocation,
    ) -> None:
        self._records = records
        self._audit = audit
        self._clock = clock
        self._pepper = pepper
        self._sessions = sessions
        self._revocation = revocation

    async def load(self) -> None:
        """Tell the policy of all users who are enabled."""
        for user in await self._records.read(_all_users):
            if user.disabled_at is None:
                self._allow(user)

    async def is_empty(self) -> bool:
        """Whether nobody has ever signed up."""
        return not await self._records.read(lambda r: r.tenants(USERS))

    # --- coming ---

    async def invite_first(self, actor: Principal, tenant: TenantId) -> str:
        """Return a token for an administrator of everything; for whoever holds the machine."""
        if actor.kind is not PrincipalKind.SYSTEM:
            raise Forbidden("Only Weft's own command line makes an administrator from nothing.")
        return await self.invite(actor, FIRST_ROLES, tenant=tenant)

    async def invite(
        self,
        actor: Principal,
        roles: Sequence[Role],
        *,
        tenant: TenantId | None = None,
        life_s: int = INVITATION_LIFE_S,
    ) -> str:
        """Return the token of a one-time link; it is shown this once."""
        target = actor.tenant if tenant is None else tenant
        await self._require_may_give(actor, roles, target)
        if not 0 < life_s <= INVITATION_LIFE_MAX_S:
            raise Invalid("An invitation lives for a week at most.")
        secret, now = make_secret(), self._clock.now()
        invitation = Invitation(
            tenant=target,
            invitation_id=secret.key_id,
            digest=secret.digest(self._pepper),
            roles=tuple(sorted(set(roles))),
            created_at=now,
            created_by=actor.id,
            expires_at=now + life_s * NS_PER_S,
        )

        def work(writer: Writer) -> None:
            _drop_invitations(writer, until=now)
            writer.insert(INVITATIONS, PLATFORM, invitation.invitation_id, invitation)
            self._audit.entry(
                writer,
                structs.replace(actor, tenant=target),
                "user.invite",
                f"invitation:{invitation.invitation_id}",
                detail={"roles": invitation.roles},
            )

        await self._records.write(work)
        return secret.text

    async def check_invitation(self, token: str) -> Invitation:
        """Return the invitation that a token proves, or raise `Unauthenticated`."""
        secret = parse_secret(token)
        if secret is None:
            raise _no_invitation()
        stored = await self._records.read(lambda r: r.find(INVITATIONS, PLATFORM, secret.key_id))
        if stored is None or not secret.matches(stored.value.digest, self._pepper):
            raise _no_invitation()
        if self._clock.now() >= stored.value.expires_at:
            raise _no_invitation()
        return stored.value

    async def accept(self, token: str, name: str, password_hash: str) -> User:
        """Make the user of an invitation, and use the invitation up."""
        invitation = await self.check_invitation(token)
        user = User(
            tenant=invitation.tenant,
            user_id=UserId(require_name(name, "user name").casefold()),
            uid=new_id(),
            roles=invitation.roles,
            password_hash=password_hash,
            created_at=self._clock.now(),
        )

        def work(writer: Writer) -> None:
            if not writer.delete(INVITATIONS, PLATFORM, invitation.invitation_id):
                raise _no_invitation()
            if not writer.list(LOGINS, PLATFORM, limit=1):
                _drop_invitations(writer)  # links of earlier starts end with the first sign-up
            if writer.find(LOGINS, PLATFORM, user.user_id) is not None:
                raise AlreadyExists("This user name is taken.", remedy="Choose another.")
            writer.insert(LOGINS, PLATFORM, user.user_id, Login(user.tenant, user.uid))
            writer.insert(USERS, user.tenant, user.uid, user)
            self._audit.entry(
                writer,
                user.principal,
                "user.sign_up",
                f"user:{user.user_id}",
                detail={"invited_by": invitation.created_by, "roles": user.roles},
            )

        await self._records.write(work)
        self._allow(user)
        return user

    # --- finding ---

    async def find_login(self, name: str) -> User | None:
        """Return the user of a login name, disabled or not."""

        def work(reader: Reader) -> User | None:
            login = reader.find(LOGINS, PLATFORM, name.casefold())
            if login is None:
                return None
            stored = reader.find(USERS, login.value.tenant, login.value.uid)
            return stored.value if stored else None

        return await self._records.read(work)

    async def get(self, tenant: TenantId, name: str) -> User:
        """Return a user of a tenant by name, or raise `NotFound`."""
        user = await self.find_login(name)
        if user is None or user.tenant != tenant:
            raise _no_user(name)
        return user

    async def list_users(
        self, tenant: TenantId, *, after: str = "", limit: int = 100
    ) -> Sequence[User]:
        """Return users in the order in which they came; `after` is a uid."""
        found = await self._records.read(lambda r: r.list(USERS, tenant, after=after, limit=limit))
        return [stored.value for stored in found]

    # --- changing ---

    async def set_roles(self, actor: Principal, name: str, roles: Sequence[Role]) -> User:
        """Give a user other roles."""
        await self._require_may_give(actor, roles, actor.tenant)
        changed = await self._change(
            actor, name, "user.update", {"roles": [*roles]}, roles=tuple(sorted(set(roles)))
        )
        if changed.disabled_at is None:
            self._allow(changed)
        return changed

    async def set_password_hash(self, user: User, password_hash: str, *, keep: str) -> PasswordSet:
        """Store a new hash; end all sessions but `keep`, which goes on with other secrets.

        Whoever knew the old password is out, and whoever has a copy of what the kept session had:
        it is that of whoever has just proved to know the password. Raises `Unauthenticated`, and
        changes nothing, where that session has ended.
        """

        def work(writer: Writer) -> tuple[int, Renewed]:
            stored = writer.get(USERS, user.tenant, user.uid)
            changed = structs.replace(stored.value, password_hash=password_hash)
            writer.put(USERS, user.tenant, user.uid, changed, version=stored.version)
            renewed = self._sessions.renew_in(writer, user.tenant, user.uid, keep)
            kept = renewed.session.session_id
            ended = self._sessions.end_all_in(writer, user.tenant, user.uid, keep=kept)
            self._audit.entry(
                writer,
                user.principal,
                "user.password",
                f"user:{user.user_id}",
                detail={"sessions_ended": ended},
            )
            return ended, renewed

        ended, renewed = await self._records.write(work)
        self._sessions.forget(user.uid)
        kept = self._sessions.take_over(renewed)
        self._revocation.renew(user.uid, "the password was changed")
        return PasswordSet(ended, kept)

    async def disable(self, actor: Principal, name: str) -> User:
        """Take all rights from a user, at once, until enabled again."""
        changed = await self._change(actor, name, "user.disable", {}, disabled_at=self._clock.now())
        self._sessions.forget(changed.uid)
        self._revocation.end(changed.uid, "the user was disabled")
        return changed

    async def enable(self, actor: Principal, name: str) -> User:
        """Give a disabled user the rights back."""
        changed = await self._change(
            actor, name, "user.update", {"enabled": True}, disabled_at=None
        )
        self._allow(changed)
        return changed

    async def delete(self, actor: Principal, name: str) -> None:
        """Remove a user for good; the name is free, the uid is not used again."""
        user = await self.get(actor.tenant, name)

        def work(writer: Writer) -> None:
            if not writer.delete(USERS, user.tenant, user.uid):
                raise _no_user(name)
            writer.delete(LOGINS, PLATFORM, user.user_id)
            self._sessions.end_all_in(writer, user.tenant, user.uid)
            self._audit.entry(writer, actor, "user.delete", f"user:{user.user_id}")

        await self._records.write(work)
        self._sessions.forget(user.uid)
        self._revocation.end(user.uid, "the user was deleted")

    async def _change(
        self, actor: Principal, name: str, action: str, detail: dict[str, object], **fields: object
    ) -> User:
        user = await self.get(actor.tenant, name)

        def work(writer: Writer) -> User:
            stored = writer.get(USERS, user.tenant, user.uid)
            changed = structs.replace(stored.value, **fields)
            if changed == stored.value:
                raise Conflict(f"User {user.user_id} is so already.")
            writer.put(USERS, user.tenant, user.uid, changed, version=stored.version)
            if "roles" not in fields:
                self._sessions.end_all_in(writer, user.tenant, user.uid)
            self._audit.entry(writer, actor, action, f"user:{user.user_id}", detail=detail)
            return changed

        return await self._records.write(work)

    def _allow(self, user: User) -> None:
        self._revocation.policy.set_user(user.tenant, user.uid, frozenset(user.roles))

    async def _require_may_give(
        self, actor: Principal, roles: Sequence[Role], tenant: TenantId
    ) -> None:
        if not roles:
            raise Invalid("A user without a role could do nothing.", remedy="Name a role.")
        if actor.kind is PrincipalKind.SYSTEM:
            return
        if actor.kind is not PrincipalKind.USER:
            raise Forbidden(f"{actor} is no person, and only people manage people.")
        giver = await self._records.read(lambda r: r.find(USERS, actor.tenant, actor.uid))
        held = giver.value.roles if giver else ()
        if Role.PLATFORM_ADMIN in held:
            return
        if tenant != actor.tenant or Role.PLATFORM_ADMIN in roles:
            raise Forbidden("Only a platform administrator may give this.")


def _drop_invitations(writer: Writer, until: int | None = None) -> None:
    for stored in writer.list(INVITATIONS, PLATFORM, limit=1_000):
        if until is None or stored.value.expires_at <= until:
            writer.delete(INVITATIONS, PLATFORM, stored.key)


def _all_users(reader: Reader) -> list[User]:
    found: list[User] = []
    for tenant in reader.tenants(USERS):
        after = ""
        while page := reader.list(USERS, tenant, after=after, limit=1_000):
            found += [stored.value for stored in page]
            after = page[-1].key
    return found


def _no_invitation() -> Unauthenticated:
    return Unauthenticated(
        "The link is not valid, has expired, or was used.",
        remedy="Ask for a new one; at the machine itself: weft user link",
    )


def _no_user(name: str) -> NotFound:
    return NotFound(f"There is no user {name[:64]!r}.")
