"""MQTT over WebSocket: the same connections, through a path of the HTTP listener.

A client asks for the subprotocol `mqtt` [MQTT-6.0.0-3] and then speaks as over TCP: the same
machine, gate and broker, the same limits before and after CONNECT, the same decisions (AU-2).
A browser may connect from any page, for it has to say who it is in CONNECT; but a page of
another origin is refused where the browser's own certificate would speak for it.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from urllib.parse import urlsplit

from weft.transports.mqtt.connection import MqttConnection
from weft.transports.mqtt.guests import Guests
from weft.transports.mqtt.settings import Given
from weft.transports.websocket.frames import FrameTransport, Message, Receive, Send

PATH = "/mqtt"
SUBPROTOCOL = "mqtt"
TOO_MANY = "Too many connections from this address have not said who they are."


class MqttOverWebSocket:
    """The ASGI application of one path; several listeners may share it."""

    def __init__(self, given: Given) -> None:
        self._given = given
        self._guests = Guests(given)

    def __len__(self) -> int:
        return len(self._guests)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Take connections inside the context; at its end, they are told and drained."""
        async with self._guests.watched():
            yield

    def shut_down(self) -> None:
        """Tell all connections that the server stops, while its sockets are still there."""
        self._guests.shut_down()

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve one WebSocket (ASGI 3, the scope `websocket`)."""
        await receive()  # websocket.connect
        refusal = _refusal_of(scope)
        if refusal is not None:
            await refuse(send, *refusal)
            return
        connection = MqttConnection(self._given, self._guests)
        transport = FrameTransport(scope, connection)
        connection.connection_made(transport)
        try:
            if transport.is_closing():
                await refuse(send, HTTPStatus.SERVICE_UNAVAILABLE, TOO_MANY)
                connection.connection_lost(None)
                return
            await send({"type": "websocket.accept", "subprotocol": SUBPROTOCOL})
        except OSError:  # it left in the middle of the handshake, as ASGI tells it
            connection.connection_lost(None)
            return
        await transport.serve(receive, send)


def _refusal_of(scope: Message) -> tuple[HTTPStatus, str] | None:
    """Return why a handshake is refused, or None."""
    if SUBPROTOCOL not in scope["subprotocols"]:
        return HTTPStatus.BAD_REQUEST, "Ask for the subprotocol 'mqtt' (MQTT 5, 6)."
    if scope.get("client_certificate") is None:
        return None
    headers = dict(scope["headers"])
    origin = headers.get(b"origin", b"").decode("latin-1")
    if origin and urlsplit(origin).netloc != headers.get(b"host", b"").decode("latin-1"):
        return HTTPStatus.FORBIDDEN, "A page of another origin cannot use a certificate here."
    return None


async def refuse(send: Send, status: HTTPStatus, why: str) -> None:
    """Answer a handshake with a status instead (ASGI's extension websocket.http.response)."""
    headers = [(b"content-type", b"text/plain; charset=utf-8")]
    await send({"type": "websocket.http.response.start", "status": int(status), "headers": headers})
    await send({"type": "websocket.http.response.body", "body": why.encode()})
