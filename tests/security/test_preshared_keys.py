"""Pre-shared keys: sealed, shown once, and no name gives away whether it is there."""

import msgspec
import pytest
from tests.security.support import MAIN, PEER, SYSTEM, World, device

from weft.errors import QuotaExceeded, Unauthenticated
from weft.model.principal import Principal, PrincipalKind
from weft.security.credentials import CREDENTIALS, PER_DEVICE_MAX


async def test_cr_2_a_pre_shared_key_is_sealed_at_rest(world: World) -> None:
    """Neither the records nor the audit nor a repr holds it; the vault gives it back."""
    issued = await world.preshared.issue(SYSTEM, device(), label="first")
    assert len(issued.key) == 32
    stored = await world.records.read(
        lambda r: r.get(CREDENTIALS, MAIN, issued.credential.credential_id).value
    )
    (record,) = await world.audit.list_records(MAIN)
    shown = [msgspec.json.encode(stored).decode(), msgspec.json.encode(record.value).decode()]
    found = world.preshared.find(issued.credential.credential_id)
    assert found.key == issued.key.encode()
    for text in (*shown, repr(issued), repr(found), repr(world.door.offer_psk("x", PEER))):
        assert issued.key not in text


async def test_id_4_a_handshake_with_the_key_is_the_device(world: World) -> None:
    """Also after a restart: the key is recovered, not remembered."""
    pump = device()
    issued = await world.preshared.issue(SYSTEM, pump)
    for _ in ("at once", "after a restart"):
        offer = world.door.offer_psk(issued.credential.credential_id, PEER)
        assert offer.key == issued.key.encode()
        proof = world.door.prove_psk(offer, PEER)
        assert proof.principal == Principal(MAIN, PrincipalKind.DEVICE, "pump-7", pump.uid)
        await world.restart()


@pytest.mark.parametrize("name", ["", "nobody", "é" * 60, "pump-7"])
async def test_au_5_an_unknown_name_gets_a_key_that_nobody_has(world: World, name: str) -> None:
    """The same at every try, so that names cannot be told from keys."""
    await world.preshared.issue(SYSTEM, device())
    offer = world.door.offer_psk(name, PEER)
    assert offer.key == world.door.offer_psk(name, PEER).key
    assert len(offer.key) == 32
    with pytest.raises(Unauthenticated):
        world.door.prove_psk(offer, PEER)


async def test_another_kinds_id_is_no_name_of_a_key(world: World) -> None:
    """The key id of a secret opens nothing here, and that of a key nothing there."""
    secret = await world.credentials.issue_secret(SYSTEM, device())
    assert world.preshared.find(secret.credential.credential_id).credential is None


async def test_rv_3_two_keys_are_valid_while_one_replaces_the_other(world: World) -> None:
    """Rotation without down time; the old one is dead after its revocation."""
    pump = device()
    old = await world.preshared.issue(SYSTEM, pump)
    new = await world.preshared.issue(SYSTEM, pump)
    offers = [world.door.offer_psk(i.credential.credential_id, PEER) for i in (old, new)]
    assert world.door.prove_psk(offers[0], PEER) != world.door.prove_psk(offers[1], PEER)
    await world.credentials.revoke(SYSTEM, pump, old.credential.credential_id)
    assert world.door.offer_psk(old.credential.credential_id, PEER).credential is None
    with pytest.raises(Unauthenticated):
        world.door.prove_psk(offers[0], PEER)  # revoked while the handshake was under way
    world.door.prove_psk(offers[1], PEER)


async def test_a_key_expires(world: World) -> None:
    """By our clock, before and during a handshake."""
    issued = await world.preshared.issue(SYSTEM, device(), life_s=60)
    offer = world.door.offer_psk(issued.credential.credential_id, PEER)
    assert world.door.prove_psk(offer, PEER).expires_at == issued.credential.expires_at
    world.clock.turn(60)
    with pytest.raises(Unauthenticated):
        world.door.prove_psk(offer, PEER)
    assert world.preshared.find(issued.credential.credential_id).credential is None


async def test_a_device_holds_so_many_keys(world: World) -> None:
    """With its other credentials."""
    pump = device()
    for _ in range(PER_DEVICE_MAX):
        await world.preshared.issue(SYSTEM, pump)
    with pytest.raises(QuotaExceeded):
        await world.preshared.issue(SYSTEM, pump)


async def test_au_5_guessing_is_throttled_and_noted(world: World) -> None:
    """After too many failures from one address the right key does not help from there."""
    issued = await world.preshared.issue(SYSTEM, device())
    name = issued.credential.credential_id
    for _ in range(20):
        world.door.failed_psk(world.door.offer_psk(name, PEER), PEER)
    throttled = world.door.offer_psk(name, PEER)
    assert throttled.key != issued.key.encode()
    assert "too many" in throttled.reason.text
    assert world.door.offer_psk(name, "198.51.100.9:1").key == issued.key.encode()
    noted = world.door.attempts.of_device(MAIN, "pump-7")
    assert noted
    assert "pre-shared key is wrong" in noted[0].reason


async def test_a_key_that_does_not_open_is_nobodys(world: World) -> None:
    """The tenant's data keys were destroyed: its devices cannot come in, and nothing breaks."""
    issued = await world.preshared.issue(SYSTEM, device())
    await world.vault.erase_tenant(MAIN)
    assert world.preshared.find(issued.credential.credential_id).credential is None
