"""Sealed files: whole, or not opened at all."""

import io
import stat
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.app import sealed
from weft.app.sealed import (
    CHUNK_BYTES,
    MAGIC,
    TAG_BYTES,
    SealedReader,
    SealedWriter,
    Secret,
    make_key_file,
    passphrase_secret,
    read_header,
    read_key_file,
)
from weft.errors import AlreadyExists, ConfigurationError, Damaged, Invalid

KEY = Secret("key-file", b"k" * 32)
PASSPHRASE = "violet anchor rides a quiet moon"


def seal(data: bytes, secret: Secret = KEY) -> bytes:
    output = io.BytesIO()
    writer = SealedWriter(output, secret, "gzip")
    writer.write(data)
    writer.finish()
    return output.getvalue()


def unseal(data: bytes, secret: Secret = KEY) -> bytes:
    return SealedReader(io.BytesIO(data), secret, "b.tar.gz").readall()


@pytest.mark.parametrize("size", [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3_000_000])
def test_what_was_sealed_opens(size: int) -> None:
    """Of any size, at and around the borders of chunks."""
    data = bytes(index * 7 % 256 for index in range(size))
    assert unseal(seal(data)) == data


@given(st.lists(st.binary(max_size=200), max_size=20))
def test_it_does_not_matter_how_it_was_written(parts: list[bytes]) -> None:
    """Many small writes are the same as one."""
    output = io.BytesIO()
    writer = SealedWriter(output, KEY, "gzip")
    for part in parts:
        assert writer.write(part) == len(part)
    writer.finish()
    assert unseal(output.getvalue()) == b"".join(parts)


@given(st.data())
def test_any_changed_byte_is_seen(data: st.DataObject) -> None:
    """In the header or behind it: an error of ours, and never other bytes."""
    whole = bytearray(seal(b"journal" * 50))
    place = data.draw(st.integers(0, len(whole) - 1))
    whole[place] ^= data.draw(st.integers(1, 255))
    with pytest.raises((Damaged, Invalid)):
        unseal(bytes(whole))


@given(st.integers(1, 400))
def test_any_truncation_is_seen(missing: int) -> None:
    """As of a copy that was broken off."""
    whole = seal(b"journal" * 50)
    with pytest.raises((Damaged, Invalid)):
        unseal(whole[: max(0, len(whole) - missing)])


def test_whole_chunks_that_are_missing_or_moved_are_seen() -> None:
    """Each chunk is whole in itself; its number and its being the last are sealed with it."""
    whole = seal(bytes(2 * CHUNK_BYTES + 5))
    size = CHUNK_BYTES + TAG_BYTES
    start = len(whole) - 2 * size - 5 - TAG_BYTES
    head, first, second = whole[:start], whole[start : start + size], whole[start + size :][:size]
    last = whole[start + 2 * size :]
    for broken in (first, first + second, second + first + last, first + last, b""):
        with pytest.raises(Damaged):
            unseal(head + broken)
    assert len(unseal(head + first + second + last)) == 2 * CHUNK_BYTES + 5


def test_a_wrong_key_is_told_from_a_damaged_file() -> None:
    """The person at the keyboard learns whether to type again or to look for another copy."""
    whole = seal(b"x", passphrase_secret(PASSPHRASE, new=True))
    with pytest.raises(Invalid, match="not the passphrase"):
        unseal(whole, passphrase_secret("another one entirely", new=False))
    with pytest.raises(Invalid, match="not sealed with a key-file"):
        unseal(whole, KEY)
    assert unseal(whole, passphrase_secret(PASSPHRASE, new=False)) == b"x"


def test_two_files_of_one_secret_share_no_key() -> None:
    """The salt is another one each time."""
    assert seal(b"same") != seal(b"same")


def test_a_new_passphrase_must_be_hard_to_guess() -> None:
    """A backup holds every key there is."""
    with pytest.raises(Invalid):
        passphrase_secret("password123", new=True)


def test_a_header_that_asks_for_all_memory_is_refused() -> None:
    """Opening somebody's file must not stop the machine."""
    whole = seal(b"x", passphrase_secret(PASSPHRASE, new=True))
    encoded, header = read_header(io.BytesIO(whole), "b")
    greedy = msgspec.json.encode(msgspec.structs.replace(header, memory_kib=1 << 30))
    length = len(greedy).to_bytes(2, "big")
    with pytest.raises(Invalid, match="more work"):
        unseal(MAGIC + length + greedy + whole[len(MAGIC) + 2 + len(encoded) :])


def test_a_file_that_is_no_backup_is_named_as_such() -> None:
    """A log file, an empty file."""
    for data in (b"", b"2026-11-23 weft is ready", MAGIC + b"\x00\x05{}{}}"):
        with pytest.raises((Invalid, Damaged)):
            unseal(data)


def test_a_key_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    """Made once, read again; refused when others may read it, or when it is something else."""
    path = tmp_path / "backup.key"
    made = make_key_file(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert read_key_file(path) == made
    assert made.material.hex() not in repr(made)
    with pytest.raises(AlreadyExists):
        make_key_file(path)
    path.chmod(0o640)
    with pytest.raises(ConfigurationError, match="Others may read"):
        read_key_file(path)
    other = tmp_path / "other.key"
    other.touch(mode=0o600)
    for text in ("", "weft-backup-key-1 ???", "weft-backup-key-1 YWJj"):
        other.write_text(text)
        with pytest.raises(ConfigurationError, match="no key file"):
            read_key_file(other)
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read_key_file(tmp_path / "none")
    assert sealed.KEY_FILE_FORM in path.read_text()
