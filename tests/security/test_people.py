from typing import Any

import pytest
from tests.security.support import ADMIN, MAIN, OTHER, PEER, SYSTEM, World

from weft.errors import (
    AlreadyExists,
    Conflict,
    Forbidden,
    Invalid,
    NotFound,
    StorageError,
    Unauthenticated,
)
from weft.model.principal import Principal, PrincipalKind
from weft.security.actions import Role
from weft.security.machine_secrets import make_secret
from weft.security.sessions import SignedIn

HASH = "$argon2id$stored"


async def test_id_3_the_first_administrator_comes_by_a_link_that_works_once(world: World) -> None:
    """The second use, and any use after ten minutes, is refused."""
    assert await world.people.is_empty()
    token = await world.people.invite_first(SYSTEM, MAIN)
    late = await world.people.invite_first(SYSTEM, MAIN)
    user = await world.people.accept(token, "Ada", HASH)
    assert set(user.roles) == {Role.PLATFORM_ADMIN, Role.TENANT_ADMIN}
    assert (user.tenant, user.user_id) == (MAIN, "ada")
    assert world.policy.decide(user.principal, "tenant.create", "*").allowed
    assert not await world.people.is_empty()
    with pytest.raises(Unauthenticated):
        await world.people.accept(token, "eve", HASH)
    world.clock.turn(600)
    with pytest.raises(Unauthenticated):
        await world.people.accept(late, "eve", HASH)


async def test_id_3_links_of_earlier_starts_end_with_the_first_sign_up(world: World) -> None:
    """Each start prints one; what scrolled away on a terminal makes no second administrator."""
    earlier = await world.people.invite_first(SYSTEM, MAIN)
    token = await world.people.invite_first(SYSTEM, MAIN)
    await world.people.accept(token, "Ada", HASH)
    with pytest.raises(Unauthenticated):
        await world.people.accept(earlier, "eve", HASH)
    later = await world.people.invite_first(SYSTEM, MAIN)  # the machine's own may make more
    assert (await world.people.accept(later, "bob", HASH)).user_id == "bob"


async def test_id_3_nobody_but_the_machine_makes_an_administrator_from_nothing(
    world: World,
) -> None:
    """A user, a key or a device that finds the function."""
    for kind in (PrincipalKind.USER, PrincipalKind.KEY, PrincipalKind.DEVICE):
        with pytest.raises(Forbidden):
            await world.people.invite_first(Principal(MAIN, kind, "x", "uid-x"), MAIN)


async def test_a_link_is_used_up_even_by_two_at_once(world: World) -> None:
    """Both have passed the check; the transaction lets one through."""
    token = await world.people.invite(SYSTEM, [Role.VIEWER])
    await world.people.check_invitation(token)
    await world.people.accept(token, "ada", HASH)
    with pytest.raises(Unauthenticated):
        await world.people.accept(token, "bob", HASH)


async def test_a_failed_sign_up_leaves_the_link(world: World) -> None:
    """The name is taken: choose another, with the same link."""
    await world.user("ada")
    token = await world.people.invite(SYSTEM, [Role.VIEWER])
    with pytest.raises(AlreadyExists):
        await world.people.accept(token, "ADA", HASH)
    assert (await world.people.accept(token, "bob", HASH)).user_id == "bob"


async def test_id_1_who_comes_back_under_a_name_is_somebody_else(world: World) -> None:
    """ada is deleted and another ada signs up: the old sessions stay dead."""
    old = await world.user("ada", Role.TENANT_ADMIN)
    signed_in = await world.sessions.open(old.principal, "")
    await world.people.delete(ADMIN, "ada")
    new = await world.user("ada")
    assert new.uid != old.uid
    assert not world.policy.decide(old.principal, "device.read", "*").allowed
    for _ in ("at once", "after a restart"):
        with pytest.raises(Unauthenticated):
            world.door.by_bearer(signed_in.access_token, PEER)
        await world.restart()
    with pytest.raises(NotFound):
        await world.people.delete(ADMIN, "eve")


async def test_au_8_disabling_ends_everything_at_once(world: World) -> None:
    """Sessions, connections and rights, in one transaction with its record."""
    user = await world.user("ada", Role.OPERATOR)
    signed_in = await world.sessions.open(user.principal, "")
    _, cuts = world.connect(user.principal)
    await world.people.disable(ADMIN, "ada")
    assert cuts == ["the user was disabled"]
    assert not world.policy.decide(user.principal, "device.read", "*").allowed
    with pytest.raises(Unauthenticated):
        world.door.by_bearer(signed_in.access_token, PEER)
    with pytest.raises(Unauthenticated):
        await world.sessions.refresh(signed_in.refresh_token)
    await world.restart()
    assert not world.policy.decide(user.principal, "device.read", "*").allowed
    (record,) = await world.audit.list_records(MAIN, where=("action", "user.disable"))
    assert (record.value.actor, record.value.target) == ("ada", "user:ada")


async def test_an_enabled_user_has_the_rights_back(world: World) -> None:
    """And signs in again: the old sessions are gone."""
    user = await world.user("ada")
    await world.people.disable(ADMIN, "ada")
    with pytest.raises(NotFound):
        await world.people.enable(ADMIN, "bob")
    enabled = await world.people.enable(ADMIN, "ada")
    assert enabled.disabled_at is None
    assert world.policy.decide(user.principal, "device.read", "*").allowed
    with pytest.raises(Conflict):
        await world.people.enable(ADMIN, "ada")


async def test_al_4_a_user_is_not_disabled_when_it_cannot_be_recorded(world: World) -> None:
    """The disk is full: it is said, and nothing is half done."""
    user = await world.user("ada")
    _, cuts = world.connect(user.principal)
    world.records.full = StorageError("The disk is full.")
    with pytest.raises(StorageError):
        await world.people.disable(ADMIN, "ada")
    assert cuts == []
    assert world.policy.decide(user.principal, "device.read", "*").allowed


async def test_rv_2_a_change_of_roles_counts_from_the_next_decision(world: World) -> None:
    """An operator becomes a viewer; the session goes on with less."""
    user = await world.user("ada", Role.OPERATOR)
    assert world.policy.decide(user.principal, "command.send", "device:x").allowed
    root = await world.user("root", Role.PLATFORM_ADMIN)
    await world.people.set_roles(root.principal, "ada", [Role.VIEWER])
    assert not world.policy.decide(user.principal, "command.send", "device:x").allowed
    await world.restart()
    assert not world.policy.decide(user.principal, "command.send", "device:x").allowed


async def test_a_session_that_has_ended_changes_no_password(world: World) -> None:
    """Signed out elsewhere while the old password was proven: the hash stays as it was."""
    user = await world.user("ada")
    mine = await world.sessions.open(user.principal, "")
    own = world.door.prove_bearer(mine.access_token, PEER).credential_id
    await world.sessions.end(MAIN, own)
    with pytest.raises(Unauthenticated):
        await world.people.set_password_hash(user, "$argon2id$other", keep=own)
    assert await world.people.get(MAIN, "ada") == user


async def test_the_session_that_changes_a_password_goes_on(world: World) -> None:
    """With other secrets, also behind a restart; the others end, with their number on record."""
    user = await world.user("ada")
    mine = await world.sessions.open(user.principal, "")
    other = await world.sessions.open(user.principal, "")
    own = world.door.prove_bearer(mine.access_token, PEER).credential_id
    done = await world.people.set_password_hash(user, "$argon2id$other", keep=own)
    assert done.ended == 1
    assert isinstance(done.kept, SignedIn)
    for restarted in (False, True):
        if restarted:
            await world.restart()
        assert world.door.by_bearer(done.kept.access_token, PEER).id == "ada"
        for one in (mine, other):
            with pytest.raises(Unauthenticated):
                world.door.by_bearer(one.access_token, PEER)
            with pytest.raises(Unauthenticated):
                await world.sessions.refresh(one.refresh_token)
    assert (await world.sessions.refresh(done.kept.refresh_token)).principal == user.principal
    assert world.policy.decide(user.principal, "device.read", "*").allowed
    records = await world.audit.list_records(MAIN)
    (entry,) = [one.value for one in records if one.value.action == "user.password"]
    assert entry.detail == {"sessions_ended": 1}


async def test_az_6_nobody_gives_more_than_they_have(world: World) -> None:
    """A tenant's administrator makes no platform administrator, here or elsewhere."""
    admin = (await world.user("ada", Role.TENANT_ADMIN)).principal
    key = Principal(MAIN, PrincipalKind.KEY, "erp", "uid-erp")
    calls: list[Any] = [
        world.people.invite(admin, [Role.PLATFORM_ADMIN]),
        world.people.invite(admin, [Role.VIEWER], tenant=OTHER),
        world.people.set_roles(admin, "ada", [Role.PLATFORM_ADMIN]),
        world.people.invite(key, [Role.VIEWER]),
    ]
    for call in calls:
        with pytest.raises(Forbidden):
            await call
    assert await world.people.invite(admin, [Role.OPERATOR])


async def test_a_platform_administrator_invites_into_any_tenant(world: World) -> None:
    """The record stands in the chain of the tenant that it concerns."""
    root = (await world.user("root", Role.PLATFORM_ADMIN)).principal
    token = await world.people.invite(root, [Role.TENANT_ADMIN], tenant=OTHER)
    user = await world.people.accept(token, "olga", HASH)
    assert user.tenant == OTHER
    found = await world.audit.list_records(OTHER)
    assert [r.value.action for r in found] == ["user.sign_up", "user.invite"]


async def test_tn_1_a_user_of_another_tenant_is_not_found(world: World) -> None:
    """Not told apart from one that does not exist."""
    await world.user("olga", tenant=OTHER)
    for call in (world.people.get(MAIN, "olga"), world.people.disable(ADMIN, "olga")):
        with pytest.raises(NotFound):
            await call
    assert await world.people.list_users(MAIN) == []
    assert [u.user_id for u in await world.people.list_users(OTHER)] == ["olga"]


@pytest.mark.parametrize("name", ["", "+", "#", "a/b", "a b", "a\0", "a\n", "-x", "é", "x" * 129])
async def test_mq_3_a_name_that_could_be_a_pattern_is_refused(world: World, name: str) -> None:
    """It ends up in topics, paths and log lines."""
    token = await world.people.invite(SYSTEM, [Role.VIEWER])
    with pytest.raises(Invalid):
        await world.people.accept(token, name, HASH)


async def test_an_invitation_makes_sense(world: World) -> None:
    """Some role, and a life of a week at most."""
    for roles, life_s in (([], 600), ([Role.VIEWER], 0), ([Role.VIEWER], 10**6)):
        with pytest.raises(Invalid):
            await world.people.invite(SYSTEM, roles, life_s=life_s)


@pytest.mark.parametrize("token", ["", "x", make_secret().text], ids=["none", "short", "other"])
async def test_what_is_no_link_is_refused(world: World, token: str) -> None:
    """The same words for all."""
    with pytest.raises(Unauthenticated, match="not valid, has expired, or was used"):
        await world.people.check_invitation(token)


async def test_expired_links_are_removed(world: World) -> None:
    """By the next invitation."""
    await world.people.invite(SYSTEM, [Role.VIEWER])
    world.clock.turn(600)
    await world.people.invite(SYSTEM, [Role.VIEWER])
    rows = [t for (name, _), t in world.records._tables.items() if name == "invitation"]
    assert [len(table) for table in rows] == [1]
