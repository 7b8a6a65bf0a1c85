import msgspec
import pytest
from tests.security.support import MAIN, OTHER, PEER, World

from weft.errors import Unauthenticated
from weft.model.principal import Principal, PrincipalKind
from weft.security.machine_secrets import make_secret
from weft.security.sessions import IDLE_LIFE_S, PER_USER_MAX, SESSION_LIFE_S, SESSIONS

ADA = Principal(MAIN, PrincipalKind.USER, "ada", "uid-ada")


async def test_au_8_a_refresh_token_is_used_once(world: World) -> None:
    """Each exchange gives the next one, and a fresh access token."""
    first = await world.sessions.open(ADA, "192.0.2.7")
    second = await world.sessions.refresh(first.refresh_token)
    third = await world.sessions.refresh(second.refresh_token)
    assert len({first.refresh_token, second.refresh_token, third.refresh_token}) == 3
    assert third.expires_in_s <= 600
    assert world.door.by_bearer(third.access_token, PEER) == ADA


async def test_au_8_a_refresh_token_that_comes_back_ends_the_session(world: World) -> None:
    """A thief used a copy, or the owner did after the thief: both are out, and it is on record."""
    first = await world.sessions.open(ADA, "")
    second = await world.sessions.refresh(first.refresh_token)
    with pytest.raises(Unauthenticated):
        await world.sessions.refresh(first.refresh_token)
    with pytest.raises(Unauthenticated):
        await world.sessions.refresh(second.refresh_token)
    with pytest.raises(Unauthenticated):
        world.door.by_bearer(second.access_token, PEER)
    (record,) = await world.audit.list_records(MAIN, where=("action", "session.end"))
    assert "used before" in record.value.reason


async def test_au_8_logging_out_ends_access_with_the_next_request(world: World) -> None:
    """The access token has minutes left, its session has not."""
    signed_in = await world.sessions.open(ADA, "")
    proof = world.door.prove_bearer(signed_in.access_token, PEER)
    await world.sessions.end(MAIN, proof.credential_id)
    await world.sessions.end(MAIN, proof.credential_id)
    with pytest.raises(Unauthenticated):
        world.door.by_bearer(signed_in.access_token, PEER)
    with pytest.raises(Unauthenticated):
        await world.sessions.refresh(signed_in.refresh_token)


async def test_rv_2_a_session_that_ended_does_not_come_back_with_a_restart(world: World) -> None:
    """Those that live are read back, the others are gone."""
    live, ended = await world.sessions.open(ADA, ""), await world.sessions.open(ADA, "")
    await world.sessions.end(MAIN, world.door.prove_bearer(ended.access_token, PEER).credential_id)
    await world.restart()
    assert world.door.by_bearer(live.access_token, PEER) == ADA
    with pytest.raises(Unauthenticated):
        world.door.by_bearer(ended.access_token, PEER)
    assert (await world.sessions.refresh(live.refresh_token)).principal == ADA


async def test_a_session_that_is_not_used_ends(world: World) -> None:
    """After three days without a refresh, and after thirty whatever happens."""
    idle = await world.sessions.open(ADA, "")
    world.clock.turn(IDLE_LIFE_S)
    with pytest.raises(Unauthenticated):
        await world.sessions.refresh(idle.refresh_token)
    busy = await world.sessions.open(ADA, "")
    for _ in range(SESSION_LIFE_S // 86_400 - 1):
        world.clock.turn(86_400)
        busy = await world.sessions.refresh(busy.refresh_token)
    world.clock.turn(86_400)
    with pytest.raises(Unauthenticated):
        await world.sessions.refresh(busy.refresh_token)


async def test_old_sessions_are_swept(world: World) -> None:
    """From memory and from the records."""
    await world.sessions.open(ADA, "")
    assert await world.sessions.sweep() == 0
    world.clock.turn(IDLE_LIFE_S)
    assert await world.sessions.sweep() == 1
    assert await world.records.read(lambda r: r.count(SESSIONS, MAIN)) == 0


async def test_a_person_has_so_many_sessions(world: World) -> None:
    """The oldest gives way to the newest."""
    first = await world.sessions.open(ADA, "")
    for _ in range(PER_USER_MAX):
        world.clock.turn(1)
        last = await world.sessions.open(ADA, "")
    assert len(await world.sessions.list_sessions(MAIN, ADA.uid)) == PER_USER_MAX
    with pytest.raises(Unauthenticated):
        world.door.by_bearer(first.access_token, PEER)
    assert world.door.by_bearer(last.access_token, PEER) == ADA


async def test_tn_1_all_sessions_are_those_of_one_tenant_that_go_on(world: World) -> None:
    """Some at a time; what has run out is not shown, though it is not swept away yet."""
    bob = Principal(MAIN, PrincipalKind.USER, "bob", "uid-bob")
    eve = Principal(OTHER, PrincipalKind.USER, "eve", "uid-eve")
    for one in (bob, eve):
        await world.sessions.open(one, "")
    world.clock.turn(IDLE_LIFE_S + 1)
    await world.sessions.open(ADA, "")
    await world.sessions.open_browser(ADA, "")
    first = await world.sessions.list_all(MAIN, after="", limit=2)
    assert first.after is not None
    rest = await world.sessions.list_all(MAIN, after=first.after, limit=2)
    assert rest.after is None
    assert [one.user_id for one in (*first.items, *rest.items)] == ["ada", "ada"]
    assert sorted(one.browser for one in (*first.items, *rest.items)) == [False, True]


async def test_cr_2_the_refresh_token_is_not_stored(world: World) -> None:
    """Its HMAC is."""
    signed_in = await world.sessions.open(ADA, "")
    (session,) = await world.sessions.list_sessions(MAIN, ADA.uid)
    assert (
        signed_in.refresh_token.split("_", 2)[2][:40] not in msgspec.json.encode(session).decode()
    )


@pytest.mark.parametrize(
    "text", ["", "x", make_secret().text, "a.b.c"], ids=["none", "short", "other", "jwt"]
)
async def test_what_is_no_refresh_token_is_refused(world: World, text: str) -> None:
    """The same answer to all."""
    with pytest.raises(Unauthenticated):
        await world.sessions.refresh(text)


async def test_tn_1_an_access_token_speaks_for_its_own_user_and_tenant(world: World) -> None:
    """Signed by us, and still not for a session of somebody else."""
    await world.sessions.open(ADA, "")
    (session,) = await world.sessions.list_sessions(MAIN, ADA.uid)
    tokens = world.sessions._tokens
    assert world.sessions.find_access(tokens.sign(MAIN, ADA.uid, session.session_id)) is not None
    for tenant, uid in ((OTHER, ADA.uid), (MAIN, "uid-bob")):
        assert world.sessions.find_access(tokens.sign(tenant, uid, session.session_id)) is None


async def test_a_browser_keeps_one_secret_as_long_as_its_session(world: World) -> None:
    """Two tabs ask at once: neither takes the other's for a thief's."""
    secret = await world.sessions.open_browser(ADA, "192.0.2.7")
    for _ in range(3):
        proof = world.door.prove_browser(secret, PEER)
        assert proof.principal == ADA
    with pytest.raises(Unauthenticated):
        await world.sessions.refresh(secret)
    assert world.door.prove_browser(secret, PEER).principal == ADA


async def test_a_browser_that_is_used_stays_signed_in_over_a_restart(world: World) -> None:
    """Its last use is written down with the chores, not with each request."""
    secret = await world.sessions.open_browser(ADA, "")
    world.clock.turn(IDLE_LIFE_S - 60)
    assert world.sessions.find_browser(secret) is not None
    await world.sessions.sweep()
    world.clock.turn(IDLE_LIFE_S - 60)
    await world.restart()
    assert world.sessions.find_browser(secret) is not None
    world.clock.turn(IDLE_LIFE_S + 60)
    assert world.sessions.find_browser(secret) is None
    with pytest.raises(Unauthenticated):
        world.door.prove_browser(secret, PEER)


async def test_a_cookie_of_another_kind_or_key_is_none(world: World) -> None:
    """A made-up secret with the right session's id, and a refresh token in the cookie."""
    secret = await world.sessions.open_browser(ADA, "")
    signed_in = await world.sessions.open(ADA, "")
    forged = secret.replace(secret.split("_")[2][:43], make_secret().secret, 1)
    for text in (forged, signed_in.refresh_token, "nonsense", "x" * 10_000):
        assert world.sessions.find_browser(text) is None
    assert world.sessions.forgery_token(secret) != world.sessions.forgery_token(forged)
