"""The one way that every request takes."""

from pathlib import Path

import pytest
from tests.api.support import OTHER, World, running

from weft.api.problems import Problem
from weft.errors import StorageError
from weft.security.limits import LimitSettings, Rate


async def test_a_wrong_method_names_the_right_ones(world: World) -> None:
    """405 with Allow; OPTIONS says the same."""
    token = world.admin()
    answer = await world.call("PUT", "/devices", token=token)
    assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD, OPTIONS, POST")
    asked = await world.call("OPTIONS", "/devices", token=token)
    assert (asked.status, asked.headers["allow"]) == (204, answer.headers["allow"])


async def test_a_path_that_is_not_there_is_404_for_those_who_may_know(world: World) -> None:
    """And 401 for all others."""
    assert (await world.call("GET", "/nothing", token=world.admin())).status == 404
    assert (await world.call("GET", "/nothing")).status == 401


async def test_head_is_get_without_knowing_more(world: World) -> None:
    """Same status and headers; the server leaves the body out."""
    answer = await world.call("HEAD", "/devices", token=world.admin())
    assert answer.status == 200


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        ({"content-type": "text/plain"}, b"{}", 415),
        ({"content-type": "application/json"}, b"{", 400),
        ({"content-type": "application/json"}, b'{"label": "\xff"}', 400),
        ({"content-type": "application/json"}, b'{"label": 3}', 422),
        ({"accept": "image/png"}, {"label": "x"}, 406),
        ({"if-match": "three"}, {"label": "x"}, 400),
        ({"content-length": "9999999"}, {"label": "x"}, 413),
    ],
)
async def test_what_http_says_is_checked(
    world: World, headers: dict[str, str], body: object, status: int
) -> None:
    """Media types, JSON, versions and sizes, each with its own status."""
    await world.device("pump-7")
    answer = await world.call(
        "PATCH", "/devices/pump-7", token=world.admin(), body=body, headers=headers
    )
    assert answer.status == status, answer


async def test_deep_documents_are_refused(world: World) -> None:
    """Before anything walks them; even those that would exhaust the stack."""
    await world.device("pump-7")
    for depth in (40, 100_000):
        body = b'{"attributes": {"a": ' + b"[" * depth + b"]" * depth + b"}}"
        answer = await world.call("PATCH", "/devices/pump-7", token=world.admin(), body=body)
        assert answer.status == 422


async def test_an_unknown_query_parameter_is_refused(world: World) -> None:
    """A typo in a filter must not list everything."""
    for path in (
        "/devices?lifecyle=active",
        "/whoami?x=1",
        "/devices?limit=0",
        "/devices?limit=9&limit=8",
    ):
        assert (await world.call("GET", path, token=world.admin())).status == 422, path


async def test_a_fault_of_ours_tells_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """No trace, no class name, no path; but the id under which it stands in the log."""

    def explode(*_: object) -> None:
        raise RuntimeError("secret internals")

    monkeypatch.setattr(world.devices, "get", explode)
    answer = await world.call("GET", "/devices/pump-7", token=world.admin())
    assert (answer.status, answer.json["code"]) == (500, "internal")
    assert b"secret" not in answer.content
    assert answer.headers["x-request-id"] in answer.json["instance"]


async def test_a_full_disk_says_so(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """503 with Retry-After: nothing was done."""

    async def full(*_: object, **__: object) -> None:
        raise StorageError("The disk is full.", remedy="Free some space.")

    monkeypatch.setattr(world.devices, "list_part", full)
    answer = await world.call("GET", "/devices", token=world.admin())
    assert (answer.status, answer.json["code"]) == (503, "storage_failed")
    assert answer.headers["retry-after"]


async def test_too_many_requests_say_when_to_come_back(tmp_path: Path) -> None:
    """429 with Retry-After, for the one who asks too often only (RL-1)."""
    few = LimitSettings(principal_requests=Rate(1, 2), tenant_requests=Rate(100, 100))
    async with running(World(tmp_path, limits=few)) as world:
        token, other = world.admin(), world.admin(OTHER)
        answers = [await world.call("GET", "/whoami", token=token) for _ in range(3)]
        assert [answer.status for answer in answers] == [200, 200, 429]
        assert answers[2].headers["retry-after"] == "1"
        assert (await world.call("GET", "/whoami", token=other)).status == 200
        world.clock.turn(1)
        assert (await world.call("GET", "/whoami", token=token)).status == 200


async def test_every_answer_carries_the_security_headers(world: World) -> None:
    """Nothing cached, framed, sniffed, or read by a page of another origin."""
    for answer in (
        await world.call("GET", "/devices", token=world.admin()),
        await world.call("GET", "/devices"),
    ):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"
        assert not [name for name in answer.headers if name.startswith("access-control")]
        assert "server" not in answer.headers


async def test_problems_match_one_schema(world: World) -> None:
    """All fields of all problems are the declared ones (HT-4)."""
    token = world.admin()
    for answer in (
        await world.call("GET", "/devices/x", token=token),
        await world.call("GET", "/devices"),
        await world.call("PUT", "/devices", token=token),
        await world.call("GET", "/devices?limit=x", token=token),
    ):
        assert answer.headers["content-type"] == "application/problem+json"
        assert set(answer.json) <= set(Problem.__struct_fields__)
        assert answer.json["status"] == answer.status
        assert answer.json["detail"]


async def test_a_client_certificate_authenticates(world: World) -> None:
    """A device on HTTPS needs no token."""
    await world.device("pump-7")
    admin = world.badges.known[world.admin()].principal
    device = world.devices.get(admin.tenant, "pump-7")
    world.clock._now = __import__("time").time_ns()
    issued = await world.credentials.issue_certificate(admin, device)
    answer = await world.call("GET", "/whoami", certificate=issued.certificate.der)
    assert (answer.status, answer.json["id"]) == (200, "pump-7")
    assert (await world.call("GET", "/whoami", certificate=b"nonsense")).status == 401


async def test_a_version_that_is_known_is_not_sent_again(world: World) -> None:
    """If-None-Match saves the body."""
    await world.device("pump-7")
    headers = {"if-none-match": '"1"'}
    answer = await world.call("GET", "/devices/pump-7", token=world.admin(), headers=headers)
    assert (answer.status, answer.content) == (304, b"")
