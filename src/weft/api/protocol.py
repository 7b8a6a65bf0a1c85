"""The HTTP protocol: uvicorn's, with the limits and the certificate that it lacks.

llhttp takes headers of any length at any pace, so a connection here ends when its headers
are too large or too slow. What TLS has verified of a client's certificate stands in the
scope as `client_certificate`. Uvicorn is pinned because of these subclasses.
"""

import asyncio
import socket
from collections import Counter
from ipaddress import ip_address
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from weft.api.problems import MEDIA_TYPE, Malformed, encode_problem, problem_of
from weft.security.throttle import network_of

UNTAKEN_MS = 60_000  # data that a peer takes none of: it is gone, or it may as well be


def watch_peer(transport: Any) -> None:
    """Have the kernel ask whether a peer is still there, and end what it takes nothing of."""
    plain = transport.get_extra_info("socket")
    if plain is None:
        return
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    untaken = getattr(socket, "TCP_USER_TIMEOUT", None)  # RFC 5482; not on every system
    if untaken is not None:
        plain.setsockopt(socket.IPPROTO_TCP, untaken, UNTAKEN_MS)


class WeftHttpProtocol(HttpToolsProtocol):
    """One HTTP connection; `limits` come with the config that the server hands over."""

    def __init__(self, config: Any, **options: Any) -> None:
        super().__init__(config=config, **options)
        self._settings = config.weft
        self._networks: Counter[str] = config.networks
        self._network = ""  # whose connection it counts as; empty once it does not
        self._in_headers = True
        self._header_bytes = 0
        self._slow: asyncio.TimerHandle | None = None
        self._certificate: bytes | None = None

    def connection_made(self, transport: Any) -> None:
        """Take a connection unless there are too many, and remember who TLS says it is."""
        super().connection_made(transport)
        self._network = _network_of(transport)
        if self._network:
            self._networks[self._network] += 1
        if (
            len(self.connections) > self._settings.max_connections
            or self._networks[self._network] > self._settings.max_connections_per_address
        ):
            transport.abort()
            return
        watch_peer(transport)
        tls = transport.get_extra_info("ssl_object")
        if tls is not None:
            self._certificate = tls.getpeercert(binary_form=True)
        self._watch_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        """Let go of the timer with the connection."""
        self._unwatch_headers()
        self._uncount()
        super().connection_lost(exc)

    def handle_websocket_upgrade(self) -> None:
        """Hand the connection over to a WebSocket: what speaks inside has a count of its own."""
        self._uncount()
        super().handle_websocket_upgrade()

    def _uncount(self) -> None:
        network, self._network = self._network, ""
        if network:
            self._networks[network] -= 1
            if not self._networks[network]:
                del self._networks[network]

    def data_received(self, data: bytes) -> None:
        """Count header bytes before the parser takes them in."""
        if self._in_headers:
            self._header_bytes += len(data)
        super().data_received(data)
        if self._in_headers and not self.transport.is_closing():
            if self._header_bytes > self._settings.max_header_bytes:
                self.send_400_response("The headers are too large.")
            elif self._slow is None and self._header_bytes:
                self._watch_headers()

    def on_message_begin(self) -> None:
        """Begin a request."""
        super().on_message_begin()
        self._in_headers = True
        scope = cast("dict[str, Any]", self.scope)
        scope["client_certificate"] = self._certificate
        scope["abort"] = self.transport.abort

    def on_headers_complete(self) -> None:
        """Begin to answer: from here on, the application watches the clock."""
        self._in_headers = False
        self._header_bytes = 0
        self._unwatch_headers()
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        """Answer bytes that are not HTTP with a problem, and close."""
        problem = problem_of(Malformed(msg, remedy="Speak HTTP/1.1 (RFC 9112)."), "none")
        body = encode_problem(problem)
        head = (
            "HTTP/1.1 400 Bad Request\r\n"
            f"content-type: {MEDIA_TYPE}\r\n"
            f"content-length: {len(body)}\r\n"
            "connection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self.transport.close()

    def _watch_headers(self) -> None:
        self._slow = self.loop.call_later(self._settings.header_timeout_s, self.transport.close)

    def _unwatch_headers(self) -> None:
        if self._slow is not None:
            self._slow.cancel()
            self._slow = None


def _network_of(transport: Any) -> str:
    """Return whose connection it is; empty on the loopback interface, behind a proxy of our own."""
    name = transport.get_extra_info("peername")
    if not name or ip_address(name[0].partition("%")[0]).is_loopback:
        return ""
    return network_of(name[0])


class WeftWebSocketProtocol(WebSocketsSansIOProtocol):
    """One WebSocket; its scope says as much of the connection as that of a request."""

    def connection_made(self, transport: Any) -> None:
        """Take over a connection."""
        super().connection_made(transport)
        watch_peer(transport)

    def handle_connect(self, event: Any) -> None:
        """Answer a handshake; the application begins in a later turn of the loop."""
        super().handle_connect(event)
        if self.close_sent:
            return
        tls = self.transport.get_extra_info("ssl_object")
        scope = cast("dict[str, Any]", self.scope)
        scope["client_certificate"] = tls.getpeercert(binary_form=True) if tls else None
        scope["abort"] = self.transport.abort
