"""Claims: one secret for a batch, within its time, number and networks."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.registry.batch import Batch
from tests.registry.support import ALICE, MALLORY

from weft.errors import Conflict, Invalid, NotFound
from weft.model.ids import TypeName
from weft.model.moments import NS_PER_S, to_rfc3339
from weft.registry.claims import Claim, Claims, NewClaim
from weft.security.machine_secrets import parse_secret


async def test_the_token_is_kept_nowhere_in_clear(tmp_path: Path) -> None:
    """Who steals the database gets no claim with it."""
    batch = Batch(tmp_path)
    claim = await batch.claim()
    secret = parse_secret(batch.token)
    assert secret is not None
    assert secret.secret not in repr(claim)
    assert batch.claims.find_secret(secret, "1") == claim


async def test_claims_are_there_after_a_restart(tmp_path: Path) -> None:
    """The factory does not flash its devices again because a server restarted."""
    batch = Batch(tmp_path)
    claim = await batch.claim()
    again = Claims(batch.records, batch.audit, batch.clock, b"p" * 32, batch.vault)
    await again.load()
    secret = parse_secret(batch.token)
    assert secret is not None
    assert again.find_secret(secret, "1") == claim
    assert [one.claim_id for one in again.list(claim.tenant)] == [claim.claim_id]


async def test_a_claim_of_another_tenant_is_not_there(tmp_path: Path) -> None:
    """It is neither shown nor ended."""
    batch = Batch(tmp_path)
    claim = await batch.claim()
    with pytest.raises(NotFound):
        batch.claims.get(MALLORY.tenant, claim.claim_id)
    with pytest.raises(NotFound):
        await batch.claims.revoke(MALLORY, claim.claim_id)
    with pytest.raises(NotFound):
        await batch.claims.delete(MALLORY, claim.claim_id)
    assert batch.claims.list(MALLORY.tenant) == []


async def test_revoking_is_once_and_for_good(tmp_path: Path) -> None:
    """Each is on record; a count that comes in late does not open it again."""
    batch = Batch(tmp_path)
    claim = await batch.claim()
    ended = await batch.claims.revoke(ALICE, claim.claim_id)
    assert ended.revoked_at is not None
    batch.claims.told(claim)
    assert batch.claims.get(claim.tenant, claim.claim_id).revoked_at == ended.revoked_at
    with pytest.raises(Conflict):
        await batch.claims.revoke(ALICE, claim.claim_id)
    await batch.claims.delete(ALICE, claim.claim_id)
    assert batch.audit.actions() == ["claim.create", "claim.revoke", "claim.delete"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ({"networks": ("10.1.0.0/8",)}, "10.1.0.0/8"),
        ({"networks": ("here",)}, "here"),
        ({"start": "2030-01-02T00:00:00Z", "end": "2030-01-01T00:00:00Z"}, "empty or over"),
        ({"end": "1999-01-01T00:00:00Z"}, "empty or over"),
        ({"prefix": "a b"}, "prefix"),
        ({"name": "#"}, "claim name"),
    ],
)
async def test_a_claim_that_could_open_nothing_is_not_made(
    tmp_path: Path, words: dict[str, str], told: str
) -> None:
    """What is wrong is named, before the batch is built with it."""
    batch = Batch(tmp_path)
    with pytest.raises(Invalid, match=told):
        await batch.claim(**words)


async def test_a_type_that_is_not_there_is_told(tmp_path: Path) -> None:
    """Not by the first device, in the field."""
    with pytest.raises(NotFound, match="pump"):
        await Batch(tmp_path).claim(type_name="pump")


async def test_without_an_end_it_ends_after_thirty_days(tmp_path: Path) -> None:
    """A claim that is forgotten in a drawer is not one for ever."""
    batch = Batch(tmp_path)
    claim = await batch.claim()
    assert claim.ends_at - claim.starts_at == 30 * 86_400 * NS_PER_S
    assert claim.why_not("10.0.0.1", claim.ends_at - 1) == ""
    assert "over" in claim.why_not("10.0.0.1", claim.ends_at)


async def test_a_claim_may_begin_later(tmp_path: Path) -> None:
    """When the batch is on site, not when it is built."""
    batch = Batch(tmp_path)
    start = batch.clock.now() + 60 * NS_PER_S
    claim = await batch.claim(start=to_rfc3339(start))
    assert "not begun" in claim.why_not("10.0.0.1", start - 1)
    assert claim.why_not("10.0.0.1", start) == ""


@given(address=st.ip_addresses(v=4), bits=st.integers(min_value=0, max_value=32))
def test_an_address_counts_however_it_is_written(address: object, bits: int) -> None:
    """IPv4 within IPv6 is the same address; what is no address is nowhere."""
    import ipaddress  # noqa: PLC0415  only here

    network = str(ipaddress.ip_network((str(address), bits), strict=False))
    claim = _claim((network,))
    assert claim.why_not(str(address), 1) == ""
    assert claim.why_not(f"::ffff:{address}", 1) == ""
    assert claim.why_not("somewhere", 1) != ""
    assert claim.why_not("2001:db8::1", 1) != ""


def _claim(networks: tuple[str, ...]) -> Claim:
    return Claim(
        tenant=ALICE.tenant,
        claim_id="c",
        uid="u",
        name="n",
        type_name=TypeName("t"),
        prefix="",
        count=1,
        starts_at=0,
        ends_at=2,
        networks=networks,
        approve=True,
        digest="",
        created_at=0,
        created_by="alice",
    )


def test_a_new_claim_lets_nobody_in_unless_that_is_said() -> None:
    """Approval by hand is what one gets without thinking of it."""
    assert NewClaim("pumps", 3).approve is False


async def test_whether_any_claim_is_in_force_is_known_at_each_moment(tmp_path: Path) -> None:
    """A door that is open to the unnamed closes as soon as nothing is behind it."""
    batch = Batch(tmp_path)
    assert not batch.claims.any_in_force(batch.clock.now())
    claim = await batch.claim()
    assert batch.claims.any_in_force(batch.clock.now())
    assert not batch.claims.any_in_force(claim.starts_at - 1)
    assert not batch.claims.any_in_force(claim.ends_at)
    await batch.claims.revoke(ALICE, claim.claim_id)
    assert not batch.claims.any_in_force(batch.clock.now())
