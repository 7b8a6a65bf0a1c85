"""The data folder: its owner's alone, in one place, and honest about who serves it."""

import json
import os
import stat
from pathlib import Path

import pytest

from weft.app.folder import DataFolder, ServerFile
from weft.errors import ConfigurationError

SERVER = ServerFile("http://127.0.0.1:8080", 4711, "0.1.0")


def mode_of(path: Path) -> int:
    """Return the permission bits."""
    return stat.S_IMODE(path.stat().st_mode)


def test_a_new_folder_is_its_owners_alone(tmp_path: Path) -> None:
    """With the folders above it, whatever the umask was."""
    old = os.umask(0)
    try:
        DataFolder(tmp_path / "a" / "b").prepare()
    finally:
        os.umask(old)
    assert mode_of(tmp_path / "a" / "b") == 0o700


def test_a_folder_that_was_open_to_others_is_closed(tmp_path: Path) -> None:
    """Made by hand with mkdir, as people do; and databases of an older version in it."""
    tmp_path.chmod(0o755)
    database = tmp_path / "history.duckdb"
    database.touch(0o644)
    DataFolder(tmp_path).prepare()
    assert mode_of(tmp_path) == 0o700
    assert mode_of(database) == 0o600


def test_a_folder_is_new_until_it_holds_records(tmp_path: Path) -> None:
    """Whatever else lies in it."""
    (tmp_path / "notes.txt").touch()
    assert DataFolder(tmp_path).is_new
    (tmp_path / "records.sqlite").touch()
    assert not DataFolder(tmp_path).is_new


def test_a_file_in_the_way_is_refused_with_what_to_do(tmp_path: Path) -> None:
    """`--data` named a file."""
    file = tmp_path / "data"
    file.touch()
    with pytest.raises(ConfigurationError) as caught:
        DataFolder(file).prepare()
    assert str(file) in caught.value.detail
    assert "--data" in caught.value.remedy


def test_a_folder_that_cannot_be_written_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before anything is opened in it (the superuser may write anywhere, so this is played)."""
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(ConfigurationError, match="cannot be written"):
        DataFolder(tmp_path).prepare()


def test_the_path_is_kept_when_the_process_goes_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A relative --data means where the command was typed."""
    monkeypatch.chdir(tmp_path)
    folder = DataFolder(Path("data"))
    monkeypatch.chdir("/")
    assert folder.path == tmp_path / "data"


def test_a_server_is_announced_and_withdrawn(tmp_path: Path) -> None:
    """The command line reads where it answers; others may not."""
    folder = DataFolder(tmp_path)
    folder.announce(SERVER)
    file = tmp_path / "server.json"
    assert json.loads(file.read_text()) == {
        "http": "http://127.0.0.1:8080",
        "pid": 4711,
        "version": "0.1.0",
    }
    assert mode_of(file) == 0o600
    assert list(tmp_path.iterdir()) == [file]
    folder.withdraw()
    folder.withdraw()  # twice is once
    assert not file.exists()
