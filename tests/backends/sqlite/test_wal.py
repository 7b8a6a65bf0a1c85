"""The log as SQLite would read it, checked against SQLite."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from weft.backends.sqlite.wal import FRAME_HEADER_BYTES, HEADER_BYTES, check_wal, reseal

PAGE = 4096
STEP = FRAME_HEADER_BYTES + PAGE


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Path]:
    """The log of ten commits of three frames each or more, after one restart of it."""
    connection = sqlite3.connect(tmp_path / "a.sqlite", isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("CREATE TABLE t (x)")
    for _ in range(30):
        connection.execute("INSERT INTO t VALUES (randomblob(9000))")
    connection.execute("PRAGMA wal_checkpoint(RESTART)")
    for _ in range(10):
        connection.execute("INSERT INTO t VALUES (randomblob(9000))")
    copy = tmp_path / "copy-wal"
    copy.write_bytes((tmp_path / "a.sqlite-wal").read_bytes())
    yield copy
    connection.close()


def _frames(log: Path) -> int:
    return check_wal(log).committed


def _spoil(log: Path, offset: int) -> None:
    data = bytearray(log.read_bytes())
    data[offset] ^= 16
    log.write_bytes(data)


def test_a_sound_log_is_sound(log: Path) -> None:
    """Frames left over from before the restart have other salts and do not count."""
    state = check_wal(log)

    assert (state.torn, state.damaged, state.header_damaged) == (0, None, False)
    assert 20 < state.committed < (log.stat().st_size - HEADER_BYTES) // STEP


def test_no_log_is_an_empty_one(tmp_path: Path) -> None:
    """After an orderly stop there is none."""
    assert check_wal(tmp_path / "none").committed == 0


@pytest.mark.parametrize("within", [0, 9, 17, FRAME_HEADER_BYTES, STEP - 1])
def test_damage_before_a_commit_is_named(log: Path, within: int) -> None:
    """Page number, salt, checksum, first and last byte of a page: the frame is named."""
    _spoil(log, HEADER_BYTES + 4 * STEP + within)

    state = check_wal(log)

    assert state.damaged == 4
    assert state.committed <= 4


def test_a_last_frame_that_does_not_verify_is_torn(log: Path) -> None:
    """Nothing committed stands behind it: whether that was acknowledged, the marker tells."""
    last = _frames(log) - 1
    _spoil(log, HEADER_BYTES + last * STEP + 100)

    state = check_wal(log)

    assert state.damaged is None
    assert state.torn
    assert state.committed <= last


def test_a_damaged_header_is_named(log: Path) -> None:
    """Without it no frame can be believed."""
    _spoil(log, 17)

    assert check_wal(log).header_damaged


def test_a_resealed_log_verifies_with_its_damage(log: Path) -> None:
    """Repair lets SQLite see every page; checksums of the content tell what is intact."""
    before = _frames(log)
    _spoil(log, HEADER_BYTES + 4 * STEP + 1000)
    log.write_bytes(reseal(log.read_bytes(), PAGE))

    state = check_wal(log)

    assert (state.committed, state.damaged, state.torn) == (before, None, 0)


def test_a_resealed_log_with_a_damaged_header_verifies(log: Path) -> None:
    """The salts of the first frame are those of the log."""
    before = _frames(log)
    _spoil(log, 17)
    log.write_bytes(reseal(log.read_bytes(), PAGE))

    assert check_wal(log).committed == before
