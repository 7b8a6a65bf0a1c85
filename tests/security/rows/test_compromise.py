"""RV-3: the drill for the day on which the authority's key was stolen.

A new intermediate is signed, each device gets a certificate of it with a new key, and the old
ones end at once. The row asks for ten thousand devices in five minutes; here are two
hundred in a minute, which every machine can do that also does other things meanwhile.
"""

import asyncio
import time

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from tests.security.rows.support import PATIENCE_S, REFUSED, Enrolled, House, operator

from weft.errors import Unauthenticated
from weft.model.device import Device
from weft.registry.devices import NewDevice
from weft.security.certificates import IssuedCertificate
from weft.security.rotation import Replacing
from weft.wire.mqtt.packets import Disconnect
from weft.wire.mqtt.reasons import Reason

DEVICES = 200
LIMIT_S = 60
PEER = "192.0.2.7:40001"


def issued_by(certificate: IssuedCertificate, authority_pem: str) -> bool:
    """Whether an authority has signed a certificate."""
    issuer = x509.load_pem_x509_certificate(authority_pem.encode())
    try:
        x509.load_der_x509_certificate(certificate.der).verify_directly_issued_by(issuer)
    except InvalidSignature:
        return False
    return True


async def test_rv_3_after_a_theft_of_the_authoritys_key_nothing_of_it_connects(
    house: House,
) -> None:
    """Every device of the old chain is refused and what it held open is cut; the new ones come."""
    identity, rotation = house.identity, house.identity.rotation
    fleet: list[tuple[Device, IssuedCertificate]] = []
    for number in range(DEVICES):
        device = await identity.devices.create(operator(), NewDevice(f"meter-{number}"))
        made = await identity.credentials.issue_certificate(operator(), device)
        fleet.append((device, made.certificate))
    stolen_chain = identity.authority.chain_pem
    live = await house.enrol("gate-1")
    connection, answer = await house.dial_tls(live.pem)
    assert answer.reason is Reason.SUCCESS

    began = time.monotonic()
    await asyncio.to_thread(identity.authority.renew_intermediate)
    renewed = [
        (await rotation.rotate_certificate(operator(), device, Replacing(grace_s=0))).certificate
        for device, _ in fleet
    ]
    fresh = await rotation.rotate_certificate(operator(), live.device, Replacing(grace_s=0))
    rotation.end_due()
    assert time.monotonic() - began < LIMIT_S

    assert identity.authority.chain_pem != stolen_chain
    prove = identity.authenticator.prove_certificate
    for (device, old), new in zip(fleet, renewed, strict=True):
        assert issued_by(old, stolen_chain)
        assert not issued_by(new, stolen_chain)
        assert issued_by(new, identity.authority.chain_pem)
        assert prove(new.der, PEER).principal.uid == device.uid
        with pytest.raises(Unauthenticated):
            prove(old.der, PEER)
    await _is_over_on_the_wire(house, live, fresh.certificate)
    async with asyncio.timeout(PATIENCE_S):
        assert all(isinstance(packet, Disconnect) for packet in await connection.rest())


async def _is_over_on_the_wire(house: House, live: Enrolled, new: IssuedCertificate) -> None:
    """The old certificate is refused over the socket, and the new one is let in."""
    assert (await house.dial_tls(live.pem))[1].reason in REFUSED
    live.pem.write_text(f"{new.private_key_pem}{new.certificate_pem}{new.chain_pem}")
    assert (await house.dial_tls(live.pem))[1].reason is Reason.SUCCESS
