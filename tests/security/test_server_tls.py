import asyncio
import contextlib
import ssl
from pathlib import Path

import pytest
from cryptography.hazmat.bindings.openssl.binding import Binding
from OpenSSL import SSL
from tests.security.support import device

from weft.security.authority import CertificateAuthority
from weft.security.certificates import read_certificate
from weft.supervision import FakeClock, SystemClock


async def shake_hands(
    server: ssl.SSLContext, client: ssl.SSLContext
) -> tuple[bytes | None, ssl.SSLSession | None, bool]:
    """Return the certificate that the server saw, the client's session, and whether resumed."""
    seen: asyncio.Future[bytes | None] = asyncio.get_running_loop().create_future()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tls = writer.get_extra_info("ssl_object")
        seen.set_result(tls.getpeercert(binary_form=True))
        writer.write(b"hello")
        await writer.drain()
        writer.close()

    listener = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=server)
    async with listener:
        port = listener.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=client, server_hostname="localhost"
        )
        async with asyncio.timeout(5):
            assert await reader.read() == b"hello"
            tls = writer.get_extra_info("ssl_object")
            result = (await seen, tls.session, tls.session_reused)
        writer.close()
    return result


HYBRID = "X25519MLKEM768"
HAS_HYBRID = ssl.OPENSSL_VERSION_INFO >= (3, 5)
LACKS = f"Python's ssl has {ssl.OPENSSL_VERSION}; {HYBRID} comes with OpenSSL 3.5"


def group_of(server: ssl.SSLContext, *, only_hybrid: bool = False) -> str | None:
    """Return the group that a client with OpenSSL's newest list agrees on with a server.

    The client is pyOpenSSL's: it brings an OpenSSL of its own, which knows the hybrid.
    """
    made = SSL.Context(SSL.TLS_CLIENT_METHOD)
    if only_hybrid:
        names = HYBRID.encode()
        assert Binding().lib.SSL_CTX_set1_curves_list(made._context, names) == 1
    client = SSL.Connection(made, None)
    client.set_connect_state()
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = server.wrap_bio(incoming, outgoing, server_side=True)
    for _ in range(3):
        with contextlib.suppress(SSL.WantReadError):
            client.do_handshake()
        with contextlib.suppress(SSL.WantReadError):
            incoming.write(client.bio_read(65_536))
        with contextlib.suppress(ssl.SSLWantReadError):
            tls.do_handshake()
        if outgoing.pending:
            client.bio_write(outgoing.read())
    return client.get_group_name()


def test_mq_1_keys_are_agreed_on_in_the_best_group_that_openssl_has(
    today: CertificateAuthority,
) -> None:
    """A client that offers the hybrid first gets it, or X25519 where our OpenSSL lacks it."""
    group = group_of(today.server_context("none"))
    assert group is not None, LACKS
    assert group.upper() == (HYBRID if HAS_HYBRID else "X25519"), ssl.OPENSSL_VERSION


@pytest.mark.skipif(not HAS_HYBRID, reason=LACKS)
def test_mq_1_a_client_that_takes_nothing_but_the_hybrid_comes_in(
    today: CertificateAuthority,
) -> None:
    """What is recorded today cannot be opened by a quantum computer later."""
    assert group_of(today.server_context("none"), only_hybrid=True) == HYBRID


@pytest.fixture
def today(tmp_path: Path) -> CertificateAuthority:
    """An authority of today: TLS asks the machine's clock."""
    authority = CertificateAuthority(tmp_path / "today", b"passphrase", SystemClock())
    authority.open()
    return authority


def client_of(
    authority: CertificateAuthority, folder: Path, version: ssl.TLSVersion, *, known: bool = True
) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=authority.root_pem)
    context.maximum_version = version
    if known:
        issued = authority.issue(device())
        (folder / "device.pem").write_text(issued.certificate_pem + issued.chain_pem)
        (folder / "device.key").write_text(issued.private_key_pem or "")
        context.load_cert_chain(folder / "device.pem", folder / "device.key")
    return context


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_mq_1_a_device_is_seen_by_its_certificate(
    today: CertificateAuthority, tmp_path: Path, version: ssl.TLSVersion
) -> None:
    """Over both versions; the client checks us against the root alone."""
    client = client_of(today, tmp_path, version)
    der, _, _ = await shake_hands(today.server_context("required"), client)
    assert der is not None
    assert read_certificate(der).uri.startswith("urn:weft:main:device:")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_rv_2_a_tls_session_is_never_resumed(
    today: CertificateAuthority, tmp_path: Path, version: ssl.TLSVersion
) -> None:
    """A revoked device comes with an old session: there is none to come back to."""
    server = today.server_context("optional")
    client = client_of(today, tmp_path, version, known=False)
    client.check_hostname = True
    _, session, _ = await shake_hands(server, client)
    assert session is None or not session.has_ticket
    assert server.num_tickets == 0
    assert server.options & ssl.OP_NO_TICKET
    stats = server.session_stats()
    await shake_hands(server, client)
    assert stats["hits"] == server.session_stats()["hits"] == 0


async def test_mq_1_who_has_no_certificate_is_refused_where_one_is_required(
    today: CertificateAuthority, tmp_path: Path
) -> None:
    """Optional: seen as nobody. Required: no connection."""
    client = client_of(today, tmp_path, ssl.TLSVersion.TLSv1_2, known=False)
    assert (await shake_hands(today.server_context("optional"), client))[0] is None
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await shake_hands(today.server_context("required"), client)


async def test_mq_1_another_authoritys_certificate_is_refused(
    today: CertificateAuthority, tmp_path: Path
) -> None:
    """Same names, another root."""
    other = CertificateAuthority(tmp_path / "other", b"passphrase", SystemClock())
    other.open()
    issued = other.issue(device())
    client = client_of(today, tmp_path, ssl.TLSVersion.TLSv1_2)
    (tmp_path / "device.pem").write_text(issued.certificate_pem + issued.chain_pem)
    (tmp_path / "device.key").write_text(issued.private_key_pem or "")
    client.load_cert_chain(tmp_path / "device.pem", tmp_path / "device.key")
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await shake_hands(today.server_context("required"), client)


def test_mq_1_only_modern_protocols_and_suites(today: CertificateAuthority) -> None:
    """TLS 1.2 and 1.3, forward secrecy and AEAD."""
    context = today.server_context()
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    for suite in context.get_ciphers():
        assert suite["aead"], suite["name"]
        assert suite["protocol"] == "TLSv1.3" or suite["name"].startswith("ECDHE")


async def peer_of(context: ssl.SSLContext, authority: CertificateAuthority) -> bytes:
    """Return the certificate that a listener with this context shows."""

    async def serve(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    listener = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    async with listener:
        client = ssl.create_default_context(cadata=authority.root_pem)
        _, writer = await asyncio.open_connection(
            "127.0.0.1",
            listener.sockets[0].getsockname()[1],
            ssl=client,
            server_hostname="localhost",
        )
        shown = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        writer.close()
    assert isinstance(shown, bytes)
    return shown


async def is_let_in(server: ssl.SSLContext, client: ssl.SSLContext) -> bool:
    """Whether the server speaks with the client; with TLS 1.3 the client sees its refusal late."""

    async def serve(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello")
        writer.close()

    listener = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=server)
    async with listener, asyncio.timeout(20):
        port = listener.sockets[0].getsockname()[1]
        try:
            reader, writer = await asyncio.open_connection(
                "127.0.0.1", port, ssl=client, server_hostname="localhost"
            )
            heard = await reader.read()
        except (ssl.SSLError, ConnectionError):
            return False
        writer.close()
        return heard == b"hello"


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_an_authority_that_is_trusted_later_counts_for_the_next_handshake(
    today: CertificateAuthority, tmp_path: Path, version: ssl.TLSVersion
) -> None:
    """The listener keeps its context; and what is trusted no more is refused again."""
    server = today.server_context("required")
    other = CertificateAuthority(tmp_path / "other", b"passphrase", SystemClock())
    other.open()
    client = client_of(today, tmp_path, version)
    issued = other.issue(device())
    (tmp_path / "device.pem").write_text(issued.certificate_pem + issued.chain_pem)
    (tmp_path / "device.key").write_text(issued.private_key_pem or "")
    client.load_cert_chain(tmp_path / "device.pem", tmp_path / "device.key")

    for trusted in (False, True, False):
        today.trust([other.chain_pem] if trusted else [])  # an intermediate is trusted as it is
        assert await is_let_in(server, client) == trusted


async def test_a_renewed_certificate_of_ours_is_shown_without_a_restart(tmp_path: Path) -> None:
    """The context of a listener that has been up for 250 days."""
    clock = FakeClock(SystemClock().now() - 250 * 24 * 3600 * 10**9)
    authority = CertificateAuthority(tmp_path / "ca", b"passphrase", clock)
    authority.open()
    context = authority.server_context()
    first = await peer_of(context, authority)
    clock.turn(250 * 24 * 3600)
    assert authority.renew_due() == ["server"]
    second = await peer_of(context, authority)
    assert first != second
