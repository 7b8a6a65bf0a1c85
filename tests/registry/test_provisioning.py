"""Provisioning: once per serial, never more than the claim says, whoever asks at once."""

import asyncio
from pathlib import Path

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from tests.registry.batch import PEER, Batch
from tests.registry.support import ALICE, MAIN

from weft.errors import AlreadyExists, Forbidden, Invalid, NotFound, Unauthenticated
from weft.model.device import Lifecycle
from weft.model.moments import NS_PER_S
from weft.registry.devices import NewDevice
from weft.registry.provision_documents import Wanted
from weft.security.certificates import read_certificate, uri_of
from weft.security.credential_records import CREDENTIALS
from weft.security.machine_secrets import derive_secret, make_secret, parse_secret


def request_of(key: ec.EllipticCurvePrivateKey) -> str:
    """A signing request as a device makes it."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "me")])
    request = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    return request.public_bytes(serialization.Encoding.PEM).decode()


async def test_a_device_of_the_batch_gets_its_own_secret(tmp_path: Path) -> None:
    """It comes with the factory's claim and leaves as itself."""
    batch = Batch(tmp_path)
    await batch.types.save(ALICE, "pump", {"telemetry": {"rpm": {"type": "integer"}}})
    claim = await batch.claim(prefix="pump-", type_name="pump")
    made = await batch.provision("17", label="Hall 2", attributes={"batch": 4})
    assert made.device.device_id == "pump-17"
    assert made.device.type_name == "pump"
    assert made.device.label == "Hall 2"
    assert made.device.attributes == {"batch": 4}
    assert made.device.lifecycle is Lifecycle.ACTIVE
    assert made.device.origin == claim.origin
    assert batch.devices.get(MAIN, "pump-17") == made.device
    assert batch.door.by_bearer(made.token or "", PEER).uid == made.device.uid
    assert batch.claims.get(MAIN, claim.claim_id).used == 1
    assert batch.reasons(claim) == ["pump-17: provisioned by the claim pumps"]
    actions = batch.audit.actions()
    assert actions[-2:] == ["device.create", "device.credentials"]


async def test_a_batch_that_is_not_approved_lands_as_pending(tmp_path: Path) -> None:
    """It has an identity; what it may do with it is somebody's word."""
    batch = Batch(tmp_path)
    await batch.claim(approve=False)
    made = await batch.provision("17")
    assert made.device.lifecycle is Lifecycle.PENDING
    assert made.device.waits


async def test_pr_1_a_claim_opens_nothing_but_provisioning(tmp_path: Path) -> None:
    """As a token, a password or a user name it is no credential of anything."""
    batch = Batch(tmp_path)
    claim = await batch.claim()
    with pytest.raises(Unauthenticated):
        batch.door.by_bearer(batch.token, PEER)
    with pytest.raises(Unauthenticated):
        batch.door.by_secret("pumps", batch.token, PEER)
    for action in ("device.read", "device.create", "claim.create", "telemetry.write"):
        assert not batch.policy.decide(claim.actor, action, "*").allowed
    assert not batch.policy.decide(claim.actor, "topic.publish", "topic:a").allowed


async def test_pr_1_the_count_the_time_and_the_networks_hold(tmp_path: Path) -> None:
    """Outside of each the peer reads the same words, and the owner reads which it was."""
    batch = Batch(tmp_path)
    claim = await batch.claim(count=1, networks=("10.20.0.0/16",))
    await batch.provision("1")
    told: set[tuple[str, str]] = set()

    async def refused(serial: str, peer: str = PEER) -> str:
        with pytest.raises(Forbidden) as caught:
            await batch.provision(serial, peer=peer)
        told.add((caught.value.detail, caught.value.remedy))
        return batch.reasons(claim)[0]

    assert "count is used up" in await refused("2")
    assert "networks" in await refused("3", "10.30.0.1:9")
    batch.clock.turn(31 * 86_400)
    assert "over" in await refused("4")
    await batch.claims.revoke(ALICE, claim.claim_id)
    assert "revoked" in await refused("5")
    assert len(told) == 1
    assert len(await batch.devices.list(MAIN)) == 1
    why = batch.attempts.of_device(MAIN, "3")
    assert [(one.accepted, one.peer) for one in why] == [(False, "10.30.0.1:9")]


async def test_pr_1_a_hundred_at_once_never_share_the_last_place(tmp_path: Path) -> None:
    """The count is part of the transaction that makes the device."""
    batch = Batch(tmp_path)
    claim = await batch.claim(count=7)
    tries = [batch.provision(f"s{number}") for number in range(100)]
    answers = await asyncio.gather(*tries, return_exceptions=True)
    made = [one for one in answers if not isinstance(one, BaseException)]
    assert len(made) == 7
    assert all(isinstance(one, Forbidden) for one in answers if isinstance(one, BaseException))
    assert len(await batch.devices.list(MAIN)) == 7
    assert batch.claims.get(MAIN, claim.claim_id).used == 7


async def test_pr_1_one_serial_asked_for_at_once_is_one_device(tmp_path: Path) -> None:
    """A cloned image: the first is the device, the others are told."""
    batch = Batch(tmp_path)
    claim = await batch.claim(count=100)
    answers = await asyncio.gather(
        *(batch.provision("same") for _ in range(50)), return_exceptions=True
    )
    assert sum(not isinstance(one, BaseException) for one in answers) == 1
    assert sum(isinstance(one, AlreadyExists) for one in answers) == 49
    assert batch.claims.get(MAIN, claim.claim_id).used == 1


async def test_a_secret_that_is_no_claim_is_not_told_from_a_wrong_one(tmp_path: Path) -> None:
    """Guessing learns nothing; the owner of the claim sees that somebody tried."""
    batch = Batch(tmp_path)
    claim = await batch.claim()
    wrong = make_secret()
    forged = type(wrong)(claim.claim_id, wrong.secret).text
    details = []
    for token in (wrong.text, forged, "nothing", ""):
        batch.token = token
        with pytest.raises(Unauthenticated) as caught:
            await batch.provision("1")
        details.append((caught.value.detail, caught.value.remedy))
    assert len(set(details)) == 1
    assert "wrong" in batch.attempts.of_device(MAIN, "1")[0].reason


async def test_a_serial_that_was_provisioned_is_refused(tmp_path: Path) -> None:
    """Also when its device was deleted: a stolen one does not come back by itself."""
    batch = Batch(tmp_path)
    await batch.claim()
    await batch.provision("1")
    with pytest.raises(AlreadyExists):
        await batch.provision("1")
    await batch.devices.delete(ALICE, "1")
    with pytest.raises(AlreadyExists):
        await batch.provision("1")


async def test_a_device_made_by_hand_is_not_taken_over(tmp_path: Path) -> None:
    """A claim opens new names only."""
    batch = Batch(tmp_path)
    await batch.claim()
    await batch.devices.create(ALICE, NewDevice(device_id="1"))
    with pytest.raises(AlreadyExists):
        await batch.provision("1")


async def test_a_serial_is_let_in_once_more_when_somebody_says_so(tmp_path: Path) -> None:
    """A board was swapped: what it had ends as the new one comes, and it is not counted twice."""
    batch = Batch(tmp_path)
    claim = await batch.claim(count=1)
    first = await batch.provision("1")
    await batch.provisioning.allow_again(ALICE, "1")
    assert batch.door.by_bearer(first.token or "", PEER).id == "1"
    second = await batch.provision("1")
    assert second.device.uid == first.device.uid
    with pytest.raises(Unauthenticated):
        batch.door.by_bearer(first.token or "", PEER)
    assert batch.door.by_bearer(second.token or "", PEER).id == "1"
    with pytest.raises(AlreadyExists):
        await batch.provision("1")
    assert batch.claims.get(MAIN, claim.claim_id).used == 1
    with pytest.raises(NotFound):
        await batch.provisioning.allow_again(ALICE, "2")


async def test_a_revoked_device_does_not_come_again(tmp_path: Path) -> None:
    """Leave to provision is no leave to come back."""
    batch = Batch(tmp_path)
    await batch.claim()
    await batch.provision("1")
    await batch.provisioning.allow_again(ALICE, "1")
    await batch.devices.move(ALICE, "1", Lifecycle.REVOKED)
    with pytest.raises(Forbidden):
        await batch.provision("1")


async def test_a_deleted_serial_that_is_let_in_is_another_device(tmp_path: Path) -> None:
    """Its uid never returns (ID-1)."""
    batch = Batch(tmp_path)
    await batch.claim(count=1)
    first = await batch.provision("1")
    await batch.devices.delete(ALICE, "1")
    await batch.provisioning.allow_again(ALICE, "1")
    second = await batch.provision("1")
    assert second.device.uid != first.device.uid
    found = await batch.provisioning.find_serial(MAIN, "1")
    assert found is not None
    assert found.device_uid == second.device.uid


async def test_pr_2_a_key_that_was_born_on_the_device_stays_there(tmp_path: Path) -> None:
    """The certificate names our device and nothing that the request asked for."""
    batch = Batch(tmp_path)
    await batch.claim()
    key = ec.generate_private_key(ec.SECP256R1())
    made = await batch.provision("1", request_pem=request_of(key))
    assert made.token is None
    assert made.certificate is not None
    assert made.certificate.private_key_pem is None
    assert read_certificate(made.certificate.der).uri == uri_of(MAIN, made.device.uid)
    assert batch.door.by_certificate(made.certificate.der, PEER).id == "1"


async def test_pr_2_the_same_key_is_answered_again_and_another_is_not(tmp_path: Path) -> None:
    """The answer was lost on the way: the key itself proves that it is the same device."""
    batch = Batch(tmp_path)
    claim = await batch.claim()
    key = ec.generate_private_key(ec.SECP256R1())
    await batch.provision("1", request_pem=request_of(key))
    batch.clock.turn(1)
    again = await batch.provision("1", request_pem=request_of(key))
    assert again.certificate is not None
    assert batch.door.by_certificate(again.certificate.der, PEER).id == "1"
    other = ec.generate_private_key(ec.SECP256R1())
    with pytest.raises(AlreadyExists):
        await batch.provision("1", request_pem=request_of(other))
    assert batch.claims.get(MAIN, claim.claim_id).used == 1
    with pytest.raises(AlreadyExists):
        await batch.provision("2", request_pem=request_of(key))


async def test_a_pre_shared_key_can_be_had(tmp_path: Path) -> None:
    """For a device that speaks CoAP: its name and its key, shown once and sealed at rest."""
    batch = Batch(tmp_path)
    await batch.claim()
    made = await batch.provision("1", want=Wanted.PSK)
    assert (made.token, made.certificate) == (None, None)
    assert made.key is not None
    name = made.key.credential.credential_id
    offer = batch.door.offer_psk(name, PEER)
    assert offer.key == made.key.key.encode()
    assert batch.door.prove_psk(offer, PEER).principal.uid == made.device.uid
    stored = await batch.records.read(lambda r: r.get(CREDENTIALS, MAIN, name).value)
    for text in (msgspec.json.encode(stored).decode(), repr(made), repr(made.key)):
        assert made.key.key not in text
    with pytest.raises(AlreadyExists):
        await batch.provision("1", want=Wanted.PSK)


async def test_a_key_that_comes_again_ends_the_one_before(tmp_path: Path) -> None:
    """The same word of an administrator as for a secret."""
    batch = Batch(tmp_path)
    await batch.claim()
    first = (await batch.provision("1", want=Wanted.PSK)).key
    await batch.provisioning.allow_again(ALICE, "1")
    second = (await batch.provision("1", want=Wanted.PSK)).key
    assert first is not None
    assert second is not None
    assert batch.door.offer_psk(first.credential.credential_id, PEER).credential is None
    assert batch.door.offer_psk(second.credential.credential_id, PEER).credential is not None


async def test_a_key_is_no_answer_to_a_signing_request(tmp_path: Path) -> None:
    """Which of the two was meant is not guessed, and nothing is made."""
    batch = Batch(tmp_path)
    await batch.claim()
    key = ec.generate_private_key(ec.SECP256R1())
    with pytest.raises(Invalid):
        await batch.provision("1", want=Wanted.PSK, request_pem=request_of(key))
    assert await batch.devices.list(MAIN) == []


async def test_a_certificate_can_be_had_without_a_request(tmp_path: Path) -> None:
    """For a device that cannot make a key: the private one is shown this once."""
    batch = Batch(tmp_path)
    await batch.claim()
    made = await batch.provision("1", want=Wanted.CERTIFICATE)
    assert made.certificate is not None
    assert "PRIVATE KEY" in (made.certificate.private_key_pem or "")
    assert made.certificate.expires_at - batch.clock.now() <= 90 * 86_400 * NS_PER_S


@pytest.mark.parametrize("serial", ["", "a/b", "#", "+", "x" * 129, "me"])
async def test_a_serial_must_be_able_to_name_a_device(tmp_path: Path, serial: str) -> None:
    """It will stand in topics and paths."""
    batch = Batch(tmp_path)
    await batch.claim()
    with pytest.raises(Invalid):
        await batch.provision(serial)
    assert await batch.devices.list(MAIN) == []


async def test_pr_1_a_key_of_a_group_opens_its_own_serial_alone(tmp_path: Path) -> None:
    """Read out of one device it is good for that one; the factory's token opens nothing."""
    batch = Batch(tmp_path)
    claim = await batch.claim(group=True)
    group = parse_secret(batch.token)
    assert group is not None
    assert group.secret not in repr(claim)
    with pytest.raises(Unauthenticated):
        await batch.provision("1")
    batch.token = derive_secret(group, "1").text
    with pytest.raises(Unauthenticated):
        await batch.provision("2")
    made = await batch.provision("1")
    assert batch.door.by_bearer(made.token or "", PEER).id == "1"
    with pytest.raises(AlreadyExists):
        await batch.provision("1")
    await batch.claims.revoke(ALICE, claim.claim_id)
    batch.token = derive_secret(group, "2").text
    with pytest.raises(Forbidden):
        await batch.provision("2")


async def test_there_is_something_to_be_had_while_a_claim_is_in_force(tmp_path: Path) -> None:
    batch = Batch(tmp_path)
    assert not batch.provisioning.is_open()
    await batch.claim()
    assert batch.provisioning.is_open()
    batch.clock.turn(366 * 86_400)
    assert not batch.provisioning.is_open()
