import stat
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from tests.security.support import World, device

from weft.errors import ConfigurationError, Conflict, Invalid, NotFound
from weft.security.authority import CertificateAuthority, CertificateSettings
from weft.security.certificates import read_certificate

PASSPHRASE = "a long sentence of the owner"
DAY_S = timedelta(days=1).total_seconds()


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


@pytest.mark.parametrize("name", ["server", "intermediate"])
def test_a_stop_in_the_middle_of_a_renewal_is_mended_at_the_start(
    certified: World, tmp_path: Path, name: str
) -> None:
    """The new key was written and its certificate was not: both are made anew."""
    folder = tmp_path / "ca"
    before = (folder / f"{name}.pem").read_bytes()
    certified.authority._make_server() if name == "server" else (
        certified.authority.renew_intermediate()
    )
    (folder / f"{name}.pem").write_bytes(before)
    again = CertificateAuthority(folder, b"a passphrase of tests", certified.clock)
    again.open()
    assert again._files.belong_together("server")
    assert again._files.belong_together("intermediate")
    again.server_context("optional")


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
    certified.clock.turn(300 * DAY_S)
    assert certified.authority.renew_due() == ["server"]
    assert (tmp_path / "ca" / "server.pem").read_text() != first
    certified.clock.turn(3.5 * 365 * DAY_S)
    assert certified.authority.renew_due() == ["intermediate"]  # and the server with it
    pem = (tmp_path / "ca" / "intermediate.pem").read_bytes()
    assert len(x509.load_pem_x509_certificates(pem)) == 2  # devices of the old one still come
    third = (tmp_path / "ca" / "server.pem").read_bytes()
    server, issuer = x509.load_pem_x509_certificates(third)
    server.verify_directly_issued_by(issuer)
    certified.authority.server_context("required")
    assert certified.authority.renew_due() == []


def test_the_roots_key_can_be_taken_offline(certified: World, tmp_path: Path) -> None:
    """A copy that opens first; then devices are still issued, and a start still works."""
    authority = certified.authority
    sealed = authority.export_root(PASSPHRASE)
    with pytest.raises(Invalid, match="does not open"):
        authority.take_root_offline(sealed, "another passphrase")
    assert authority.state().root_key_here
    authority.take_root_offline(sealed, PASSPHRASE)
    assert not (tmp_path / "ca" / "root.key").exists()
    authority.open()
    assert authority.issue(device()).chain_pem
    assert not authority.state().root_key_here
    with pytest.raises(NotFound, match="offline"):
        authority.export_root(PASSPHRASE)


def test_a_new_intermediate_needs_the_roots_key_back_for_a_moment(
    certified: World, tmp_path: Path
) -> None:
    """Three and a half years later: Weft warns, starts, and takes the sealed copy."""
    authority = certified.authority
    sealed = authority.export_root(PASSPHRASE)
    authority.take_root_offline(sealed, PASSPHRASE)
    old = authority.issue(device())
    assert authority.state().warning == ""
    certified.clock.turn(3.5 * 365 * DAY_S)
    authority.open()
    assert "weft ca renew-intermediate" in authority.state().warning
    with pytest.raises(Conflict, match="offline"):
        authority.renew_intermediate()
    authority.renew_intermediate(sealed, PASSPHRASE)
    assert authority.state().warning == ""
    assert authority.chain_pem != old.chain_pem
    assert old.chain_pem in authority.trusted_pem
    assert not (tmp_path / "ca" / "root.key").exists()


def test_an_intermediate_that_has_ended_does_not_start(certified: World) -> None:
    """Nobody renewed it in twenty months of warnings: refused in words, not by every client."""
    authority = certified.authority
    authority.take_root_offline(authority.export_root(PASSPHRASE), PASSPHRASE)
    certified.clock.turn((5 * 365 + 1) * DAY_S)
    with pytest.raises(ConfigurationError, match="needs renewal"):
        authority.open()


def test_the_key_of_another_root_is_refused(certified: World, tmp_path: Path) -> None:
    """The file of another data folder, and a passphrase that guards nothing."""
    other = CertificateAuthority(tmp_path / "other", b"passphrase", certified.clock)
    other.open()
    sealed = other.export_root(PASSPHRASE)
    with pytest.raises(Invalid, match="not the key of this"):
        certified.authority.take_root_offline(sealed, PASSPHRASE)
    with pytest.raises(Invalid, match="not the key of this"):
        certified.authority.renew_intermediate(sealed, PASSPHRASE)
    with pytest.raises(Invalid, match="characters"):
        other.export_root("short")


def test_rv_3_a_device_certificate_lives_as_long_as_configured(
    certified: World, tmp_path: Path
) -> None:
    """Ninety days unless the owner wants shorter lives."""
    settings = CertificateSettings(device_days=0.5)
    short = CertificateAuthority(tmp_path / "short", b"passphrase", certified.clock, settings)
    short.open()
    presented = read_certificate(short.issue(device()).der)
    assert presented.not_after - certified.clock.now() == 12 * 3600 * 10**9
    normal = read_certificate(certified.authority.issue(device()).der)
    assert normal.not_after - certified.clock.now() == 90 * 86_400 * 10**9


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
