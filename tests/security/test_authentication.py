from typing import Any

import pytest
from tests.security.support import ADMIN, MAIN, OTHER, PEER, SYSTEM, World, device

from weft.errors import Forbidden, RateLimited, Unauthenticated
from weft.model.ids import TenantId
from weft.model.principal import Principal, PrincipalKind
from weft.security.authentication import NOBODY, REASON_MAX_CHARACTERS, REFUSED, REMEDY, Proof
from weft.security.filters import Direction, Grant
from weft.security.keys import NewKey
from weft.security.machine_secrets import make_secret
from weft.security.reasons import KEY_OVER

DEFAULTS = [
    ("admin", "admin"),
    ("admin", "password"),
    ("admin", "public"),
    ("root", "root"),
    ("guest", "guest"),
    ("weft", "weft"),
    ("tenant@thingsboard.org", "tenant"),
    ("test", "test"),
    (None, ""),
    ("", ""),
    ("anonymous", ""),
]


@pytest.mark.parametrize(("name", "password"), DEFAULTS)
def test_id_3_no_default_account_and_no_anonymous(
    world: World, name: str | None, password: str
) -> None:
    """A fresh start knows nobody (AU-1)."""
    with pytest.raises(Unauthenticated):
        world.door.by_secret(name, password, PEER)
    with pytest.raises(Unauthenticated):
        world.door.by_bearer(password, PEER)


async def test_id_4_the_credential_alone_says_who_it_is(world: World) -> None:
    """By name and token, by token alone, by token as the name, by bearer, by credential id."""
    pump = device()
    issued = await world.credentials.issue_secret(SYSTEM, pump)
    expected = Principal(MAIN, PrincipalKind.DEVICE, "pump-7", pump.uid)
    token = issued.token
    assert world.door.by_secret("pump-7", token, PEER) == expected
    assert world.door.by_secret("pump-7", token.encode(), PEER) == expected
    assert world.door.by_secret(None, token, PEER) == expected
    assert world.door.by_secret(token, "", PEER) == expected
    assert world.door.by_secret(issued.credential.credential_id, token, PEER) == expected
    assert world.door.by_bearer(token, PEER) == expected


@pytest.mark.parametrize("name", ["pump-8", "PUMP-7", "pump-7 ", "+", "#", "pump-7\0", "main"])
async def test_id_4_a_name_that_is_not_the_credentials_own_is_refused(
    world: World, name: str
) -> None:
    """dB's name with dA's secret is neither of them."""
    issued = await world.credentials.issue_secret(SYSTEM, device())
    with pytest.raises(Unauthenticated):
        world.door.by_secret(name, issued.token, PEER)


async def test_tn_1_the_tenant_comes_from_the_credential(world: World) -> None:
    """Two tenants have a pump-7 each; neither can be taken for the other."""
    here, there = device(), device("pump-7", OTHER)
    one = await world.credentials.issue_secret(SYSTEM, here)
    two = await world.credentials.issue_secret(SYSTEM, there)
    assert world.door.by_secret("pump-7", one.token, PEER).tenant == MAIN
    assert world.door.by_secret("pump-7", two.token, PEER).tenant == OTHER


async def test_id_4_a_certificate_is_its_keys_device(certified: World) -> None:
    """The same principal as by secret: one identity, two proofs."""
    pump = device()
    issued = await certified.credentials.issue_certificate(SYSTEM, pump)
    proof = certified.door.prove_certificate(issued.certificate.der, PEER)
    assert proof.principal == Principal(MAIN, PrincipalKind.DEVICE, "pump-7", pump.uid)
    assert proof.expires_at == issued.certificate.expires_at
    assert certified.door.by_certificate(issued.certificate.der, PEER) == proof.principal


def wrong_proofs(world: World) -> list[Any]:
    door = world.door
    return [
        lambda: door.by_secret("pump-7", "x", PEER),
        lambda: door.by_secret("pump-7", make_secret().text, PEER),
        lambda: door.by_secret("pump-8", b"\xff\xfe", PEER),
        lambda: door.by_secret("a" * 70_000, "b" * 70_000, PEER),
        lambda: door.by_certificate(b"x", PEER),
        lambda: door.by_bearer("x" * 1_000_000, PEER),
        lambda: door.by_bearer("a.b.c", PEER),
        lambda: door.by_bearer(make_secret().text, PEER),
    ]


def test_au_5_every_refusal_reads_the_same(world: World) -> None:
    """Unknown, wrong, malformed or enormous: the peer learns nothing from the answer."""
    for proof in wrong_proofs(world):
        with pytest.raises(Unauthenticated) as caught:
            proof()
        assert caught.value.detail == REFUSED
        assert caught.value.__cause__ is None


async def test_the_owner_reads_why_a_connection_failed(world: World) -> None:
    """The reason that the peer was not told."""
    issued = await world.credentials.issue_secret(SYSTEM, device(), life_s=1)
    with pytest.raises(Unauthenticated):
        world.door.by_secret("pump-8", issued.token, PEER)
    world.clock.turn(1)
    with pytest.raises(Unauthenticated):
        world.door.by_secret("pump-7", issued.token, PEER)
    with pytest.raises(Unauthenticated):
        world.door.by_secret("pump-7", "hunter2", PEER)
    (mismatch,) = world.door.attempts.of_device(MAIN, "pump-8")
    (expired,) = world.door.attempts.of_device(MAIN, "pump-7")
    assert "user name" in mismatch.reason
    assert "expired" in expired.reason
    nobodys = world.door.attempts.of_device(TenantId(""), "pump-7")
    assert ["mistyped" in attempt.reason for attempt in nobodys] == [True]


async def test_al_1_no_token_stands_in_the_log_of_attempts(world: World) -> None:
    """Whatever field it was put into, right or wrong."""
    issued = await world.credentials.issue_secret(SYSTEM, device())
    for name, password in ((issued.token, "x"), ("x", issued.token), (issued.token[:-1], "")):
        with pytest.raises(Unauthenticated):
            world.door.by_secret(name, password, PEER)
    world.door.by_secret(issued.token, "", PEER)
    secret = issued.token.split("_", 2)[2]
    assert secret[:40] not in repr(vars(world.door.attempts))


async def test_au_5_a_flood_on_one_device_is_not_evaluated_and_the_device_gets_in(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thousand wrong secrets with a known key id, from one address."""
    issued = await world.credentials.issue_secret(SYSTEM, device())
    key_id = issued.credential.credential_id
    evaluated = 0
    find_secret = world.credentials.find_secret

    def counting(secret: Any) -> Any:
        nonlocal evaluated
        evaluated += 1
        return find_secret(secret)

    monkeypatch.setattr(world.credentials, "find_secret", counting)
    for _ in range(1_000):
        forged = type(make_secret())(key_id, make_secret().secret).text
        with pytest.raises(Unauthenticated):
            world.door.by_secret("pump-7", forged, PEER)
    assert evaluated <= 100
    assert world.door.by_secret("pump-7", issued.token, "198.51.100.1:1").id == "pump-7"
    world.clock.turn(30)
    assert world.door.by_secret("pump-7", issued.token, PEER).id == "pump-7"


async def test_au_2_a_service_key_and_a_person_come_through_the_same_door(world: World) -> None:
    """By bearer, and a key by name and password over MQTT too."""
    grants = (Grant(Direction.SUBSCRIBE, "devices/+/telemetry"),)
    key = await world.keys.create(ADMIN, NewKey("erp", grants=grants))
    expected = Principal(MAIN, PrincipalKind.KEY, key.key.key_id, key.key.uid)
    assert world.door.by_bearer(key.token, PEER) == expected
    assert world.door.by_secret(key.key.key_id, key.token, PEER) == expected

    user = await world.user("ada")
    signed_in = await world.sessions.open(user.principal, "")
    proof = world.door.prove_bearer(signed_in.access_token, PEER)
    assert proof.principal == user.principal
    assert proof.expires_at == world.clock.now() + 600 * 10**9
    with pytest.raises(Unauthenticated):  # an access token is no MQTT password
        world.door.by_secret("ada", signed_in.access_token, PEER)


async def test_rv_2_a_suspended_device_is_refused_at_the_door(certified: World) -> None:
    """By secret and by certificate, until it is active again; its owner reads why."""
    world, pump = certified, device()
    token = (await world.credentials.issue_secret(SYSTEM, pump)).token
    der = (await world.credentials.issue_certificate(SYSTEM, pump)).certificate.der
    world.revocation.device_changed(MAIN, pump.uid, active=False)
    for proof in (
        lambda: world.door.by_secret("pump-7", token, PEER),
        lambda: world.door.by_bearer(token, PEER),
        lambda: world.door.by_certificate(der, PEER),
    ):
        with pytest.raises(Unauthenticated, match=REFUSED):
            proof()
    assert "not active" in world.door.attempts.of_device(MAIN, "pump-7")[0].reason
    world.revocation.device_changed(MAIN, pump.uid, active=True)
    assert world.door.by_certificate(der, PEER) == world.door.by_secret("pump-7", token, PEER)


async def test_why_a_proven_device_was_not_let_in_stands_with_its_attempts(world: World) -> None:
    """As the newest one; a service key has no place there, and what is long is cut."""
    issued = await world.credentials.issue_secret(SYSTEM, device())
    proof = world.door.prove_secret("pump-7", issued.token, PEER)
    error = RateLimited("pump-7 connects too often.", retry_after_s=2.0, remedy="Wait 2.0 s.")
    world.door.turned_away(proof, PEER, error)
    key = Proof(Principal(MAIN, PrincipalKind.KEY, "pump-7", "uid-key"), "key")
    world.door.turned_away(key, PEER, error)
    refused, proven = world.door.attempts.of_device(MAIN, "pump-7")
    assert (refused.accepted, proven.accepted) == (False, True)
    assert (refused.reason, refused.remedy) == ("pump-7 connects too often", "Wait 2.0 s.")
    assert world.door.attempts.of_address(MAIN, "192.0.2.7") == [refused]
    world.door.turned_away(proof, PEER, Forbidden("x" * 70_000))
    assert len(world.door.attempts.of_device(MAIN, "pump-7")[0].reason) == REASON_MAX_CHARACTERS


@pytest.mark.parametrize("how", ["one", "all"])
async def test_a_revoked_secret_is_told_its_owner_as_revoked(world: World, how: str) -> None:
    """The peer reads what it always reads; after a restart too. Deleted, it is nobody's."""
    pump = device()
    issued = await world.credentials.issue_secret(SYSTEM, pump)
    if how == "one":
        await world.credentials.revoke(SYSTEM, pump, issued.credential.credential_id)
    else:
        ended = await world.records.write(lambda w: world.credentials.revoke_all_in(w, pump))
        world.credentials.revoked(pump, ended)
    for _ in ("at once", "after a restart"):
        with pytest.raises(Unauthenticated) as caught:
            world.door.by_bearer(issued.token, PEER)
        assert (caught.value.detail, caught.value.remedy) == (REFUSED, REMEDY)
        (found,) = world.door.attempts.of_device(MAIN, "pump-7")
        assert found.reason.startswith("the credential was revoked on 2026-")
        assert world.door.attempts.of_device(NOBODY, "(unnamed)") == []
        await world.restart()
    world.credentials.forget(pump)
    with pytest.raises(Unauthenticated):
        world.door.by_bearer(issued.token, PEER)
    assert world.door.attempts.of_device(MAIN, "pump-7") == []


async def test_a_revoked_certificate_or_key_is_told_its_owner_as_revoked(certified: World) -> None:
    """By its public key, or by the name that goes with it, whatever the key."""
    world, pump = certified, device()
    identity = await world.credentials.issue_certificate(SYSTEM, pump)
    key = await world.preshared.issue(SYSTEM, pump)
    for one in (identity.credential, key.credential):
        await world.credentials.revoke(SYSTEM, pump, one.credential_id)
    with pytest.raises(Unauthenticated):
        world.door.by_certificate(identity.certificate.der, PEER)
    name = key.credential.credential_id
    world.door.failed_psk(world.door.offer_psk(name, PEER), PEER)
    found = world.door.attempts.of_device(MAIN, "pump-7")
    assert len(found) == 2
    assert all("revoked on" in one.reason for one in found)


async def test_an_expired_key_is_told_its_owner_as_expired(certified: World) -> None:
    """Not as one that nobody has ever made."""
    world = certified
    key = await world.preshared.issue(SYSTEM, device(), life_s=60)
    world.clock.turn(61)
    name = key.credential.credential_id
    world.door.failed_psk(world.door.offer_psk(name, PEER), PEER)
    (found,) = world.door.attempts.of_device(MAIN, "pump-7")
    assert found.reason == KEY_OVER.text


async def test_an_expired_certificate_says_when_it_has_expired(certified: World) -> None:
    """Not that it may be one of three things."""
    world = certified
    issued = await world.credentials.issue_certificate(SYSTEM, device())
    world.clock.turn(91 * 24 * 3600)
    with pytest.raises(Unauthenticated):
        world.door.by_certificate(issued.certificate.der, PEER)
    (found,) = world.door.attempts.of_device(MAIN, "pump-7")
    assert "expired on" in found.reason
