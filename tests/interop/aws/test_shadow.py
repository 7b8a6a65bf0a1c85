"""AWS's device SDK for Python, unchanged, with its shadow clients against a running Weft.

Endpoint, port, CA and the device's certificate are given as its own examples give them. What
its own checks ask for: the server's certificate must hold the host name it connects to
(`[security] server_names`), so an address that the certificate does not name is refused by the
SDK itself, after the 10 to 30 seconds that its TLS library waits to hide the reason: tried, and
too slow to be repeated here. On port 443 it offers ALPN `x-amzn-mqtt-ca`, and goes on when no
protocol is chosen; at any other port it offers none. SNI is sent and needs nothing of us. The
SDK puts its version into the MQTT user name; with a certificate we read no user name.

What cannot be: WebSockets signed with AWS credentials (SigV4) end at AWS, and so do named
shadows, jobs and fleet provisioning. The second client is told at once that a named shadow is
not kept (its publish fails); over MQTT 3.1.1 nothing can be told, and the inbox says why.
"""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.interop.clients import Client, client
from tests.interop.support import MAIN, OPERATOR, RunningWeft, running_weft

from weft.model.ids import DeviceId

pytestmark = pytest.mark.timeout(180)

SCRIPT = Path(__file__).parent / "clients" / "shadow.py"
PUMP = DeviceId("pump-7")
BOTH = pytest.mark.parametrize("version", ["v1", "v2"])


class Thing:
    """The pump with AWS's client in it."""

    def __init__(self, weft: RunningWeft, sdk: Client) -> None:
        self.weft = weft
        self.sdk = sdk
        self.twins = weft.weft.path.twins

    async def ask(self, verb: str, answer: str, **document: Any) -> dict[str, Any]:
        """Have the SDK ask, and return what it made of the answer."""
        await self.sdk.tell(json.dumps([verb, document]))
        of: dict[str, Any] = (await self.sdk.hear(answer))["of"]
        return of

    async def told(self, what: str) -> dict[str, Any]:
        of: dict[str, Any] = (await self.sdk.hear(what))["of"]
        return of

    async def desire(self, patch: dict[str, Any]) -> None:
        version = self.twins.get(MAIN, PUMP).desired_version
        await self.twins.desire(OPERATOR, PUMP, patch, version=version)


@asynccontextmanager
async def thing(folder: Path, version: str) -> AsyncIterator[Thing]:
    """The SDK on a pump, with the files that `weft device add --certificate` writes."""
    setting = "transports.mqtt.listen_tls=127.0.0.1:0"
    async with running_weft(folder / "data", setting) as weft:
        await weft.add_type("pump")
        await weft.add_device(PUMP, "pump")
        identity = weft.weft.identity
        device = identity.devices.get(MAIN, PUMP)
        issued = (await identity.credentials.issue_certificate(OPERATOR, device)).certificate
        files = {
            "ca.pem": identity.authority.root_pem,
            "device.pem": issued.certificate_pem + issued.chain_pem,
            "device.key": issued.private_key_pem or "",
        }
        for name, text in files.items():
            (folder / name).write_text(text)
        port = weft.weft.endpoints.mqtts.rpartition(":")[2]
        arguments = (port, str(folder), PUMP, version)
        async with client("clients", SCRIPT, "localhost", *arguments) as sdk:
            assert await sdk.hear("connected")
            yield Thing(weft, sdk)


@BOTH
async def test_a_shadow_is_updated_got_and_deleted(tmp_path: Path, version: str) -> None:
    """Each is accepted, in the SDK's own words, and the twin is what the shadow says."""
    async with thing(tmp_path, version) as pump:
        none = await pump.ask("get", "rejected")
        assert none["code"] == 404
        accepted = await pump.ask("update", "accepted", state={"reported": {"interval": 5}})
        assert accepted["state"] == {"reported": {"interval": 5}}
        documents = await pump.told("documents")
        assert documents["current"]["state"] == {"reported": {"interval": 5}}
        assert pump.twins.get(MAIN, PUMP).reported == {"interval": 5}
        found = await pump.ask("get", "accepted")
        assert found["state"] == {"reported": {"interval": 5}}
        assert found["version"] == accepted["version"]
        assert isinstance(found["metadata"]["reported"]["interval"]["timestamp"], int)
        assert "version" in await pump.ask("delete", "accepted")
        assert pump.twins.get(MAIN, PUMP).reported == {}
        assert (await pump.ask("get", "rejected"))["code"] == 404


@BOTH
async def test_what_we_desire_is_a_delta_until_the_device_reports_it(
    tmp_path: Path, version: str
) -> None:
    """And the whole shadow is told, before and after."""
    async with thing(tmp_path, version) as pump:
        await pump.ask("update", "accepted", state={"reported": {"interval": 5}})
        await pump.told("documents")
        await pump.desire({"interval": 9})
        delta = await pump.told("delta")
        assert delta["state"] == {"interval": 9}
        assert isinstance(delta["metadata"]["interval"]["timestamp"], int)
        documents = await pump.told("documents")
        assert documents["previous"]["state"] == {"reported": {"interval": 5}}
        assert documents["current"]["state"]["desired"] == {"interval": 9}
        found = await pump.ask("get", "accepted")
        assert found["state"]["delta"] == {"interval": 9}
        await pump.ask("update", "accepted", state={"reported": {"interval": 9}})
        assert pump.twins.get(MAIN, PUMP).delta() == {}


@BOTH
async def test_a_rejection_says_why(tmp_path: Path, version: str) -> None:
    """Against its type; of a version that is not ours: nothing has changed."""
    async with thing(tmp_path, version) as pump:
        refused = await pump.ask("update", "rejected", state={"reported": {"interval": "often"}})
        assert (refused["code"], "interval" in refused["message"]) == (400, True)
        refused = await pump.ask(
            "update", "rejected", state={"reported": {"interval": 6}}, version=99
        )
        assert refused["code"] == 409
        assert pump.twins.get(MAIN, PUMP).reported == {}


@BOTH
async def test_a_device_settles_what_is_desired_of_it(tmp_path: Path, version: str) -> None:
    """Both sides at once, and a side that is cleared with null, as AWS's sample does."""
    async with thing(tmp_path, version) as pump:
        state: dict[str, Any] = {"desired": {"interval": 3}, "reported": {"interval": 3}}
        await pump.ask("update", "accepted", state=state)
        twin = pump.twins.get(MAIN, PUMP)
        assert (twin.desired, twin.reported) == ({"interval": 3}, {"interval": 3})
        await pump.ask("update", "accepted", state={"desired": None})
        twin = pump.twins.get(MAIN, PUMP)
        assert (twin.desired, twin.reported) == ({}, {"interval": 3})


@BOTH
async def test_a_named_shadow_is_refused_and_the_inbox_says_why(
    tmp_path: Path, version: str
) -> None:
    """A device has one twin."""
    async with thing(tmp_path, version) as pump:
        await pump.sdk.tell(json.dumps(["get_named", {}]))
        if version == "v2":
            assert "PUBLISH_FAILURE" in (await pump.sdk.hear("rejected"))["error"]
        await pump.ask("get", "rejected")
        (kept,) = await pump.weft.weft.path.rejections.list(MAIN)
        assert "Named shadows are not kept" in kept.value.detail
