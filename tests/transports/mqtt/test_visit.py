"""A connection without an identity: it may ask for one, and for nothing else (PR-1)."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.interop.support import MAIN, OPERATOR, RunningWeft, running_weft, until
from tests.transports.mqtt.support import Peer

from weft.registry.claims import IssuedClaim, NewClaim
from weft.transports.mqtt.visit import REQUEST, REQUESTS_MAX, RESPONSE, is_visit
from weft.wire.mqtt.encode import encode
from weft.wire.mqtt.packets import Connack, Connect, Puback, Publish, Unsuback, Will
from weft.wire.mqtt.reasons import Reason


@asynccontextmanager
async def factory(folder: Path) -> AsyncIterator[tuple[RunningWeft, IssuedClaim]]:
    async with running_weft(folder) as weft:
        claims = weft.weft.identity.claims
        yield weft, await claims.create(OPERATOR, NewClaim("batch", 1, approve=True))


def wanted(issued: IssuedClaim, name: str) -> bytes:
    return json.dumps(
        {
            "deviceName": name,
            "provisionDeviceKey": issued.claim.claim_id,
            "provisionDeviceSecret": issued.token,
        }
    ).encode()


async def visitor(weft: RunningWeft, **options: Any) -> tuple[Peer, Connack]:
    peer = await Peer.dial(weft.mqtt_port)
    options.setdefault("password", None)
    return peer, await peer.sign_in("provision", **options)


async def ask(peer: Peer, payload: bytes, qos: int = 0) -> dict[str, Any]:
    packet_id = peer.publish(REQUEST, payload, qos)
    if qos:
        assert (await peer.expect(Puback)).packet_id == packet_id
    said = await peer.expect(Publish)
    assert said.topic == RESPONSE
    answer: dict[str, Any] = json.loads(said.payload)
    return answer


@pytest.mark.parametrize("version", [4, 5])
async def test_pr_1_a_visitor_gets_an_identity_for_a_claim(tmp_path: Path, version: int) -> None:
    async with factory(tmp_path) as (weft, issued):
        peer, connack = await visitor(weft, version=version)
        assert connack.reason is Reason.SUCCESS
        assert await peer.subscribe(RESPONSE) == [1]
        answer = await ask(peer, wanted(issued, "pump-7"), qos=1)
        assert answer["status"] == "SUCCESS"
        second = await ask(peer, wanted(issued, "pump-8"))
        assert second["status"] == "FAILURE"  # the claim was for one
        token = answer["credentialsValue"]
        authenticator = weft.weft.identity.authenticator
        assert authenticator.prove_bearer(token, "127.0.0.1").principal.id == "pump-7"
        peer.hang_up()


@pytest.mark.parametrize(
    "packet",
    [
        Publish("devices/pump-7/telemetry", b"{}", 1, packet_id=1),
        Publish("v1/devices/me/telemetry", b"{}"),
        Publish(REQUEST, b"{}", 2, packet_id=1),
        Publish(RESPONSE, b"{}"),
    ],
)
async def test_pr_1_a_visitor_may_do_nothing_else(tmp_path: Path, packet: Publish) -> None:
    async with factory(tmp_path) as (weft, _issued):
        peer, _connack = await visitor(weft)
        peer.write(encode(packet, 5))
        assert (await peer.farewell()).reason == Reason.NOT_AUTHORIZED
        assert await weft.payloads() == []


async def test_pr_1_a_visitor_hears_only_its_own_answer(tmp_path: Path) -> None:
    """Of two who ask at the same time, each gets one token, and no broker is between."""
    async with factory(tmp_path) as (weft, issued):
        first, _ = await visitor(weft)
        second, _ = await visitor(weft)
        assert await first.subscribe("#", RESPONSE) == [int(Reason.NOT_AUTHORIZED), 1]
        await second.subscribe(RESPONSE)
        assert (await ask(second, b"{}"))["status"] == "FAILURE"
        assert (await ask(first, wanted(issued, "pump-7")))["status"] == "SUCCESS"
        assert (await ask(second, b"[]"))["status"] == "FAILURE"
        packet_id, data = first.machine.unsubscribe([RESPONSE])
        first.write(data)
        assert (await first.expect(Unsuback)).packet_id == packet_id
        first.hang_up()
        second.hang_up()


async def test_a_visit_has_an_end(tmp_path: Path) -> None:
    """So many requests, then the door closes."""
    async with factory(tmp_path) as (weft, _issued):
        peer, _connack = await visitor(weft)
        await peer.subscribe(RESPONSE)
        for _ in range(REQUESTS_MAX):
            await ask(peer, b"{}")
        peer.publish(REQUEST, b"{}", 0)
        assert (await peer.farewell()).reason == Reason.QUOTA_EXCEEDED


async def test_a_visitor_may_leave(tmp_path: Path) -> None:
    async with factory(tmp_path) as (weft, _issued):
        peer, _connack = await visitor(weft)
        peer.write(peer.machine.disconnect())
        assert await peer.rest() == []
        await until(lambda: not weft.weft._mqtt[0])


async def test_au_1_without_a_claim_in_force_nobody_is_let_in_unnamed(tmp_path: Path) -> None:
    async with factory(tmp_path) as (weft, issued):
        await weft.weft.identity.claims.revoke(OPERATOR, issued.claim.claim_id)
        peer, connack = await visitor(weft)
        assert connack.reason is Reason.BAD_USER_NAME_OR_PASSWORD
        peer.hang_up()
        assert weft.weft.identity.devices.find(MAIN, "provision") is None


def test_a_device_that_is_called_provision_signs_in_as_itself() -> None:
    class Open:
        def is_open(self) -> bool:
            return True

        async def answer(self, payload: bytes, peer: str, /) -> bytes:
            return payload + peer.encode()

    assert is_visit(Connect("c", username="provision"), Open())
    assert not is_visit(Connect("c", username="provision", password=b"secret"), Open())
    assert not is_visit(Connect("c", username="other"), Open())
    assert not is_visit(Connect("c", username="provision"), None)
    assert not is_visit(Connect("c", username="provision", will=Will("a", b"")), Open())
