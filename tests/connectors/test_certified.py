"""Mutual TLS: a far side that asks for our certificate gets it, and the one of today."""

import ssl
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from tests.connectors.farside import Reply, far_side
from tests.security.customer_ca import CustomerCa
from tests.security.test_outbound import certify

from weft.connectors.certified import CertifiedClient, ClientCertificate
from weft.connectors.credentials import Credentials
from weft.errors import ConfigurationError, ConnectorError
from weft.security.certificates import pem_of, private_pem
from weft.security.outbound import OutboundClient, OutboundSettings


def put(folder: Path, authority: CustomerCa, name: str) -> None:
    """Write a pair, as a renewal does."""
    key = ec.generate_private_key(ec.SECP256R1())
    (folder / "client.pem").write_text(pem_of(authority.sign(name, key)))
    (folder / "client.key").write_text(private_pem(key))


def client_in(folder: Path) -> CertifiedClient:
    async def resolve(_host: str, _port: int) -> list[str]:
        return ["127.0.0.1"]

    settings = OutboundSettings(allow=("127.0.0.1/32",), ca_file=str(folder / "ca.pem"))
    pair = ClientCertificate(
        certificate=f"file:{folder / 'client.pem'}", key=f"file:{folder / 'client.key'}"
    )
    outbound = OutboundClient(settings, resolve=resolve)
    return CertifiedClient(outbound, pair, Credentials(), "[connectors.erp]")


async def test_a_far_side_sees_our_certificate_and_the_renewed_one(tmp_path: Path) -> None:
    """Without one it lets nobody in; with one it reads our name, today's."""
    authority = CustomerCa("Suppliers of the ERP")
    (tmp_path / "clients.pem").write_text(authority.pem)
    tls = certify(tmp_path, "erp.example")
    tls.verify_mode = ssl.CERT_REQUIRED
    tls.load_verify_locations(tmp_path / "clients.pem")
    put(tmp_path, authority, "weft-1")
    client = client_in(tmp_path)
    async with far_side(lambda _asked: Reply(), tls=tls) as side:
        url = f"https://erp.example:{side.port}/"
        assert (await client.request("GET", url)).status == 200
        first = client._client
        assert (await client.request("GET", url)).status == 200
        assert client._client is first
        put(tmp_path, authority, "weft-2")
        assert (await client.request("GET", url)).status == 200
        assert client._client is not first
        put(tmp_path, CustomerCa("Nobody"), "weft-3")
        with pytest.raises(ConnectorError):
            await client.request("GET", url)
    await client.close()


@pytest.mark.parametrize("broken", ["client.pem", "client.key", "both"])
async def test_a_pair_that_does_not_fit_is_said_without_repeating_it(
    broken: str, tmp_path: Path
) -> None:
    """It is tried again: the file is mended, and nothing needs to be redriven."""
    authority = CustomerCa()
    certify(tmp_path, "erp.example")
    put(tmp_path, authority, "weft")
    if broken == "both":
        other = private_pem(ec.generate_private_key(ec.SECP256R1()))
        (tmp_path / "client.key").write_text(other)
    else:
        (tmp_path / broken).write_text("no PEM at all")
    with pytest.raises(ConnectorError, match="cannot be used together") as caught:
        await client_in(tmp_path).request("GET", "https://erp.example/")
    assert not caught.value.permanent
    assert "PEM at all" not in caught.value.detail


def test_a_key_in_the_settings_is_refused() -> None:
    """Settings name secrets and never hold them."""
    pair = ClientCertificate(certificate="file:/c", key="-----BEGIN PRIVATE KEY-----")
    with pytest.raises(ConfigurationError, match="not a reference"):
        CertifiedClient(OutboundClient(OutboundSettings()), pair, Credentials(), "x")
