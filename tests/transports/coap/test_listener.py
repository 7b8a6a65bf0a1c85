"""The CoAP listener: where it answers, whom it trusts, and how it ends."""

import asyncio
import socket
from pathlib import Path
from typing import Any

import pytest
from OpenSSL import SSL
from tests.interop.support import OPERATOR, until
from tests.transports.coap.support import ME, House, Peer, running_house, uint
from tests.transports.dtls.support import key_context

from weft.errors import ConfigurationError
from weft.transports.coap import metrics
from weft.wire.coap.codes import Code
from weft.wire.coap.options import Option

TELEMETRY = f"{ME}/telemetry"


async def test_both_listeners_are_announced(house: House) -> None:
    """`weft up` says where they are."""
    endpoints = house.weft.endpoints
    assert endpoints.coap.startswith("127.0.0.1:")
    assert endpoints.coaps.startswith("127.0.0.1:")
    assert house.weft.health()["pre-shared keys"] == "ok"


async def test_co_1_in_the_clear_nobody_answers_where_it_is_off(tmp_path: Path) -> None:
    """Only DTLS is left: a plain GET is no record, and gets no answer from it either."""
    async with running_house(tmp_path / "data", "transports.coap.listen=") as house:
        assert house.weft.endpoints.coap == ""
        peer = await Peer.dial(house.coaps_port)
        await peer.send(Code.GET, ".well-known/core")
        secure = await house.secure(await house.device("pump-7"))
        assert (await secure.ask(Code.GET, ".well-known/core")).code == Code.CONTENT
        assert peer.inbox.arrived.empty()
        peer.close()
        secure.close()


async def test_a_taken_port_is_told(tmp_path: Path) -> None:
    """With the setting that chooses another."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as holder:
        holder.bind(("127.0.0.1", 0))
        setting = f"transports.coap.listen=127.0.0.1:{holder.getsockname()[1]}"
        with pytest.raises(ExceptionGroup) as caught:
            async with running_house(tmp_path, setting):
                raise AssertionError
    error: BaseException = caught.value
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    assert isinstance(error, ConfigurationError)
    assert "transports.coap.listen=" in error.remedy


async def test_co_2_a_stranger_gets_no_more_than_it_sent(house: House) -> None:
    """In the clear: 4.01 with Echo, whatever was asked; nothing is kept for it."""
    account = await house.add_device("pump-7")
    endpoint = house.weft._coap[0]._service.endpoint
    for _ in range(20):
        peer = await Peer.dial(house.coap_port, account.token)
        request = await peer.send(Code.GET, f"{ME}/properties/reported")
        answer = await peer.answer_to(request)
        assert answer.code == Code.UNAUTHORIZED
        assert Option.ECHO in dict(answer.options)
        assert answer.payload == b""
        peer.close()
    assert endpoint.counts["peers"] == 0
    assert endpoint.held_bytes == 0


@pytest.mark.parametrize(
    "noise", [b"", b"\0", b"\x40\x01", b"\xff" * 40, b"GET / HTTP/1.1\r\n\r\n"]
)
async def test_noise_ends_nothing(house: House, noise: bytes) -> None:
    """On either socket; who speaks CoAP is served as before."""
    peer = await house.plain("pump-7")
    assert (await peer.ask(Code.POST, TELEMETRY, b"{}")).code == Code.CHANGED
    for port in (house.coap_port, house.coaps_port):
        other = await Peer.dial(port)
        await other.write(noise)
        other.close()
    await peer.write(noise)
    assert (await peer.ask(Code.POST, TELEMETRY, b"{}")).code == Code.CHANGED
    peer.close()


async def test_rv_1_deleting_a_device_cuts_its_session(house: House) -> None:
    """It hears a good-bye, and its key opens nothing any more."""
    device = await house.device("pump-7")
    issued = await house.key(device)
    context = key_context(issued.credential.credential_id, issued.key)
    peer = await house.secure(device)
    assert (await peer.ask(Code.POST, TELEMETRY, b"{}")).code == Code.CHANGED
    await house.weft.identity.devices.delete(OPERATOR, device.device_id)
    async with asyncio.timeout(10):
        with pytest.raises(SSL.ZeroReturnError):
            await peer.read()
    with pytest.raises(SSL.Error):
        await peer.shake(house.coaps_port, context)
    assert house.weft.identity.connections.count() == 0
    peer.close()


async def test_an_answer_that_takes_long_comes_by_itself(house: House) -> None:
    """RFC 7252 5.2.2: an empty acknowledgement in time, the answer after the commit."""
    peer = await house.plain("pump-7")
    await peer.ask(Code.POST, TELEMETRY, b"{}")
    journal = house.weft.stores.journal
    append, may_go_on = journal.append, asyncio.Event()

    async def slowly(batch: object) -> int:
        await may_go_on.wait()
        return await append(batch)  # type: ignore[arg-type]

    journal.append = slowly  # type: ignore[method-assign,assignment]
    request = await peer.send(Code.POST, TELEMETRY, b"{}")
    acknowledged = await peer.next_message()
    assert (acknowledged.code, acknowledged.message_id) == (0, request.message_id)
    may_go_on.set()
    assert (await peer.answer_to(request)).code == Code.CHANGED
    journal.append = append  # type: ignore[method-assign]
    peer.close()


async def test_co_5_over_dtls_a_peer_shares_with_its_network(house: House) -> None:
    """In the clear all are of this machine, and one of them may need all there is."""
    plain = await house.plain("pump-7")
    assert (await plain.ask(Code.POST, TELEMETRY, b"{}")).code == Code.CHANGED
    secure = [await house.secure(await house.device(f"fan-{number}")) for number in range(2)]
    for one in secure:
        assert (await one.ask(Code.POST, TELEMETRY, b"{}")).code == Code.CHANGED
    held = [listener._service.endpoint._peers._proven.values() for listener in house.weft._coap]
    shares = [sorted(peer.network.share for peer in peers) for peers in held]
    assert shares == [[1.0], [0.25, 0.25]]
    assert len({peer.network for peer in held[1]}) == 1
    for peer in (plain, *secure):
        peer.close()


async def test_what_is_held_is_measured(house: House) -> None:
    """Sessions and peers, by listener."""
    peer = await house.plain("pump-7")
    await peer.ask(Code.GET, f"{ME}/properties/desired", b"", [uint(Option.OBSERVE, 0)], token=b"w")
    held = metrics.HELD.labels("coap", "observations")
    await until(lambda: held._value.get() == 1)
    assert metrics.SESSIONS.labels("coap")._value.get() == 1
    peer.close()


async def test_a_bug_of_ours_stops_neither_listener_nor_twin(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A check, a notification, a request that waits: each is logged, and all goes on."""
    peer = await house.plain("pump-7")
    await peer.ask(Code.GET, f"{ME}/properties/desired", b"", [uint(Option.OBSERVE, 0)], token=b"w")
    listener = house.weft._coap[0]
    broken: list[str] = []

    def breaks(name: str) -> Any:
        def broke(*_arguments: object) -> None:
            broken.append(name)
            raise ZeroDivisionError

        return broke

    async def work() -> None:
        breaks("work")()

    monkeypatch.setattr(listener._service, "twin_changed", breaks("notification"))
    monkeypatch.setattr(listener, "_measure", breaks("check"))
    listener._start(work())
    answer = await peer.ask(Code.POST, f"{ME}/properties/reported", b'{"a":1}')
    assert answer.code == Code.CHANGED
    await until(lambda: {"work", "notification", "check"} <= set(broken))
    assert (await peer.ask(Code.GET, f"{ME}/properties/reported")).payload == b'{"a":1}'
    peer.close()


async def test_what_is_admitted_is_answered_before_the_end(tmp_path: Path) -> None:
    """Weft stops while a message waits for its commit: the answer still leaves."""
    async with running_house(tmp_path / "data") as house:
        peer = await house.plain("pump-7")
        await peer.ask(Code.POST, TELEMETRY, b'{"rpm":1}')
        request = await peer.send(Code.POST, TELEMETRY, b'{"rpm":2}')
        pending = house.weft._coap[0]._service.endpoint
        await until(lambda: pending.counts["pending"] or len(peer.inbox.arrived._queue))  # type: ignore[attr-defined]
    assert (await peer.answer_to(request)).code == Code.CHANGED
    peer.close()
