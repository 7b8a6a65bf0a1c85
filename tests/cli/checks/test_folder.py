"""The data folder: modes, owner, keys and certificates."""

from pathlib import Path

import pytest

from weft.api.operator import open_key
from weft.cli.checks import folder as checks
from weft.cli.checks.folder import check_certificates, check_folder, check_keys
from weft.model.moments import NS_PER_S
from weft.security.authority import CertificateAuthority
from weft.security.secrets import MasterKey
from weft.supervision import SystemClock

DAY_NS = 24 * 3600 * NS_PER_S


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir(mode=0o700)
    (folder / "records.sqlite").touch(mode=0o600)
    MasterKey.open(folder)
    open_key(folder)
    return folder


def states(findings: object) -> dict[str, str]:
    return {finding.what: finding.state.value for finding in findings}  # type: ignore[attr-defined]  # an iterable of findings


def test_a_folder_as_weft_makes_it_is_well(data: Path) -> None:
    """Nothing to say of it."""
    assert states(check_folder(data)) == {"owner": "ok", "modes": "ok"}
    assert states(check_keys(data)) == {"master key": "ok", "operator's key": "ok"}


def test_a_folder_that_is_not_there_yet_is_no_fault(tmp_path: Path) -> None:
    """Somebody looks before the first start."""
    assert states(check_folder(tmp_path / "none")) == {"data folder": "ok"}
    assert [*check_keys(tmp_path / "none")] == []
    assert [*check_certificates(tmp_path / "none", 0)] == []


def test_an_open_folder_fails_and_an_open_file_in_it_warns(data: Path) -> None:
    """Behind a closed folder nobody gets at the file, until it is copied elsewhere."""
    (data / "history.duckdb").touch(mode=0o644)
    (data / "history.duckdb").chmod(0o644)
    assert states(check_folder(data))["modes"] == "warn"
    data.chmod(0o750)
    assert states(check_folder(data))["modes"] == "fail"


def test_files_of_another_user_are_named(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As after a start as root."""
    monkeypatch.setattr(checks.os, "geteuid", lambda: 12345)
    found = next(finding for finding in check_folder(data) if finding.what == "owner")
    assert found.state == "fail"
    assert "chown -R 12345" in found.remedy


def test_what_repairs_and_backups_left_is_named(data: Path) -> None:
    """It takes room, and somebody may miss what is in it."""
    (data / "damaged-1").mkdir(mode=0o700)
    (data / "history.duckdb.damaged-17").touch(mode=0o600)
    (data / "backups" / "one").mkdir(mode=0o700, parents=True)
    (data / "backups").chmod(0o700)
    found = states(check_folder(data))
    assert (found["set aside"], found["snapshots"]) == ("warn", "warn")


def test_a_missing_an_open_and_a_damaged_key_fail(data: Path) -> None:
    """And looking makes no new key: that would hide that the old one is gone."""
    (data / "master.key").chmod(0o644)
    (data / "operator.key").write_bytes(b"short")
    assert states(check_keys(data)) == {"master key": "fail", "operator's key": "fail"}
    (data / "master.key").unlink()
    (data / "operator.key").unlink()
    assert states(check_keys(data)) == {"master key": "fail", "operator's key": "fail"}
    assert not (data / "master.key").exists()
    assert not (data / "operator.key").exists()


def test_certificates_are_told_before_they_end(data: Path) -> None:
    """Well, near the end, behind it, and unreadable."""
    clock = SystemClock()
    CertificateAuthority(data / "certificates", b"secret", clock).open()
    now = clock.now()
    assert set(states(check_certificates(data, now)).values()) == {"ok"}
    assert states(check_certificates(data, now + 355 * DAY_NS))["server certificate"] == "warn"
    late = states(check_certificates(data, now + 400 * DAY_NS))
    assert (late["server certificate"], late["root certificate"]) == ("fail", "ok")
    (data / "certificates" / "root.pem").write_text("no certificate")
    assert states(check_certificates(data, now))["root certificate"] == "fail"
