"""Certificates and secrets over their whole life, on real sockets with other people's client."""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator
from pathlib import Path

import aiomqtt
import httpx2
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from OpenSSL import SSL
from tests.interop.support import OPERATOR, RunningWeft, running_weft, until
from tests.security.customer_ca import CustomerCa, with_key
from tests.transports.coap.support import ME, SecurePeer, running_house
from tests.transports.dtls.support import customer_context

from weft.app.compose import MAIN
from weft.ingest.quarantine import Approval
from weft.model.device import Lifecycle
from weft.model.moments import NS_PER_S
from weft.registry.devices import NewDevice
from weft.security.authorities import AuthorityPatch, NewAuthority
from weft.security.rotation import Replacing
from weft.wire.coap.codes import Code

TLS = ("transports.mqtt.listen_tls=127.0.0.1:0", "api.tls_listen=127.0.0.1:0")
SHORT = "security.certificates.device_days=0.0001"  # 8.64 s
LATE_S = 2.0  # AU-9: at notAfter, two seconds more or less
BUSY_S = 5.0  # what a machine may need beyond that for the client to hear of it


@pytest.fixture
async def weft(tmp_path: Path) -> AsyncIterator[RunningWeft]:
    async with running_weft(tmp_path / "data", *TLS) as running:
        yield running


def context(weft: RunningWeft, file: Path) -> ssl.SSLContext:
    """Trust Weft, and show the certificate in a file."""
    made = ssl.create_default_context(cadata=weft.weft.identity.authority.root_pem)
    made.load_cert_chain(file)
    return made


def mqtts(weft: RunningWeft, tls: ssl.SSLContext) -> aiomqtt.Client:
    port = int(weft.weft.endpoints.mqtts.rpartition(":")[2])
    return aiomqtt.Client("localhost", port, tls_context=tls)


async def ended(client: aiomqtt.Client) -> float:
    """Return when the server has ended a connection."""

    async def listen() -> None:
        async for _ in client.messages:
            continue

    with pytest.raises(aiomqtt.MqttError):
        await listen()
    return time.time()


async def test_au_9_a_connection_ends_when_its_certificate_does(tmp_path: Path) -> None:
    """MQTT is cut at notAfter; a kept HTTP connection is refused from then on."""
    async with running_weft(tmp_path / "data", *TLS, SHORT) as weft:
        identity = weft.weft.identity
        device = await identity.devices.create(OPERATOR, NewDevice("gate-1"))
        issued = (await identity.credentials.issue_certificate(OPERATOR, device)).certificate
        file = tmp_path / "gate.pem"
        file.write_text(f"{issued.private_key_pem}{issued.certificate_pem}{issued.chain_pem}")
        not_after = issued.expires_at / NS_PER_S
        tls = context(weft, file)
        url = weft.weft.endpoints.https.replace("127.0.0.1", "localhost")
        kept = httpx2.Limits(keepalive_expiry=60)
        async with (
            httpx2.AsyncClient(verify=tls, base_url=url, trust_env=False, limits=kept) as http,
            mqtts(weft, tls) as client,
        ):
            assert (await http.get("/api/v1/devices/me")).status_code == 200
            async with asyncio.timeout(60):
                at = await ended(client)
            await asyncio.sleep(max(0.0, not_after - time.time()))
            assert -LATE_S <= at - not_after <= LATE_S + BUSY_S
            assert (await http.get("/api/v1/devices/me")).status_code == 401


async def test_rv_3_a_rotation_loses_nothing_and_ends_the_old(weft: RunningWeft) -> None:
    """Messages go on over both, then over the new alone; the old one's connection is cut."""
    identity = weft.weft.identity
    old = await weft.add_device("pump-7")
    device = identity.devices.get(MAIN, "pump-7")
    sent = 0

    async def send(client: aiomqtt.Client) -> None:
        nonlocal sent
        await client.publish("devices/me/telemetry", b'{"n":%d}' % sent, 1)
        sent += 1

    def dial(token: str) -> aiomqtt.Client:
        return aiomqtt.Client(weft.host, weft.mqtt_port, username="pump-7", password=token)

    async with dial(old.token) as first:
        await send(first)
        new = await identity.rotation.rotate_secret(OPERATOR, device, Replacing(grace_s=4))
        for _ in range(20):  # the live connection does not notice
            await send(first)
        async with dial(new.token) as second:
            async with asyncio.timeout(30):
                await asyncio.gather(ended(first), send(second))
            for _ in range(5):
                await send(second)
            assert len(identity.connections.of_principal(device.uid)) == 1
    with pytest.raises(aiomqtt.MqttError):
        async with dial(old.token):
            pytest.fail("it must not get in")
    got = [payload for payload in await weft.payloads() if payload.startswith(b'{"n"')]
    assert got == [b'{"n":%d}' % number for number in range(sent)]


async def test_pr_4_a_customers_device_waits_is_let_in_and_is_cut(
    weft: RunningWeft, tmp_path: Path
) -> None:
    """Its authority is registered while the listener runs; another's device gets no handshake.

    What it says while it waits is kept, proposes its type, and counts once it is approved.
    """
    identity = weft.weft.identity
    acme, stranger = CustomerCa(), CustomerCa()
    files = {}
    for name, ca in (("acme", acme), ("stranger", stranger)):
        key = ec.generate_private_key(ec.SECP256R1())
        files[name] = tmp_path / f"{name}.pem"
        files[name].write_text(with_key(ca.sign("gate-1", key), key))

    async def speak(name: str) -> None:
        async with mqtts(weft, context(weft, files[name])) as client:
            await client.publish("devices/me/telemetry", b'{"open":true}', 1)

    async def require_no_handshake(name: str) -> None:
        # In TLS 1.3 a client is told behind its own half; aiomqtt would wait for ten seconds.
        port = int(weft.weft.endpoints.mqtts.rpartition(":")[2])
        tls = context(weft, files[name])
        reader, writer = await asyncio.open_connection("localhost", port, ssl=tls)
        with pytest.raises(ssl.SSLError, match="alert"):
            await reader.read()
        writer.close()

    await require_no_handshake("acme")
    made = await identity.authorities.register(OPERATOR, NewAuthority(acme.pem))
    await identity.authorities.prove(OPERATOR, made.authority_id, acme.proof(made.nonce))
    await speak("acme")  # to be heard from its first word, and no more
    assert identity.devices.get(MAIN, "gate-1").lifecycle is Lifecycle.PENDING
    quarantine = weft.weft.path.quarantine
    waiting = await quarantine.get(MAIN, "gate-1")
    assert [one.code for one in waiting.kept] == ["device_pending"]
    assert set(waiting.proposal.document["telemetry"]) == {"open"}
    assert weft.weft.path.twins.get(MAIN, waiting.device.device_id).telemetry == {}
    done = await quarantine.approve(OPERATOR, "gate-1", Approval(type_name="gate", infer=True))
    assert (done.redriven, done.refused) == (1, ())
    await speak("acme")
    await require_no_handshake("stranger")

    async with mqtts(weft, context(weft, files["acme"])) as client:
        off = AuthorityPatch(enabled=False)
        await identity.authorities.update(OPERATOR, made.authority_id, off)
        async with asyncio.timeout(20):
            await ended(client)
    await require_no_handshake("acme")
    assert await weft.payloads() == [b'{"open":true}'] * 3  # refused, redriven, admitted


async def test_pr_4_a_customers_device_comes_in_over_coaps_too(tmp_path: Path) -> None:
    """The same life as over MQTTS: heard at once, let in, cut with its authority."""
    acme, key = CustomerCa(), ec.generate_private_key(ec.SECP256R1())
    async with running_house(tmp_path / "data") as house:
        identity = house.weft.identity
        context = customer_context(acme.sign("gate-1", key), key, identity.authority.root_pem)

        async def post() -> Code | None:
            """Send a reading; None where the device does not get as far."""
            try:
                peer = await SecurePeer.shake(house.coaps_port, context)
                answer = await peer.ask(Code.POST, f"{ME}/telemetry", b'{"open":true}')
            except SSL.Error:
                return None
            peer.close()
            return Code(answer.code)

        async def is_trusted() -> None:
            await until(lambda: not house.weft._coap[1]._door._contexts.is_stale, 30)

        assert await post() is None
        made = await identity.authorities.register(OPERATOR, NewAuthority(acme.pem))
        await identity.authorities.prove(OPERATOR, made.authority_id, acme.proof(made.nonce))
        await is_trusted()
        assert await post() == Code.CONFLICT  # its first word, kept in the quarantine
        assert identity.devices.get(MAIN, "gate-1").lifecycle is Lifecycle.PENDING
        done = await house.weft.path.quarantine.approve(
            OPERATOR, "gate-1", Approval(type_name="gate", infer=True)
        )
        assert (done.redriven, done.refused) == (1, ())
        assert await post() == Code.CHANGED
        off = AuthorityPatch(enabled=False)
        await identity.authorities.update(OPERATOR, made.authority_id, off)
        assert identity.connections.count() == 0
        await is_trusted()
        assert await post() is None
