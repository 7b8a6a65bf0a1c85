"""Provisioning: giving a device of a batch its identity and credential, once per serial.

The device shows its batch's claim and says its serial. Device, credential and the count of
the claim are one transaction, so that two devices never share the last place and no device
is left half made. A serial that was provisioned is refused from then on, whatever became
of its device, until an administrator lets it in once more; only a signing request by the
same key is answered again, because the key itself proves that it is the same device. Why
it was refused is for the owner alone, in the log of attempts.
"""

from typing import Final, NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from weft.errors import AlreadyExists, Conflict, Forbidden, Invalid, NotFound, Unauthenticated
from weft.model.device import Device, Lifecycle
from weft.model.ids import DeviceUid, TenantId
from weft.model.principal import Principal
from weft.ports import Clock, Kind, Records, Writer
from weft.registry.claims import CLAIMS, Claim, Claims
from weft.registry.device_checks import require_room
from weft.registry.devices import Devices, NewDevice
from weft.registry.kinds import DEVICES
from weft.registry.provision_documents import Provisioned, ProvisionRequest, Wanted
from weft.security.attempts import Attempt, Attempts, address_of
from weft.security.audit import Audit
from weft.security.authentication import NOBODY, REFUSED, REMEDY
from weft.security.certificates import fingerprint_of, read_request, uri_of
from weft.security.claim_keys import Visit
from weft.security.credential_records import (
    CREDENTIALS,
    IssuedIdentity,
    IssuedKey,
    IssuedSecret,
)
from weft.security.credentials import Credentials
from weft.security.machine_secrets import parse_secret
from weft.security.preshared_keys import PresharedKeys

SAME_WORDS: Final = "The claim does not open this."
SAME_REMEDY: Final = "Ask who made the claim: its log of attempts says why."
Issued = IssuedSecret | IssuedIdentity | IssuedKey
_LIVE: Final = frozenset({Lifecycle.PENDING, Lifecycle.ACTIVE})


class Serial(Struct, frozen=True):
    """That a serial was provisioned: kept for ever, also when its device is deleted."""

    device_uid: DeviceUid
    claim_id: str
    at: int
    address: str
    again: bool = False  # an administrator lets it in once more


SERIALS: Final[Kind[Serial]] = Kind("provisioned_serial", Serial)


class _Asked(NamedTuple):
    """One request on its way."""

    claim: Claim
    request: ProvisionRequest
    device: Device  # as it is, or as it would be made
    issued: Issued
    address: str


class _Done(NamedTuple):
    """What a transaction did."""

    device: Device  # as it is kept
    made: bool
    claim: Claim
    ended: list[str]  # credentials that were revoked


class _Refused(Exception):
    """The claim opens nothing here; the reason is for our log alone."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Provisioning:
    """Answers devices that show a claim, whatever the protocol they come by."""

    def __init__(
        self,
        records: Records,
        claims: Claims,
        devices: Devices,
        issuing: tuple[Credentials, PresharedKeys],
        log: tuple[Audit, Attempts],
        clock: Clock,
    ) -> None:
        self._records = records
        self._claims = claims
        self._devices = devices
        self._credentials, self._preshared = issuing
        self._audit, self._attempts = log
        self._clock = clock

    async def provision(
        self, claim_secret: str, request: ProvisionRequest, peer: str
    ) -> Provisioned:
        """Make the device of a serial, with its credential, or raise.

        `Unauthenticated`: the claim is none of ours. `Forbidden`: it does not open this, in the
        same words whatever the reason. `AlreadyExists`: the serial was provisioned before, or
        the name is taken. `Invalid`, `NotFound`, `QuotaExceeded`: as when a device is made.
        """
        return await self._give(self._prove(claim_secret, request, peer), request, peer)

    async def provision_visitor(
        self, visit: Visit, request: ProvisionRequest, peer: str
    ) -> Provisioned:
        """As `provision`, for a device whose handshake has proven the claim, or a serial of it."""
        claim = self._claims.find_by_id(visit.claim_id)
        if claim is None:
            self._attempt(visit.tenant, visit.origin, peer, "the claim was deleted")
            raise Unauthenticated(REFUSED, remedy=REMEDY)
        if visit.serial and visit.serial != request.serial:
            self._note(claim, request, peer, f"the key is that of the serial {visit.serial}")
            raise Forbidden(SAME_WORDS, remedy=SAME_REMEDY)
        return await self._give(claim, request, peer)

    async def _give(self, claim: Claim, request: ProvisionRequest, peer: str) -> Provisioned:
        """Let a device have what a claim is good for that it has proven."""
        address = address_of(peer)
        if request.want is Wanted.PSK:
            await self._preshared.ready(claim.tenant)
        try:
            asked = self._prepare(claim, request, address)
            done = await self._records.write(lambda writer: self._work(writer, asked))
        except _Refused as refused:
            self._note(claim, request, peer, refused.reason)
            raise Forbidden(SAME_WORDS, remedy=SAME_REMEDY) from None
        except (AlreadyExists, Conflict) as error:
            self._note(claim, request, peer, error.detail)
            raise
        self._claims.told(done.claim)
        if done.made:
            self._devices.told(None, done.device)
        if done.ended:
            self._credentials.revoked(asked.device, done.ended)
        self._credentials.learn(asked.issued.credential)
        self._note(claim, request, peer, f"provisioned by the claim {claim.name}", accepted=True)
        return Provisioned(done.device, asked.issued)

    def is_open(self) -> bool:
        """Whether any claim is in force, of whatever tenant and network."""
        return self._claims.any_in_force(self._clock.now())

    async def allow_again(self, actor: Principal, device_id: str) -> Serial:
        """Let a serial be provisioned once more, by any claim that gives it the same name.

        Its credentials end when it comes, not before. Raises `NotFound` for one that never came.
        """

        def work(writer: Writer) -> Serial:
            stored = writer.find(SERIALS, actor.tenant, device_id)
            if stored is None:
                raise NotFound(
                    f"No device was provisioned as {device_id!r}.",
                    remedy="It needs no leave: let it ask with its claim.",
                )
            allowed = replace(stored.value, again=True)
            writer.put(SERIALS, actor.tenant, device_id, allowed)
            self._audit.entry(writer, actor, "claim.again", f"device:{device_id}")
            return allowed

        return await self._records.write(work)

    async def find_serial(self, tenant: TenantId, device_id: str) -> Serial | None:
        """Return how a device was provisioned, or None."""
        stored = await self._records.read(lambda reader: reader.find(SERIALS, tenant, device_id))
        return stored.value if stored else None

    def _prove(self, claim_secret: str, request: ProvisionRequest, peer: str) -> Claim:
        secret = parse_secret(claim_secret)
        claim = self._claims.find_secret(secret, request.serial) if secret else None
        if claim is None:
            known = self._claims.find_by_id(secret.key_id) if secret else None
            reason = "the claim's secret is wrong" if known else "no claim has this secret"
            tenant = known.tenant if known else NOBODY
            self._attempt(tenant, request.serial, peer, reason)
            raise Unauthenticated(REFUSED, remedy=REMEDY)
        return claim

    def _prepare(self, claim: Claim, request: ProvisionRequest, address: str) -> _Asked:
        """Look up or make what the transaction will write: it waits for nothing."""
        if reason := claim.why_not(address, self._clock.now()):
            raise _Refused(reason)
        name = claim.prefix + request.serial
        device = self._devices.find(claim.tenant, name) or self._devices.prepare(
            claim.tenant,
            NewDevice(
                device_id=name,
                type_name=claim.type_name,
                label=request.label,
                attributes=request.attributes,
                lifecycle=Lifecycle.ACTIVE if claim.approve else Lifecycle.PENDING,
            ),
            origin=claim.origin,
        )
        return _Asked(claim, request, device, self._issue(device, request, claim.origin), address)

    def _issue(self, device: Device, request: ProvisionRequest, label: str) -> Issued:
        """Make what the device will prove itself with; it admits nobody yet."""
        if request.want is Wanted.PSK:
            if request.request_pem is not None:
                raise Invalid(
                    "A signing request is answered with a certificate, not with a key.",
                    remedy="Leave request_pem out, or ask for want: certificate.",
                )
            return self._preshared.prepare(device, label=label)
        if request.request_pem is not None or request.want is Wanted.CERTIFICATE:
            return self._credentials.prepare_certificate(
                device, request_pem=request.request_pem, label=label
            )
        return self._credentials.prepare_secret(device, label=label)

    def _work(self, writer: Writer, asked: _Asked) -> _Done:
        now, device = self._clock.now(), asked.device
        stored = writer.find(CLAIMS, device.tenant, asked.claim.claim_id)
        if stored is None:
            raise _Refused("the claim was deleted")
        claim = stored.value
        if reason := claim.why_not(asked.address, now):
            raise _Refused(reason)  # revoked while this one waited for its turn
        held = writer.find(DEVICES, device.tenant, device.device_id)
        before = writer.find(SERIALS, device.tenant, device.device_id)
        if held is not None and held.value.uid != device.uid:
            raise _taken(device)  # another of the same serial was faster
        ended: list[str] = []
        if before is not None and held is not None:
            ended = self._require_again(writer, asked, held.value, before.value)
        elif before is not None and not before.value.again:
            raise _taken(device)
        elif held is not None:
            raise _taken(device)  # made by hand
        else:
            if before is None and claim.used >= claim.count:
                raise _Refused("the claim's count is used up")
            require_room(writer, device.tenant)
            device = self._devices.insert_in(writer, claim.actor, device)
        if before is None:
            claim = replace(claim, used=claim.used + 1)
            writer.put(CLAIMS, claim.tenant, claim.claim_id, claim, version=stored.version)
        self._credentials.add_in(writer, claim.actor, asked.issued.credential)
        serial = Serial(device.uid, claim.claim_id, now, asked.address)
        writer.put(SERIALS, device.tenant, device.device_id, serial)
        return _Done(device, held is None, claim, ended)

    def _require_again(
        self, writer: Writer, asked: _Asked, held: Device, before: Serial
    ) -> list[str]:
        """Return the credentials that end as a serial comes again; raise unless it may."""
        if held.lifecycle not in _LIVE:
            raise _Refused(f"the device is {held.lifecycle}")
        if before.again:
            return self._credentials.revoke_all_in(writer, held)
        if asked.request.request_pem is not None:
            own = uri_of(held.tenant, held.uid)
            key = fingerprint_of(read_request(asked.request.request_pem, own))
            bound = writer.find(CREDENTIALS, held.tenant, key)
            if bound and bound.value.device_uid == held.uid and bound.value.revoked_at is None:
                return []
        raise _taken(held)

    def _note(
        self,
        claim: Claim,
        request: ProvisionRequest,
        peer: str,
        reason: str,
        *,
        accepted: bool = False,
    ) -> None:
        """Tell the owner of it twice: in the device's name, and in the claim's."""
        name = claim.prefix + request.serial
        self._attempt(claim.tenant, name, peer, reason, accepted=accepted)
        self._attempt(claim.tenant, claim.origin, peer, f"{name}: {reason}", accepted=accepted)

    def _attempt(
        self, tenant: TenantId, claimed: str, peer: str, reason: str, *, accepted: bool = False
    ) -> None:
        self._attempts.add(
            Attempt(
                at=self._clock.now(),
                tenant=tenant,
                peer=peer,
                claimed=claimed,
                accepted=accepted,
                reason=reason,
            )
        )

    def attempts(self, claim: Claim) -> list[Attempt]:
        """Return the last requests with a claim, newest first, and why each was refused."""
        return self._attempts.of_device(claim.tenant, claim.origin)


def _taken(device: Device) -> AlreadyExists:
    return AlreadyExists(
        f"The serial of {device.device_id} was provisioned already, or the name is taken.",
        remedy=f"If it lost its credential, let it in once more: weft claim again "
        f"{device.device_id}",
    )


__all__ = ["SERIALS", "Provisioning", "Serial"]
