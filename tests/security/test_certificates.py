import ipaddress
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from tests.security.customer_ca import CustomerCa, der_of
from tests.security.support import OTHER, SYSTEM, World, device

from weft.errors import Invalid
from weft.security.certificates import (
    fingerprint_of,
    read_certificate,
    read_request,
    uri_of,
)

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


@pytest.mark.parametrize("of", ["its tenant", "another tenant", "in capitals"])
def test_pr_2_a_request_that_names_another_device_is_refused(certified: World, of: str) -> None:
    """Whoever made it expects to be that device, and would learn otherwise only in the field."""
    foreign = uri_of("main" if of == "its tenant" else OTHER, "somebody")
    names = [uri_of("main", device().uid), foreign.upper() if of == "in capitals" else foreign]
    san = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(name) for name in names])
    key = ec.generate_private_key(ec.SECP256R1())
    with pytest.raises(Invalid, match="names another device") as refused:
        certified.authority.issue(device(), request_for(key, san))
    assert "subjectAltName" in refused.value.remedy


def test_pr_2_what_a_request_asks_for_beyond_its_key_is_not_read(certified: World) -> None:
    """Names of hosts, its own name, server authentication: it gets our one name for clients."""
    key, pump = ec.generate_private_key(ec.SECP256R1()), device()
    names = (
        x509.DNSName("pump-8.example.com"),
        x509.IPAddress(ipaddress.ip_address("192.0.2.7")),
        x509.UniformResourceIdentifier("https://example.com/pump-8"),
        x509.UniformResourceIdentifier(uri_of("main", pump.uid)),  # as RFC 7030 4.2.2 has it
    )
    pem = request_for(
        key,
        x509.SubjectAlternativeName(names),
        x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]),
    )
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


def test_pr_2_a_request_is_read_as_pem_and_as_der() -> None:
    """EST carries DER; people paste PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    pem = request_for(key)
    der = x509.load_pem_x509_csr(pem.encode()).public_bytes(serialization.Encoding.DER)
    for request in (pem, pem.encode(), der):
        assert fingerprint_of(read_request(request)) == fingerprint_of(key.public_key())


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


def test_a_certificate_without_a_stated_use_is_for_every_use() -> None:
    """RFC 5280 4.2.1.12, as factories sign them; one that states another use is for that alone."""
    acme = CustomerCa()
    assert read_certificate(der_of(acme.sign("gate-1"))).states_usage
    assert not read_certificate(der_of(acme.sign("gate-1", usage=()))).states_usage
    with pytest.raises(Invalid, match="client authentication") as caught:
        read_certificate(der_of(acme.sign("gate-1", usage=(ExtendedKeyUsageOID.SERVER_AUTH,))))
    assert "clientAuth" in caught.value.remedy


async def test_a_certificate_in_our_words_states_its_use(certified: World) -> None:
    """Ours always does: without it, it is none of ours, whoever has signed it."""
    pump, key, acme = device(), ec.generate_private_key(ec.SECP256R1()), CustomerCa()
    request = request_for(key)
    await certified.credentials.issue_certificate(SYSTEM, pump, request_pem=request)
    uris = (uri_of("main", pump.uid),)
    acme.now = datetime.fromtimestamp(certified.clock.now() / 1e9, UTC)
    stated = der_of(acme.sign("pump-7", key, uris=uris))
    assert certified.credentials.find_certificate(stated) is not None
    unstated = der_of(acme.sign("pump-7", key, uris=uris, usage=()))
    assert certified.credentials.find_certificate(unstated) is None
