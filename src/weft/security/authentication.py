"""Authentication: from a proof to a principal, for every protocol in this one place (AU-2).

The credential alone says who it is and in which tenant (ID-4). Whatever goes wrong, the
peer reads the same words; the reason is for the owner, in the log of attempts. Machine
proofs cost one HMAC or one look-up; nothing here touches a disk or an argon2. A device that its
owner's authority vouches for may wait a moment, until it has been written down.
"""

import asyncio
from collections.abc import Callable
from typing import NoReturn, Protocol, TypeVar

from msgspec import Struct, structs

from weft.errors import PeerError, RateLimited, Unauthenticated
from weft.model.ids import TenantId
from weft.model.principal import Principal, PrincipalKind
from weft.ports import Clock
from weft.security import reasons
from weft.security.attempts import Attempt, Attempts, address_of
from weft.security.certificates import read_certificate
from weft.security.claim_keys import ClaimKey, ClaimKeysProving, NoClaims, Visit
from weft.security.credentials import CredentialKind, Credentials, DeviceCredential
from weft.security.machine_secrets import MachineSecret, parse_secret
from weft.security.metrics import PROOFS
from weft.security.preshared_keys import FoundKey
from weft.security.reasons import Reason
from weft.security.throttle import Throttle

Found = TypeVar("Found")

NOBODY = TenantId("")
REFUSED = "The credential is not accepted."
REMEDY = "Check it, or ask an administrator: the log of attempts says why."
ARRIVAL_S = 5.0  # for a new device to be written down; a full queue takes two on a slow disk
REASON_MAX_CHARACTERS = 500  # it may name a topic, which may be long
PROOF_MAX_BYTES = 8_192  # an access token; a machine secret has 75


class Proof(Struct, frozen=True):
    """Who it is, by which credential, and when that runs out (ns)."""

    principal: Principal
    credential_id: str
    expires_at: int | None = None


# What is told of a certificate that is no live credential: (tenant, device, reason), or None.
Met = Callable[[bytes, str], tuple[str, str, Reason] | None]


# What is done once a device that comes for the first time is written down, or None.
Arrival = asyncio.Future[None]
Arriving = Callable[[bytes, str], Arrival | None]


def _nobody(_der: bytes, _peer: str) -> None:
    return None


class KeyProving(Protocol):
    """Finds service keys by their secret."""

    def find_secret(self, secret: MachineSecret) -> Proof | None:
        """Return the proof of a live key, or None."""
        ...


class PeopleProving(Protocol):
    """Reads people's access tokens and their browsers' cookies."""

    def find_access(self, token: str) -> Proof | None:
        """Return the proof of a live session, or None."""
        ...

    def is_ours(self, token: str) -> bool:
        """Whether it is an access token that we signed, in force or not."""
        ...

    def find_browser(self, text: str) -> Proof | None:
        """Return the proof of a browser's live session, or None."""
        ...


class KeyOffer(Struct, frozen=True):
    """The pre-shared key for one handshake, and whose it is if the handshake succeeds with it.

    A name that may not come in has a key as well, one that nobody holds: a handshake tells
    nothing of which names there are.
    """

    key: bytes
    identity: str
    credential: DeviceCredential | None
    reason: Reason | None = None  # why it cannot succeed
    visit: Visit | None = None  # of a claim's key: who succeeds may ask for an identity

    def __repr__(self) -> str:
        return f"KeyOffer({self.identity!r}, withheld)"


class KeysProving(Protocol):
    """Opens pre-shared keys by the name that goes with them."""

    def find(self, identity: str) -> FoundKey:
        """Return the key of a live name, or a decoy."""
        ...


class _Refused(Exception):
    """A proof failed; the reason, and whose it seems to be, are for our log alone."""

    def __init__(self, reason: Reason, tenant: TenantId = NOBODY, device_id: str = "") -> None:
        super().__init__(reason.text)
        self.reason = reason
        self.tenant = tenant
        self.device_id = device_id


class Authenticator:
    """The one door. Each `by_...` returns a `Principal` or raises `Unauthenticated`.

    Each has a `prove_...` beside it that tells the credential and its end as well, for
    transports that hold connections open.
    """

    def __init__(
        self,
        credentials: Credentials,
        keys: KeyProving,
        people: PeopleProving,
        throttle: Throttle,
        clock: Clock,
        preshared: KeysProving,
    ) -> None:
        self._credentials = credentials
        self._preshared = preshared
        self._keys = keys
        self._people = people
        self._throttle = throttle
        self._clock = clock
        self.attempts = Attempts()
        self.met: Met = _nobody
        self.arriving: Arriving = _nobody
        self.claims: ClaimKeysProving = NoClaims()

    def by_secret(self, username: str | None, password: bytes | str, peer: str) -> Principal:
        """Authenticate a user name and password, as MQTT CONNECT and HTTP Basic carry them."""
        return self.prove_secret(username, password, peer).principal

    def by_certificate(self, der: bytes, peer: str) -> Principal:
        """Authenticate a client certificate that TLS has verified."""
        return self.prove_certificate(der, peer).principal

    def by_bearer(self, token: str, peer: str) -> Principal:
        """Authenticate a bearer token: a person's access token, a service key, a device's."""
        return self.prove_bearer(token, peer).principal

    def prove_secret(self, username: str | None, password: bytes | str, peer: str) -> Proof:
        """As `by_secret`. The name must be the credential's own, or be the token itself."""
        text, name = _text(password), username or ""
        if not text:
            name, text = "", name  # the token as user name without a password: many devices do
        secret = parse_secret(text)
        try:
            if secret is None:
                raise _Refused(reasons.NO_CREDENTIAL)
            proof = self._machine(secret, peer)
            if name and name not in {proof.principal.id, proof.credential_id}:
                tenant = proof.principal.tenant
                raise _Refused(reasons.WRONG_NAME, tenant)
        except _Refused as refused:
            PROOFS.labels("secret", "refused").inc()
            self._failed(secret, peer, name, refused)
        PROOFS.labels("secret", "accepted").inc()
        self._passed(proof, peer)
        return proof

    def prove_bearer(self, token: str, peer: str) -> Proof:
        """As `by_bearer`."""
        secret = parse_secret(token)
        try:
            if len(token) > PROOF_MAX_BYTES:
                raise _Refused(reasons.TOO_LONG)
            proof = self._machine(secret, peer) if secret is not None else self._person(token)
        except _Refused as refused:
            PROOFS.labels("bearer", "refused").inc()
            self._failed(secret, peer, "", refused)
        PROOFS.labels("bearer", "accepted").inc()
        self._passed(proof, peer)
        return proof

    def prove_browser(self, text: str, peer: str) -> Proof:
        """As `prove_bearer`, with the secret of a browser's cookie."""
        proof = self._people.find_browser(text) if len(text) <= PROOF_MAX_BYTES else None
        PROOFS.labels("cookie", "refused" if proof is None else "accepted").inc()
        if proof is None:
            self._failed(None, peer, "", _Refused(reasons.SESSION_OVER))
        return proof

    def arrival_of(self, der: bytes, peer: str) -> Arrival | None:
        """Return what is done once this certificate's device, which is new, is written down.

        None for every other: whoever holds a certificate is proven without waiting.
        """
        if self._credentials.find_fingerprint(der) is not None:
            return None
        return self.arriving(der, peer)

    async def prove_newcomer(self, der: bytes, peer: str) -> Proof:
        """As `prove_certificate`, behind the moment that writing down a new device takes."""
        found = self._credentials.find_certificate(der)
        arrival = self.arrival_of(der, peer) if found is None else None
        if arrival is not None:
            await asyncio.wait([arrival], timeout=ARRIVAL_S)
            found = self._credentials.find_certificate(der)
        return self._prove_found(found, der, peer)

    def prove_certificate(self, der: bytes, peer: str) -> Proof:
        """As `by_certificate`."""
        return self._prove_found(self._credentials.find_certificate(der), der, peer)

    def _prove_found(self, found: DeviceCredential | None, der: bytes, peer: str) -> Proof:
        try:
            if found is None:
                raise self._unknown_certificate(der, peer)
            proof = self._device(found)
        except _Refused as refused:
            PROOFS.labels("certificate", "refused").inc()
            self._failed(None, peer, "", refused)
        PROOFS.labels("certificate", "accepted").inc()
        self._passed(proof, peer)
        return proof

    def prove_once(
        self, token: str, peer: str, find: Callable[[MachineSecret], Found | None], name: str = ""
    ) -> Found:
        """Return what `find` knows of a one-time token, which admits to one act and nothing else.

        A wrong one is told, slowed and noted as any other proof. `name` is whose it should be.
        """
        secret = parse_secret(token) if len(token) <= PROOF_MAX_BYTES else None
        try:
            if secret is None:
                raise _Refused(reasons.NO_ONE_TIME_TOKEN)
            try:
                self._throttle.check_machine(secret.key_id, address_of(peer))
            except RateLimited as limited:
                raise _Refused(reasons.too_many_failures(limited)) from limited
            found = find(secret)
            if found is None:
                raise _Refused(reasons.ONE_TIME_TOKEN_OVER)
        except _Refused as refused:
            PROOFS.labels("one-time", "refused").inc()
            self._failed(secret, peer, name, refused)
        PROOFS.labels("one-time", "accepted").inc()
        return found

    # --- pre-shared keys: asked for before the handshake, proven by it ---

    def offer_psk(self, identity: str, peer: str) -> KeyOffer:
        """Return the key that a handshake in this name has to succeed with."""
        found = self._preshared.find(identity)
        reason: Reason | None = None
        try:
            self._throttle.check_machine(identity, address_of(peer))
        except RateLimited as limited:
            reason = reasons.too_many_failures(limited)
        if found.credential is None:
            key = self.claims.find_key(identity)
            if key is not None:
                offer = KeyOffer(found.decoy, identity, None, reason)
                return self._offer_visit(key, offer, peer)
            reason = self._why_no_key(identity)
        if reason is not None:
            return KeyOffer(found.decoy, identity, found.credential, reason)
        return KeyOffer(found.key, identity, found.credential)

    def _why_no_key(self, identity: str) -> Reason:
        revoked = self._credentials.find_revoked(identity)
        if revoked is not None:
            return reasons.revoked(revoked)
        known = self._credentials.find_identity(identity)
        is_key = known is not None and known.kind is CredentialKind.PSK
        return reasons.KEY_OVER if is_key else reasons.NO_KEY

    def _offer_visit(self, found: ClaimKey, offer: KeyOffer, peer: str) -> KeyOffer:
        """Offer the key of a claim that is in force here; else one that nobody has."""
        reason, visit = offer.reason, found.visit
        closed = found.lacks or self.claims.why_closed(visit, address_of(peer))
        if closed:
            reason = reasons.claim_closed(closed)
        key = offer.key if reason is not None else found.key
        return structs.replace(offer, key=key, reason=reason, visit=visit)

    def prove_visit(self, offer: KeyOffer, peer: str) -> Visit:
        """Return what a claim's key has opened: no principal, and provisioning alone (PR-1).

        Raises `Unauthenticated` when the claim has ended since, or never was in force here.
        """
        visit = offer.visit
        assert visit is not None  # asked for such an offer alone
        reason = offer.reason
        closed = self.claims.why_closed(visit, address_of(peer))
        if closed:
            reason = reasons.claim_closed(closed)
        if reason is not None:
            PROOFS.labels("claim", "refused").inc()
            self.note_visit(visit, peer, reason)
            raise Unauthenticated(REFUSED, remedy=REMEDY)
        PROOFS.labels("claim", "accepted").inc()
        return visit

    def note_visit(self, visit: Visit, peer: str, reason: Reason) -> None:
        """Tell the claim's owner why a visitor was refused, by both their names."""
        for name in filter(None, (visit.origin, visit.device_id)):
            self.attempts.add(
                Attempt(
                    at=self._clock.now(),
                    tenant=visit.tenant,
                    peer=peer,
                    claimed=name,
                    accepted=False,
                    reason=reason.text,
                    remedy=reason.remedy,
                )
            )

    def prove_psk(self, offer: KeyOffer, peer: str) -> Proof:
        """Return who it is, now that the handshake has succeeded with the offered key.

        Raises `Unauthenticated` when the right has ended since, or never was.
        """
        found = self._credentials.find_identity(offer.identity)
        try:
            if offer.credential is None or found != offer.credential:
                raise _Refused(reasons.REVOKED_MEANWHILE)
            if not self._credentials.is_live(found):
                raise _Refused(reasons.KEY_OVER, found.tenant, found.device_id)
            proof = self._device(found)
        except _Refused as refused:
            PROOFS.labels("psk", "refused").inc()
            self._failed(None, peer, "", refused)
        PROOFS.labels("psk", "accepted").inc()
        self._passed(proof, peer)
        return proof

    def failed_psk(self, offer: KeyOffer, peer: str, broken: str = "") -> None:
        """Take note of a handshake that did not succeed with the offered key.

        `broken` is why it came to no end: then nothing is known of the peer's key, and no try of
        it is counted.
        """
        PROOFS.labels("claim" if offer.visit else "psk", "refused").inc()
        credentials, identity = self._credentials, offer.identity
        known = offer.credential or credentials.find_revoked(identity)
        known = known or credentials.find_identity(identity)
        wrong = reasons.WRONG_CLAIM_KEY if offer.visit else reasons.WRONG_KEY
        reason = offer.reason or (Reason(broken, "") if broken else wrong)
        if not broken:
            self._throttle.failed_machine(offer.identity, address_of(peer))
        if offer.visit is not None:
            self.note_visit(offer.visit, peer, reason)
            return
        self.attempts.add(
            Attempt(
                at=self._clock.now(),
                tenant=known.tenant if known else NOBODY,
                peer=peer,
                claimed=known.device_id if known else offer.identity,
                accepted=False,
                reason=reason.text,
                remedy=reason.remedy,
            )
        )

    def _unknown_certificate(self, der: bytes, peer: str) -> _Refused:
        known = self._credentials.find_fingerprint(der)
        if known is not None:
            reason = reasons.certificate_over(read_certificate(der), known, self._clock.now())
            return _Refused(reason, known.tenant, known.device_id)
        revoked = self._credentials.find_revoked_certificate(der)
        if revoked is not None:
            return _Refused(reasons.revoked(revoked), revoked.tenant, revoked.device_id)
        met = self.met(der, peer)
        if met is not None:  # a customer's authority has sent it
            tenant, device_id, reason = met
            return _Refused(reason, TenantId(tenant), device_id)
        return _Refused(reasons.UNKNOWN_CERTIFICATE)

    def _device(self, found: DeviceCredential) -> Proof:
        if not self._credentials.is_admitted(found):
            raise _Refused(reasons.NOT_ACTIVE, found.tenant, found.device_id)
        principal = Principal(found.tenant, PrincipalKind.DEVICE, found.device_id, found.device_uid)
        return Proof(principal, found.credential_id, found.expires_at)

    def _machine(self, secret: MachineSecret, peer: str) -> Proof:
        known = self._credentials.find_by_id(secret.key_id)
        revoked = self._credentials.find_revoked(secret.key_id)
        whose = known or revoked
        tenant, device_id = (whose.tenant, whose.device_id) if whose else (NOBODY, "")
        try:
            self._throttle.check_machine(secret.key_id, address_of(peer))
        except RateLimited as limited:
            reason = reasons.too_many_failures(limited)
            raise _Refused(reason, tenant, device_id) from limited
        device = self._credentials.find_secret(secret)
        if device is not None:
            return self._device(device)
        key = self._keys.find_secret(secret)
        if key is not None:
            return key
        if known is not None:
            raise _Refused(reasons.WRONG_SECRET, tenant, device_id)
        if revoked is not None:
            raise _Refused(reasons.revoked(revoked), tenant, device_id)
        raise _Refused(reasons.UNKNOWN_KEY_ID)

    def _person(self, token: str) -> Proof:
        # Not throttled: a signature cannot be guessed, and a dashboard left open overnight
        # would lock its own address out with expired tokens.
        proof = self._people.find_access(token)
        if proof is None:
            # Only what we signed was a person's; a device may hold somebody else's token.
            ours = self._people.is_ours(token)
            raise _Refused(reasons.SESSION_OVER if ours else reasons.NO_TOKEN)
        return proof

    def _passed(self, proof: Proof, peer: str) -> None:
        principal = proof.principal
        if principal.kind is PrincipalKind.DEVICE:
            self.attempts.add(
                Attempt(
                    at=self._clock.now(),
                    tenant=principal.tenant,
                    peer=peer,
                    claimed=principal.id,
                    accepted=True,
                    reason=f"credential {proof.credential_id[:16]}",
                )
            )

    def turned_away(self, proof: Proof, peer: str, error: PeerError) -> None:
        """Take note of why whoever has proven itself is not let in, or not let do what it asked.

        As one more attempt: its owner looks for it where the others are.
        """
        principal = proof.principal
        if principal.kind is PrincipalKind.DEVICE:
            self.attempts.add(
                Attempt(
                    at=self._clock.now(),
                    tenant=principal.tenant,
                    peer=peer,
                    claimed=principal.id,
                    accepted=False,
                    reason=error.detail[:REASON_MAX_CHARACTERS].removesuffix("."),
                    remedy=error.remedy,
                )
            )

    def _failed(
        self, secret: MachineSecret | None, peer: str, name: str, refused: _Refused
    ) -> NoReturn:
        if secret is not None:
            self._throttle.failed_machine(secret.key_id, address_of(peer))
        claimed = name or refused.device_id or "(unnamed)"
        if claimed.startswith("weft_"):
            claimed = "(a token)"  # secrets are not logged, not even in the wrong place
        self.attempts.add(
            Attempt(
                at=self._clock.now(),
                tenant=refused.tenant,
                peer=peer,
                claimed=claimed,
                accepted=False,
                reason=refused.reason.text,
                remedy=refused.reason.remedy,
            )
        )
        raise Unauthenticated(REFUSED, remedy=REMEDY) from None


def _text(password: bytes | str) -> str:
    if isinstance(password, str):
        return password
    try:
        return password.decode("ascii")
    except UnicodeDecodeError:
        return "\0"  # no credential has such bytes
