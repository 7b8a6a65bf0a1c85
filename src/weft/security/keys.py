"""Service keys: how business systems and agents come in, with scopes and topic grants.

A person makes a key for one purpose; its secret is shown once. A key never has more than
its scopes and grants say, and no scope reaches people, keys, policy or backups (AZ-6).
"""

import heapq
from collections.abc import Sequence

from msgspec import Struct, structs

from weft.errors import Conflict, Forbidden, Invalid
from weft.model.ids import KeyId, TenantId, new_id, require_name
from weft.model.moments import NS_PER_S
from weft.model.principal import Principal, PrincipalKind
from weft.ports import Clock, Kind, Reader, Records, Writer
from weft.security.actions import require_scopes
from weft.security.audit import Audit
from weft.security.authentication import Proof
from weft.security.filters import GRANTS_MAX, Grant, require_filter
from weft.security.machine_secrets import MachineSecret, make_secret
from weft.security.policy import Policy
from weft.security.revocation import Revocation


class ServiceKey(Struct, frozen=True):
    """A key as it is kept: no secret, an HMAC of it."""

    tenant: TenantId
    key_id: KeyId
    uid: str
    name: str
    scopes: tuple[str, ...]
    grants: tuple[Grant, ...]
    digest: str
    created_at: int
    created_by: str
    expires_at: int | None = None
    revoked_at: int | None = None


class NewKey(Struct, frozen=True, forbid_unknown_fields=True):
    """What a person asks for."""

    name: str
    scopes: tuple[str, ...] = ()
    grants: tuple[Grant, ...] = ()
    life_s: int | None = None


class IssuedKey(Struct, frozen=True):
    """A new key with its token, which is shown this once."""

    key: ServiceKey
    token: str


KEYS: Kind[ServiceKey] = Kind("service_key", ServiceKey)


class Keys:
    """Makes, finds and revokes service keys."""

    def __init__(
        self,
        records: Records,
        audit: Audit,
        clock: Clock,
        pepper: bytes,
        policy: Policy,
        revocation: Revocation,
    ) -> None:
        self._records = records
        self._audit = audit
        self._clock = clock
        self._pepper = pepper
        self._policy = policy
        self._revocation = revocation
        self._index: dict[str, ServiceKey] = {}
        self._ends: list[tuple[int, str]] = []  # a heap: when, and which key

    async def load(self) -> None:
        """Read all keys that have not ended, and tell the policy of them."""
        now = self._clock.now()
        for key in await self._records.read(_all_keys):
            if key.revoked_at is None and (key.expires_at is None or now < key.expires_at):
                self._learn(key)

    def end_due(self) -> None:
        """End the rights of keys that have expired.

        A key also acts where it does not prove itself again: as the owner of a subscription,
        a rule or a plan (AZ-5).
        """
        now = self._clock.now()
        while self._ends and self._ends[0][0] <= now:
            _at, key_id = heapq.heappop(self._ends)
            key = self._index.pop(key_id, None)
            if key is not None:
                self._revocation.end(key.uid, "the key has expired")

    async def create(self, actor: Principal, new: NewKey) -> IssuedKey:
        """Make a key in the actor's tenant."""
        if actor.kind not in {PrincipalKind.USER, PrincipalKind.SYSTEM}:
            raise Forbidden(f"{actor} is no person, and only people make keys.")
        _require_sound(new)
        secret, now = make_secret(), self._clock.now()
        key = ServiceKey(
            tenant=actor.tenant,
            key_id=KeyId(secret.key_id),
            uid=new_id(),
            name=require_name(new.name, "key name"),
            scopes=tuple(sorted(require_scopes(new.scopes))),
            grants=new.grants,
            digest=secret.digest(self._pepper),
            created_at=now,
            created_by=actor.id,
            expires_at=None if new.life_s is None else now + new.life_s * NS_PER_S,
        )

        def work(writer: Writer) -> None:
            writer.insert(KEYS, key.tenant, key.key_id, key)
            detail = {"name": key.name, "scopes": key.scopes, "grants": len(key.grants)}
            self._audit.entry(writer, actor, "key.create", f"key:{key.key_id}", detail=detail)

        await self._records.write(work)
        self._learn(key)
        return IssuedKey(key, secret.text)

    async def revoke(self, actor: Principal, tenant: TenantId, key_id: str) -> None:
        """End a key for good and cut what it holds open."""

        def work(writer: Writer) -> ServiceKey:
            stored = writer.get(KEYS, tenant, key_id)
            if stored.value.revoked_at is not None:
                raise Conflict(f"Key {key_id} is revoked already.")
            ended = structs.replace(stored.value, revoked_at=self._clock.now())
            writer.put(KEYS, tenant, key_id, ended, version=stored.version)
            self._audit.entry(writer, actor, "key.revoke", f"key:{key_id}")
            return ended

        ended = await self._records.write(work)
        self._index.pop(key_id, None)
        self._revocation.end(ended.uid, "the key was revoked")

    async def get(self, tenant: TenantId, key_id: str) -> ServiceKey:
        """Return a key, or raise `NotFound`."""
        return await self._records.read(lambda r: r.get(KEYS, tenant, key_id).value)

    async def list_keys(
        self, tenant: TenantId, *, after: str = "", limit: int = 100
    ) -> Sequence[ServiceKey]:
        """Return keys in the order of their ids, revoked ones too."""
        found = await self._records.read(lambda r: r.list(KEYS, tenant, after=after, limit=limit))
        return [stored.value for stored in found]

    def find_secret(self, secret: MachineSecret) -> Proof | None:
        """Return the proof of a live key, or None."""
        key = self._index.get(secret.key_id)
        digest = key.digest if key else "0" * 64
        if not secret.matches(digest, self._pepper) or key is None:
            return None
        if key.expires_at is not None and self._clock.now() >= key.expires_at:
            return None
        principal = Principal(key.tenant, PrincipalKind.KEY, key.key_id, key.uid)
        return Proof(principal, key.key_id, key.expires_at)

    def _learn(self, key: ServiceKey) -> None:
        self._index[key.key_id] = key
        if key.expires_at is not None:
            heapq.heappush(self._ends, (key.expires_at, key.key_id))
        self._policy.set_key(key.tenant, key.uid, frozenset(key.scopes), key.grants)


def _require_sound(new: NewKey) -> None:
    if not new.scopes and not new.grants:
        raise Invalid("The key could do nothing.", remedy="Give it a scope or a topic grant.")
    if len(new.grants) > GRANTS_MAX:
        raise Invalid(f"A key has at most {GRANTS_MAX} grants.", remedy="Grant wider filters.")
    if new.life_s is not None and new.life_s <= 0:
        raise Invalid("The key would have expired already.", remedy="Give a life in seconds.")
    for grant in new.grants:
        require_filter(grant.filter)


def _all_keys(reader: Reader) -> list[ServiceKey]:
    found: list[ServiceKey] = []
    for tenant in reader.tenants(KEYS):
        after = ""
        while page := reader.list(KEYS, tenant, after=after, limit=1_000):
            found += [stored.value for stored in page]
            after = page[-1].key
    return found
