"""The HTTP server over real sockets: framing, slow clients, TLS, stopping."""

import asyncio
import ssl
from pathlib import Path

import pytest
from tests.api.support import World, running

from weft.api.server import HttpServer, parse_address, require_safe
from weft.api.settings import ApiSettings
from weft.errors import ConfigurationError


async def ask(port: int, request: bytes, context: ssl.SSLContext | None = None) -> bytes:
    """Send bytes; return all that comes back until the server closes."""
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", port, ssl=context, server_hostname="localhost" if context else None
    )
    try:
        writer.write(request)
        return await asyncio.wait_for(reader.read(), 10)
    finally:
        writer.close()


def get(path: str, token: str | None = None, method: str = "GET") -> bytes:
    authorization = f"authorization: Bearer {token}\r\n" if token else ""
    return (
        f"{method} /api/v1{path} HTTP/1.1\r\nhost: weft\r\n{authorization}connection: close\r\n\r\n"
    ).encode()


async def test_it_answers_on_the_loopback(world: World) -> None:
    """With no name and version of a server in any header."""
    server = HttpServer(world.application, world.settings, listen="127.0.0.1:0")
    async with server.running():
        answer = await ask(server.port, get("/whoami", world.admin()))
        assert answer.startswith(b"HTTP/1.1 200 OK")
        assert b"uvicorn" not in answer.lower()
        head = await ask(server.port, get("/whoami", world.admin(), "HEAD"))
        assert head.startswith(b"HTTP/1.1 200 OK")
        assert head.endswith(b"\r\n\r\n")


async def test_bytes_that_are_not_http_get_a_problem(world: World) -> None:
    """And the connection is closed."""
    server = HttpServer(world.application, world.settings, listen="127.0.0.1:0")
    async with server.running():
        for nonsense in (b"\x16\x03\x01\x02\x00\x01\x00\x01", b"HELO there\r\n\r\n"):
            answer = await ask(server.port, nonsense + b"\r\n\r\n")
            assert answer.startswith(b"HTTP/1.1 400"), answer
            assert b"application/problem+json" in answer


@pytest.mark.parametrize(
    "smuggled",
    [
        b"content-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        b"content-length: 3\r\ncontent-length: 4\r\n\r\nabcd",
        b"content-length: +3\r\n\r\nabc",
        b"transfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        b" folded: x\r\n\r\n",
    ],
)
async def test_ambiguous_framing_is_refused(world: World, smuggled: bytes) -> None:
    """What two servers could read in two ways is read by neither (HT-1)."""
    server = HttpServer(world.application, world.settings, listen="127.0.0.1:0")
    async with server.running():
        request = b"POST /api/v1/sessions HTTP/1.1\r\nhost: weft\r\n" + smuggled
        answer = await ask(server.port, request)
        assert answer.startswith(b"HTTP/1.1 400"), answer
        assert b"\r\nHTTP/1.1" not in answer


async def test_headers_have_a_size(tmp_path: Path) -> None:
    """A header that never ends does not fill the memory."""
    settings = ApiSettings(max_header_bytes=4096)
    async with running(World(tmp_path, settings=settings)) as world:
        server = HttpServer(world.application, settings, listen="127.0.0.1:0")
        async with server.running():
            answer = await ask(server.port, b"GET / HTTP/1.1\r\nx: " + b"a" * 10_000)
            assert answer.startswith(b"HTTP/1.1 400")


async def test_headers_have_a_time(tmp_path: Path) -> None:
    """A client that drips bytes, or sends none at all, is let go."""
    settings = ApiSettings(header_timeout_s=0.1)
    async with running(World(tmp_path, settings=settings)) as world:
        server = HttpServer(world.application, settings, listen="127.0.0.1:0")
        async with server.running():
            assert await ask(server.port, b"GET / HT") == b""
            assert await ask(server.port, b"") == b""


async def test_bodies_have_a_time(tmp_path: Path) -> None:
    """A body that is announced and does not come is not waited for without end."""
    settings = ApiSettings(body_timeout_s=0.1)
    async with running(World(tmp_path, settings=settings)) as world:
        server = HttpServer(world.application, settings, listen="127.0.0.1:0")
        async with server.running():
            request = (
                b"POST /api/v1/sessions HTTP/1.1\r\nhost: weft\r\nconnection: close\r\n"
                b"content-type: application/json\r\ncontent-length: 30\r\n\r\n{"
            )
            assert (await ask(server.port, request)).startswith(b"HTTP/1.1 400")


async def test_connections_have_a_number(tmp_path: Path) -> None:
    """The one too many is closed at once; the others go on."""
    settings = ApiSettings(max_connections=1)
    async with running(World(tmp_path, settings=settings)) as world:
        server = HttpServer(world.application, settings, listen="127.0.0.1:0")
        async with server.running():
            _, held = await asyncio.open_connection("127.0.0.1", server.port)
            await asyncio.sleep(0.05)
            with pytest.raises((ConnectionError, AssertionError)):
                assert await ask(server.port, get("/whoami")) != b""
            held.close()


async def test_https_shows_who_the_certificate_is(tmp_path: Path) -> None:
    """A device with a certificate of Weft's own CA needs no token."""
    async with running(World(tmp_path)) as world:
        world.clock._now = __import__("time").time_ns()
        await world.device("pump-7")
        actor = world.badges.known[world.admin()].principal
        device = world.devices.get(actor.tenant, "pump-7")
        issued = (await world.credentials.issue_certificate(actor, device)).certificate
        (tmp_path / "d.pem").write_text(issued.certificate_pem + issued.chain_pem)
        (tmp_path / "d.key").write_text(issued.private_key_pem or "")
        context = ssl.create_default_context(cadata=issued.root_pem)
        context.load_cert_chain(tmp_path / "d.pem", tmp_path / "d.key")
        tls = world.authority.server_context("optional")
        server = HttpServer(world.application, world.settings, listen="127.0.0.1:0", tls=tls)
        async with server.running():
            assert server.url.startswith("https://")
            answer = await ask(server.port, get("/whoami"), context)
            assert b'"id":"pump-7"' in answer
            assert b"strict-transport-security" in answer


async def test_stopping_ends_streams_and_answers(world: World) -> None:
    """A live stream does not hold the stop up."""
    server = HttpServer(
        world.application, world.settings, listen="127.0.0.1:0", on_stop=world.live.close
    )
    async with asyncio.timeout(10):
        async with server.running():
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(get("/live", world.admin()))
            await reader.readuntil(b"weft live")
        assert b"event: end" in await reader.read()
        writer.close()


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.4", "::", "weft.example"])
def test_plain_http_stays_on_the_loopback(host: str) -> None:
    """Anything else needs TLS (promise 6)."""
    with pytest.raises(ConfigurationError):
        require_safe(host, tls=False)
    require_safe(host, tls=True)


@pytest.mark.parametrize("listen", ["", "8080", "127.0.0.1:", "127.0.0.1:99999", "x:y"])
def test_an_address_is_a_host_and_a_port(listen: str) -> None:
    """Nothing is guessed."""
    with pytest.raises(ConfigurationError):
        parse_address(listen)
    assert parse_address("[::1]:80") == ("::1", 80)


async def test_a_port_that_is_taken_is_named(world: World) -> None:
    """With what to do about it."""
    server = HttpServer(world.application, world.settings, listen="127.0.0.1:0")
    async with server.running():
        listen = f"127.0.0.1:{server.port}"
        again = HttpServer(world.application, world.settings, listen=listen)
        with pytest.raises(ConfigurationError, match="cannot listen"):
            async with again.running():
                raise AssertionError("it listens twice")
