"""AU-2: the same question gets the same answer, whatever the protocol it is asked over."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import httpx2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from tests.interop.support import Account
from tests.security.rows.support import Enrolled, House, house_in, operator, publish
from tests.transports.coap.support import Peer as CoapPeer
from tests.transports.coap.support import SecurePeer, problem_in
from tests.transports.dtls.support import customer_context, key_context
from tests.transports.mqtt.support import Peer

from weft.model.principal import Principal
from weft.wire.coap.codes import Code
from weft.wire.mqtt.reasons import Reason

DEVICES = ("pump-7", "pump-8", "fan-1")
UP = ("telemetry", "properties/reported", "events/door")
DOWN = ("properties/desired", "commands/#", "telemetry", "#")
READS = {
    "devices/{}": "device.read",
    "devices/{}/twin": "twin.read",
    "devices/{}/connection": "connection.read",
    "devices/{}/credentials": "device.credentials",
}


@dataclass
class Subject:
    """Somebody, on every protocol at once."""

    principal: Principal
    account: Account
    peer: Peer
    http: httpx2.AsyncClient
    coap: CoapPeer
    coaps: CoapPeer | None  # a device's, by its pre-shared key or certificate; keys have neither

    @property
    def coap_ways(self) -> list[tuple[str, CoapPeer]]:
        secure = [] if self.coaps is None else [("CoAP over DTLS", self.coaps)]
        return [("CoAP", self.coap), *secure]


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with house_in(tmp_path / "data", "transports.coap.listen_dtls=127.0.0.1:0") as opened:
        yield opened


async def over_dtls(house: House, who: Enrolled, *, by_key: bool) -> SecurePeer:
    """Shake hands as a device, with a pre-shared key or with its certificate."""
    if by_key:
        issued = await house.identity.preshared.issue(operator(), who.device)
        context = key_context(issued.credential.credential_id, issued.key)
    else:
        pem = who.pem.read_bytes()
        key: Any = load_pem_private_key(pem, None)
        made, chain = x509.load_pem_x509_certificates(pem)
        context = customer_context(made, key, house.identity.authority.root_pem)
        context.add_extra_chain_cert(chain)
    return await SecurePeer.shake(house.coaps_port, context)


async def subjects(house: House) -> list[Subject]:
    """Two devices, and keys with many rights, few, one that is denied, and none."""
    found: list[Any] = [await house.enrol(name) for name in DEVICES[:2]]
    await house.enrol(DEVICES[2])
    found += [
        await house.key("devices:*", "twins:*", "telemetry:*", "connections:*", topics=("#",)),
        await house.key("telemetry:write", topics=("devices/pump-7/#",)),
        await house.key("devices:read", topics=("#",), denied=("devices/fan-1/#",)),
        await house.key("types:read"),
    ]
    secure: list[CoapPeer | None] = [
        await over_dtls(house, one, by_key=number == 0) if isinstance(one, Enrolled) else None
        for number, one in enumerate(found)
    ]
    return [
        Subject(
            one.principal,
            one,
            await house.mqtt(one),
            house.http(one.token),
            await CoapPeer.dial(house.coap_port, one.token),
            coaps,
        )
        for one, coaps in zip(found, secure, strict=True)
    ]


async def test_au_2_every_protocol_gives_the_answer_of_the_policy(house: House) -> None:
    """More than 200 cases of (subject, action, object), each asked where it can be."""
    decide = house.identity.policy.decide
    asked, allowed = 0, 0
    differing: list[str] = []

    def compare(subject: Subject, wanted: list[tuple[str, str]], how: str, *, may: bool) -> None:
        nonlocal asked, allowed
        asked, allowed = asked + 1, allowed + may
        if all(decide(subject.principal, *one).allowed for one in wanted) is not may:
            differing.append(f"{subject.principal} {how} {wanted}: {may}")

    for subject in await subjects(house):
        for device, rest in product(DEVICES, UP):
            topic = f"devices/{device}/{rest}"
            act = ("topic.publish", f"topic:{topic}")
            told = await publish(subject.peer, topic, b'{"a": 1}')
            compare(subject, [act], "MQTT", may=told is not Reason.NOT_AUTHORIZED)
            for how, coap in subject.coap_ways:
                said = await coap.ask(Code.POST, f"api/v1/{topic}", b'{"a": 1}')
                compare(subject, [act], how, may=said.code == Code.CHANGED)
            answer = await subject.http.post(topic, json={"a": 1})
            both = [("telemetry.write", f"device:{device}"), act]
            compare(subject, both, "HTTP", may=answer.status_code < 300)
        for device, rest in product(DEVICES, DOWN):
            topic = f"devices/{device}/{rest}"
            told = (await subject.peer.subscribe(topic))[0]
            act = ("topic.subscribe", f"topic:{topic}")
            compare(subject, [act], "SUBSCRIBE", may=told != Reason.NOT_AUTHORIZED)
            subject.peer.write(subject.peer.machine.unsubscribe([topic])[1])
            await skip_to_unsuback(subject.peer)
        for device, (path, action) in product(DEVICES, READS.items()):
            answer = await subject.http.get(path.format(device))
            assert answer.status_code in {200, 403}, answer.text
            act = (action, f"device:{device}")
            compare(subject, [act], "REST", may=answer.status_code == 200)
        for device in DEVICES:
            path = f"api/v1/devices/{device}/properties/reported"
            act = ("twin.read", f"device:{device}")
            for how, coap in subject.coap_ways:
                said = await coap.ask(Code.GET, path)
                assert said.code in {Code.CONTENT, Code.FORBIDDEN}
                compare(subject, [act], how, may=said.code == Code.CONTENT)
        await subject.http.aclose()
        for _, coap in subject.coap_ways:
            coap.close()
    assert not differing, "\n".join(differing)
    assert asked >= 200
    assert asked // 5 < allowed < asked * 4 // 5  # both answers were given often


async def skip_to_unsuback(peer: Peer) -> None:
    """Pass over what was delivered meanwhile."""
    while type(await peer.next()).__name__ != "Unsuback":
        continue


async def test_au_2_what_ingest_refuses_over_one_protocol_it_refuses_over_all(
    house: House,
) -> None:
    """A payload that is no JSON: MQTT says so with a reason code, the others with a problem."""
    pump = await house.enrol("pump-7")
    peer = await house.mqtt(pump)
    told = await publish(peer, "devices/pump-7/telemetry", b"{")
    async with house.http(pump.token) as client:
        headers = {"content-type": "application/json"}
        answer = await client.post("devices/pump-7/telemetry", content=b"{", headers=headers)
    plain = await CoapPeer.dial(house.coap_port, pump.token)
    for coap in (plain, await over_dtls(house, pump, by_key=True)):
        said = await coap.ask(Code.POST, "api/v1/devices/pump-7/telemetry", b"{")
        coap.close()
        assert said.code == Code.UNPROCESSABLE_ENTITY
        assert problem_in(said)[-1] == "payload_invalid"
    assert told is Reason.PAYLOAD_FORMAT_INVALID
    assert answer.status_code in {400, 422}
    assert answer.json()["code"] == "payload_invalid"
