"""The link: let in or told why not, and what arrives early is not lost."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from tests.connectors.support import LOOPBACK

from weft.connectors.bridge.link import Heard, Link
from weft.connectors.bridge.settings import Address
from weft.errors import ConnectorError
from weft.security.outbound import OutboundClient
from weft.wire.mqtt.client import ClientConnection
from weft.wire.mqtt.encode import encode
from weft.wire.mqtt.packets import Connack, Connect, Disconnect, Puback, Publish, Suback
from weft.wire.mqtt.reasons import Reason


@asynccontextmanager
async def broker(*answers: bytes, hang: bool = False) -> AsyncIterator[Address]:
    """A broker that answers each read with the next of these bytes, then closes."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in answers:
            await reader.read(4096)
            writer.write(answer)
            await writer.drain()
        if hang:
            await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield Address("127.0.0.1", server.sockets[0].getsockname()[1], tls=False)


async def opened(address: Address, timeout_s: float = 2.0) -> Link:
    machine = ClientConnection(acknowledges=False)
    return await Link.open(OutboundClient(LOOPBACK), address, machine, Connect("b"), timeout_s)


LET_IN = encode(Connack(session_present=True), 5)


async def test_a_refusal_is_told_in_words() -> None:
    """A wrong password, and what to look at."""
    async with broker(encode(Connack(reason=Reason.NOT_AUTHORIZED), 5)) as address:
        with pytest.raises(ConnectorError, match="refused us: not authorized") as caught:
            await opened(address)
    assert "secret" in caught.value.remedy


async def test_a_broker_that_says_nothing_is_left() -> None:
    """Every wait on a peer has an end."""
    async with broker(b"", hang=True) as address:
        with pytest.raises(ConnectorError, match="in time"):
            await opened(address, 0.2)


async def test_what_comes_before_the_answer_is_handed_over_first() -> None:
    """The broker sends what waited in our session before it has answered SUBSCRIBE."""
    early = encode(Publish("a", b"1", qos=1, packet_id=7), 5)
    suback = encode(Suback(1, (Reason.GRANTED_QOS_1,)), 5)
    heard: list[Heard] = []

    async def hear(one: Heard) -> None:
        heard.append(one)

    async with broker(LET_IN, early + suback + encode(Puback(3), 5)) as address:
        link = await opened(address)
        assert link.session_present
        await link.subscribe(["a"])
        with pytest.raises(ConnectorError, match="closed the connection"):
            await link.listen(hear)
        await link.close()
    assert [one.payload for one in heard[0].messages] == [b"1"]
    assert [one.packet_id for one in heard[0].acknowledged] == [3]


async def test_a_refused_subscription_is_told() -> None:
    """By the filter that was refused."""
    suback = encode(Suback(1, (Reason.NOT_AUTHORIZED,)), 5)
    async with broker(LET_IN, suback) as address:
        link = await opened(address)
        with pytest.raises(ConnectorError, match="refused the subscription to secret/#"):
            await link.subscribe(["secret/#"])
        link.abort()


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (encode(Disconnect(Reason.SERVER_SHUTTING_DOWN), 5), "server shutting down"),
        (b"\x00\x00", "broke the protocol"),
    ],
)
async def test_an_end_says_why(answer: bytes, words: str) -> None:
    """A farewell, or nonsense."""

    async def hear(_one: Heard) -> None:
        raise AssertionError

    async with broker(LET_IN, answer) as address:
        link = await opened(address)
        await link.write(link.machine.ping())
        with pytest.raises(ConnectorError, match=words):
            await link.listen(hear)
        link.abort()
