"""ThingsBoard's device API over HTTP: the token in the path, and nowhere else."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
import pytest
from tests.interop.support import MAIN, OPERATOR, RunningWeft, running_weft, until

from weft.api.problems import Malformed
from weft.api.thingsboard import PATH_MAX, is_provision_of_theirs, parse, query_of
from weft.model.device import Lifecycle
from weft.model.ids import DeviceId
from weft.registry.claims import NewClaim
from weft.security.machine_secrets import make_secret, parse_secret

PUMP = DeviceId("pump-7")


class Http:
    """A client of a running Weft, with a device's token."""

    def __init__(self, weft: RunningWeft, client: httpx2.AsyncClient, token: str) -> None:
        self.weft = weft
        self.client = client
        self.token = token

    def url(self, rest: str) -> str:
        return f"{self.weft.http_url}/api/v1/{self.token}/{rest}"

    async def waits(self) -> None:
        waiting = self.weft.weft.path.thingsboard._waiting
        await until(lambda: waiting.get((MAIN, PUMP)))


@asynccontextmanager
async def http(folder: Path, *assignments: str) -> AsyncIterator[Http]:
    async with running_weft(folder, *assignments) as weft:
        token = (await weft.add_device(PUMP)).token
        async with httpx2.AsyncClient(timeout=60, trust_env=False) as client:
            yield Http(weft, client, token)


async def test_a_device_reports_and_asks_with_its_token_in_the_path(tmp_path: Path) -> None:
    async with http(tmp_path) as device:
        client = device.client
        sent = await client.post(device.url("telemetry"), json={"temperature": 21.5})
        assert (sent.status_code, sent.content) == (200, b"")
        sent = await client.post(device.url("attributes"), json={"firmware": "1.2"})
        assert sent.status_code == 200
        found = await client.get(device.url("attributes"), params={"clientKeys": "firmware"})
        assert found.json() == {"client": {"firmware": "1.2"}}
        assert found.headers["cache-control"] == "no-store"
        head = await client.head(device.url("attributes"))
        assert (head.status_code, head.content) == (200, b"")
        called = await client.post(device.url("rpc"), json={"method": "getCurrentTime"})
        assert isinstance(called.json(), int)


async def test_what_is_refused_is_a_problem_with_a_remedy(tmp_path: Path) -> None:
    async with http(tmp_path) as device:
        refused = await device.client.post(device.url("telemetry"), json="nothing")
        assert refused.status_code == 422
        assert refused.json()["remedy"]
        other = await device.client.put(device.url("telemetry"), json={})
        assert other.status_code == 405
        nowhere = await device.client.get(device.url("nowhere"))
        assert nowhere.status_code == 404


async def test_a_wait_ends_with_408_when_nothing_came(tmp_path: Path) -> None:
    async with http(tmp_path) as device:
        for rest in ("rpc", "attributes/updates"):
            answer = await device.client.get(device.url(rest), params={"timeout": "1"})
            assert (answer.status_code, answer.content) == (408, b"")


async def test_a_command_is_fetched_and_answered(tmp_path: Path) -> None:
    async with http(tmp_path) as device:
        commands = device.weft.weft.path.commands
        async with asyncio.TaskGroup() as tasks:
            asking = tasks.create_task(device.client.get(device.url("rpc")))
            await device.waits()
            sent = await commands.send(OPERATOR, PUMP, "open", {"percent": 40})
        call = asking.result().json()
        assert call["method"] == "open"
        done = await device.client.post(device.url(f"rpc/{call['id']}"), json={"ok": True})
        assert done.status_code == 200
        ended = await commands.wait(MAIN, PUMP, sent.request_id, wait_s=20)
        assert ended.output == {"ok": True}


async def test_rv_1_a_revoked_device_does_not_wait_on(tmp_path: Path) -> None:
    """Its request ends at once, and what comes afterwards is not told to it."""
    async with http(tmp_path) as device:
        identity = device.weft.weft.identity
        async with asyncio.TaskGroup() as tasks:
            asking = tasks.create_task(device.client.get(device.url("rpc")))
            await device.waits()
            secret = parse_secret(device.token)
            assert secret is not None
            pump = identity.devices.get(MAIN, PUMP)
            await identity.credentials.revoke(OPERATOR, pump, secret.key_id)
        assert asking.result().status_code == 401
        again = await device.client.get(device.url("rpc"))
        assert again.status_code == 401


async def test_a_device_that_polls_is_connected_and_one_spell_is_kept(tmp_path: Path) -> None:
    """Between two polls it has not been away, and a read alone is no connection."""
    async with http(tmp_path) as device:
        identity = device.weft.weft.identity
        uid = identity.devices.get(MAIN, PUMP).uid
        await device.client.get(device.url("attributes"))
        assert not identity.presence.is_connected(uid)
        for _ in range(3):
            await device.client.get(device.url("rpc"), params={"timeout": "1"})
        assert identity.presence.is_connected(uid)
        assert len(await identity.presence.list(MAIN, uid)) == 1


async def test_a_device_that_only_posts_is_connected_while_it_is_heard(tmp_path: Path) -> None:
    """It asks for nothing; what is refused of it is not heard."""
    async with http(tmp_path) as device:
        identity = device.weft.weft.identity
        uid = identity.devices.get(MAIN, PUMP).uid
        await device.client.post(device.url("telemetry"), content=b"[")
        assert not identity.presence.is_connected(uid)
        for _ in range(3):
            await device.client.post(device.url("telemetry"), content=b'{"t":1}')
        (spell,) = identity.presence.open_spells(uid)
        assert spell.protocol == "http"


async def test_who_is_no_device_has_no_device_api(tmp_path: Path) -> None:
    """A service key in the path would stand in every proxy's log with all its rights."""
    async with http(tmp_path) as device:
        device.token = (await device.weft.add_key(("#",))).token
        answer = await device.client.get(device.url("attributes"))
        assert answer.status_code == 403


async def test_a_token_that_is_wrong_learns_nothing(tmp_path: Path) -> None:
    async with http(tmp_path) as device:
        device.token = make_secret().text
        first = await device.client.get(device.url("attributes"))
        second = await device.client.get(device.url("nowhere"))
        device.token = "A1B2C3"  # as ThingsBoard's look: no secret of ours, so the API answers
        third = await device.client.get(device.url("attributes"))
        assert [one.status_code for one in (first, second, third)] == [401, 401, 401]


async def test_the_token_in_the_path_is_never_written_down(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """At the most talkative level, with requests that succeed, fail and break."""
    caplog.set_level(logging.DEBUG)
    async with http(tmp_path, "log.level=debug") as device:
        for rest in ("attributes", "nowhere", "rpc?timeout=x", "rpc?timeout=1"):
            await device.client.get(device.url(rest))
        await device.client.post(device.url("telemetry"), content=b"{")
        device.token, secret = make_secret().text, device.token
        await device.client.get(device.url("attributes"))
    captured = capfd.readouterr()
    ours = [one.getMessage() for one in caplog.records if not one.name.startswith("http")]
    text = captured.out + captured.err + "\n".join(ours)
    for token in (secret, device.token):
        assert token not in text
        assert token[22:60] not in text


async def test_pr_1_a_batch_is_provisioned_and_the_claim_opens_nothing_else(
    tmp_path: Path,
) -> None:
    async with http(tmp_path) as device:
        claims = device.weft.weft.identity.claims
        issued = await claims.create(OPERATOR, NewClaim("batch", 1, approve=True))
        wanted = {
            "deviceName": "pump-8",
            "provisionDeviceKey": issued.claim.claim_id,
            "provisionDeviceSecret": issued.token,
        }
        url = f"{device.weft.http_url}/api/v1/provision"
        answer = (await device.client.post(url, json=wanted)).json()
        assert answer["status"] == "SUCCESS"
        device.token = answer["credentialsValue"]
        sent = await device.client.post(device.url("telemetry"), json={"temperature": 1})
        assert sent.status_code == 200
        again = (await device.client.post(url, json=wanted | {"deviceName": "pump-9"})).json()
        assert again["status"] == "FAILURE"
        device.token = issued.token
        assert (await device.client.get(device.url("attributes"))).status_code == 401
        assert (await device.client.get(url)).status_code == 405


async def test_pr_4_a_device_that_waits_for_approval_reads_nothing(tmp_path: Path) -> None:
    """It proves itself and is heard; twin and commands are refused as over the API's own paths."""
    async with http(tmp_path) as device:
        weft, client = device.weft, device.client
        issued = await weft.weft.identity.claims.create(OPERATOR, NewClaim("batch", 1))
        url = f"{weft.http_url}/api/v1/provision"
        claim = {"authorization": f"Bearer {issued.token}"}
        made = (await client.post(url, json={"serial": "pump-8"}, headers=claim)).json()
        new = DeviceId(made["device_id"])
        await weft.weft.path.twins.desire(OPERATOR, new, {"key": 1}, version=0)
        device.token = made["token"]
        for rest in ("attributes?sharedKeys=key", "attributes/updates?timeout=1", "rpc?timeout=1"):
            refused = await client.get(device.url(rest))
            assert (refused.status_code, refused.json()["code"]) == (403, "forbidden"), rest
        said = await client.post(device.url("telemetry"), json={"temperature": 21.5})
        assert said.json()["code"] == "device_pending"
        identity = weft.weft.identity
        await identity.devices.move(OPERATOR, new, Lifecycle.ACTIVE)
        told = await client.get(device.url("attributes?sharedKeys=key"))
        assert told.json() == {"shared": {"key": 1}}


async def test_the_apis_own_provisioning_stays_where_it_is(tmp_path: Path) -> None:
    """At the same path: it shows its claim in a header, where ThingsBoard's devices have none."""
    async with http(tmp_path) as device:
        claims = device.weft.weft.identity.claims
        issued = await claims.create(OPERATOR, NewClaim("batch", 1, approve=True))
        answer = await device.client.post(
            f"{device.weft.http_url}/api/v1/provision",
            json={"serial": "pump-8"},
            headers={"authorization": f"Bearer {issued.token}"},
        )
        assert answer.status_code == 201
        assert answer.json()["token"]


def test_a_bearer_token_tells_our_provisioning_from_theirs() -> None:
    """One path, two ways to say it: theirs has its key in the body and no header."""
    scope = {"raw_path": b"/api/v1/provision", "headers": [(b"host", b"weft")]}
    assert is_provision_of_theirs(scope)
    assert not is_provision_of_theirs(scope | {"headers": [(b"authorization", b"Bearer x")]})
    assert not is_provision_of_theirs(scope | {"raw_path": b"/api/v1/provisions"})


def test_only_a_secret_of_ours_makes_a_path_of_the_device_api() -> None:
    """All other paths are the API's, whose devices may be called telemetry."""
    token = make_secret().text
    found = parse(f"/api/v1/{token}/rpc/7".encode())
    assert found is not None
    assert (found.token, found.rest) == (token, ["rpc", "7"])
    for path in (
        b"/api/v1/devices/telemetry",
        b"/api/v1/devices/attributes",
        f"/api/v1/{token}".encode(),
        f"/other/{token}/telemetry".encode(),
        f"/api/v1/{token[:-1]}/telemetry".encode(),
        b"/api/v1/\xff/telemetry",
        f"/api/v1/{token}/".encode() + b"x" * PATH_MAX,
    ):
        assert parse(path) is None


def test_a_query_is_read_leniently_and_within_bounds() -> None:
    assert query_of(b"clientKeys=a%2Cb&sharedKeys=&x=1&x=2") == {
        "clientKeys": "a,b",
        "sharedKeys": "",
        "x": "2",
    }
    for query in (b"a=%ff", b"\xff", b"&".join([b"a=1"] * 65)):
        with pytest.raises(Malformed):
            query_of(query)
