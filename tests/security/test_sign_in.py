import asyncio
from typing import Any

import msgspec
import pytest
from tests.security.support import ADMIN, MAIN, PASSWORD, PEER, SYSTEM, World

from weft.errors import Forbidden, Invalid, RateLimited, Unauthenticated
from weft.security.secrets import PLATFORM
from weft.security.sessions import SignedIn

OTHER_PEER = "198.51.100.1:1"
NEW = "onyx kettle seventeen lamp"


async def sign_up(world: World, name: str = "ada") -> Any:
    token = await world.people.invite_first(SYSTEM, MAIN)
    return await world.sign_in.sign_up(token, name, PASSWORD, PEER)


async def test_id_3_from_an_empty_folder_to_a_session(world: World) -> None:
    """The link, a password, in; then out, and in again with the password."""
    first = await sign_up(world)
    proof = world.door.prove_bearer(first.access_token, PEER)
    await world.sign_in.sign_out(proof.principal, proof.credential_id)
    with pytest.raises(Unauthenticated):
        world.door.by_bearer(first.access_token, PEER)
    again = await world.sign_in.sign_in("ADA", PASSWORD, PEER)
    assert (await world.sign_in.refresh(again.refresh_token)).principal == proof.principal


async def test_au_3_a_weak_password_does_not_use_up_the_link(world: World) -> None:
    """The second try with a better one works."""
    token = await world.people.invite_first(SYSTEM, MAIN)
    with pytest.raises(Invalid):
        await world.sign_in.sign_up(token, "ada", "passwordpassword", PEER)
    await world.sign_in.sign_up(token, "ada", PASSWORD, PEER)


async def test_au_5_unknown_wrong_and_disabled_read_the_same(world: World) -> None:
    """And each is one evaluated hash and one audit record: they cost the same."""
    await sign_up(world)
    token = await world.people.invite(SYSTEM, ["viewer"])  # type: ignore[list-item]
    await world.sign_in.sign_up(token, "bob", PASSWORD, PEER)
    await world.people.disable(ADMIN, "bob")
    answers = set()
    for name, password in (("eve", PASSWORD), ("ada", "x" * 20), ("bob", PASSWORD), ("\0", "")):
        with pytest.raises(Unauthenticated) as caught:
            await world.sign_in.sign_in(name, password, OTHER_PEER)
        answers.add((caught.value.detail, caught.value.remedy))
    assert len(answers) == 1
    denied = await world.audit.list_records(PLATFORM)
    assert [r.value.outcome for r in denied] == ["denied"] * 4
    # What was typed as a name may be a password: unknown ones are not written down.
    assert {r.value.actor for r in denied} == {"ada", "bob", "(unknown)"}


async def test_au_5_a_flood_is_not_evaluated_even_when_it_comes_at_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thousand guesses in parallel, and Ada from her own address."""
    await sign_up(world)
    await world.sign_in.sign_in("ada", PASSWORD, PEER)
    evaluated = 0

    async def verify(_password: str, _stored: str | None) -> bool:
        nonlocal evaluated
        evaluated += 1
        await asyncio.sleep(0)
        return False

    with monkeypatch.context() as patch:
        patch.setattr(world.hasher, "verify", verify)
        guesses = (world.sign_in.sign_in("ada", str(n), OTHER_PEER) for n in range(1_000))
        results = await asyncio.gather(*guesses, return_exceptions=True)
    assert evaluated <= 100
    assert {type(result) for result in results} == {Unauthenticated, RateLimited}
    assert (await world.sign_in.sign_in("ada", PASSWORD, PEER)).principal.id == "ada"


async def test_a_password_is_changed_by_who_knows_the_old_one(world: World) -> None:
    """This session goes on, the others end; the new password works, the old one does not."""
    first = await sign_up(world)
    other = await world.sign_in.sign_in("ada", PASSWORD, PEER)
    own = world.door.prove_bearer(first.access_token, PEER).credential_id
    me = first.principal
    with pytest.raises(Forbidden, match="old password"):
        await world.sign_in.change_password(me, "wrong", NEW, PEER, session_id=own)
    with pytest.raises(Invalid):
        await world.sign_in.change_password(me, PASSWORD, "short", PEER, session_id=own)
    done = await world.sign_in.change_password(me, PASSWORD, NEW, PEER, session_id=own)
    assert done.ended == 1
    assert isinstance(done.kept, SignedIn)
    assert world.door.by_bearer(done.kept.access_token, PEER).id == "ada"
    for one in (first, other):
        with pytest.raises(Unauthenticated):
            world.door.by_bearer(one.access_token, PEER)
    with pytest.raises(Unauthenticated):
        await world.sign_in.sign_in("ada", PASSWORD, PEER)
    await world.sign_in.sign_in("ada", NEW, PEER)


async def test_nobody_signs_somebody_else_out(world: World) -> None:
    """The session of another person is left alone."""
    ada = await sign_up(world)
    bob = await sign_up(world, "bob")
    session = world.door.prove_bearer(ada.access_token, PEER).credential_id
    await world.sign_in.sign_out(bob.principal, session)
    assert world.door.by_bearer(ada.access_token, PEER).id == "ada"


async def test_al_1_no_password_stands_in_records_or_audit(world: World) -> None:
    """Neither the right one nor a wrong one, nor one typed as the name."""
    await sign_up(world)
    for name, password in (("ada", "canary-of-a-password"), ("canary-as-a-name", "x")):
        with pytest.raises(Unauthenticated):
            await world.sign_in.sign_in(name, password, PEER)
    rows = [row.body for table in world.records._tables.values() for row in table.values()]
    dump = b"".join(rows) + msgspec.json.encode(
        [r.value for t in (MAIN, PLATFORM) for r in await world.audit.list_records(t)]
    )
    assert b"canary" not in dump
    assert PASSWORD.encode() not in dump
