import msgspec
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from tests.security.support import MAIN, OTHER, PEER, PEPPER, SYSTEM, World, device
from tests.security.test_certificates import request_for

from weft.errors import AlreadyExists, Conflict, Invalid, NotFound, QuotaExceeded, Unauthenticated
from weft.model.principal import Principal, PrincipalKind
from weft.security.credentials import CREDENTIALS, PER_DEVICE_MAX, CredentialKind
from weft.security.machine_secrets import parse_secret


async def test_cr_2_a_secret_is_shown_once_and_stored_as_an_hmac(world: World) -> None:
    """What is in the records proves nothing."""
    issued = await world.credentials.issue_secret(SYSTEM, device(), label="first")
    secret = parse_secret(issued.token)
    assert secret is not None
    stored = await world.records.read(
        lambda r: r.get(CREDENTIALS, MAIN, issued.credential.credential_id).value
    )
    assert secret.secret not in msgspec.json.encode(stored).decode()
    assert stored.digest == secret.digest(PEPPER)
    (record,) = await world.audit.list_records(MAIN)
    assert secret.secret not in msgspec.json.encode(record.value).decode()
    assert record.value.action == "device.credentials"


async def test_id_1_a_deleted_devices_credential_stays_dead_for_its_namesake(
    certified: World,
) -> None:
    """pump-7 is deleted and another pump-7 is made: old token and old certificate are refused."""
    world, old = certified, device()
    token = (await world.credentials.issue_secret(SYSTEM, old)).token
    der = (await world.credentials.issue_certificate(SYSTEM, old)).certificate.der
    await world.records.write(lambda w: world.credentials.delete_in(w, old))
    world.credentials.forget(old)
    new = device()
    await world.credentials.issue_secret(SYSTEM, new)

    for _ in ("at once", "after a restart"):
        with pytest.raises(Unauthenticated):
            world.door.by_secret("pump-7", token, PEER)
        with pytest.raises(Unauthenticated):
            world.door.by_certificate(der, PEER)
        await world.restart()
    assert new.uid != old.uid


async def test_id_2_one_public_key_is_one_devices_in_all_tenants(certified: World) -> None:
    """The answer does not say whose it is."""
    pem = request_for(ec.generate_private_key(ec.SECP256R1()))
    pump = device()
    await certified.credentials.issue_certificate(SYSTEM, pump, request_pem=pem)
    for other in (device("pump-8"), device("pump-7", OTHER)):
        with pytest.raises(AlreadyExists) as caught:
            await certified.credentials.issue_certificate(SYSTEM, other, request_pem=pem)
        assert pump.device_id not in caught.value.detail
    await certified.credentials.issue_certificate(SYSTEM, pump, request_pem=pem)  # a renewal


async def test_id_2_a_revoked_public_key_does_not_come_back(certified: World) -> None:
    """Whoever had to revoke a key gets a new one."""
    pem = request_for(ec.generate_private_key(ec.SECP256R1()))
    pump = device()
    issued = await certified.credentials.issue_certificate(SYSTEM, pump, request_pem=pem)
    await certified.credentials.revoke(SYSTEM, pump, issued.credential.credential_id)
    with pytest.raises(Conflict, match="revoked"):
        await certified.credentials.issue_certificate(SYSTEM, pump, request_pem=pem)


async def test_rv_3_two_credentials_are_valid_while_one_replaces_the_other(world: World) -> None:
    """The device comes back with the new one; the old one is refused after its revocation."""
    pump = device()
    old = await world.credentials.issue_secret(SYSTEM, pump)
    new = await world.credentials.issue_secret(SYSTEM, pump)
    assert world.door.by_secret("pump-7", old.token, PEER) == world.door.by_secret(
        "pump-7", new.token, PEER
    )
    await world.credentials.revoke(SYSTEM, pump, old.credential.credential_id)
    world.door.by_secret("pump-7", new.token, PEER)
    with pytest.raises(Unauthenticated):
        world.door.by_secret("pump-7", old.token, PEER)


async def test_rv_1_revoking_a_credential_cuts_the_device(world: World) -> None:
    """All of its connections: it comes back with another credential if it has one."""
    pump = device()
    issued = await world.credentials.issue_secret(SYSTEM, pump)
    _, cuts = world.connect(Principal(MAIN, PrincipalKind.DEVICE, "pump-7", pump.uid))
    version = world.policy.version
    await world.credentials.revoke(SYSTEM, pump, issued.credential.credential_id)
    assert cuts == ["a credential was revoked"]
    assert world.policy.version > version
    await world.restart()
    with pytest.raises(Unauthenticated):
        world.door.by_secret("pump-7", issued.token, PEER)


async def test_a_credential_of_another_device_is_not_found(world: World) -> None:
    """Neither another device's nor another tenant's is revoked by mistake."""
    issued = await world.credentials.issue_secret(SYSTEM, device())
    for other in (device("pump-8"), device("pump-7", OTHER)):
        with pytest.raises(NotFound):
            await world.credentials.revoke(SYSTEM, other, issued.credential.credential_id)


async def test_a_credential_expires(world: World) -> None:
    """A secret with a life of a minute."""
    issued = await world.credentials.issue_secret(SYSTEM, device(), life_s=60)
    world.clock.turn(59)
    assert world.door.prove_secret("pump-7", issued.token, PEER).expires_at is not None
    world.clock.turn(1)
    with pytest.raises(Unauthenticated):
        world.door.by_secret("pump-7", issued.token, PEER)


async def test_a_certificate_expires(certified: World) -> None:
    """After 90 days, by our clock, not only by that of TLS."""
    issued = await certified.credentials.issue_certificate(SYSTEM, device())
    assert issued.credential.kind is CredentialKind.CERTIFICATE
    certified.clock.turn(90 * 86_400)
    assert certified.credentials.find_certificate(issued.certificate.der) is None


async def test_a_device_holds_so_many_credentials(world: World) -> None:
    """A script that issues one at each start is told."""
    pump = device()
    for _ in range(PER_DEVICE_MAX):
        last = await world.credentials.issue_secret(SYSTEM, pump)
    with pytest.raises(QuotaExceeded):
        await world.credentials.issue_secret(SYSTEM, pump)
    await world.credentials.revoke(SYSTEM, pump, last.credential.credential_id)
    await world.credentials.issue_secret(SYSTEM, pump)
    assert len(await world.credentials.list_credentials(pump)) == PER_DEVICE_MAX + 1


async def test_id_4_another_devices_name_in_a_certificate_proves_nothing(certified: World) -> None:
    """A certificate of our own authority for a key that is bound elsewhere, or to nobody."""
    forged = certified.authority.issue(device("pump-8"))
    assert certified.credentials.find_certificate(forged.der) is None
    key = ec.generate_private_key(ec.SECP256R1())
    pem = request_for(key)
    await certified.credentials.issue_certificate(SYSTEM, device(), request_pem=pem)
    stranger = certified.authority.issue(device("pump-9"), pem)  # same key, another URI
    assert certified.credentials.find_certificate(stranger.der) is None


@pytest.mark.parametrize("uid", ["#", "+", "a/b", "a\x1bb"])
async def test_mq_3_a_pattern_in_a_certificates_uri_matches_nobody(
    certified: World, uid: str
) -> None:
    """Signed by our own authority for a bound key, and still refused: compared, not matched."""
    pem = request_for(ec.generate_private_key(ec.SECP256R1()))
    pump = device()
    await certified.credentials.issue_certificate(SYSTEM, pump, request_pem=pem)
    odd = certified.authority.issue(msgspec.structs.replace(pump, uid=uid), pem)
    with pytest.raises(Unauthenticated):
        certified.door.by_certificate(odd.der, PEER)


async def test_a_certificate_that_is_none_is_nobody(certified: World) -> None:
    """And a damaged signing request is the caller's fault."""
    assert certified.credentials.find_certificate(b"x") is None
    with pytest.raises(Invalid):
        await certified.credentials.issue_certificate(SYSTEM, device(), request_pem="x")


async def test_the_private_key_made_here_fits_the_certificate(certified: World) -> None:
    """So that the pasted files work at once."""
    issued = await certified.credentials.issue_certificate(SYSTEM, device())
    pem = issued.certificate.private_key_pem
    assert pem is not None
    assert serialization.load_pem_private_key(pem.encode(), None)
    assert certified.credentials.find_by_id(issued.credential.credential_id) is not None


async def test_revoked_credentials_are_remembered_within_a_bound(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The latest ones, without what would prove them; also what a restart reads."""
    monkeypatch.setattr("weft.security.credentials.REVOKED_KEPT", 3)
    pump, ids = device(), []
    for _ in range(5):
        issued = await world.credentials.issue_secret(SYSTEM, pump)
        ids.append(issued.credential.credential_id)
        world.clock.turn(1)
        await world.credentials.revoke(SYSTEM, pump, ids[-1])
    for _ in ("at once", "after a restart"):
        kept = [world.credentials.find_revoked(one) for one in ids]
        assert [one is not None for one in kept] == [False, False, True, True, True]
        assert all(not one.digest for one in kept if one is not None)
        assert all(world.credentials.find_by_id(one) is None for one in ids)
        await world.restart()
