"""Browsers: a cookie is good for our own pages alone (HT-3)."""

import re

import pytest
from tests.api.support import Answer, World

from weft.api.browser import ForeignPage, drop_cookie, find_visit, require_own_page, secret_of
from weft.api.idempotency import REMEMBERED
from weft.model.ids import TenantId
from weft.model.principal import Principal, PrincipalKind

PASSWORD = "mauve-teapot-orbits-quietly"
CLI = Principal(TenantId("main"), PrincipalKind.SYSTEM, "cli", "operator")
HOST = {"host": "127.0.0.1:8080"}
OWN = HOST | {"origin": "http://127.0.0.1:8080", "sec-fetch-site": "same-origin"}


async def signed_in(world: World) -> tuple[str, str]:
    """Return the cookie and the token of a page that has signed in."""
    invitation = await world.people.invite_first(CLI, TenantId("main"))
    body = {"token": invitation, "name": "alice", "password": PASSWORD}
    assert (await world.call("POST", "/sign-up", body=body)).status == 201
    answer = await enter(world, OWN)
    assert answer.status == 201, answer
    cookie = answer.headers["set-cookie"]
    assert cookie.endswith("Path=/; Secure; HttpOnly; SameSite=Strict")
    found = re.match(r"(__Host-weft=\S+);", cookie)
    assert found is not None
    return found[1], answer.json["token"]


async def enter(world: World, headers: dict[str, str]) -> Answer:
    body = {"name": "alice", "password": PASSWORD}
    return await world.call("POST", "/sessions/browser", body=body, headers=headers)


async def test_a_page_of_ours_acts_with_cookie_and_token(world: World) -> None:
    """Every operation takes the cookie, through the one way to say who calls."""
    cookie, token = await signed_in(world)
    headers = OWN | {"cookie": f"other=1; {cookie}", "x-weft-token": token}
    assert (await world.call("GET", "/whoami", headers=headers)).json["id"] == "alice"
    body = {"device_id": "pump-7"}
    assert (await world.call("POST", "/devices", body=body, headers=headers)).status == 201
    told = await world.call("GET", "/sessions/browser", headers=headers)
    assert told.json == {"name": "alice", "tenant": "main", "token": token}


async def test_a_page_that_changes_the_password_stays_signed_in(world: World) -> None:
    """With another cookie and token: a copy of the old cookie is out, as is another browser."""
    cookie, token = await signed_in(world)
    other = (await enter(world, OWN)).headers["set-cookie"].partition(";")[0]
    headers = OWN | {"cookie": cookie, "x-weft-token": token}
    body = {"old": PASSWORD, "new": "granite otters hum on tuesdays"}
    changed = await world.call("POST", "/sessions/password", body=body, headers=headers)
    assert changed.json["sessions_ended"] == 2  # the browser's, and that of the sign-up
    assert "tokens" not in changed.json
    given = changed.headers["set-cookie"]
    assert given.endswith("Path=/; Secure; HttpOnly; SameSite=Strict")
    fresh = OWN | {"cookie": given.partition(";")[0], "x-weft-token": changed.json["token"]}
    body = {"device_id": "pump-7"}
    assert (await world.call("POST", "/devices", body=body, headers=fresh)).status == 201
    for old in (cookie, other):
        left = await world.call("GET", "/whoami", headers=OWN | {"cookie": old})
        assert left.status == 401


async def test_a_new_cookie_is_not_kept_for_a_repeat(world: World) -> None:
    """Neither the body nor the header of an answer that holds a secret is written down."""
    cookie, token = await signed_in(world)
    headers = OWN | {"cookie": cookie, "x-weft-token": token, "idempotency-key": "once"}
    body = {"old": PASSWORD, "new": "granite otters hum on tuesdays"}
    assert (
        await world.call("POST", "/sessions/password", body=body, headers=headers)
    ).status == 200
    (kept,) = await world.records.read(lambda r: r.list(REMEMBERED, TenantId("main")))
    assert kept.value.answer is not None
    assert (kept.value.answer.headers, kept.value.answer.content) == ((), b"")


@pytest.mark.parametrize(
    "changed",
    [
        {"x-weft-token": ""},
        {"x-weft-token": "0" * 64},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"origin": "http://127.0.0.1:8081"},
        {"origin": "http://evil.example"},
        {"origin": "null"},
    ],
)
async def test_no_other_page_acts_with_the_cookie(world: World, changed: dict[str, str]) -> None:
    """Another port of this machine is the same site to a browser, and not to us."""
    cookie, token = await signed_in(world)
    headers = OWN | {"cookie": cookie, "x-weft-token": token} | changed
    answer = await world.call("POST", "/devices", body={"device_id": "pump-7"}, headers=headers)
    assert (answer.status, answer.json["code"]) == (403, "foreign_page")
    assert answer.json["remedy"]
    if "x-weft-token" not in changed:
        assert (await world.call("GET", "/whoami", headers=headers)).status == 403


async def test_no_other_page_signs_somebody_in(world: World) -> None:
    """Whoever is signed in unseen would work in a stranger's account."""
    await signed_in(world)
    answer = await enter(world, HOST | {"origin": "http://evil.example"})
    assert (answer.status, answer.json["code"]) == (403, "foreign_page")
    assert "set-cookie" not in answer.headers


async def test_signing_out_takes_the_cookie_and_what_it_opened(world: World) -> None:
    """A copy of the cookie is worth nothing afterwards."""
    cookie, token = await signed_in(world)
    headers = OWN | {"cookie": cookie, "x-weft-token": token}
    out = await world.call("DELETE", "/sessions/current", headers=headers)
    assert out.status == 204
    assert out.headers["set-cookie"].encode() == drop_cookie()[1]
    assert (await world.call("GET", "/whoami", headers=headers)).status == 401


async def test_the_secret_of_a_cookie_is_no_other_credential(world: World) -> None:
    """Neither as bearer token nor to be refreshed: it is read where pages are checked."""
    cookie, _ = await signed_in(world)
    secret = cookie.partition("=")[2]
    assert (await world.call("GET", "/whoami", token=secret)).status == 401
    body = {"refresh_token": secret}
    assert (await world.call("POST", "/sessions/refresh", body=body)).status == 401


async def test_a_token_is_told_to_cookies_only(world: World) -> None:
    """Who comes with an access token needs none."""
    await signed_in(world)
    answer = await world.call("GET", "/sessions/browser", token=world.admin())
    assert answer.status == 403


def test_cookies_are_read_as_rfc_6265_says() -> None:
    """Ours among others, by its whole name."""
    assert secret_of({b"cookie": b"a=b; __Host-weft=x=y; c=d"}) == "x=y"
    assert secret_of({b"cookie": b"weft=x; X__Host-weft=y; __Host-weft="}) is None
    assert secret_of({b"cookie": b"__Host-weft=\xff"}) is None
    assert find_visit("GET", {}) is None


def test_a_bookmark_is_our_own_doing() -> None:
    """And a program that says nothing of pages is no browser."""
    require_own_page({b"sec-fetch-site": b"none"})
    require_own_page({b"host": b"weft.example"})
    require_own_page({b"host": b"Weft.Example", b"origin": b"https://weft.example"})
    with pytest.raises(ForeignPage):
        require_own_page({b"origin": b"https://weft.example"})
