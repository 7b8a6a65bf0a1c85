"""Snapshots: one consistent moment, one at a time, and none that fills the disk."""

import asyncio
import os
from pathlib import Path

import msgspec
import pytest
from tests.app.support import add_pump, send
from tests.cli.platform import ANY_PORT

from weft.app import backup
from weft.app.backup import FOLDER, POSITIONS_FILE, Positions, remove_left_overs
from weft.app.compose import MACHINE, Weft
from weft.app.folder import DataFolder
from weft.config import load_config
from weft.errors import Conflict, NotFound, StorageError
from weft.security.audit import AUDIT

CONFIG = load_config(None, {}, ANY_PORT)


async def wait_until_made(weft: Weft, backup_id: str) -> backup.Backup:
    async with asyncio.timeout(30):
        while (found := weft.backups.get(backup_id)).state == "running":  # noqa: ASYNC110  as clients do
            await asyncio.sleep(0.01)
    return found


def names_in(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def open_to_others(folder: Path) -> list[Path]:
    return [path for path in (folder, *folder.rglob("*")) if path.stat().st_mode & 0o077]


async def test_a_snapshot_has_everything_and_is_for_its_owner_alone(tmp_path: Path) -> None:
    """Stores, keys and certificates; and an audit record says who asked."""
    async with Weft.open(CONFIG, DataFolder(tmp_path / "data")) as weft, weft.running():
        started = await weft.backups.start(MACHINE)
        assert started.state == "running"
        found = await wait_until_made(weft, started.backup_id)
        assert (found.state, found.error) == ("done", "")
        folder = Path(found.folder)
        names = names_in(folder)
        assert {"records.sqlite", "journal.sqlite", "history.duckdb"} <= names
        assert {"master.key", "operator.key", "certificates/root.key", POSITIONS_FILE} <= names
        assert "server.json" not in names
        assert open_to_others(folder.parent) == []
        positions = msgspec.json.decode((folder / POSITIONS_FILE).read_bytes(), type=Positions)
        assert positions.least <= positions.journal_head
        actions = await weft.stores.records.read(
            lambda r: [found.value.action for found in r.list(AUDIT, MACHINE.tenant)]
        )
        assert "backup.create" in actions


async def test_one_at_a_time_and_two_unfetched_at_most(tmp_path: Path) -> None:
    """Asking for ever more must not fill the disk."""
    async with Weft.open(CONFIG, DataFolder(tmp_path / "data")) as weft, weft.running():
        first = await weft.backups.start(MACHINE)
        with pytest.raises(Conflict, match="already"):
            await weft.backups.start(MACHINE)
        await wait_until_made(weft, first.backup_id)
        second = await weft.backups.start(MACHINE)
        await wait_until_made(weft, second.backup_id)
        with pytest.raises(Conflict, match="unfetched"):
            await weft.backups.start(MACHINE)
        with pytest.raises(NotFound):
            weft.backups.get("none")


async def test_a_snapshot_without_room_fails_and_the_server_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reason is told, nothing is left, and the next one is made."""
    usage = type("Usage", (), {"free": 10})
    async with Weft.open(CONFIG, DataFolder(tmp_path / "data")) as weft, weft.running():
        with monkeypatch.context() as patched:
            patched.setattr(backup.shutil, "disk_usage", lambda _path: usage)
            started = await weft.backups.start(MACHINE)
            found = await wait_until_made(weft, started.backup_id)
        assert found.state == "failed"
        assert "are free" in found.error
        assert names_in(Path(found.folder)) == set()
        again = await weft.backups.start(MACHINE)
        assert (await wait_until_made(weft, again.backup_id)).state == "done"


async def test_keys_that_change_meanwhile_are_not_mixed(tmp_path: Path) -> None:
    """Records sealed under one master key and the file of another would never open."""
    source, target = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    target.mkdir()
    (source / "master.key").write_text("one")
    keys = backup._read_keys(source)
    (source / "master.key").write_text("two")
    with pytest.raises(Conflict, match="changed"):
        backup._write_keys(source, target, keys)


async def test_a_journal_that_forgot_what_the_copies_need_is_no_backup(tmp_path: Path) -> None:
    """Retention ran while the files were copied: the gap is told, not kept."""
    data = DataFolder(tmp_path / "data")
    async with Weft.open(CONFIG, data) as weft:

        class Trimmed:
            tail, head = 50, 90

            async def copy_to(self, folder: Path) -> None:
                (folder / "journal.sqlite").touch()

        kept = weft.stores
        stores = backup.Stores(kept.records, Trimmed(), kept.history, kept.documents)  # type: ignore[arg-type]  # a fake
        target = tmp_path / "copies" / "one"
        with pytest.raises(StorageError, match="forgot messages"):
            await backup.write_snapshot(stores, data.path, target, (1, "0"), lambda _step: None)


async def test_derived_telemetry_that_is_behind_is_part_of_what_the_journal_must_hold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its checkpoints fail while those of the others go on."""
    data = DataFolder(tmp_path / "data")
    async with Weft.open(CONFIG, data) as weft, weft.running():
        pump = await add_pump(weft)
        await send(weft, pump, b'{"temperature": 1}')
        await weft.path.pipeline.drain()
        deriver, behind = weft.path.derived.deriver, weft.stores.journal.head

        async def fail() -> None:
            raise StorageError("The disk is full.")

        monkeypatch.setattr(deriver, "checkpoint", fail)
        await send(weft, pump, b'{"temperature": 2}')
        await weft.path.pipeline.drain()
        await weft.path.history.flush()
        target = tmp_path / "copies" / "one"
        found = await backup.write_snapshot(
            weft.stores, data.path, target, (1, "0"), lambda _step: None
        )
        assert found.least == behind < found.journal_head


def test_what_nobody_fetched_within_a_day_is_removed(tmp_path: Path) -> None:
    """As of a command that was killed while it packed."""
    old, new = tmp_path / FOLDER / "old", tmp_path / FOLDER / "new"
    old.mkdir(parents=True)
    new.mkdir()
    os.utime(old, (1_000_000, 1_000_000))
    remove_left_overs(tmp_path, new.stat().st_mtime_ns + 10**9)
    assert [path.name for path in (tmp_path / FOLDER).iterdir()] == ["new"]
