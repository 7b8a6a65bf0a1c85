import asyncio
import ssl
import stat
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from tests.security.support import OTHER, World, device

from weft.errors import ConfigurationError, Invalid
from weft.security.certificates import (
    CertificateAuthority,
    fingerprint_of,
    read_certificate,
    read_request,
    uri_of,
)
from weft.supervision import SystemClock

DAY_NS = 24 * 3600 * 10**9


def request_for(key: object, *extensions: x509.ExtensionType) -> str:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "pump-8")])
    builder = x509.CertificateSigningRequestBuilder().subject_name(name)
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    algorithm = None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return builder.sign(key, algorithm).public_bytes(serialization.Encoding.PEM).decode()


def test_id_4_a_devices_certificate_names_it_by_one_uri(certified: World) -> None:
    """90 days, client authentication, P-256, and the name in the subject proves nothing."""
    pump = device()
    issued = certified.authority.issue(pump)
    certificate = x509.load_pem_x509_certificate(issued.certificate_pem.encode())
    san = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value

    assert [name.value for name in san] == [f"urn:weft:main:device:{pump.uid}"]
    assert [*usage] == [ExtendedKeyUsageOID.CLIENT_AUTH]
    assert issued.expires_at - certified.clock.now() == 90 * DAY_NS
    presented = read_certificate(issued.der)
    assert presented.uri == uri_of("main", pump.uid)
    key = serialization.load_pem_private_key((issued.private_key_pem or "").encode(), None)
    assert fingerprint_of(key.public_key()) == presented.fingerprint  # type: ignore[arg-type]


def test_pr_2_what_a_request_asks_for_beyond_its_key_is_not_read(certified: World) -> None:
    """It asks for another device's name and for server authentication; it gets neither."""
    key = ec.generate_private_key(ec.SECP256R1())
    foreign = x509.UniformResourceIdentifier(uri_of(OTHER, "somebody"))
    pem = request_for(
        key,
        x509.SubjectAlternativeName([foreign]),
        x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]),
    )
    pump = device()
    issued = certified.authority.issue(pump, pem)
    presented = read_certificate(issued.der)
    assert issued.private_key_pem is None
    assert presented.uri == uri_of("main", pump.uid)
    assert presented.fingerprint == fingerprint_of(key.public_key())
    assert b"pump-8" not in issued.der


def test_pr_2_a_request_must_prove_its_key(certified: World) -> None:
    """Its signature was changed, so whoever sent it may not have the key."""
    pem = request_for(ec.generate_private_key(ec.SECP256R1()))
    der = bytearray(x509.load_pem_x509_csr(pem.encode()).public_bytes(serialization.Encoding.DER))
    der[-3] ^= 1
    broken = x509.load_der_x509_csr(bytes(der)).public_bytes(serialization.Encoding.PEM)
    with pytest.raises(Invalid, match="signature"):
        certified.authority.issue(device(), broken.decode())


@pytest.mark.parametrize("bits", [1024])
def test_pr_2_weak_keys_are_refused(bits: int) -> None:
    """RSA with 1024 bits, and a curve that nobody uses."""
    with pytest.raises(Invalid, match="weak"):
        read_request(request_for(rsa.generate_private_key(65_537, bits)))
    with pytest.raises(Invalid, match="weak"):
        read_request(request_for(ec.generate_private_key(ec.SECP256K1())))


def test_pr_2_strong_keys_of_three_kinds_are_taken() -> None:
    """P-256, Ed25519 and RSA 2048."""
    for key in (
        ec.generate_private_key(ec.SECP256R1()),
        ed25519.Ed25519PrivateKey.generate(),
        rsa.generate_private_key(65_537, 2048),
    ):
        assert fingerprint_of(read_request(request_for(key))) == fingerprint_of(key.public_key())


def test_pr_2_a_device_is_no_authority() -> None:
    """A request with CA:TRUE."""
    constraints = x509.BasicConstraints(ca=True, path_length=None)
    with pytest.raises(Invalid, match="authority"):
        read_request(request_for(ec.generate_private_key(ec.SECP256R1()), constraints))


@pytest.mark.parametrize("text", ["", "x", "-----BEGIN CERTIFICATE REQUEST-----\nAA==\n", "é"])
def test_pr_2_what_is_no_request_is_refused(text: str) -> None:
    """In words, not with a stack trace."""
    with pytest.raises(Invalid):
        read_request(text)
    with pytest.raises(Invalid):
        read_request("x" * 20_000)


@pytest.mark.parametrize("der", [b"", b"x", b"\x30\x82"])
def test_what_is_no_certificate_is_invalid(der: bytes) -> None:
    """The peer's fault, not ours."""
    with pytest.raises(Invalid):
        read_certificate(der)


def test_the_servers_own_certificate_is_no_devices(certified: World, tmp_path: Path) -> None:
    """Wrong use, names instead of a URI."""
    server = x509.load_pem_x509_certificate((tmp_path / "ca" / "server.pem").read_bytes())
    with pytest.raises(Invalid):
        read_certificate(server.public_bytes(serialization.Encoding.DER))


def test_op_1_key_files_are_for_their_owner_and_sealed(certified: World, tmp_path: Path) -> None:
    """0600, in a folder of 0700, and encrypted under the passphrase."""
    assert stat.S_IMODE((tmp_path / "ca").stat().st_mode) == 0o700
    for path in (tmp_path / "ca").iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        if path.suffix == ".key":
            assert "ENCRYPTED" in path.read_text()


def test_the_same_authority_is_there_after_a_restart(certified: World, tmp_path: Path) -> None:
    """Nothing is made twice."""
    before = {p.name: p.read_bytes() for p in (tmp_path / "ca").iterdir()}
    certified.authority.open()
    assert {p.name: p.read_bytes() for p in (tmp_path / "ca").iterdir()} == before


def test_a_wrong_passphrase_or_a_damaged_file_does_not_start(
    certified: World, tmp_path: Path
) -> None:
    """The key file of another data folder."""
    with pytest.raises(ConfigurationError, match="cannot be used"):
        CertificateAuthority(tmp_path / "ca", b"another", certified.clock).open()
    (tmp_path / "ca" / "root.pem").write_text("x")
    with pytest.raises(ConfigurationError, match="cannot be used"):
        certified.authority.open()


def test_certificates_are_renewed_before_they_end(certified: World, tmp_path: Path) -> None:
    """The server's in its last third; the intermediate too, while the root's key is here."""
    first = (tmp_path / "ca" / "server.pem").read_text()
    certified.clock.turn(timedelta(days=300).total_seconds())
    certified.authority.open()
    second = (tmp_path / "ca" / "server.pem").read_text()
    assert first != second
    certified.clock.turn(timedelta(days=4 * 365).total_seconds())
    (tmp_path / "ca" / "root.key").rename(tmp_path / "root.key")
    with pytest.raises(ConfigurationError, match="needs renewal"):
        certified.authority.open()
    (tmp_path / "root.key").rename(tmp_path / "ca" / "root.key")
    certified.authority.open()
    pem = (tmp_path / "ca" / "intermediate.pem").read_bytes()
    assert len(x509.load_pem_x509_certificates(pem)) == 2  # devices of the old one still come
    third = (tmp_path / "ca" / "server.pem").read_bytes()
    server, issuer = x509.load_pem_x509_certificates(third)
    server.verify_directly_issued_by(issuer)
    certified.authority.server_context("required")


def test_the_roots_key_can_be_taken_offline(certified: World, tmp_path: Path) -> None:
    """Devices are still issued, and a start still works."""
    (tmp_path / "ca" / "root.key").unlink()
    certified.authority.open()
    assert certified.authority.issue(device()).chain_pem


def test_the_server_answers_to_the_configured_names(certified: World, tmp_path: Path) -> None:
    """localhost always; a new name makes a new certificate."""
    certified.authority.open(("weft.example", "192.0.2.1"))
    server = x509.load_pem_x509_certificate((tmp_path / "ca" / "server.pem").read_bytes())
    san = server.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert {str(name.value) for name in san} == {
        "localhost",
        "127.0.0.1",
        "::1",
        "weft.example",
        "192.0.2.1",
    }


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
