"""A device with a certificate over HTTPS: curl, and MQTT over a secure WebSocket (ID-4)."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiomqtt
import pytest
from tests.interop.support import OPERATOR, RunningWeft, running_weft

from weft.app.compose import MAIN


@dataclass(frozen=True)
class Secured:
    """A Weft with HTTPS, and the files of a device that it knows by certificate."""

    weft: RunningWeft
    folder: Path

    @property
    def port(self) -> int:
        return int(self.weft.weft.endpoints.https.rpartition(":")[2])

    async def curl(self, path: str, *options: str, certificate: bool = True) -> tuple[int, Any]:
        """Call the device API as a device would; return the status and the JSON."""
        files = ["--cacert", "root.pem"]
        if certificate:
            files += ["--cert", "pump.pem", "--key", "pump.key"]
        url = f"https://localhost:{self.port}/api/v1/devices/me/{path}"
        curl = ("curl", "-sS", "--max-time", "30", "-w", "\\n%{http_code}")
        process = await asyncio.create_subprocess_exec(
            *curl, *files, *options, url,
            cwd=self.folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        output, errors = await process.communicate()
        assert process.returncode == 0, errors.decode()
        body, _, status = output.decode().rpartition("\n")
        return int(status), json.loads(body)


@pytest.fixture
async def secured(tmp_path: Path) -> AsyncIterator[Secured]:
    async with running_weft(tmp_path / "data", "api.tls_listen=127.0.0.1:0") as weft:
        await weft.add_type("pump")
        await weft.add_device("pump-7", "pump")
        identity = weft.weft.identity
        device = identity.devices.get(MAIN, "pump-7")
        issued = (await identity.credentials.issue_certificate(OPERATOR, device)).certificate
        for name, text in (
            ("root.pem", identity.authority.root_pem),
            ("pump.pem", issued.certificate_pem + issued.chain_pem),
            ("pump.key", issued.private_key_pem or ""),
        ):
            (tmp_path / name).write_text(text)
        yield Secured(weft, tmp_path)


async def test_id_4_a_certificate_is_all_that_curl_needs(secured: Secured) -> None:
    """Telemetry, a report, lines, and what is wanted: `me` is whom the certificate names."""
    json_type = ("-H", "Content-Type: application/json")
    lines_type = ("-H", "Content-Type: application/x-ndjson")
    sent = await secured.curl("telemetry", *json_type, "-d", '{"temperature": 21.4}')
    assert sent == (200, {"position": 1})
    reported = await secured.curl("properties/reported", *json_type, "-d", '{"interval": 5}')
    assert reported == (200, {"position": 2})
    lines = '{"temperature": 1}\n{"temperature": 2}\n'
    status, taken = await secured.curl("telemetry/stream", *lines_type, "--data-binary", lines)
    assert (status, taken["accepted"]) == (200, 2)
    assert await secured.curl("commands?wait_s=0") == (200, {"items": [], "next": None})
    assert await secured.curl("properties/desired") == (200, {"version": 0, "properties": {}})
    status, problem = await secured.curl("properties/desired", certificate=False)
    assert (status, problem["code"]) == (401, "unauthenticated")


async def test_id_4_a_certificate_speaks_over_a_secure_websocket_too(secured: Secured) -> None:
    """No user name, no password: the handshake of TLS has said who it is."""
    context = ssl.create_default_context(cafile=secured.folder / "root.pem")
    context.load_cert_chain(secured.folder / "pump.pem", secured.folder / "pump.key")
    async with aiomqtt.Client(
        "localhost",
        secured.port,
        transport="websockets",
        websocket_path="/mqtt",
        tls_context=context,
        timeout=20,
    ) as pump:
        await pump.publish("devices/me/telemetry", b'{"temperature":7}', 1)
        [held] = secured.weft.weft.identity.connections.of_tenant(MAIN)
        assert (held.principal.id, held.protocol) == ("pump-7", "wss")
    assert b'{"temperature":7}' in await secured.weft.payloads()
