"""The JavaScript that is shown beside a new credential, run by Node.js as it is pasted."""

import asyncio
import os
import shutil
from pathlib import Path

import pytest
from tests.interop.support import OPERATOR, RunningWeft, running_weft

from weft.api.snippets import Endpoints, certificate_snippets, secret_snippets
from weft.app.compose import MAIN

HTTPS = "api.tls_listen=127.0.0.1:0"


async def run_module(folder: Path, code: str) -> str:
    """Save the module and run it with Node.js as its first line says; return what it prints."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("Node.js is not installed; scripts/dashboard build says how it comes")
    (folder / "device.mjs").write_text(code)
    environment = dict(os.environ)
    if "NODE_EXTRA_CA_CERTS=ca.pem node device.mjs" in code.splitlines()[0]:
        environment["NODE_EXTRA_CA_CERTS"] = "ca.pem"
    process = await asyncio.create_subprocess_exec(
        node, "device.mjs", cwd=folder, env=environment,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    output, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    return output.decode().strip()


def https_of(weft: RunningWeft) -> Endpoints:
    """Where HTTPS listens, by the name that its certificate holds."""
    port = weft.weft.endpoints.https.rpartition(":")[2]
    return Endpoints(https=f"https://localhost:{port}")


def temperature_of(weft: RunningWeft, device_id: str) -> object:
    """What the device's twin holds: the reading of the snippet, if it came in."""
    device = weft.weft.identity.devices.get(MAIN, device_id)
    return weft.weft.path.twins.get(MAIN, device.device_id).telemetry["temperature"].value


async def test_a_secret_over_plain_http(tmp_path: Path) -> None:
    """On the machine itself, with nothing installed but Node.js."""
    async with running_weft(tmp_path / "data") as weft:
        pump = await weft.add_device("pump-7")
        code = secret_snippets("pump-7", pump.token, Endpoints(http=weft.http_url)).javascript
        assert await run_module(tmp_path, code) == '200 {"position":1}'
        assert temperature_of(weft, "pump-7") == 21.4


async def test_a_secret_over_https(tmp_path: Path) -> None:
    """The authority is ours: Node.js is told of it by its environment."""
    async with running_weft(tmp_path / "data", HTTPS) as weft:
        pump = await weft.add_device("pump-7")
        (tmp_path / "ca.pem").write_text(weft.weft.identity.authority.root_pem)
        code = secret_snippets("pump-7", pump.token, https_of(weft)).javascript
        assert await run_module(tmp_path, code) == '200 {"position":1}'
        assert temperature_of(weft, "pump-7") == 21.4


async def test_a_certificate(tmp_path: Path) -> None:
    """No secret at all: the three files of the answer are the proof."""
    async with running_weft(tmp_path / "data", HTTPS) as weft:
        await weft.add_device("pump-7")
        identity = weft.weft.identity
        device = identity.devices.get(MAIN, "pump-7")
        issued = (await identity.credentials.issue_certificate(OPERATOR, device)).certificate
        for name, text in (
            ("ca.pem", identity.authority.root_pem),
            ("device.pem", issued.certificate_pem + issued.chain_pem),
            ("device.key", issued.private_key_pem or ""),
        ):
            (tmp_path / name).write_text(text)
        code = certificate_snippets("pump-7", https_of(weft)).javascript
        assert await run_module(tmp_path, code) == '200 {"position":1}'
        assert temperature_of(weft, "pump-7") == 21.4
