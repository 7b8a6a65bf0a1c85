"""Devices with certificates, and people's clients with a secret, over TLS (MQ-1, ID-4)."""

import asyncio
import shutil
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import aiomqtt
import pytest
from tests.interop.mqtt.conftest import Site, furnish
from tests.interop.support import OPERATOR, running_weft

from weft.app.compose import MAIN
from weft.model.ids import DeviceId


@dataclass(frozen=True)
class Secured:
    """A site with a TLS listener, the pump's certificate, and the authority's."""

    site: Site
    port: int
    root: Path
    certificate: Path
    key: Path

    def context(self, *, certificate: bool) -> ssl.SSLContext:
        made = ssl.create_default_context(cafile=self.root)
        if certificate:
            made.load_cert_chain(self.certificate, self.key)
        return made


@pytest.fixture
async def secured(tmp_path: Path) -> AsyncIterator[Secured]:
    folder = tmp_path / "data"
    async with running_weft(folder, "transports.mqtt.listen_tls=127.0.0.1:0") as weft:
        site = await furnish(weft, folder)
        identity = weft.weft.identity
        device = identity.devices.get(MAIN, "pump-7")
        issued = (await identity.credentials.issue_certificate(OPERATOR, device)).certificate
        files = {
            "root.pem": identity.authority.root_pem,
            "pump.pem": issued.certificate_pem + issued.chain_pem,
            "pump.key": issued.private_key_pem or "",
        }
        for name, text in files.items():
            (tmp_path / name).write_text(text)
        port = int(weft.weft.endpoints.mqtts.rpartition(":")[2])
        yield Secured(site, port, *[tmp_path / name for name in files])


async def test_a_device_is_known_by_its_certificate_alone(secured: Secured) -> None:
    """No user name, no password; messages of every QoS go up, a command comes down."""
    context = secured.context(certificate=True)
    async with aiomqtt.Client("localhost", secured.port, tls_context=context) as pump:
        granted = await pump.subscribe("devices/me/commands/+/+", qos=1)
        assert [int(one) if isinstance(one, int) else one.value for one in granted] == [1]
        for qos in (0, 1, 2):
            await pump.publish("devices/me/telemetry", b'{"rpm":%d}' % qos, qos)
        commands = secured.site.weft.weft.path.commands
        await commands.send(OPERATOR, DeviceId("pump-7"), "stop", request_id="1")
        async with asyncio.timeout(20):
            command = await anext(pump.messages)
    assert str(command.topic) == "devices/pump-7/commands/1/stop"
    assert len(await secured.site.weft.payloads()) == 4


async def test_a_secret_over_tls(secured: Secured) -> None:
    """Without a certificate the secret says who it is; without either, nobody gets in."""
    context = secured.context(certificate=False)
    app = secured.site.app
    async with aiomqtt.Client(
        "localhost", secured.port, username=app.username, password=app.token, tls_context=context
    ) as client:
        await client.publish("news", b"x" * 200_000, 1)
    with pytest.raises(aiomqtt.MqttError, match=r"[Nn]ot authori[sz]ed"):
        async with aiomqtt.Client("localhost", secured.port, tls_context=context):
            pytest.fail("it must not get in")


@pytest.mark.skipif(not shutil.which("mosquitto_pub"), reason="mosquitto_pub is not installed")
async def test_mosquitto_pub_with_a_certificate(secured: Secured) -> None:
    process = await asyncio.create_subprocess_exec(
        "mosquitto_pub", "-h", "localhost", "-p", str(secured.port), "-q", "2",
        "--cafile", str(secured.root), "--cert", str(secured.certificate),
        "--key", str(secured.key), "-t", "devices/me/telemetry", "-m", '{"rpm":1}',
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    async with asyncio.timeout(20):
        _, errors = await process.communicate()
    assert (process.returncode, errors) == (0, b"")
    assert await secured.site.weft.payloads() == [b'{"rpm":1}']
