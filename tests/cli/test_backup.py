"""Backup and restore as an operator does them, on a real server under load."""

import asyncio
import stat
import threading
from pathlib import Path

import pytest
from tests.cli.platform import (
    make_device,
    make_folder,
    numbers_in_history,
    numbers_in_journal,
    send,
    serving,
    weft_command,
)

from weft.app.compose import Weft
from weft.app.folder import DataFolder
from weft.cli import bench
from weft.cli.server import find_address
from weft.config import load_config

PASSPHRASE = "violet anchor rides a quiet moon"
DEVICES = ("pump-1", "pump-2", "pump-3")


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("WEFT_URL", "WEFT_TOKEN", "WEFT_DATA"):
        monkeypatch.delenv(name, raising=False)


class Load:
    """Devices that send without a pause, each remembering what was acknowledged."""

    def __init__(self, url: str, tokens: dict[str, str]) -> None:
        self.acknowledged: dict[str, int] = dict.fromkeys(tokens, 0)  # numbers below this
        self._stop = threading.Event()
        self._enough = threading.Barrier(len(tokens) + 1)
        self._threads = [
            threading.Thread(target=self._run, args=(url, token, name))
            for name, token in tokens.items()
        ]

    def _run(self, url: str, token: str, name: str) -> None:
        number = 0
        while not self._stop.is_set():
            send(url, token, name, number)
            number += 1
            self.acknowledged[name] = number
            if number == 40:
                self._enough.wait(30)

    def start(self) -> None:
        for thread in self._threads:
            thread.start()
        self._enough.wait(30)

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()


async def test_a_backup_under_load_has_all_that_was_acknowledged_before(tmp_path: Path) -> None:
    """Three pumps send; somebody backs up; the machine burns down; the restored one goes on."""
    data, file, new = tmp_path / "data", tmp_path / "b.tar.gz", tmp_path / "new"
    async with Weft.open(load_config(None, {}), DataFolder(data)) as weft:
        tokens = {name: await make_device(weft, name) for name in DEVICES}

    def story() -> dict[str, int]:
        with bench.server(data):
            load = Load(find_address(data), tokens)
            load.start()
            try:
                before = dict(load.acknowledged)
                made = weft_command(
                    data, "backup", str(file), "--passphrase-file", "-", text=f"{PASSPHRASE}\n"
                )
                assert made.exit_code == 0, made.output
            finally:
                load.stop()
            return before

    before = await asyncio.to_thread(story)
    assert min(before.values()) >= 40
    assert [*(data / "backups").iterdir()] == []
    restored = weft_command(
        data, "restore", str(file), "--data", str(new), "--passphrase-file", "-",
        text=f"{PASSPHRASE}\n",
    )  # fmt: skip
    assert restored.exit_code == 0, restored.output
    assert "revoke it again" in restored.output

    async with serving(new) as weft:
        for name in DEVICES:
            found = await numbers_in_history(weft, name)
            assert found == [*range(len(found))]  # none is missing in between, none is twice
            assert len(found) >= before[name]
        kept = await numbers_in_journal(weft)
        assert len(kept) == len(set(kept))
        # The devices' secrets and the journal both go on.
        await asyncio.to_thread(send, weft.endpoints.http, tokens["pump-1"], "pump-1", 1_000_000)
        assert (await numbers_in_history(weft, "pump-1"))[-1] == 1_000_000
    diagnosis = await asyncio.to_thread(weft_command, new, "doctor")
    assert "every record is as it was written" in diagnosis.output
    assert "every checksum holds" in diagnosis.output


async def test_without_a_server_the_files_are_copied_directly(tmp_path: Path) -> None:
    """With a key file, made at the first backup and used by the next ones."""
    data, key = tmp_path / "data", tmp_path / "backup.key"
    await make_folder(data, 3)

    def backups() -> None:
        for name in ("one.tar.gz", "two.tar.gz"):
            made = weft_command(data, "backup", str(tmp_path / name), "--key-file", str(key))
            assert made.exit_code == 0, made.output
            assert "every message up to position 3" in made.output
            assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600
        again = weft_command(data, "backup", str(tmp_path / "one.tar.gz"), "--key-file", str(key))
        assert again.exit_code == 1
        assert "is there already" in again.output

    await asyncio.to_thread(backups)
    new = tmp_path / "new"
    restored = await asyncio.to_thread(
        weft_command, data, "restore", str(tmp_path / "two.tar.gz"), "--data", str(new),
        "--key-file", str(key),
    )  # fmt: skip
    assert restored.exit_code == 0, restored.output
    async with serving(new) as weft:
        assert await numbers_in_history(weft, "pump-1") == [0, 1, 2]


async def test_what_cannot_be_opened_says_why_and_leaves_nothing(tmp_path: Path) -> None:
    """A wrong passphrase, a file that was cut off, no passphrase, no key."""
    data, file, new = tmp_path / "data", tmp_path / "b.tar.gz", tmp_path / "new"
    await make_folder(data, 1)

    def restore(text: str | None, *options: str) -> str:
        found = weft_command(data, "restore", str(file), "--data", str(new), *options, text=text)
        assert found.exit_code == 1
        assert not [path for path in tmp_path.iterdir() if "new" in path.name]
        return found.output

    def story() -> None:
        on_input = ("--passphrase-file", "-")
        weak = weft_command(data, "backup", str(file), *on_input, text="short\n")
        assert weak.exit_code == 1
        assert not file.exists()
        weft_command(data, "backup", str(file), *on_input, text=f"{PASSPHRASE}\n")
        assert "not the passphrase" in restore("something else entirely\n", *on_input)
        assert "Nobody is there to type" in restore(None)
        file.write_bytes(file.read_bytes()[:-100])
        assert "cut off" in restore(f"{PASSPHRASE}\n", *on_input)
        keyed = tmp_path / "keyed.tar.gz"
        key = tmp_path / "backup.key"
        weft_command(data, "backup", str(keyed), "--key-file", str(key))
        file.write_bytes(keyed.read_bytes())
        assert "--key-file" in restore(None)

    await asyncio.to_thread(story)


def test_a_folder_that_is_none_of_ours_is_refused(tmp_path: Path) -> None:
    """Before a passphrase is asked for."""
    found = weft_command(tmp_path, "backup", str(tmp_path / "b.tar.gz"))
    assert found.exit_code == 1
    assert "no data folder" in found.output


async def test_an_interrupted_backup_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C while it packs: neither half a backup nor a snapshot stays."""
    data, file = tmp_path / "data", tmp_path / "b.tar.gz"
    await make_folder(data, 1)

    def interrupt(_self: object, *_arguments: object, **_more: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("weft.cli.backup.Progress.update", interrupt)
    made = await asyncio.to_thread(
        weft_command, data, "backup", str(file), "--key-file", str(tmp_path / "backup.key")
    )
    assert made.exit_code == 1
    assert "Aborted" in made.output
    assert not list_of(file.parent, "b.tar.gz")
    assert not list_of(data / "backups", "")


def list_of(folder: Path, name: str) -> list[Path]:
    return [path for path in folder.iterdir() if name in path.name]
