"""EST with what every machine has: openssl makes the key, curl carries it (RFC 7030, PR-2).

cacerts, a key that is born on the device, simpleenroll with a one-time token, MQTT over TLS
with the certificate, and simplereenroll with it when its last third has come.
"""

import asyncio
import base64
import shutil
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import aiomqtt
import pytest
from tests.interop.support import OPERATOR, RunningWeft, running_weft

from weft.app.compose import MAIN
from weft.registry.devices import NewDevice
from weft.supervision import FakeClock

pytestmark = pytest.mark.skipif(
    not (shutil.which("openssl") and shutil.which("curl")), reason="openssl or curl is not there"
)

LISTENERS = ("transports.mqtt.listen_tls=127.0.0.1:0", "api.tls_listen=127.0.0.1:0")


class Machine:
    """The device's end: a folder, openssl and curl."""

    def __init__(self, folder: Path, weft: RunningWeft) -> None:
        self.folder = folder
        self.url = weft.weft.endpoints.https + "/.well-known/est"

    async def run(self, command: str, given: bytes = b"") -> bytes:
        """Type a command in the folder; return what it printed."""
        process = await asyncio.create_subprocess_shell(
            command,
            cwd=self.folder,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(60):
            printed, errors = await process.communicate(given)
        assert process.returncode == 0, (command, errors.decode())
        return printed

    async def make_request(self, name: str, subject: str = "/CN=gate-1") -> None:
        """Make a key and a signing request for it, as base64 of DER."""
        await self.run(
            "openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes "
            f"-keyout {name}.key -subj {subject} -outform DER | base64 > {name}.b64"
        )

    async def enrol(self, name: str, credentials: str, operation: str = "simpleenroll") -> str:
        """Send the request; save the certificate where one came. Return the status."""
        status = await self.run(
            f"curl -s --cacert ca.pem {credentials} -H 'Content-Type: application/pkcs10' "
            "-H 'Content-Transfer-Encoding: base64' "
            f"--data-binary @{name}.b64 -o {name}.p7 -w '%{{http_code}}' {self.url}/{operation}"
        )
        if status == b"200":
            await self.run(
                f"base64 -d < {name}.p7 | openssl pkcs7 -inform DER -print_certs -out {name}.pem"
            )
        return status.decode()

    def context(self, name: str) -> ssl.SSLContext:
        made = ssl.create_default_context(cafile=self.folder / "ca.pem")
        made.load_cert_chain(self.folder / f"{name}.pem", self.folder / f"{name}.key")
        return made


@pytest.fixture
async def weft(tmp_path: Path) -> AsyncIterator[RunningWeft]:
    async with running_weft(tmp_path / "data", *LISTENERS) as running:
        yield running


@pytest.fixture
async def machine(tmp_path: Path, weft: RunningWeft) -> Machine:
    """A device that has the authority's certificates from EST, and trusts their root.

    How it comes to trust the first answer is its maker's affair [RFC 7030 4.1.1]; here it
    compares the root with the one that its owner knows.
    """
    folder = tmp_path / "machine"
    folder.mkdir()
    made = Machine(folder, weft)
    await made.run(
        f"curl -s -k {made.url}/cacerts | base64 -d "
        "| openssl pkcs7 -inform DER -print_certs -out ca.pem"
    )
    assert weft.weft.identity.authority.root_pem in (folder / "ca.pem").read_text()
    return made


async def token_for(weft: RunningWeft, name: str) -> str:
    identity = weft.weft.identity
    device = await identity.devices.create(OPERATOR, NewDevice(device_id=name))
    return (await identity.enrolments.issue(OPERATOR, device)).text


def in_two_months(weft: RunningWeft) -> None:
    """Let renewal believe that two thirds of ninety days are over."""
    clock = FakeClock(weft.weft.clock.now())
    clock.turn(61 * 86_400)
    weft.weft.identity.rotation._clock = clock


async def send(machine: Machine, weft: RunningWeft, name: str) -> None:
    """Publish a reading over MQTT with a certificate."""
    port = int(weft.weft.endpoints.mqtts.rpartition(":")[2])
    async with aiomqtt.Client("localhost", port, tls_context=machine.context(name)) as client:
        await client.publish("devices/me/telemetry", b'{"open":true}', 1)


async def test_pr_2_a_machine_enrols_connects_and_enrols_again(
    machine: Machine, weft: RunningWeft
) -> None:
    """The whole life of a certificate, without any code of ours on the device."""
    token = await token_for(weft, "gate-1")
    await machine.make_request("first", "/CN=somebody-else")
    assert await machine.enrol("first", f"-u gate-1:{token}") == "200"
    shown = await machine.run("openssl x509 -in first.pem -noout -subject -ext subjectAltName")
    device = weft.weft.identity.devices.get(MAIN, "gate-1")
    assert f"urn:weft:main:device:{device.uid}" in shown.decode()
    assert "somebody-else" not in shown.decode()
    await machine.run("openssl verify -CAfile ca.pem first.pem")
    await send(machine, weft, "first")

    await machine.make_request("second")
    proof = "--cert first.pem --key first.key"
    assert await machine.enrol("second", proof, "simplereenroll") == "409"
    in_two_months(weft)
    assert await machine.enrol("second", proof, "simplereenroll") == "200"
    await send(machine, weft, "second")
    assert len(await weft.payloads()) == 2


async def test_pr_2_what_must_not_be_signed_is_a_400(machine: Machine, weft: RunningWeft) -> None:
    """RSA 1024, an authority, another device's name, another key's signature; then it works."""
    token = await token_for(weft, "gate-1")
    proof = f"-u gate-1:{token}"
    await machine.run(
        "openssl req -new -newkey rsa:1024 -nodes -keyout weak.key -subj /CN=x -outform DER "
        "| base64 > weak.b64"
    )
    await machine.run(
        "openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout ca.key "
        "-subj /CN=x -addext basicConstraints=critical,CA:TRUE -outform DER | base64 > ca.b64"
    )
    await machine.run(
        "openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout san.key "
        "-subj /CN=x -addext subjectAltName=URI:urn:weft:main:device:other -outform DER "
        "| base64 > san.b64"
    )
    await machine.make_request("good")
    der = bytearray(base64.b64decode((machine.folder / "good.b64").read_bytes()))
    der[-3] ^= 1
    (machine.folder / "forged.b64").write_bytes(base64.b64encode(bytes(der)))
    for name in ("weak", "ca", "san", "forged"):
        assert await machine.enrol(name, proof) == "400", name
    assert await machine.enrol("good", proof) == "200"
    await machine.make_request("again")
    assert await machine.enrol("again", proof) == "401"
