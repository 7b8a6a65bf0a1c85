"""Claim keys over DTLS: a visitor's leave, never a principal's proof."""

from pathlib import Path

import pytest
from tests.registry.batch import PEER, Batch
from tests.registry.support import ALICE, MAIN

from weft.errors import Unauthenticated
from weft.security.authentication import KeyOffer
from weft.security.claim_keys import NoClaims, Visit, identity_of
from weft.security.machine_secrets import derive_preshared, derive_secret, parse_secret


async def offered(batch: Batch, serial: str = "", peer: str = PEER) -> KeyOffer:
    """The key for a handshake in the name of the batch's claim."""
    secret = parse_secret(batch.token)
    assert secret is not None
    return batch.door.offer_psk(identity_of(secret.key_id, serial), peer)


def derived(batch: Batch, serial: str = "") -> bytes:
    """The key that a device of the batch was given in the factory."""
    secret = parse_secret(batch.token)
    assert secret is not None
    own = derive_secret(secret, serial) if serial else secret
    return derive_preshared(own).encode()


@pytest.mark.parametrize("serial", ["", "0042"])
async def test_pr_1_a_claims_key_proves_a_visit_and_no_principal(
    tmp_path: Path, serial: str
) -> None:
    """Of a batch its one key, of a group that of the serial; 32 characters for small stacks."""
    batch = Batch(tmp_path)
    claim = await batch.claim(group=bool(serial), prefix="pump-")
    offer = await offered(batch, serial)
    assert offer.key == derived(batch, serial)
    assert len(offer.key) == 32
    assert offer.key.decode() not in repr(offer) + repr(claim)
    visit = batch.door.prove_visit(offer, PEER)
    name = "pump-0042" if serial else ""
    assert visit == Visit(MAIN, claim.claim_id, serial, name)
    with pytest.raises(Unauthenticated):
        batch.door.prove_psk(offer, PEER)


async def test_a_key_is_there_after_a_restart(tmp_path: Path) -> None:
    """Sealed, and recovered."""
    batch = Batch(tmp_path)
    await batch.claim()
    await batch.claims.load()
    assert (await offered(batch)).key == derived(batch)


@pytest.mark.parametrize(("group", "serial"), [(True, ""), (False, "0042")], ids=["group", "batch"])
async def test_pr_1_an_identity_of_the_other_form_opens_nothing(
    tmp_path: Path, group: bool, serial: str
) -> None:
    """A group's token opens nothing over DTLS either; the owner reads which form it has."""
    batch = Batch(tmp_path)
    claim = await batch.claim(group=group)
    offer = await offered(batch, serial)
    assert offer.key not in {derived(batch), derived(batch, serial or "x")}
    batch.door.failed_psk(offer, PEER)
    assert "form" in batch.reasons(claim)[0]


async def test_pr_1_time_network_and_revocation_hold_in_the_handshake(tmp_path: Path) -> None:
    """Each is told the owner, and the right key does not help."""
    batch = Batch(tmp_path)
    claim = await batch.claim(networks=("10.20.0.0/16",))
    good = await offered(batch)
    other = await offered(batch, peer="10.30.0.1:9")
    assert other.key != derived(batch)
    batch.door.failed_psk(other, "10.30.0.1:9")
    assert "networks" in batch.reasons(claim)[0]
    await batch.claims.revoke(ALICE, claim.claim_id)
    assert (await offered(batch)).key != derived(batch)
    with pytest.raises(Unauthenticated):
        batch.door.prove_visit(good, PEER)
    assert "revoked" in batch.reasons(claim)[0]
    visit = good.visit
    assert visit is not None
    await batch.claims.delete(ALICE, claim.claim_id)
    assert "deleted" in batch.claims.why_closed(visit, "10.20.0.7")


async def test_pr_1_a_claim_that_is_over_opens_no_handshake(tmp_path: Path) -> None:
    """By our clock."""
    batch = Batch(tmp_path)
    await batch.claim()
    batch.clock.turn(31 * 86_400)
    assert (await offered(batch)).key != derived(batch)


async def test_au_5_guessing_a_claims_key_is_throttled_and_noted(tmp_path: Path) -> None:
    """For this serial and address; others of the batch come in."""
    batch = Batch(tmp_path)
    claim = await batch.claim(group=True, prefix="pump-")
    for _ in range(20):
        batch.door.failed_psk(await offered(batch, "1"), PEER)
    assert (await offered(batch, "1")).key != derived(batch, "1")
    assert (await offered(batch, "2")).key == derived(batch, "2")
    assert "claim's pre-shared key is wrong" in batch.reasons(claim)[0]
    assert len(batch.attempts.of_device(MAIN, "pump-1")) == 16


async def test_without_claims_no_name_is_one() -> None:
    """Where nobody provisions himself nothing is open."""
    assert NoClaims().find_key("abcdefgh") is None
    assert NoClaims().why_closed(Visit(MAIN, "abcdefgh"), "10.20.0.7")
