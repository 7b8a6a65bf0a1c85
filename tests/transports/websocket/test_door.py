"""The door: who is let in by its handshake, and that behind it MQTT is what it is over TCP."""

import asyncio
from collections.abc import AsyncIterator, MutableMapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
from tests.transports.mqtt.support import PASSWORD, TELEMETRY, MqttStation, station

from weft.transports.mqtt.settings import MqttSettings
from weft.transports.websocket.door import MqttOverWebSocket
from weft.wire.mqtt.client import ClientConnection
from weft.wire.mqtt.packets import Connack, Connect, Disconnect, Filter, Packet, Publish
from weft.wire.mqtt.reasons import Reason


class Socket:
    """A client's WebSocket, as ASGI shows it to the door."""

    def __init__(self, door: MqttOverWebSocket, **scope: Any) -> None:
        self.scope: dict[str, Any] = {
            "type": "websocket",
            "scheme": "ws",
            "path": "/mqtt",
            "client": ("127.0.0.1", 40001),
            "headers": [],
            "subprotocols": ["mqtt"],
            "client_certificate": None,
        } | scope
        self.machine = ClientConnection(acknowledges=False)
        self.sent: asyncio.Queue[MutableMapping[str, Any]] = asyncio.Queue()
        self._incoming: asyncio.Queue[MutableMapping[str, Any]] = asyncio.Queue()
        self._incoming.put_nowait({"type": "websocket.connect"})
        self._packets: list[Packet] = []
        self.task = asyncio.ensure_future(door(self.scope, self._incoming.get, self.sent.put))

    def write(self, data: bytes) -> None:
        self._incoming.put_nowait({"type": "websocket.receive", "bytes": data})

    def leave(self) -> None:
        self._incoming.put_nowait({"type": "websocket.disconnect", "code": 1005})

    async def message(self) -> MutableMapping[str, Any]:
        async with asyncio.timeout(10):
            return await self.sent.get()

    async def packet(self) -> Packet | None:
        """The next packet; None when it was closed instead."""
        while not self._packets:
            message = await self.message()
            if message["type"] == "websocket.close":
                return None
            self._packets += self.machine.receive_data(message["bytes"])
        return self._packets.pop(0)

    async def sign_in(self, username: str = "pump-7", password: str = PASSWORD) -> Packet | None:
        accepted = await self.message()
        assert accepted == {"type": "websocket.accept", "subprotocol": "mqtt"}
        connect = Connect(username=username, password=password.encode(), client_id=username)
        self.write(self.machine.connect(connect))
        return await self.packet()


@asynccontextmanager
async def door_of(made: MqttStation) -> AsyncIterator[MqttOverWebSocket]:
    door = MqttOverWebSocket(made.listener._given)
    async with door.running():
        yield door


async def test_a_message_is_acknowledged_once_it_is_kept() -> None:
    """CONNECT, PUBLISH at QoS 1, and a delivery back, in one frame or cut anywhere."""
    async with station() as made, door_of(made) as door:
        socket = Socket(door)
        connack = await socket.sign_in()
        assert isinstance(connack, Connack)
        assert connack.reason == Reason.SUCCESS
        socket.write(socket.machine.subscribe([Filter(TELEMETRY, 0)])[1])
        await socket.packet()
        _, data = socket.machine.publish(Publish(TELEMETRY, b'{"rpm": 1}', 1))
        for piece in (data[:3], data[3:]):
            socket.write(piece)
        names = {type(await socket.packet()).__name__ for _ in range(2)}
        assert names == {"Puback", "Publish"}
        assert made.payloads() == [b'{"rpm": 1}']
        assert [one.protocol for one in made.connections.of_principal("uid-7")] == ["ws"]
        socket.leave()
        await socket.task
        assert not len(door)
        assert not made.connections.count()


async def test_au_2_the_decisions_are_those_of_tcp() -> None:
    """The same wrong password, the same forbidden topic, with the same reasons."""
    async with station() as made, door_of(made) as door:
        wrong = await Socket(door).sign_in(password="guess")
        assert isinstance(wrong, Connack)
        async with made.peer("app") as peer:
            peer.publish("secret/x", b"1")
            over_tcp: Any = await peer.next()
        socket = Socket(door)
        await socket.sign_in("app")
        socket.write(socket.machine.publish(Publish("secret/x", b"1", 1))[1])
        over_websocket: Any = await socket.packet()
        assert wrong.reason == Reason.BAD_USER_NAME_OR_PASSWORD
        assert over_websocket.reason == over_tcp.reason == Reason.NOT_AUTHORIZED
        socket.leave()


async def test_rv_1_a_right_that_ends_cuts_it() -> None:
    async with station() as made, door_of(made) as door:
        socket = Socket(door)
        await socket.sign_in()
        assert made.connections.cut("uid-7", "revoked") == 1
        last = await socket.packet()
        assert isinstance(last, Disconnect)
        assert last.reason == Reason.ADMINISTRATIVE_ACTION
        assert await socket.packet() is None
        await socket.task


async def test_mq_4_strangers_of_one_address_are_counted() -> None:
    """Before CONNECT: 503 in the handshake for one too many."""
    settings = MqttSettings(strangers_per_address=1)
    async with station(settings) as made, door_of(made) as door:
        first = Socket(door)
        assert (await first.message())["type"] == "websocket.accept"
        second = Socket(door)
        assert (await second.message())["status"] == 503
        first.leave()
        await first.task
        await second.task
        assert not len(door)


async def test_text_is_refused() -> None:
    """1003, and nothing stays."""
    async with station() as made, door_of(made) as door:
        socket = Socket(door)
        await socket.sign_in()
        socket._incoming.put_nowait({"type": "websocket.receive", "text": "hello"})
        message = await socket.message()
        assert (message["type"], message["code"]) == ("websocket.close", 1003)
        await socket.task
        assert not made.connections.count()


@pytest.mark.parametrize("offered", [[], ["mqttv3.1"], ["chat"]])
async def test_who_does_not_ask_for_mqtt_is_refused(offered: list[str]) -> None:
    """[MQTT-6.0.0-3]"""
    async with station() as made, door_of(made) as door:
        socket = Socket(door, subprotocols=offered)
        assert (await socket.message())["status"] == 400
        await socket.task


@pytest.mark.parametrize(
    ("origin", "certificate", "is_let_in"),
    [
        (b"https://weft.example", b"der", True),
        (b"https://evil.example", b"der", False),
        (b"null", b"der", False),
        (b"https://evil.example", None, True),  # it has to know a secret anyway
        (b"", b"der", True),  # no browser
    ],
)
async def test_a_page_of_another_origin_does_not_use_a_browsers_certificate(
    origin: bytes, certificate: bytes | None, is_let_in: bool
) -> None:
    headers = [(b"host", b"weft.example")] + ([(b"origin", origin)] if origin else [])
    async with station() as made, door_of(made) as door:
        socket = Socket(door, headers=headers, client_certificate=certificate, scheme="wss")
        message = await socket.message()
        assert (message["type"] == "websocket.accept") is is_let_in
        socket.leave()
        await socket.task


async def test_at_the_end_everybody_is_told() -> None:
    async with station() as made:
        async with door_of(made) as door:
            socket = Socket(door)
            await socket.sign_in()
            door.shut_down()
            last = await socket.packet()
            assert isinstance(last, Disconnect)
            assert last.reason == Reason.SERVER_SHUTTING_DOWN
        await socket.task
