"""Archives: packed and restored whole, or nothing is left behind."""

import io
import stat
import tarfile
from pathlib import Path

import msgspec
import pytest

from weft.app import archive
from weft.app.archive import MANIFEST, Manifest, Part, compression_of, pack, restore
from weft.app.backup import POSITIONS_FILE, Positions
from weft.app.sealed import SealedWriter, Secret
from weft.errors import AlreadyExists, ConfigurationError, Damaged, Invalid, StorageError

KEY = Secret("key-file", b"k" * 32)
OTHER = Secret("key-file", b"o" * 32)
FILES = {
    "records.sqlite": b"records" * 1000,
    "journal.sqlite": b"journal" * 300_000,
    "history.duckdb": b"",
    "certificates/root.pem": b"pem",
}


def silent(_done: int, _total: int) -> None:
    """Tell nobody."""


@pytest.fixture
def snapshot(tmp_path: Path) -> Path:
    folder = tmp_path / "snapshot"
    (folder / "certificates").mkdir(parents=True)
    for name, content in FILES.items():
        (folder / name).write_bytes(content)
    positions = Positions(1, "0.1.0", journal_head=9, journal_tail=1, least=7)
    (folder / POSITIONS_FILE).write_bytes(msgspec.json.encode(positions))
    return folder


def assert_nothing_is_left(folder: Path, target: str) -> None:
    assert not [path for path in folder.iterdir() if target in path.name]


def test_a_snapshot_comes_back_as_it_was(snapshot: Path, tmp_path: Path) -> None:
    """Every byte, for its owner alone; the file as well."""
    file, target = tmp_path / "b.tar.gz", tmp_path / "restored"
    told: list[tuple[int, int]] = []
    packed = pack(snapshot, file, KEY, lambda done, total: told.append((done, total)))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert told[-1] == (packed.size, sum(map(len, FILES.values())))
    found = restore(file, target, KEY, silent)
    assert found == packed
    assert found.positions.journal_head == 9
    restored = {
        str(path.relative_to(target)): path.read_bytes()
        for path in target.rglob("*")
        if path.is_file()
    }
    assert restored == FILES
    for path in (target, *target.rglob("*")):
        assert not path.stat().st_mode & 0o077, path
    assert b"journal" * 20 not in file.read_bytes()


def test_nothing_is_written_over(snapshot: Path, tmp_path: Path) -> None:
    """Neither a file by a backup nor a folder by a restore; an empty folder is fine."""
    file, target = tmp_path / "b.tar.gz", tmp_path / "restored"
    pack(snapshot, file, KEY, silent)
    with pytest.raises(AlreadyExists):
        pack(snapshot, file, KEY, silent)
    target.mkdir()
    restore(file, target, KEY, silent)
    with pytest.raises(AlreadyExists):
        restore(file, target, KEY, silent)
    with pytest.raises(AlreadyExists):
        restore(file, file, KEY, silent)


def test_a_wrong_key_or_a_damaged_file_leaves_nothing_behind(
    snapshot: Path, tmp_path: Path
) -> None:
    """The old server may still run beside: there must not be half a folder."""
    file = tmp_path / "b.tar.gz"
    pack(snapshot, file, KEY, silent)
    with pytest.raises(Invalid):
        restore(file, tmp_path / "target", OTHER, silent)
    whole = file.read_bytes()
    for broken in (whole[:-1], whole[: len(whole) // 2], whole[:-40] + b"x" + whole[-39:]):
        file.write_bytes(broken)
        with pytest.raises(Damaged):
            restore(file, tmp_path / "target", KEY, silent)
        assert_nothing_is_left(tmp_path, "target")


def sealed_tar(path: Path, manifest: Manifest | bytes, members: list[tarfile.TarInfo]) -> None:
    """Write an archive that is sealed well and holds what it should not."""
    encoded = manifest if isinstance(manifest, bytes) else msgspec.json.encode(manifest)
    with path.open("wb") as output:
        writer = SealedWriter(output, KEY, "gzip")
        with (
            archive._compressing(writer, "gzip") as stream,
            tarfile.open(fileobj=stream, mode="w|") as tar,
        ):
            tar.addfile(archive._member(MANIFEST, len(encoded)), io.BytesIO(encoded))
            for member in members:
                tar.addfile(member, io.BytesIO(b"x" * member.size))
        writer.finish()


def manifest_of(*parts: Part, form: int = 1) -> Manifest:
    return Manifest(form, Positions(1, "0.1.0", 1, 1, 1), parts)


X = "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"  # SHA-256 of one x


@pytest.mark.parametrize(
    ("manifest", "members"),
    [
        (manifest_of(), [("surprise", 1)]),  # not in the manifest
        (manifest_of(Part("a", 1, X)), []),  # missing
        (manifest_of(Part("a", 2, X)), [("a", 1)]),  # of another size
        (manifest_of(Part("a", 1, "0" * 64)), [("a", 1)]),  # of other content
        (manifest_of(Part("a", 1, X)), [("a", 1), ("a", 1)]),  # twice
        (manifest_of(Part("../a", 1, X)), [("../a", 1)]),  # outside
        (b"{}", []),
        (b"[1]", []),
        (b"no json", []),
    ],
)
def test_an_archive_that_is_not_as_declared_is_refused(
    tmp_path: Path, manifest: Manifest | bytes, members: list[tuple[str, int]]
) -> None:
    """Whoever has the key may still have made a wrong file."""
    file = tmp_path / "b.tar.gz"
    sealed_tar(file, manifest, [archive._member(name, size) for name, size in members])
    with pytest.raises(Damaged):
        restore(file, tmp_path / "target", KEY, silent)
    assert_nothing_is_left(tmp_path, "target")
    assert not (tmp_path / "a").exists()


def test_a_link_is_no_part(tmp_path: Path) -> None:
    """It could point anywhere."""
    link = tarfile.TarInfo("a")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    sealed_tar(tmp_path / "b.tar.gz", manifest_of(Part("a", 0, X)), [link])
    with pytest.raises(Damaged):
        restore(tmp_path / "b.tar.gz", tmp_path / "target", KEY, silent)


def test_a_newer_format_is_not_guessed_at(tmp_path: Path) -> None:
    """It is named, with what to do."""
    sealed_tar(tmp_path / "b.tar.gz", manifest_of(form=2), [])
    with pytest.raises(Invalid, match="format 2"):
        restore(tmp_path / "b.tar.gz", tmp_path / "target", KEY, silent)


def test_a_disk_without_room_is_told_before_anything_is_written(
    snapshot: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And nothing is left of the try."""
    file = tmp_path / "b.tar.gz"
    pack(snapshot, file, KEY, silent)
    usage = type("Usage", (), {"free": 10})
    monkeypatch.setattr(archive.shutil, "disk_usage", lambda _path: usage)
    with pytest.raises(StorageError, match="are free"):
        restore(file, tmp_path / "target", KEY, silent)
    assert_nothing_is_left(tmp_path, "target")


def test_a_pack_that_fails_leaves_no_file(snapshot: Path, tmp_path: Path) -> None:
    """Half a backup would be taken for one."""
    file = tmp_path / "b.tar.gz"

    def full(_done: int, _total: int) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(StorageError, match="No space left"):
        pack(snapshot, file, KEY, full)
    assert not file.exists()
    with pytest.raises(StorageError):
        pack(snapshot, tmp_path / "none" / "b.tar.gz", KEY, silent)


def test_the_name_says_how_it_is_compressed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Zstandard where Python has it; otherwise the remedy is to name it .tar.gz."""
    assert compression_of(Path("b.tar.gz")) == "gzip"
    monkeypatch.setattr(archive.importlib, "import_module", _missing)
    with pytest.raises(ConfigurationError, match="Zstandard"):
        compression_of(Path("b.tar.zst"))


def _missing(name: str) -> None:
    raise ImportError(name)
