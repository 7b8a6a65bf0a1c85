"""Arrivals: devices that come for the first time, with a certificate of a customer's authority.

Nobody made them here; their owner's authority vouches for them. Such a device is kept waiting
for the moment that it takes to write it down as `pending`, under the name that its certificate
gives in the field which the authority declares, its public key bound to it for good (ID-2).
Then it is heard in the quarantine, from its first word on, and has no right but that until
somebody lets it in (PR-4). How many wait, for how long, and how many an authority may send at
once is bounded; who does not fit is refused, and comes again. The same name with another key
is a conflict: nothing changes, and the owner is told. No key is bound that nobody has shown
to hold.
"""

import asyncio
from collections import OrderedDict
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from weft.errors import AlreadyExists, Invalid, PeerError, QuotaExceeded, StorageError
from weft.model.device import Device, Lifecycle
from weft.model.ids import TenantId, require_name
from weft.model.principal import Principal, PrincipalKind
from weft.observability.log import get_logger
from weft.ports import Clock, Records, Writer
from weft.registry.device_checks import require_room
from weft.registry.devices import Devices, NewDevice
from weft.registry.kinds import DEVICES
from weft.security.audit import Audit
from weft.security.authentication import Arrival, Authenticator
from weft.security.authorities import Authorities, CustomerAuthority, require_name_of
from weft.security.certificates import read_certificate, require_possession
from weft.security.credential_records import CredentialKind, DeviceCredential
from weft.security.credentials import Credentials
from weft.security.limits import Rate, SubjectLimiter
from weft.security.reasons import Reason
from weft.security.revocation import Revocation

log = get_logger(__name__)

WAITING_MAX: Final = 1_000  # first contacts not yet written; who does not fit comes again
RATE: Final = Rate(50, 1_000)  # first contacts of one authority: a pallet is switched on
PROVEN_MAX: Final = 16_384  # keys of devices that came; the longest ago is forgotten
PENDING_MAX: Final = 10_000  # of one tenant: a stolen authority key fills no disk
TOLD_MAX: Final = 4_096  # conflicts that are in the audit already
NEW: Final = Reason(
    "the device is new and not yet written down as pending: it is heard when it comes again",
    "See weft quarantine list; let it in: weft quarantine approve DEVICE.",
)
TOO_MANY: Final = Reason(
    "too many devices come for the first time", "Nothing: it comes again, and finds room."
)
OTHER_KEY: Final = Reason(
    "a device of this name is there with another key, and this one is not taken for it",
    "If it has a new key, bind it: weft credential bind DEVICE FILE.",
)

_NAMES: Final = "Which field it is, the authority says: weft authority show ID."


class _Arrival(Struct, frozen=True):
    authority: CustomerAuthority
    der: bytes
    name: str
    fingerprint: str
    peer: str

    @property
    def key(self) -> tuple[TenantId, str]:
        return self.authority.tenant, self.fingerprint


class Arrivals:
    """Takes in devices at their first contact, one after the other."""

    def __init__(
        self,
        records: Records,
        audit: Audit,
        authorities: Authorities,
        devices: Devices,
        credentials: Credentials,
        clock: Clock,
    ) -> None:
        self._records = records
        self._audit = audit
        self._authorities = authorities
        self._devices = devices
        self._credentials = credentials
        self._queue: asyncio.Queue[_Arrival] = asyncio.Queue(WAITING_MAX)
        self._coming: dict[tuple[TenantId, str], Arrival] = {}  # those in the queue
        self._rates = SubjectLimiter(RATE, clock.now)
        self._told: OrderedDict[tuple[str, str], None] = OrderedDict()
        self._proven: OrderedDict[tuple[TenantId, str], None] = OrderedDict()

    def join(self, authenticator: Authenticator, revocation: Revocation) -> None:
        """Stand where certificates that are nobody's are met, and where authorities end."""

        def ended(authority: CustomerAuthority) -> None:
            found = self._credentials.of_authority(authority.tenant, authority.authority_id)
            for uid in found:
                revocation.renew(uid, "the authority of its certificate is trusted no more")

        authenticator.met = self.met
        authenticator.arriving = self.arriving
        self._credentials.vouch_by(self._authorities.vouches)
        self._authorities.on_end(ended)

    def met(self, der: bytes, peer: str) -> tuple[str, str, Reason] | None:
        """Take note of a certificate that is nobody's; return tenant, name and reason.

        TLS has verified it, so its sender holds the key. None when no customer's authority has
        signed it. The reason is for its owner.
        """
        authority = self._authorities.find_issuer(der)
        if authority is None:
            return None
        tenant = authority.tenant
        try:
            arrival = self._read(authority, der, peer)
        except PeerError as error:
            text = f"the certificate names no device: {error.detail.removesuffix('.')}"
            return tenant, "", Reason(text, error.remedy or _NAMES)
        self._prove(arrival)
        if self._devices.find(tenant, arrival.name) is None:
            return tenant, arrival.name, NEW if self._expect(arrival) else TOO_MANY
        if arrival.key not in self._told:
            self._expect(arrival)
        return tenant, arrival.name, OTHER_KEY

    def arriving(self, der: bytes, peer: str) -> Arrival | None:
        """Return what is done once a device that comes for the first time is written down.

        None for whoever is no such device, or one too many: there is nothing to wait for.
        """
        authority = self._authorities.find_issuer(der)
        if authority is None:
            return None
        try:
            arrival = self._read(authority, der, peer)
        except PeerError:
            return None  # `met` says why
        if arrival.key in self._told or self._devices.find(authority.tenant, arrival.name):
            return None
        self._prove(arrival)
        return self._expect(arrival)

    @staticmethod
    def _read(authority: CustomerAuthority, der: bytes, peer: str) -> _Arrival:
        presented = read_certificate(der)
        name = require_name(require_name_of(der, authority.name_field), "device id")
        return _Arrival(authority, der, name, presented.fingerprint, peer)

    def _expect(self, arrival: _Arrival) -> Arrival | None:
        """Have a first contact written, once; None where there are too many."""
        coming = self._coming.get(arrival.key)
        if coming is not None:
            return coming
        if self._queue.full() or self._rates.take(arrival.authority.authority_id) > 0:
            return None
        self._queue.put_nowait(arrival)
        coming = self._coming[arrival.key] = asyncio.get_running_loop().create_future()
        return coming

    def _prove(self, arrival: _Arrival) -> None:
        self._proven[arrival.key] = None
        self._proven.move_to_end(arrival.key)
        if len(self._proven) > PROVEN_MAX:
            self._proven.popitem(last=False)

    async def run(self) -> None:
        """Write what was met, until cancelled."""
        while True:
            arrival = await self._queue.get()
            try:
                await self.take_in(arrival)
            except PeerError as error:
                await self._note_conflict(arrival, error)
            except StorageError as error:  # the device comes again
                log.error("arrival_not_kept", device=arrival.name, error=error.detail)
            except Exception:  # a bug of ours costs this first contact, not those behind it
                log.exception("arrival_broke", device=arrival.name)
            finally:
                self._coming.pop(arrival.key).set_result(None)

    async def take_in(self, arrival: _Arrival) -> Device | None:
        """Make the device of a first contact with its key; None when it is there already."""
        if self._credentials.find_by_id(arrival.fingerprint) is not None:
            return None
        authority = arrival.authority
        tenant = authority.tenant
        actor = _actor(authority)
        lifecycle = Lifecycle.ACTIVE if authority.auto_approve else Lifecycle.PENDING
        new = NewDevice(
            device_id=arrival.name,
            type_name=authority.type_name,
            lifecycle=lifecycle,
            attributes={"first_seen_from": arrival.peer},
        )
        device = self._devices.prepare(tenant, new, origin=f"authority:{authority.authority_id}")
        credential = self._credential(device, arrival)

        def work(writer: Writer) -> Device:
            if writer.find(DEVICES, tenant, arrival.name) is not None:
                raise _conflict(arrival.name)
            require_room(writer, tenant)
            waiting = writer.count(DEVICES, tenant, where=("lifecycle", Lifecycle.PENDING.value))
            if waiting >= PENDING_MAX:
                raise QuotaExceeded(
                    f"{waiting} devices of the tenant are pending.",
                    remedy="Let them in or delete them; disable the authority if it is misused.",
                )
            made = self._devices.insert_in(writer, actor, device)
            self._credentials.add_in(writer, actor, credential)
            return made

        made = await self._records.write(work)
        self._credentials.learn(credential)
        self._devices.told(None, made)
        log.info("device_arrived", device=arrival.name, lifecycle=lifecycle.value)
        return made

    async def bind(
        self, actor: Principal, device_id: str, der: bytes, request: str = ""
    ) -> DeviceCredential:
        """Let a device prove itself with a certificate of a customer's authority as well.

        For a device that is there before it comes, or that got a new key: an owner's act. The
        key is one that a connection has proven since the last start, or that has signed
        `request`, a signing request (PKCS #10, PEM) for the device's id. Raises `Invalid` where
        neither is so, or no active authority of the tenant has signed the certificate.
        """
        device = self._devices.get(actor.tenant, device_id)
        authority = self._authorities.find_issuer(der)
        if authority is None or authority.tenant != actor.tenant:
            raise Invalid(
                "No active authority of this tenant has signed the certificate.",
                remedy="Register it first (weft authority register), or send another certificate.",
            )
        presented = read_certificate(der)
        arrival = _Arrival(authority, der, device_id, presented.fingerprint, "")
        if request:
            require_possession(request, presented, device_id)
        elif arrival.key not in self._proven:
            raise Invalid(
                "Nobody has shown to hold the key of this certificate.",
                remedy="Have the device connect with it, which is refused and noted; or send a "
                f"signing request of its key: openssl req -new -key KEY -subj /CN={device_id}",
            )
        credential = self._credential(device, arrival)
        await self._credentials.add(actor, credential)
        return credential

    def _credential(self, device: Device, arrival: _Arrival) -> DeviceCredential:
        credential = self._credentials.new_credential(
            device, CredentialKind.CERTIFICATE, arrival.fingerprint, "customer's authority"
        )
        return replace(credential, authority=arrival.authority.authority_id)

    async def _note_conflict(self, arrival: _Arrival, error: PeerError) -> None:
        """Put a first contact that came to nothing into the audit, once."""
        key = arrival.key
        if key in self._told:
            return
        self._told[key] = None
        if len(self._told) > TOLD_MAX:
            self._told.popitem(last=False)
        detail: dict[str, Any] = {
            "refused": error.detail,
            "fingerprint": arrival.fingerprint,
            "from": arrival.peer,
        }

        def work(writer: Writer) -> None:
            target = f"device:{arrival.name}"
            actor = _actor(arrival.authority)
            self._audit.entry(writer, actor, "device.create", target, detail=detail)

        try:
            await self._records.write(work)
        except StorageError as failed:
            log.error("arrival_not_kept", device=arrival.name, error=failed.detail)
        log.warning("arrival_refused", device=arrival.name, reason=error.detail)


def _actor(authority: CustomerAuthority) -> Principal:
    """Return who makes a device that an authority vouches for."""
    name = f"authority:{authority.authority_id[:16]}"
    return Principal(authority.tenant, PrincipalKind.SYSTEM, name, name)


def _conflict(name: str) -> AlreadyExists:
    return AlreadyExists(f"{name}: {OTHER_KEY.text}.", remedy=OTHER_KEY.remedy)
