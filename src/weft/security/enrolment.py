"""Enrolment: a device gets its first certificate for a key that was born on it (PR-2).

An operator makes a token for one device; it is shown once, kept as an HMAC, good for one
certificate and nothing else, and for a day. Whoever brings it with a signing request gets
the certificate, in the transaction that uses the token up: of two at once one wins. A
request that is refused leaves the token as it was, so that the device can mend it.
"""

from collections.abc import Mapping

from msgspec import Struct, structs

from weft.errors import Conflict, QuotaExceeded, Unauthenticated
from weft.model.device import Device, Lifecycle
from weft.model.ids import DeviceId, DeviceUid, TenantId
from weft.model.moments import NS_PER_S
from weft.model.principal import Principal, PrincipalKind
from weft.ports import Clock, Kind, Reader, Records, Writer
from weft.security.audit import Audit
from weft.security.authentication import REFUSED, REMEDY, Authenticator
from weft.security.credential_records import IssuedIdentity
from weft.security.credentials import Credentials
from weft.security.machine_secrets import MachineSecret, make_secret, parse_secret

LIFE_S = 24 * 3600
LIFE_MAX_S = 30 * 24 * 3600  # devices that are shipped; longer is a credential, not a token
PER_DEVICE_MAX = 4
KEPT_S = 7 * 24 * 3600  # of a token that is used or over, for those who ask where it went
ACTION = "device.enrol"


class DevicePending(Conflict):
    """The device has proven itself, and nobody has let it in yet."""

    code = "device_pending"

    def __init__(self, device_id: str, *, detail: str = "", remedy: str = "") -> None:
        super().__init__(
            detail or f"The device {device_id} is pending: nobody has let it in yet.",
            remedy=remedy or "Try again when somebody has: weft device move DEVICE active",
        )


class EnrolmentToken(Struct, frozen=True):
    """A right to one certificate. Holds no secret: an HMAC."""

    tenant: TenantId
    key_id: str
    device_id: DeviceId
    device_uid: DeviceUid
    digest: str
    created_at: int
    expires_at: int
    used_at: int | None = None

    @property
    def principal(self) -> Principal:
        """Whose it is."""
        return Principal(self.tenant, PrincipalKind.DEVICE, self.device_id, self.device_uid)


class IssuedToken(Struct, frozen=True):
    """A new token with its text, which is shown this once."""

    token: EnrolmentToken
    text: str

    def __repr__(self) -> str:
        return f"IssuedToken({self.token.key_id}, withheld)"


ENROLMENTS: Kind[EnrolmentToken] = Kind(
    "enrolment_token", EnrolmentToken, index=lambda token: {"device": token.device_uid}
)


class Enrolments:
    """Makes tokens, and certificates of them. All live tokens are in memory."""

    def __init__(
        self, records: Records, audit: Audit, clock: Clock, pepper: bytes, credentials: Credentials
    ) -> None:
        self._records = records
        self._audit = audit
        self._clock = clock
        self._pepper = pepper
        self._credentials = credentials
        self._index: dict[str, EnrolmentToken] = {}

    async def load(self) -> None:
        """Read all tokens that nobody has used."""
        found = await self._records.read(_all_tokens)
        self._index = {token.key_id: token for token in found if token.used_at is None}

    async def issue(self, actor: Principal, device: Device, *, life_s: int = LIFE_S) -> IssuedToken:
        """Make a token for a device; the answer is the only place where it stands in clear.

        Raises `Conflict` for a device that is out of use, `QuotaExceeded` when enough wait.
        """
        if device.lifecycle in {Lifecycle.REVOKED, Lifecycle.DECOMMISSIONED}:
            raise _out_of_use(device)
        secret = make_secret()
        now = self._clock.now()
        token = EnrolmentToken(
            tenant=device.tenant,
            key_id=secret.key_id,
            device_id=device.device_id,
            device_uid=device.uid,
            digest=secret.digest(self._pepper),
            created_at=now,
            expires_at=now + life_s * NS_PER_S,
        )

        def work(writer: Writer) -> None:
            waiting = [one for one in _of_device(writer, device) if self._is_live(one)]
            if len(waiting) >= PER_DEVICE_MAX:
                raise QuotaExceeded(
                    f"Device {device.device_id} has {len(waiting)} enrolment tokens that wait.",
                    remedy="Use one, or cancel them: weft device cancel-enrolment DEVICE",
                )
            writer.insert(ENROLMENTS, device.tenant, token.key_id, token)
            self._note(writer, actor, device, {"token": token.key_id})

        await self._records.write(work)
        self._index[token.key_id] = token
        return IssuedToken(token, secret.text)

    def is_token(self, text: str) -> bool:
        """Whether a text names a token that nobody has used; whether it is right, `prove` says."""
        secret = parse_secret(text)
        return secret is not None and secret.key_id in self._index

    def prove(
        self, text: str, peer: str, door: Authenticator, *, device_id: str = ""
    ) -> EnrolmentToken:
        """Return the live token of a text, or raise `Unauthenticated` without saying why.

        With `device_id` (HTTP Basic's user name), it must be that device's.
        """

        def find(secret: MachineSecret) -> EnrolmentToken | None:
            found = self._index.get(secret.key_id)
            matches = secret.matches(found.digest if found else "0" * 64, self._pepper)
            if found is None or not matches or not self._is_live(found):
                return None
            return found if device_id in {"", found.device_id} else None

        return door.prove_once(text, peer, find, device_id)

    async def enrol(
        self, token: EnrolmentToken, device: Device | None, request: bytes
    ) -> IssuedIdentity:
        """Issue the certificate that a proven token is good for, and use the token up.

        Raises `Invalid` for a bad request, `AlreadyExists` for a key that is another
        device's, `DevicePending`, `Conflict` for a device out of use: the token stays good
        for another try. Raises `Unauthenticated` when somebody was quicker.
        """
        if device is None or device.uid != token.device_uid:
            raise Unauthenticated(REFUSED, remedy=REMEDY)
        if device.lifecycle is Lifecycle.PENDING:
            raise DevicePending(device.device_id)
        if device.lifecycle is not Lifecycle.ACTIVE:
            raise _out_of_use(device)

        issued = self._credentials.prepare_certificate(
            device, request_pem=request, label="enrolled"
        )

        def work(writer: Writer) -> None:
            stored = writer.find(ENROLMENTS, token.tenant, token.key_id)
            if stored is None or stored.value.used_at is not None:
                raise Unauthenticated(REFUSED, remedy=REMEDY)
            used = structs.replace(stored.value, used_at=self._clock.now())
            writer.put(ENROLMENTS, token.tenant, token.key_id, used, version=stored.version)
            self._credentials.add_in(writer, token.principal, issued.credential)
            detail = {"token": token.key_id, "credential": issued.credential.credential_id}
            self._note(writer, token.principal, device, detail)

        await self._records.write(work)
        self._credentials.learn(issued.credential)
        self._index.pop(token.key_id, None)
        return issued

    async def cancel(self, actor: Principal, device: Device) -> None:
        """End all tokens of a device that nobody has used."""

        def work(writer: Writer) -> list[str]:
            waiting = [one.key_id for one in _of_device(writer, device) if one.used_at is None]
            for key_id in waiting:
                writer.delete(ENROLMENTS, device.tenant, key_id)
            self._note(writer, actor, device, {"cancelled": waiting})
            return waiting

        for key_id in await self._records.write(work):
            self._index.pop(key_id, None)

    def delete_in(self, writer: Writer, device: Device) -> None:
        """Remove a device's tokens in the transaction that deletes it."""
        for token in _of_device(writer, device):
            writer.delete(ENROLMENTS, device.tenant, token.key_id)

    def forget(self, device: Device) -> None:
        """Drop a deleted device's tokens from memory."""
        gone = [key for key, one in self._index.items() if one.device_uid == device.uid]
        for key_id in gone:
            del self._index[key_id]

    async def sweep(self) -> None:
        """Forget tokens that have been over for a week."""
        before = self._clock.now() - KEPT_S * NS_PER_S

        def work(writer: Writer) -> list[str]:
            over = [one for one in _all_tokens(writer) if one.expires_at < before]
            for token in over:
                writer.delete(ENROLMENTS, token.tenant, token.key_id)
            return [token.key_id for token in over]

        for key_id in await self._records.write(work):
            self._index.pop(key_id, None)

    def _is_live(self, token: EnrolmentToken) -> bool:
        return token.used_at is None and self._clock.now() < token.expires_at

    def _note(
        self, writer: Writer, actor: Principal, device: Device, detail: Mapping[str, object]
    ) -> None:
        self._audit.entry(writer, actor, ACTION, f"device:{device.device_id}", detail=dict(detail))


def require_bearer(token: str | None) -> str:
    """Return the token that came, or raise `Unauthenticated`."""
    if token is None:
        raise Unauthenticated("No enrolment token came with the request.")
    return token


def _out_of_use(device: Device) -> Conflict:
    return Conflict(
        f"The device {device.device_id} is {device.lifecycle}.",
        remedy="Only a device that is active is enrolled.",
    )


def _all_tokens(reader: Reader) -> list[EnrolmentToken]:
    found: list[EnrolmentToken] = []
    for tenant in reader.tenants(ENROLMENTS):
        after = ""
        while page := reader.list(ENROLMENTS, tenant, after=after, limit=1_000):
            found += [stored.value for stored in page]
            after = page[-1].key
    return found


def _of_device(reader: Reader, device: Device) -> list[EnrolmentToken]:
    found = reader.list(ENROLMENTS, device.tenant, where=("device", device.uid), limit=1_000)
    return [stored.value for stored in found]
