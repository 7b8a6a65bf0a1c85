"""libcoap's own clients, over OpenSSL and over GnuTLS: what people try first."""

import asyncio
import json
import shutil
from pathlib import Path

import pytest
from tests.interop.coap.conftest import Site
from tests.interop.support import OPERATOR, until

from weft.app.compose import MAIN
from weft.model.ids import DeviceId
from weft.registry.claims import NewClaim
from weft.security.claim_keys import identity_of
from weft.security.machine_secrets import derive_preshared, derive_secret, parse_secret

CLIENTS = ("coap-client-notls", "coap-client-openssl", "coap-client-gnutls")
pytestmark = pytest.mark.skipif(
    not all(shutil.which(client) for client in CLIENTS),
    reason="libcoap's clients are not installed (package libcoap3-bin)",
)
BOTH = pytest.mark.parametrize("flavour", ["openssl", "gnutls"])
PATIENCE_S = 30
JSON = ("-t", "50")


async def run(flavour: str, *arguments: str) -> str:
    """Run a client to its end and return all that it printed."""
    process = await asyncio.create_subprocess_exec(
        f"coap-client-{flavour}",
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(PATIENCE_S):
        output, _ = await process.communicate()
    return output.decode(errors="replace")


def by_key(site: Site, key: str = "") -> tuple[str, ...]:
    """The options that prove the pump by its pre-shared key."""
    return "-u", site.identity, "-k", key or site.key


def by_certificate(site: Site) -> tuple[str, ...]:
    """The options that prove it by its certificate, and check ours."""
    folder = site.folder
    return "-c", f"{folder}/device.pem", "-j", f"{folder}/device.key", "-R", f"{folder}/ca.pem"


async def test_a_reading_is_posted_in_the_clear(site: Site) -> None:
    """With the token in the query; the client answers our Echo by itself (RFC 9175)."""
    said = await run(
        "notls", "-v", "6", "-m", "post", *JSON, "-e", '{"temperature":21.5}',
        site.plain("telemetry"),
    )  # fmt: skip
    assert "c:2.04" in said
    assert site.temperature == 21.5


@BOTH
@pytest.mark.parametrize("method", ["post", "put"])
async def test_co_1_a_reading_is_sent_by_pre_shared_key(
    site: Site, flavour: str, method: str
) -> None:
    """The command that `weft device add --psk` prints."""
    said = await run(
        flavour, "-v", "6", "-m", method, *by_key(site), *JSON, "-e", '{"temperature":22.5}',
        site.secure("telemetry"),
    )  # fmt: skip
    assert "c:2.04" in said
    assert site.temperature == 22.5


@BOTH
async def test_co_1_a_reading_is_sent_by_certificate(site: Site, flavour: str) -> None:
    """And the client checks ours against the root."""
    said = await run(
        flavour, "-v", "6", "-m", "post", *by_certificate(site), *JSON,
        "-e", '{"temperature":23.5}', site.secure("telemetry"),
    )  # fmt: skip
    assert "c:2.04" in said
    assert site.temperature == 23.5


@BOTH
@pytest.mark.parametrize("name", ["known", "unknown"])
async def test_co_1_a_wrong_key_and_an_unknown_name_are_refused(
    site: Site, flavour: str, name: str
) -> None:
    """In the handshake, alike; the owner of the name reads why."""
    identity = site.identity if name == "known" else "nobodyatall"
    said = await run(
        flavour, "-u", identity, "-k", "guessed", "-m", "post", *JSON,
        "-e", '{"temperature":1}', site.secure("telemetry"),
    )  # fmt: skip
    assert "cannot send CoAP pdu" in said
    assert await site.house.payloads() == []
    if name == "known":
        attempts = site.house.weft.identity.authenticator.attempts.of_device(MAIN, "pump-7")
        assert "key is wrong" in attempts[0].reason


@BOTH
@pytest.mark.parametrize("group", [True, False], ids=["group", "batch"])
async def test_pr_1_a_fresh_device_comes_with_a_claims_key_and_leaves_with_its_own(
    site: Site, flavour: str, *, group: bool
) -> None:
    """Provisions over coaps, may do nothing else there, and sends a reading by its own key."""
    claims = site.house.weft.identity.claims
    new = NewClaim("batch", 5, type_name="pump", approve=True, group=group)
    issued = await claims.create(OPERATOR, new)
    name, key = issued.claim.claim_id, issued.key
    if group:
        token = parse_secret(issued.token)
        assert token is not None
        name, key = identity_of(name, "0042"), derive_preshared(derive_secret(token, "0042"))
    proof = ("-u", name, "-k", key)
    refused = await run(
        flavour, "-v", "6", "-m", "post", *proof, *JSON, "-e", '{"temperature":1}',
        site.secure("telemetry"),
    )  # fmt: skip
    assert "4.03" in refused
    assert "/api/v1/provision" in refused
    said = await run(
        flavour, "-m", "post", *proof, *JSON, "-e", '{"serial":"0042","want":"psk"}',
        f"coaps://{site.house.weft.endpoints.coaps}/api/v1/provision",
    )  # fmt: skip
    given = json.loads(said)
    assert given["device_id"] == "0042"
    sent = await run(
        flavour, "-v", "6", "-m", "post", "-u", given["psk_identity"], "-k", given["psk_key"],
        *JSON, "-e", '{"temperature":25.5}', site.secure("telemetry"),
    )  # fmt: skip
    assert "c:2.04" in sent
    latest = site.house.weft.path.twins.get(MAIN, DeviceId("0042")).telemetry["temperature"]
    assert latest.value == 25.5
    await claims.revoke(OPERATOR, issued.claim.claim_id)
    over = await run(
        flavour, "-m", "post", *proof, *JSON, "-e", '{"serial":"0042","want":"psk"}',
        f"coaps://{site.house.weft.endpoints.coaps}/api/v1/provision",
    )  # fmt: skip
    assert "cannot send CoAP pdu" in over


@BOTH
async def test_rv_1_a_revoked_key_is_refused(site: Site, flavour: str) -> None:
    """The next handshake already."""
    credentials = site.house.weft.identity.credentials
    await credentials.revoke(OPERATOR, site.pump, site.identity)
    said = await run(flavour, *by_key(site), "-m", "get", site.secure("properties/reported"))
    assert "cannot send CoAP pdu" in said


@BOTH
async def test_a_report_goes_and_comes_in_blocks(site: Site, flavour: str, tmp_path: Path) -> None:
    """RFC 7959 both ways: a report of some kilobytes, in blocks of 64 bytes."""
    file, back = tmp_path / "report.json", tmp_path / "back.json"
    document = {f"setting-{number}": "x" * 40 for number in range(50)}
    other = await site.house.device("free-1")
    key = await site.house.key(other)
    path, proof = (
        site.secure("properties/reported"),
        ("-u", key.credential.credential_id, "-k", key.key),
    )
    file.write_text(json.dumps(document))
    said = await run(
        flavour, "-v", "6", *proof, "-b", "64", "-m", "post", *JSON, "-f", str(file), path
    )
    assert "c:2.04" in said
    await run(flavour, *proof, "-b", "64", "-m", "get", "-o", str(back), path)
    assert json.loads(back.read_text()) == document


@BOTH
async def test_desired_properties_are_observed(site: Site, flavour: str) -> None:
    """Each change is printed as it is wanted."""
    process = await asyncio.create_subprocess_exec(
        "stdbuf", "-o0", f"coap-client-{flavour}", *by_key(site), "-w", "-s", "60", "-m", "get",
        site.secure("properties/desired"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    listener = site.house.weft._coap[1]
    await until(lambda: len(listener._service.watches) == 1, PATIENCE_S)
    twins = site.house.weft.path.twins
    await twins.desire(OPERATOR, site.pump.device_id, {"interval": 7}, version=0)
    assert process.stdout is not None
    async with asyncio.timeout(PATIENCE_S):
        said = b""
        while b'"interval":7' not in said:
            said += await process.stdout.read(1_000)
    process.terminate()
    await process.wait()
    assert b'"version":0' in said
    assert b'"version":1' in said


@BOTH
async def test_what_there_is_is_listed(site: Site, flavour: str) -> None:
    """RFC 6690."""
    url = f"coaps://{site.house.weft.endpoints.coaps}/.well-known/core"
    said = await run(flavour, *by_key(site), "-m", "get", url)
    assert "</api/v1/devices/me/telemetry>" in said


async def test_co_1_the_suite_of_rfc_7252_is_spoken_with_openssls_own_client(site: Site) -> None:
    """TLS_PSK_WITH_AES_128_CCM_8, which libcoap cannot be told to offer alone."""
    head = bytes([0x41, 2, 0x30, 0x39, 0x07])
    options = b"\xb3api\x02v1\x07devices\x02me\x09telemetry\x11\x32"
    message = head + options + b'\xff{"temperature":24.5}'
    process = await asyncio.create_subprocess_exec(
        "openssl", "s_client", "-dtls1_2", "-quiet", "-no_ign_eof", "-psk_identity", site.identity,
        "-psk", site.key.encode().hex(), "-cipher", "PSK-AES128-CCM8:@SECLEVEL=0",
        "-connect", site.house.weft.endpoints.coaps,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(message)
    await process.stdin.drain()
    async with asyncio.timeout(PATIENCE_S):
        answer = await process.stdout.read(100)
    process.stdin.close()
    process.terminate()
    await process.wait()
    assert answer == bytes([0x61, 0x44, 0x30, 0x39, 0x07])
    assert site.temperature == 24.5
