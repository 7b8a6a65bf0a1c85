"""The drill for the day on which the authority's key was stolen (RV-3), for any size of fleet.

A new intermediate is signed, each device gets a certificate of it with a new key, and the old
ones end at once. The suite does it with a few hundred devices; `scripts/soak drill` with ten
thousand, as the row asks.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Coroutine, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from tests.security.rows.support import REFUSED, House, operator

from weft.app.identity import Identity
from weft.errors import Unauthenticated
from weft.model.device import Device
from weft.registry.devices import NewDevice
from weft.security.certificates import IssuedCertificate
from weft.security.rotation import Replacing
from weft.wire.mqtt.reasons import Reason

AT_ONCE = 100  # share a commit
DIALLED_AT_ONCE = 8
PEER = "192.0.2.7:40001"


@dataclass(frozen=True)
class Member:
    """A device with the certificate of the stolen authority, and the one that replaced it."""

    device: Device
    old: IssuedCertificate
    new: IssuedCertificate | None = None


async def enrol_fleet(identity: Identity, count: int) -> list[Member]:
    """Make devices, each with a certificate."""

    async def enrol(number: int) -> Member:
        device = await identity.devices.create(operator(), NewDevice(f"meter-{number}"))
        made = await identity.credentials.issue_certificate(operator(), device)
        return Member(device, made.certificate)

    return [one async for one in _in_parts([enrol(number) for number in range(count)])]


async def replace_authority(identity: Identity, fleet: Sequence[Member]) -> list[Member]:
    """Sign a new intermediate, give each device a certificate of it, and end the old ones."""

    async def replace(member: Member) -> Member:
        made = await identity.rotation.rotate_certificate(
            operator(), member.device, Replacing(grace_s=0)
        )
        return Member(member.device, member.old, made.certificate)

    await asyncio.to_thread(identity.authority.renew_intermediate)
    replaced = [one async for one in _in_parts([replace(one) for one in fleet])]
    identity.rotation.end_due()
    return replaced


async def _in_parts(work: Sequence[Coroutine[Any, Any, Member]]) -> AsyncIterator[Member]:
    """Do much, so many at once; yield what came of each in order."""
    left = iter(work)
    while part := list(islice(left, AT_ONCE)):
        async with asyncio.TaskGroup() as tasks:
            done = [tasks.create_task(one) for one in part]
        for one in done:
            yield one.result()


def require_replaced(identity: Identity, stolen_chain: str, fleet: Sequence[Member]) -> None:
    """Fail unless each device is known by its new certificate and nobody by an old one."""
    prove = identity.authenticator.prove_certificate
    for member in fleet:
        assert member.new is not None
        assert issued_by(member.old, stolen_chain)
        assert not issued_by(member.new, stolen_chain)
        assert issued_by(member.new, identity.authority.chain_pem)
        assert prove(member.new.der, PEER).principal.uid == member.device.uid
        with pytest.raises(Unauthenticated):
            prove(member.old.der, PEER)


async def require_refused_on_the_wire(house: House, fleet: Sequence[Member]) -> None:
    """Fail unless each old certificate is refused over TLS, and each new one is let in."""

    async def dial(member: Member) -> Member:
        assert member.new is not None
        pem = house.weft.folder.path / f"{member.device.uid}.drill.pem"
        for made, expected in ((member.old, REFUSED), (member.new, {Reason.SUCCESS})):
            pem.write_text(f"{made.private_key_pem}{made.certificate_pem}{made.chain_pem}")
            peer, answer = await house.dial_tls(pem, client_id=member.device.device_id)
            peer.hang_up()
            assert answer.reason in expected, member.device.device_id
        return member

    for start in range(0, len(fleet), DIALLED_AT_ONCE):
        async with asyncio.TaskGroup() as tasks:
            for member in fleet[start : start + DIALLED_AT_ONCE]:
                tasks.create_task(dial(member))


def issued_by(certificate: IssuedCertificate, authority_pem: str) -> bool:
    """Whether an authority has signed a certificate."""
    issuer = x509.load_pem_x509_certificate(authority_pem.encode())
    try:
        x509.load_der_x509_certificate(certificate.der).verify_directly_issued_by(issuer)
    except InvalidSignature:
        return False
    return True


class Watch:
    """Seconds since the last look, on the wall and of this process."""

    def __init__(self) -> None:
        self._since = time.monotonic(), time.process_time()

    def lap(self) -> tuple[float, str]:
        """Return the seconds since the last look, and in words with those of CPU."""
        now = time.monotonic(), time.process_time()
        passed_s, worked_s = (one - other for one, other in zip(now, self._since, strict=True))
        self._since = now
        return passed_s, f"{passed_s:.1f} s ({worked_s:.1f} s of CPU)"
