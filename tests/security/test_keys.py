from typing import Any

import msgspec
import pytest
from tests.security.support import ADMIN, MAIN, OTHER, PEER, SYSTEM, World

from weft.errors import Conflict, Forbidden, Invalid, NotFound, Unauthenticated
from weft.model.principal import Principal, PrincipalKind
from weft.security.filters import Direction, Grant
from weft.security.keys import KEYS, NewKey
from weft.security.machine_secrets import parse_secret

READER = NewKey("erp", scopes=("telemetry:read", "rules:*"))


async def test_cr_2_a_keys_secret_is_shown_once_and_not_stored(world: World) -> None:
    """The records hold its HMAC, the audit its name and scopes."""
    issued = await world.keys.create(ADMIN, READER)
    secret = parse_secret(issued.token)
    assert secret is not None
    stored = await world.records.read(lambda r: r.get(KEYS, MAIN, secret.key_id).value)
    assert secret.secret not in msgspec.json.encode(stored).decode()
    (record,) = await world.audit.list_records(MAIN)
    assert secret.secret not in msgspec.json.encode(record.value).decode()
    assert record.value.detail["scopes"] == ["rules:read", "rules:write", "telemetry:read"]


async def test_az_6_a_key_may_what_its_scopes_say(world: World) -> None:
    """And nothing of keys, users, policy or backups, whatever was asked for."""
    issued = await world.keys.create(ADMIN, READER)
    erp = world.door.by_bearer(issued.token, PEER)
    assert world.policy.decide(erp, "rule.write", "*").allowed
    assert world.policy.decide(erp, "telemetry.read", "*").allowed
    for action in ("device.read", "key.create", "user.invite", "backup.create", "policy.write"):
        assert not world.policy.decide(erp, action, "*").allowed


@pytest.mark.parametrize("kind", [PrincipalKind.KEY, PrincipalKind.DEVICE, PrincipalKind.RULE])
async def test_az_6_only_people_make_keys(world: World, kind: PrincipalKind) -> None:
    """A key never makes a key, even if a route forgot to ask the policy."""
    with pytest.raises(Forbidden):
        await world.keys.create(Principal(MAIN, kind, "x", "uid-x"), READER)


@pytest.mark.parametrize(
    "new",
    [
        NewKey("erp"),
        NewKey("+", scopes=("live:read",)),
        NewKey("erp", scopes=("users:write",)),
        NewKey("erp", scopes=("live:read",), life_s=0),
        NewKey("erp", grants=(Grant(Direction.BOTH, "a/#/b"),)),
        NewKey("erp", grants=(Grant(Direction.BOTH, "a"),) * 65),
    ],
)
async def test_a_key_that_makes_no_sense_is_refused(world: World, new: NewKey) -> None:
    """Nothing to do, a bad name, an unknown scope, over before it began, bad grants."""
    with pytest.raises(Invalid):
        await world.keys.create(ADMIN, new)
    assert await world.keys.list_keys(MAIN) == []


async def test_rv_1_a_revoked_key_is_cut_and_refused_for_good(world: World) -> None:
    """At once, and after a restart; a second revocation is told."""
    issued = await world.keys.create(ADMIN, READER)
    erp = world.door.by_bearer(issued.token, PEER)
    _, cuts = world.connect(erp)
    await world.keys.revoke(ADMIN, MAIN, issued.key.key_id)
    assert cuts == ["the key was revoked"]
    assert not world.policy.decide(erp, "rule.read", "*").allowed
    with pytest.raises(Conflict):
        await world.keys.revoke(ADMIN, MAIN, issued.key.key_id)
    await world.restart()
    with pytest.raises(Unauthenticated):
        world.door.by_bearer(issued.token, PEER)


async def test_a_key_works_after_a_restart_until_it_expires(world: World) -> None:
    """The index and the policy are read back."""
    issued = await world.keys.create(SYSTEM, NewKey("erp", scopes=("live:read",), life_s=3_600))
    await world.restart()
    proof = world.door.prove_bearer(issued.token, PEER)
    assert proof.expires_at == issued.key.expires_at
    assert world.policy.decide(proof.principal, "live.read", "*").allowed
    world.clock.turn(3_600)
    with pytest.raises(Unauthenticated):
        world.door.by_bearer(issued.token, PEER)


async def test_tn_1_a_key_of_another_tenant_is_not_found(world: World) -> None:
    """Neither to read nor to revoke."""
    issued = await world.keys.create(ADMIN, READER)
    assert (await world.keys.get(MAIN, issued.key.key_id)).name == "erp"
    calls: list[Any] = [
        world.keys.get(OTHER, issued.key.key_id),
        world.keys.revoke(ADMIN, OTHER, issued.key.key_id),
    ]
    for call in calls:
        with pytest.raises(NotFound):
            await call
    assert await world.keys.list_keys(OTHER) == []
    assert len(await world.keys.list_keys(MAIN)) == 1


async def test_az_5_an_expired_key_has_no_rights_where_it_acts_unasked(world: World) -> None:
    """It owns a subscription and never proves itself again; also after a restart."""
    issued = await world.keys.create(ADMIN, NewKey("erp", scopes=("telemetry:read",), life_s=60))
    erp = world.door.by_bearer(issued.token, PEER)
    world.clock.turn(59)
    world.keys.end_due()
    assert world.policy.decide(erp, "telemetry.read", "*").allowed
    world.clock.turn(1)
    world.keys.end_due()
    assert not world.policy.decide(erp, "telemetry.read", "*").allowed
    await world.keys.load()
    assert not world.policy.decide(erp, "telemetry.read", "*").allowed
