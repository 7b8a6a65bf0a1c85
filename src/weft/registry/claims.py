"""Claims: what a batch of devices asks for its identities with, and nothing else (PR-1).

A claim is one secret for all devices of a batch, put into them in the factory. It opens
provisioning alone, for so many devices, within its time, from its networks. Whoever reads
it out of a device wins no more than what is left of that, and revoking it ends it at once.
"""

import hmac
import ipaddress
from collections.abc import Sequence
from typing import Annotated, Final

from msgspec import Meta, Struct
from msgspec.structs import replace

from weft.errors import Conflict, Damaged, Invalid, NotFound
from weft.model.ids import NAME_MAX_CHARACTERS, TenantId, TypeName, new_id, require_name
from weft.model.moments import NS_PER_S, from_rfc3339
from weft.model.principal import Principal, PrincipalKind
from weft.ports import Clock, Kind, Reader, Records, Writer
from weft.registry.kinds import TYPES
from weft.security.addresses import unwrap, within
from weft.security.audit import Audit
from weft.security.claim_keys import SEPARATOR, ClaimKey, Visit
from weft.security.machine_secrets import (
    MachineSecret,
    derive_preshared,
    derive_secret,
    make_secret,
    parse_secret,
)
from weft.security.secrets import Vault

DEVICES_MAX: Final = 100_000
NETWORKS_MAX: Final = 32
LIFE_NS: Final = 30 * 86_400 * NS_PER_S  # where no end is named: a batch is installed in weeks
CLAIMS_MAX: Final = 1_000  # of a tenant, revoked ones too
_KEY_PAGE: Final = 1_000
KEY_KIND: Final = "claim_key"  # what is sealed is bound to this word


class NewClaim(Struct, frozen=True, forbid_unknown_fields=True):
    """What a person asks for."""

    name: Annotated[str, Meta(max_length=NAME_MAX_CHARACTERS, description="Of the batch.")]
    count: Annotated[int, Meta(ge=1, le=DEVICES_MAX, description="So many devices at most.")]
    type_name: Annotated[str, Meta(description="Which all of them follow.")] | None = None
    prefix: Annotated[
        str, Meta(max_length=64, description="Before each serial, to name the device.")
    ] = ""
    start: Annotated[str, Meta(description="RFC 3339; at once if left out.")] | None = None
    end: Annotated[str, Meta(description="RFC 3339; 30 days on if left out.")] | None = None
    networks: Annotated[
        tuple[str, ...],
        Meta(max_length=NETWORKS_MAX, description="CIDRs to come from; any if left out."),
    ] = ()
    approve: Annotated[
        bool, Meta(description="Let them in at once; otherwise each waits for somebody's word.")
    ] = False
    group: Annotated[
        bool,
        Meta(
            description="Each device carries a key of its own, derived from the token and its "
            "serial; the token itself stays in the factory and opens nothing."
        ),
    ] = False


class Claim(Struct, frozen=True):
    """A claim as it is kept: no secret, an HMAC of it."""

    tenant: TenantId
    claim_id: str
    uid: str
    name: str
    type_name: TypeName | None
    prefix: str
    count: int
    starts_at: int
    ends_at: int
    networks: tuple[str, ...]
    approve: bool
    digest: str
    created_at: int
    created_by: str
    used: int = 0
    revoked_at: int | None = None
    sealed: str = ""  # of a group, the token: devices show keys that are derived from it
    sealed_key: str = ""  # of every other, its key over DTLS; claims of old have none

    @property
    def actor(self) -> Principal:
        """Who the audit names for what devices do with it; no policy gives it any right."""
        return Principal(self.tenant, PrincipalKind.KEY, self.claim_id, self.uid)

    @property
    def origin(self) -> str:
        """What a device that came by it says of where it came from."""
        return f"claim:{self.claim_id}"

    def why_not(self, address: str, now: int) -> str:
        """Say why it opens nothing at this moment from this address; empty when it does."""
        if self.revoked_at is not None:
            return "the claim is revoked"
        if now < self.starts_at:
            return "the claim's time has not begun"
        if now >= self.ends_at:
            return "the claim's time is over"
        if self.networks and not _is_within(address, self.networks):
            return "the address is in none of the claim's networks"
        return ""


class IssuedClaim(Struct, frozen=True):
    """A new claim with its token, which is shown this once."""

    claim: Claim
    token: str
    key: str = ""  # over DTLS; a group has one for each serial instead

    def __repr__(self) -> str:
        return f"IssuedClaim({self.claim.claim_id}, withheld)"


CLAIMS: Final[Kind[Claim]] = Kind("claim", Claim)


class Claims:
    """Makes, finds and revokes claims; all are in memory, so that asking costs one HMAC."""

    def __init__(
        self, records: Records, audit: Audit, clock: Clock, pepper: bytes, vault: Vault
    ) -> None:
        self._records = records
        self._audit = audit
        self._clock = clock
        self._pepper = pepper
        self._vault = vault
        self._index: dict[str, Claim] = {}

    async def load(self) -> None:
        """Read all claims; call once, before the first device asks."""
        self._index = {claim.claim_id: claim for claim in await self._records.read(_all_claims)}

    def find_secret(self, secret: MachineSecret, serial: str) -> Claim | None:
        """Return the claim that a secret proves for a serial, in force or not, or None."""
        found = self._index.get(secret.key_id)
        if found is not None and found.sealed:
            return found if self._is_derived(found, secret, serial) else None
        digest = found.digest if found else "0" * 64
        return found if secret.matches(digest, self._pepper) and found else None

    def _is_derived(self, claim: Claim, secret: MachineSecret, serial: str) -> bool:
        token = self._vault.unseal(claim.tenant, CLAIMS.name, claim.claim_id, claim.sealed)
        group = parse_secret(token.decode())
        if group is None:
            return False  # cannot be: it was sealed as it was made
        expected = derive_secret(group, serial).secret
        return hmac.compare_digest(expected.encode(), secret.secret.encode())

    def find_key(self, identity: str) -> ClaimKey | None:
        """Return the key with which a name of a claim shakes hands, in force or not, or None."""
        claim_id, _, serial = identity.partition(SEPARATOR)
        claim = self._index.get(claim_id)
        if claim is None:
            return None
        device_id = claim.prefix + serial if serial else ""
        visit = Visit(claim.tenant, claim_id, serial, device_id)
        if bool(claim.sealed) is not bool(serial):
            form = f"{claim_id}:SERIAL" if claim.sealed else claim_id
            return ClaimKey(b"", visit, f"the identity is not of the form {form}")
        sealed, kind = claim.sealed or claim.sealed_key, CLAIMS.name if serial else KEY_KIND
        if not sealed:
            return ClaimKey(b"", visit, "the claim is older than keys of claims: make another")
        try:
            opened = self._vault.unseal(claim.tenant, kind, claim_id, sealed)
        except (Damaged, NotFound) as error:
            return ClaimKey(b"", visit, f"the claim's key does not open: {error.detail}")
        group = parse_secret(opened.decode()) if serial else None
        if group is not None:
            opened = derive_preshared(derive_secret(group, serial)).encode()
        return ClaimKey(opened, visit)

    def why_closed(self, visit: Visit, address: str) -> str:
        """Say why what a claim's key has opened is over; empty while it may go on."""
        claim = self._index.get(visit.claim_id)
        if claim is None:
            return "the claim was deleted"
        return claim.why_not(address, self._clock.now())

    def find_by_id(self, claim_id: str) -> Claim | None:
        """Return a claim, proven or not: for the log of attempts only."""
        return self._index.get(claim_id)

    def get(self, tenant: TenantId, claim_id: str) -> Claim:
        """Return a claim, or raise `NotFound`."""
        found = self._index.get(claim_id)
        if found is None or found.tenant != tenant:
            raise _not_found(claim_id)
        return found

    def any_in_force(self, now: int) -> bool:
        """Whether any claim would open something at this moment, from the right place."""
        return any(
            claim.revoked_at is None and claim.starts_at <= now < claim.ends_at
            for claim in self._index.values()
        )

    def list(self, tenant: TenantId, *, after: str = "", limit: int = 100) -> Sequence[Claim]:
        """Return the tenant's claims in the order of their ids, revoked ones too."""
        ids = sorted(
            claim.claim_id
            for claim in self._index.values()
            if claim.tenant == tenant and claim.claim_id > after
        )
        return [self._index[claim_id] for claim_id in ids[:limit]]

    async def create(self, actor: Principal, new: NewClaim) -> IssuedClaim:
        """Make a claim in the actor's tenant; raise `Invalid` for one that could never be used."""
        secret, now = make_secret(), self._clock.now()
        starts_at = now if new.start is None else from_rfc3339(new.start)
        ends_at = starts_at + LIFE_NS if new.end is None else from_rfc3339(new.end)
        if ends_at <= max(starts_at, now):
            raise Invalid("The claim's time is empty or over.", remedy="Let end lie behind start.")
        await self._vault.add_tenant(actor.tenant)
        key = "" if new.group else derive_preshared(secret)
        claim = Claim(
            tenant=actor.tenant,
            claim_id=secret.key_id,
            uid=new_id(),
            name=require_name(new.name, "claim name"),
            type_name=None if new.type_name is None else TypeName(new.type_name),
            prefix=require_name(new.prefix, "prefix") if new.prefix else "",
            count=new.count,
            starts_at=starts_at,
            ends_at=ends_at,
            networks=_require_networks(new.networks),
            approve=new.approve,
            digest=secret.digest(self._pepper),
            created_at=now,
            created_by=actor.id,
            sealed=self._seal(actor, CLAIMS.name, secret.key_id, secret.text if new.group else ""),
            sealed_key=self._seal(actor, KEY_KIND, secret.key_id, key),
        )

        def work(writer: Writer) -> None:
            if writer.count(CLAIMS, claim.tenant) >= CLAIMS_MAX:
                raise Conflict(
                    f"The tenant has {CLAIMS_MAX} claims, as many as are kept.",
                    remedy="Delete claims that are out of use: weft claim delete CLAIM_ID",
                )
            if claim.type_name is not None and not writer.find(
                TYPES, claim.tenant, claim.type_name
            ):
                raise NotFound(
                    f"There is no device type {claim.type_name!r}.",
                    remedy="Save it first (weft type save), or make the claim without a type.",
                )
            writer.insert(CLAIMS, claim.tenant, claim.claim_id, claim)
            detail = {"name": claim.name, "count": claim.count, "type": claim.type_name}
            self._audit.entry(
                writer, actor, "claim.create", f"claim:{claim.claim_id}", detail=detail
            )

        await self._records.write(work)
        self.told(claim)
        return IssuedClaim(claim, secret.text, key)

    def _seal(self, actor: Principal, kind: str, claim_id: str, text: str) -> str:
        return self._vault.seal(actor.tenant, kind, claim_id, text.encode()) if text else ""

    async def revoke(self, actor: Principal, claim_id: str) -> Claim:
        """End a claim at once; devices that it let in stay. Raises `Conflict` the second time."""

        def work(writer: Writer) -> Claim:
            stored = writer.find(CLAIMS, actor.tenant, claim_id)
            if stored is None:
                raise _not_found(claim_id)
            if stored.value.revoked_at is not None:
                raise Conflict(f"The claim {claim_id} is revoked already.")
            ended = replace(stored.value, revoked_at=self._clock.now())
            writer.put(CLAIMS, actor.tenant, claim_id, ended, version=stored.version)
            self._audit.entry(writer, actor, "claim.revoke", f"claim:{claim_id}")
            return ended

        ended = await self._records.write(work)
        self.told(ended)
        return ended

    async def delete(self, actor: Principal, claim_id: str) -> None:
        """Forget a claim, in force or not; devices that it let in stay."""

        def work(writer: Writer) -> None:
            if not writer.delete(CLAIMS, actor.tenant, claim_id):
                raise _not_found(claim_id)
            self._audit.entry(writer, actor, "claim.delete", f"claim:{claim_id}")

        await self._records.write(work)
        self._index.pop(claim_id, None)

    def told(self, claim: Claim) -> None:
        """Take note of a claim as it is on disk; a count never goes back, an end never opens."""
        held = self._index.get(claim.claim_id)
        if held is not None:
            claim = replace(
                claim,
                used=max(held.used, claim.used),
                revoked_at=held.revoked_at or claim.revoked_at,
            )
        self._index[claim.claim_id] = claim


def _require_networks(texts: tuple[str, ...]) -> tuple[str, ...]:
    for text in texts:
        try:
            ipaddress.ip_network(text)
        except ValueError as error:
            raise Invalid(
                f"networks: {text!r} is not a network.",
                remedy="Write a CIDR such as 10.1.2.3/32 or 10.1.0.0/16.",
            ) from error
    return texts


def _is_within(address: str, networks: Sequence[str]) -> bool:
    try:
        parsed = unwrap(ipaddress.ip_address(address))
    except ValueError:
        return False  # what is no address is in no network
    return within(parsed, map(ipaddress.ip_network, networks))


def _not_found(claim_id: str) -> NotFound:
    return NotFound(f"There is no claim {claim_id!r}.", remedy="See weft claim list.")


def _all_claims(reader: Reader) -> list[Claim]:
    found: list[Claim] = []
    for tenant in reader.tenants(CLAIMS):
        after = ""
        while page := reader.list(CLAIMS, tenant, after=after, limit=_KEY_PAGE):
            found += [stored.value for stored in page]
            after = page[-1].key
    return found


__all__ = ["CLAIMS", "Claim", "Claims", "IssuedClaim", "NewClaim"]
