import stat
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import pkcs12

from weft.errors import ConfigurationError, Invalid
from weft.security.authority import CertificateAuthority
from weft.security.certificates import PrivateKey
from weft.security.key_files import KeyFolder, open_key, seal_key
from weft.supervision import FakeClock

PASSPHRASE = "a long sentence of the owner"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> tuple[PrivateKey, x509.Certificate]:
    """A root's key and certificate."""
    folder = tmp_path_factory.mktemp("root")
    CertificateAuthority(folder / "ca", b"passphrase", FakeClock()).open()
    files = KeyFolder(folder / "ca", b"passphrase")
    return files.key("root"), files.certificates("root")[0]


def test_a_sealed_key_opens_with_its_passphrase_only(
    root: tuple[PrivateKey, x509.Certificate],
) -> None:
    """As it lies in a safe."""
    sealed = seal_key(*root, PASSPHRASE)
    assert open_key(sealed, PASSPHRASE).public_key() == root[0].public_key()
    for data, passphrase in ((sealed, "another"), (b"x", PASSPHRASE), (sealed[:-40], PASSPHRASE)):
        with pytest.raises(Invalid, match="does not open"):
            open_key(data, passphrase)


def test_a_passphrase_that_guards_nothing_is_refused(
    root: tuple[PrivateKey, x509.Certificate],
) -> None:
    """Whoever has the file tries all short ones."""
    with pytest.raises(Invalid, match="11 characters"):
        seal_key(*root, "eleven char")


def test_a_key_of_another_kind_is_not_ours() -> None:
    """A file of some other authority."""
    key = rsa.generate_private_key(65_537, 2048)
    sealing = serialization.BestAvailableEncryption(PASSPHRASE.encode())
    sealed = pkcs12.serialize_key_and_certificates(b"x", key, None, None, sealing)
    with pytest.raises(Invalid, match="no key of an authority"):
        open_key(sealed, PASSPHRASE)


def test_op_1_a_folder_keeps_keys_sealed_and_for_their_owner(tmp_path: Path) -> None:
    """What is removed is gone; what is missing is said with its place."""
    files = KeyFolder(tmp_path / "keys", b"passphrase")
    files.prepare()
    key = ec.generate_private_key(ec.SECP256R1())
    files.store("root", key, [])
    path = files.path("root.key")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "ENCRYPTED" in path.read_text()
    assert files.key("root").public_key() == key.public_key()
    files.remove_key("root")
    assert not files.has("root.key")
    with pytest.raises(ConfigurationError, match=r"root\.key"):
        files.key("root")
