"""From a one-time link to a session, and out again."""

from tests.api.support import MAIN, World

from weft.model.principal import Principal, PrincipalKind

PASSWORD = "mauve-teapot-orbits-quietly"
CLI = Principal(MAIN, PrincipalKind.SYSTEM, "cli", "operator")


async def signed_up(world: World, name: str = "alice") -> dict[str, str]:
    token = await world.people.invite_first(CLI, MAIN)
    body = {"token": token, "name": name, "password": PASSWORD}
    answer = await world.call("POST", "/sign-up", body=body)
    assert answer.status == 201, answer
    again = await world.call("POST", "/sign-up", body={**body, "name": "bob"})
    assert again.status == 401  # a link works once (ID-3)
    tokens: dict[str, str] = answer.json
    return tokens


async def test_a_person_signs_up_in_and_out(world: World) -> None:
    """The first hour of an administrator."""
    tokens = await signed_up(world)
    who = await world.call("GET", "/whoami", token=tokens["access_token"])
    assert who.json["id"] == "alice"
    body = {"name": "alice", "password": PASSWORD}
    second = (await world.call("POST", "/sessions", body=body)).json
    listed = await world.call("GET", "/sessions", token=second["access_token"])
    assert sorted(s["current"] for s in listed.json["items"]) == [False, True]
    out = await world.call("DELETE", "/sessions/current", token=second["access_token"])
    assert out.status == 204
    assert (await world.call("GET", "/whoami", token=second["access_token"])).status == 401


async def test_wrong_names_and_passwords_read_the_same(world: World) -> None:
    """Nothing tells which of the two it was (AU-5)."""
    await signed_up(world)
    answers = [
        await world.call("POST", "/sessions", body={"name": name, "password": password})
        for name, password in (("alice", "wrong"), ("nobody", PASSWORD))
    ]
    assert [answer.status for answer in answers] == [401, 401]
    assert answers[0].json["detail"] == answers[1].json["detail"]


async def test_a_refresh_token_works_once(world: World) -> None:
    """One that comes back was copied: the whole session ends (AU-8)."""
    tokens = await signed_up(world)
    body = {"refresh_token": tokens["refresh_token"]}
    fresh = await world.call("POST", "/sessions/refresh", body=body)
    assert fresh.status == 200
    assert (await world.call("POST", "/sessions/refresh", body=body)).status == 401
    assert (await world.call("GET", "/whoami", token=fresh.json["access_token"])).status == 401


async def test_a_password_is_changed_with_the_old_one(world: World) -> None:
    """The session that asks goes on with new tokens; a copy of its old ones is good for nothing."""
    tokens = await signed_up(world)
    name = {"name": "alice", "password": PASSWORD}
    other = (await world.call("POST", "/sessions", body=name)).json
    mine = tokens["access_token"]
    path, new = "/sessions/password", "granite otters hum on tuesdays"
    wrong = await world.call("POST", path, token=mine, body={"old": "no", "new": new})
    assert (wrong.status, wrong.json["code"]) == (403, "forbidden")
    changed = await world.call("POST", path, token=mine, body={"old": PASSWORD, "new": new})
    assert (changed.status, changed.json["sessions_ended"]) == (200, 1)
    fresh = changed.json["tokens"]
    for one, status in ((fresh, 200), (tokens, 401), (other, 401)):
        assert (await world.call("GET", "/whoami", token=one["access_token"])).status == status
        body = {"refresh_token": one["refresh_token"]}
        assert (await world.call("POST", "/sessions/refresh", body=body)).status == status


async def test_the_new_tokens_of_a_password_change_are_not_kept_for_a_repeat(world: World) -> None:
    """Sent again with its key and the new token, it is told to be done; its secrets are not."""
    tokens = await signed_up(world)
    body = {"old": PASSWORD, "new": "granite otters hum on tuesdays"}
    key = {"idempotency-key": "once"}
    path, mine = "/sessions/password", tokens["access_token"]
    done = await world.call("POST", path, token=mine, body=body, headers=key)
    fresh = done.json["tokens"]["access_token"]
    again = await world.call("POST", path, token=fresh, body=body, headers=key)
    assert (again.status, again.json["code"]) == (409, "conflict")


async def test_only_people_have_sessions(world: World) -> None:
    """A device has a credential, and no password to change."""
    pump = await world.device("pump-7")
    assert (await world.call("GET", "/sessions", token=pump)).status == 403
