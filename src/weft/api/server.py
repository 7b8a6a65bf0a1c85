"""The HTTP server: uvicorn inside our own loop, on plain loopback or on TLS.

Plain HTTP never leaves the loopback interface; any other address needs TLS (promise 6).
The server starts and stops with its context: signals are the frame's business, and on the
way out open answers are finished within `stop_timeout_s`.
"""

import asyncio
import contextlib
import ipaddress
import socket
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import uvicorn

from weft.api.protocol import WeftHttpProtocol, WeftWebSocketProtocol
from weft.api.settings import ApiSettings
from weft.errors import ConfigurationError


class _Config(uvicorn.Config):
    """Uvicorn's configuration with ours beside it, for the protocol to read."""

    weft: ApiSettings
    networks: Counter[str]  # open connections of each


class _Server(uvicorn.Server):
    """A server that leaves signals to the frame."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Install nothing."""
        yield


class HttpServer:
    """One listener of the API."""

    def __init__(
        self,
        application: Any,
        settings: ApiSettings,
        *,
        listen: str,
        tls: ssl.SSLContext | None = None,
        on_stop: Callable[[], None] | None = None,
    ) -> None:
        self._host, self._port = parse_address(listen)
        require_safe(self._host, tls=tls is not None)
        self._application = application
        self._settings = settings
        self._tls = tls
        self._on_stop = on_stop

    @property
    def port(self) -> int:
        """The port, known once the server runs (where 0 was asked for)."""
        return self._port

    @property
    def url(self) -> str:
        """Where it answers."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"{'https' if self._tls else 'http'}://{host}:{self._port}"

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Serve inside the context."""
        server = self._make()
        listener = self._bind()
        await server.startup(sockets=[listener])
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(server.main_loop())
                try:
                    yield
                finally:
                    if self._on_stop is not None:
                        self._on_stop()
                    server.should_exit = True
        finally:
            await server.shutdown(sockets=[listener])

    def _make(self) -> _Server:
        config = _Config(
            self._application,
            http=WeftHttpProtocol,
            ws=WeftWebSocketProtocol,
            ws_max_size=self._settings.max_frame_bytes,
            ws_ping_interval=None,  # what is spoken inside has a keep-alive of its own
            ws_per_message_deflate=False,  # a few bytes would grow to gigabytes
            loop="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=self._settings.keep_alive_s,
            timeout_graceful_shutdown=self._settings.stop_timeout_s,
            ssl_context_factory=self._tls_context if self._tls is not None else None,
        )
        config.weft = self._settings
        config.networks = Counter()
        config.load()
        server = _Server(config)
        server.lifespan = config.lifespan_class(config)
        return server

    def _tls_context(self, _config: Any, _default: Any) -> ssl.SSLContext:
        assert self._tls is not None
        return self._tls

    def _bind(self) -> socket.socket:
        try:
            family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
            listener = socket.create_server(
                (self._host, self._port), family=family, backlog=2048, reuse_port=False
            )
        except OSError as error:
            raise ConfigurationError(
                f"The API cannot listen on {self._host}:{self._port}: {error.strerror}.",
                remedy="Stop what uses this address, or choose another one, as with "
                "--set api.listen=127.0.0.1:8081.",
            ) from error
        listener.settimeout(0)
        self._port = listener.getsockname()[1]
        return listener


def parse_address(listen: str) -> tuple[str, int]:
    """Read `host:port`, an IPv6 host in brackets."""
    host, _, port = listen.rpartition(":")
    if not host or not port.isdigit() or int(port) > 65_535:
        raise ConfigurationError(
            f"{listen!r} is not an address to listen on.",
            remedy="Write host:port, as 127.0.0.1:8080.",
        )
    return host.strip("[]"), int(port)


def require_safe(host: str, *, tls: bool) -> None:
    """Raise `ConfigurationError` for plain HTTP beyond the loopback interface."""
    if tls:
        return
    try:
        loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = host == "localhost"
    if not loopback:
        raise ConfigurationError(
            f"Plain HTTP on {host} would send credentials in clear over the network.",
            remedy="Use [api] tls_listen for any address but the loopback interface.",
        )
