"""The one door out: every HTTP request that Weft makes goes through `OutboundClient`.

What it promises (SS-1, SS-2, SS-3): only listed schemes and ports; a name is resolved once,
each of its addresses is checked, and the connection goes to exactly the one that was
checked; no redirect, proxy, cookie or environment variable changes where it goes; ten
seconds and one mebibyte after inflation are the end of it; an answer that nests deeper than
any business document is refused. No foreign exception leaves: callers see `ConnectorError`,
and no word of the far side's answer stands in it.
"""

import asyncio
import os
import re
import socket
import ssl
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import asynccontextmanager, contextmanager
from email.utils import parsedate_to_datetime
from functools import cache
from ipaddress import ip_address
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

import httpcore2
import httpx2
import msgspec
from msgspec import Struct

from weft.errors import ConfigurationError, ConnectorError, Invalid
from weft.security.addresses import (
    Address,
    Network,
    literal_of,
    permitted,
    read_networks,
    unwrap,
    within,
)
from weft.security.threads import Threads

T = TypeVar("T")

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]

_BRACKETS = re.compile(rb'"(?:[^"\\]|\\.)*+"|[\[{]|[\]}]', re.DOTALL)
_HEADER_NAME = re.compile(r"[A-Za-z0-9-]+")
_COOKIE = b"set-cookie"
_INLINE_BYTES = 16 * 1024  # a depth scan of this much takes under a millisecond
_REDIRECTS = frozenset({301, 302, 303, 307, 308})  # 300 and 304 point nowhere by themselves
_RETRY_AFTER_MAX_S = 3_600.0  # a far side that says "next year" is asked again in an hour


class OutboundSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """`[outbound]`: where Weft may connect to, and how much it reads from there."""

    allow: tuple[str, ...] = ()  # CIDRs of on-premise systems; nothing private by default
    schemes: tuple[str, ...] = ("https",)  # http is always fine to an allowed loopback address
    ports: tuple[int, ...] = (443, 8443)  # of public addresses; any port of an allowed one
    ca_file: str = ""  # the company's own CA, beside the public ones
    timeout_s: float = 10.0
    max_body_bytes: int = 1024 * 1024  # after inflation
    max_depth: int = 32  # JSON nesting; business answers have about five
    max_connections: int = 32


class Answer(Struct, frozen=True):
    """What the far side said: untrusted until it has been decoded into a declared type."""

    status: int
    headers: Mapping[str, str]  # names in lower case
    body: bytes
    cookies: tuple[str, ...] = ()  # each Set-Cookie as it came; nothing here sends them back

    def require_success(self, what: str) -> "Answer":
        """Return self for 2xx, else raise a `ConnectorError` that says whether to try again.

        401 and 403 are tried again: the key is wrong, not the request, and once the key is
        repaired nothing needs to be redriven.
        """
        if 200 <= self.status < 300:
            return self
        again = self.status in {401, 403, 408, 425, 429} or self.status >= 500
        raise ConnectorError(
            f"{what}: the far side answered {self.status}.",
            permanent=not again,
            retry_after_s=_retry_after_s(self.headers) if again else None,
            remedy=_REMEDIES.get(self.status, ""),
        )

    def decode(self, type_: type[T], what: str) -> T:
        """Decode the body as JSON of a declared type; anything else is refused."""
        if "json" not in self.headers.get("content-type", ""):
            raise ConnectorError(f"{what}: the answer is not JSON.", remedy=_CHECK_URL)
        try:
            return msgspec.json.decode(self.body, type=type_)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise ConnectorError(
                f"{what}: the answer is not as this interface declares it.", remedy=_CHECK_URL
            ) from error


_CHECK_URL = "Check the connector's address and the version of the system behind it."
_REMEDIES = {
    401: "Renew the connector's key.",
    403: "Give the connector's key the rights it needs in the far system.",
    404: _CHECK_URL,
}


def url_of(base: str, *segments: str, query: Sequence[tuple[str, str]] = ()) -> str:
    """Join a base URL and path segments; each is percent-encoded, so none breaks out (SS-3)."""
    path = "/".join(quote(segment, safe="") for segment in segments)
    return f"{base.rstrip('/')}/{path}" + (f"?{urlencode(query)}" if query else "")


class OutboundClient:
    """Sends requests to where the settings allow; share one, close it at the end."""

    def __init__(
        self,
        settings: OutboundSettings,
        *,
        resolve: Resolve | None = None,
        tls: ssl.SSLContext | None = None,
        opened_by: str = "[outbound] allow",
        threads: Threads | None = None,
    ) -> None:
        self.settings = settings
        self.opened_by = opened_by  # the setting that lets it into a private network
        self.asker = ""  # who has turns at its threads
        self._threads = threads or Threads()
        self._given_resolve = resolve
        self._resolve = resolve or self._look_up
        self._allowed = read_networks(settings.allow, opened_by)
        self._tls = tls or _tls_context(settings.ca_file)  # 1 MB of certificates: share it
        unknown = set(settings.schemes) - {"https", "http"}
        if unknown:
            raise ConfigurationError(
                f"[outbound] schemes: {', '.join(sorted(unknown))} is unknown.",
                remedy='Write ["https"], or ["https", "http"] for an on-premise system.',
            )
        self._pools = {scheme: self._pool(scheme) for scheme in ("https", "http")}

    def allowing(self, cidrs: Iterable[str]) -> "OutboundClient":
        """Return a client of its own that may also reach these networks."""
        more = tuple(cidrs)
        settings = msgspec.structs.replace(self.settings, allow=self.settings.allow + more)
        return self._like_this(settings, self._tls)

    def asking_as(self, name: str) -> "OutboundClient":
        """Return a client of its own that has its turns under this name, as of a tenant."""
        client = self._like_this(self.settings, self._tls)
        client.asker = name
        return client

    def presenting(self, certificate: str, key: str) -> "OutboundClient":
        """Return a client of its own that proves itself by a certificate (mutual TLS).

        Both are PEM; the certificate may bring its chain. Raise `ConnectorError` where they
        cannot be read or do not belong together.
        """
        # A context of its own: what is loaded here would else be shown by everybody's connections.
        tls = _make_tls(self.settings.ca_file)
        # OpenSSL reads files only; this one is in memory, so that no key touches the disk.
        memory = os.memfd_create("weft-client", os.MFD_CLOEXEC)
        try:
            with os.fdopen(memory, "wb") as file:
                file.write(f"{certificate}\n{key}\n".encode())
                file.flush()
                tls.load_cert_chain(f"/proc/self/fd/{memory}", password=_no_passphrase)
        except (OSError, ssl.SSLError, ValueError) as error:
            raise ConnectorError(
                "The client certificate and its key cannot be used together.",
                remedy="Give PEM without a passphrase, and the key that belongs to it.",
            ) from error
        return self._like_this(self.settings, tls)

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        timeout_s: float | None = None,
    ) -> Answer:
        """Send one request and read its answer, within the limits of the settings."""
        target = self._target(url)
        limit_s = timeout_s or self.settings.timeout_s
        request = httpcore2.Request(
            method=method,
            url=httpcore2.URL(
                scheme=target.raw_scheme,
                host=target.raw_host,
                port=target.port,
                target=target.raw_path,
            ),
            headers=_header_list(target, headers or {}, body),
            content=body,
            extensions={"timeout": dict.fromkeys(("connect", "read", "write", "pool"), limit_s)},
        )
        with _own_errors(target.host, limit_s):
            async with asyncio.timeout(limit_s), self._answering(target.scheme, request) as answer:
                read = await self._read(answer, target.host)
        if read.status in _REDIRECTS:
            raise ConnectorError(
                f"{target.host} answered {read.status}: redirects are not followed.",
                permanent=True,
                remedy="Configure the address that it redirects to, if you trust it.",
            )
        return read

    @property
    def tls(self) -> ssl.SSLContext:
        """What proves a far side's name, for protocols beside HTTP."""
        return self._tls

    async def addresses_of(
        self, host: str, port: int, *, ports: tuple[int, ...], clear_text: bool
    ) -> list[str]:
        """Resolve a name once and return its addresses, all checked; for protocols beside HTTP.

        `ports` are those of public addresses; in clear text only what an operator has allowed
        is reached. Raise `ConnectorError` where one of the addresses may not be.
        """
        settings = msgspec.structs.replace(self.settings, ports=ports)
        scheme = "http" if clear_text else "https"
        guard = self._guarded(settings, scheme)
        with _own_errors(host, settings.timeout_s):
            async with asyncio.timeout(settings.timeout_s):
                return [str(address) for address in await guard.checked(host, port)]

    async def open_stream(
        self, host: str, port: int, *, tls: bool, timeout_s: float
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect to a broker that is no HTTP server, under the same checks as a request.

        The settings must list its port where the address is public.
        """
        ports = self.settings.ports
        found = await self.addresses_of(host, port, ports=ports, clear_text=not tls)
        with _own_errors(host, timeout_s):
            async with asyncio.timeout(timeout_s):
                failure: OSError = ConnectionRefusedError("no address")
                for address in found:
                    try:
                        return await asyncio.open_connection(
                            address,
                            port,
                            ssl=self._tls if tls else None,
                            server_hostname=host if tls else None,
                        )
                    except OSError as error:
                        failure = error
                raise failure

    async def in_thread(self, work: Callable[..., T], *given: Any, wait_s: float) -> T:
        """Run what blocks on a far side in one of the few threads for that (`Threads.run`)."""
        return await self._threads.run(self.asker, work, *given, wait_s=wait_s)

    async def close(self) -> None:
        """Close the connections that are kept for the next request."""
        for pool in self._pools.values():
            await pool.aclose()

    def _like_this(self, settings: OutboundSettings, tls: ssl.SSLContext) -> "OutboundClient":
        client = OutboundClient(
            settings,
            resolve=self._given_resolve,
            tls=tls,
            opened_by=self.opened_by,
            threads=self._threads,
        )
        client.asker = self.asker
        return client

    async def _look_up(self, host: str, port: int) -> Sequence[str]:
        return await self.in_thread(_addresses, host, port, wait_s=self.settings.timeout_s)

    def _pool(self, scheme: str) -> httpcore2.AsyncConnectionPool:
        return httpcore2.AsyncConnectionPool(
            ssl_context=self._tls,
            max_connections=self.settings.max_connections,
            max_keepalive_connections=0,  # a POST on a connection just closed has no known end
            network_backend=self._guarded(self.settings, scheme),
        )

    def _guarded(self, settings: OutboundSettings, scheme: str) -> "_GuardedBackend":
        given = (self._allowed, self.opened_by)
        return _GuardedBackend(settings, given, self._resolve, scheme)

    def _target(self, url: str) -> httpx2.URL:
        try:
            target = httpx2.URL(url)
            literal_of(target.host)
        except (httpx2.InvalidURL, ValueError) as error:
            raise _refused("The address is not a canonical URL.") from error
        if target.scheme not in {"https", "http"}:
            raise _refused(f"The scheme {target.scheme!r} is not allowed.")
        if target.userinfo:
            raise _refused("The address holds a user name or password.")
        return target

    @asynccontextmanager
    async def _answering(
        self, scheme: str, request: httpcore2.Request
    ) -> AsyncIterator[httpcore2.Response]:
        response = await self._pools[scheme].handle_async_request(request)
        try:
            yield response
        finally:
            await response.aclose()

    async def _read(self, answer: httpcore2.Response, host: str) -> Answer:
        headers = {
            name.decode("latin-1").lower(): value.decode("latin-1")
            for name, value in answer.headers
        }
        # httpx2's decoders inflate in bounded pieces; this loop ends at the first one too many.
        response = httpx2.Response(answer.status, headers=answer.headers, stream=_Stream(answer))
        body = bytearray()
        async for piece in response.aiter_bytes():
            body += piece
            if max(len(body), response.num_bytes_downloaded) > self.settings.max_body_bytes:
                raise ConnectorError(
                    f"{host} answered with more than {self.settings.max_body_bytes} bytes.",
                    remedy="Nothing of it was used. Check what stands behind the address.",
                )
        await self._require_shallow(bytes(body), headers, host)
        cookies = tuple(
            value.decode("latin-1") for name, value in answer.headers if name.lower() == _COOKIE
        )
        return Answer(answer.status, headers, bytes(body), cookies)

    async def _require_shallow(self, body: bytes, headers: Mapping[str, str], host: str) -> None:
        limit = self.settings.max_depth
        if "json" not in headers.get("content-type", ""):
            return
        if body.count(b"[") + body.count(b"{") <= limit:
            return
        if len(body) <= _INLINE_BYTES:
            deep = deeper_than(body, limit)
        else:
            deep = await asyncio.to_thread(deeper_than, body, limit)
        if deep:
            raise ConnectorError(f"{host} answered with JSON nested deeper than {limit} levels.")


def deeper_than(body: bytes, limit: int) -> bool:
    """Return whether JSON nests deeper than `limit`, without building any of it."""
    depth = 0
    for match in _BRACKETS.finditer(body):
        token = body[match.start()]
        if token in b"[{":
            depth += 1
            if depth > limit:
                return True
        elif token in b"]}":
            depth -= 1
    return False


class _GuardedBackend(httpcore2.AsyncNetworkBackend):
    """Opens connections to checked addresses only; TLS still proves the name."""

    def __init__(
        self,
        settings: OutboundSettings,
        opened: tuple[tuple[Network, ...], str],  # networks, and the setting that says so
        resolve: Resolve,
        scheme: str,
    ) -> None:
        self._settings = settings
        self._allowed, self._opened_by = opened
        self._section = self._opened_by.partition(" ")[0]  # of the settings that open things here
        self._resolve = resolve
        self._scheme = scheme
        self._sockets = httpcore2.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        failure: Exception = httpcore2.ConnectError("no address")
        for address in await self.checked(host, port):
            try:
                return await self._sockets.connect_tcp(
                    str(address), port, timeout, local_address, socket_options
                )
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                failure = error
        raise failure

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def checked(self, host: str, port: int) -> list[Address]:
        """Return the addresses of a host, each allowed, or raise `ConnectorError`."""
        literal = literal_of(host)
        found = [str(literal)] if literal else await self._resolve(host, port)
        addresses = list(dict.fromkeys(ip_address(text) for text in found))
        if not addresses:
            raise ConnectorError(f"{host} has no address.", remedy=_CHECK_URL)
        for address in addresses:
            self._require(host, address, port)
        return addresses

    def _require(self, host: str, address: Address, port: int) -> None:
        plain = unwrap(address)
        if not permitted(plain, self._allowed):
            raise _refused(
                f"{host} is {plain}, which is not a public address.",
                f'If it is a system of your own, allow it: {self._opened_by} = ["{plain}/'
                f'{plain.max_prefixlen}"].',
            )
        if port not in self._settings.ports and not within(plain, self._allowed):
            raise _refused(
                f"Port {port} of {host} is not in the list of ports.",
                f"Add it to {self._section} ports if the system is meant to be there.",
            )
        if self._scheme not in self._settings.schemes and not plain.is_loopback:
            raise _refused(
                f"{host} would be reached in clear text.",
                f'Use https, or add "http" to {self._section} schemes for a network you trust.',
            )


class _Stream(httpx2.AsyncByteStream):
    """A response's raw bytes, for the decoders."""

    def __init__(self, answer: httpcore2.Response) -> None:
        self._answer = answer

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for piece in self._answer.aiter_stream():
            yield piece


@contextmanager
def _own_errors(host: str, limit_s: float) -> Iterator[None]:
    """Turn whatever the network or its libraries raise into `ConnectorError`."""
    try:
        yield
    except (TimeoutError, httpcore2.TimeoutException) as error:
        raise ConnectorError(
            f"{host} did not answer within {limit_s:g} s.",
            remedy="Check that the system is up and not overloaded.",
        ) from error
    except _FOREIGN as error:
        if _is_tls(error):
            raise ConnectorError(
                f"{host} did not prove its name over TLS.",
                remedy="Give the company's CA in [outbound] ca_file, or renew its certificate.",
            ) from error
        raise ConnectorError(
            f"The connection to {host} failed ({type(error).__name__}).",
            remedy="Check the address, and that the system is up.",
        ) from error


_FOREIGN = (
    httpcore2.NetworkError,
    httpcore2.ProtocolError,
    httpcore2.ProxyError,
    httpcore2.UnsupportedProtocol,
    httpcore2.ConnectionNotAvailable,
    httpx2.HTTPError,
    httpx2.StreamError,
    OSError,
    UnicodeError,  # a name that no resolver can spell
)


def _is_tls(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ssl.SSLError):
            return True
        error = error.__cause__ or error.__context__
    return False


def _refused(detail: str, remedy: str = "") -> ConnectorError:
    return ConnectorError(detail, permanent=True, remedy=remedy or _CHECK_URL)


def _header_list(
    target: httpx2.URL, headers: Mapping[str, str], body: bytes | None
) -> list[tuple[bytes, bytes]]:
    given = {"Accept": "application/json", "Accept-Encoding": "gzip", "User-Agent": "weft"}
    given.update(headers)
    for name, value in given.items():
        if not _HEADER_NAME.fullmatch(name) or not (value.isascii() and value.isprintable()):
            raise Invalid(
                f"The header {name!r} holds a character that headers cannot carry.",
                remedy="Remove line breaks and control characters from the value.",
            )
    pairs = [(b"Host", target.netloc), (b"Connection", b"close")]
    pairs += [(name.encode(), value.encode()) for name, value in given.items()]
    if body is not None:
        pairs.append((b"Content-Length", b"%d" % len(body)))
    return pairs


def _retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Read Retry-After (RFC 9110, 10.2.3) in seconds; a date counts from the far side's own."""
    text = headers.get("retry-after", "")
    if text.isascii() and text.isdigit():
        return min(float(text[:9]), _RETRY_AFTER_MAX_S)
    try:
        until = parsedate_to_datetime(text)
        wait_s = (until - parsedate_to_datetime(headers.get("date", ""))).total_seconds()
    except (TypeError, ValueError, OverflowError):
        return None  # neither form, or no clock to read it by: our own back-off decides
    return min(max(wait_s, 0.0), _RETRY_AFTER_MAX_S)


def _no_passphrase() -> str:
    raise ValueError("the key has a passphrase, and nobody can be asked for it here")


@cache
def _public_tls() -> ssl.SSLContext:
    """Return what trusts the public authorities: 43 ms to read."""
    return _make_tls("")


def _tls_context(ca_file: str) -> ssl.SSLContext:
    """Return a context that may be shared: nothing may be loaded into it."""
    return _make_tls(ca_file) if ca_file else _public_tls()


def _make_tls(ca_file: str) -> ssl.SSLContext:
    context = httpx2.create_ssl_context(trust_env=False)
    if not ca_file:
        return context
    try:
        context.load_verify_locations(cafile=ca_file)
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(
            f"[outbound] ca_file: {ca_file} cannot be read as certificates.",
            remedy="Name a readable PEM file with the CA's certificate.",
        ) from error
    return context


def _addresses(host: str, port: int) -> Sequence[str]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(entry[4][0]) for entry in found]
