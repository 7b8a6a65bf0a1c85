"""Rotation: a new credential takes an old one's place, and nothing stops meanwhile (RV-3).

A device renews its own certificate in the last third of its life; an operator replaces
credentials at any time. Old and new are both good for a while, then the old one ends and
whatever it had opened is cut. What the new one has opened stays.
"""

import heapq

from msgspec import Struct, structs

from weft.errors import Conflict, NotFound
from weft.model.device import Device
from weft.model.moments import NS_PER_S, to_rfc3339
from weft.model.principal import Principal
from weft.ports import Clock, Records, Writer
from weft.security.audit import Audit
from weft.security.connections import Connections
from weft.security.credential_records import (
    CREDENTIALS,
    CredentialKind,
    DeviceCredential,
    IssuedIdentity,
    IssuedKey,
    IssuedSecret,
    credentials_of,
)
from weft.security.credentials import Credentials
from weft.security.preshared_keys import PresharedKeys

GRACE_S = 24 * 3600
GRACE_MAX_S = 90 * 24 * 3600


class TooEarly(Conflict):
    """A certificate is renewed in the last third of its life, and it is younger."""

    code = "renewal_too_early"


class Replacing(Struct, frozen=True):
    """What a rotation replaces: one credential, or all that there are; and for how long."""

    grace_s: int = GRACE_S
    credential_id: str | None = None
    label: str = "rotated"


class Rotation:
    """Replaces credentials, and ends the old ones when their time is over."""

    def __init__(
        self,
        records: Records,
        audit: Audit,
        clock: Clock,
        credentials: Credentials,
        connections: Connections,
    ) -> None:
        self._records = records
        self._credentials = credentials
        self._connections = connections
        self._audit = audit
        self._clock = clock
        self._ending: list[tuple[int, str, str]] = []  # heap of (moment, credential id, uid)

    async def renew(
        self, actor: Principal, device: Device, credential_id: str, request: bytes
    ) -> IssuedIdentity:
        """Issue the next certificate to a device that has proven itself with this one.

        The old one stays good until it runs out or is revoked. Raises `TooEarly` with the
        date, `Conflict` where the credential is no certificate or a customer's authority
        vouches for it, `Invalid`, `AlreadyExists`.
        """
        held = self._credentials.find_by_id(credential_id)
        if held is None or held.kind is not CredentialKind.CERTIFICATE:
            raise Conflict(
                "A renewal is asked for with the certificate that is to be renewed.",
                remedy="Connect with it; for the first certificate, use an enrolment token.",
            )
        if held.expires_at is None:  # known by its key: the certificates of it are the customer's
            raise Conflict(
                "Its owner's authority vouches for this certificate, and renews it.",
                remedy="Ask that authority for the next one. For the same key it is good at once; "
                "another key is bound by: weft credential bind DEVICE FILE",
            )
        opens_at = renewal_opens_at(held)
        if self._clock.now() < opens_at:
            raise TooEarly(
                f"The certificate can be renewed from {to_rfc3339(opens_at)} on.",
                remedy="Ask again then, or have it replaced now: weft device rotate DEVICE",
            )
        return await self._credentials.issue_certificate(
            actor, device, request_pem=request, label="renewed"
        )

    async def rotate_secret(
        self, actor: Principal, device: Device, replacing: Replacing
    ) -> IssuedSecret:
        """Give a device a new secret; what it replaces ends after the grace period."""
        issued = self._credentials.prepare_secret(device, label=replacing.label)
        await self._replace(actor, issued.credential, replacing)
        return issued

    async def rotate_key(
        self, actor: Principal, device: Device, replacing: Replacing, preshared: PresharedKeys
    ) -> IssuedKey:
        """Give a device a new pre-shared key; what it replaces ends after the grace period."""
        await preshared.ready(device.tenant)
        issued = preshared.prepare(device, label=replacing.label)
        await self._replace(actor, issued.credential, replacing)
        return issued

    async def rotate_certificate(
        self,
        actor: Principal,
        device: Device,
        replacing: Replacing,
        request: str | bytes | None = None,
    ) -> IssuedIdentity:
        """Give a device a new certificate; what it replaces ends after the grace period."""
        issued = self._credentials.prepare_certificate(
            device, request_pem=request, label=replacing.label
        )
        await self._replace(actor, issued.credential, replacing)
        return issued

    async def _replace(self, actor: Principal, new: DeviceCredential, replacing: Replacing) -> None:
        def work(writer: Writer) -> list[DeviceCredential]:
            self._credentials.add_in(writer, actor, new)
            return self._end_later(writer, actor, new, replacing)

        ends = await self._records.write(work)
        self._credentials.learn(new)
        for one in ends:
            self._credentials.learn(one)
            assert one.expires_at is not None
            heapq.heappush(self._ending, (one.expires_at, one.credential_id, one.device_uid))

    def end_due(self) -> int:
        """Cut what was opened with credentials whose grace is over; call about once a second."""
        now = self._clock.now()
        cut = 0
        while self._ending and self._ending[0][0] <= now:
            _, credential_id, uid = heapq.heappop(self._ending)
            found = self._credentials.find_by_id(credential_id)
            if found is None or not self._credentials.is_live(found):
                cut += self._connections.cut_credential(
                    uid, credential_id, "the credential was replaced"
                )
        return cut

    def _end_later(
        self, writer: Writer, actor: Principal, new: DeviceCredential, replacing: Replacing
    ) -> list[DeviceCredential]:
        """Give the end of its grace to each credential that is replaced, in one transaction."""
        end = self._clock.now() + replacing.grace_s * NS_PER_S
        wanted = replacing.credential_id
        found = [
            one
            for one in credentials_of(writer, new)
            if one.revoked_at is None
            and self._credentials.is_live(one)
            and one.credential_id != new.credential_id
            and wanted in {None, one.credential_id}
        ]
        if wanted is not None and not found:
            raise NotFound(
                f"Device {new.device_id} has no live credential {wanted!r}.",
                remedy=f"See weft credential list {new.device_id}",
            )
        ends = [structs.replace(one, expires_at=min(end, one.expires_at or end)) for one in found]
        for one in ends:
            writer.put(CREDENTIALS, one.tenant, one.credential_id, one)
        detail = {"replaced": [one.credential_id for one in ends], "until": to_rfc3339(end)}
        target = f"device:{new.device_id}"
        self._audit.entry(writer, actor, "device.credentials", target, detail=detail)
        return ends


def renewal_opens_at(credential: DeviceCredential) -> int:
    """Return from when on a certificate can be renewed: two thirds into its life."""
    assert credential.expires_at is not None
    life = credential.expires_at - credential.created_at
    return credential.created_at + life * 2 // 3
