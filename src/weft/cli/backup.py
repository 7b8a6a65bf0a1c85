"""`weft backup` and `weft restore`: the whole data folder as one sealed file, and back.

With a server running, it makes the snapshot itself, so that nobody has to stop; without
one the files are copied directly. Either way the file holds every message that was
acknowledged before, opens only with its passphrase or key file, and is never written over.
"""

import asyncio
import os
import shutil
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

from weft.app.archive import Manifest, compression_of, pack, restore
from weft.app.archive import Progress as Tell
from weft.app.backup import FOLDER, write_snapshot
from weft.app.folder import DataFolder
from weft.app.sealed import (
    Secret,
    make_key_file,
    passphrase_secret,
    read_header,
    read_key_file,
)
from weft.app.stores import open_stores
from weft.cli.client import NoServer
from weft.cli.output import show_json
from weft.cli.passphrases import PASSPHRASE_OPTION, read_passphrase
from weft.cli.server import find_server, operator_client
from weft.errors import AlreadyExists, Invalid, NotFound, StorageError, Unavailable
from weft.history.settings import HistorySettings
from weft.model.ids import new_id
from weft.model.moments import to_rfc3339
from weft.supervision import SystemClock

POLL_S = 0.2
NICE = 10

DATA_OPTION = click.option(
    "--data", type=click.Path(path_type=Path), help="The data folder (./weft-data)."
)


@click.command("backup")
@click.argument("file", type=click.Path(path_type=Path))
@DATA_OPTION
@PASSPHRASE_OPTION
@click.option(
    "--key-file",
    type=click.Path(path_type=Path),
    help="Seal with this key, made now if it is not there, instead of a passphrase.",
)
@click.pass_context
def backup(
    ctx: click.Context,
    *,
    file: Path,
    data: Path | None,
    passphrase_file: Path | None,
    key_file: Path | None,
) -> None:
    """Back up the data folder into FILE (.tar.gz, or .tar.zst), while Weft runs or not."""
    folder = (data or ctx.obj["data"]).absolute()
    if not (folder / "records.sqlite").exists():
        raise NotFound(f"{folder} is no data folder of Weft.", remedy="Name it with --data.")
    if file.exists():
        raise AlreadyExists(f"{file} is there already.", remedy="Name another file.")
    compression_of(file)  # said before anything is copied
    secret = _new_secret(passphrase_file, key_file)
    snapshot = _snapshot(folder)
    try:
        with _progress("Packing") as tell:
            manifest = _pack_quietly(snapshot, file, secret, tell)
    finally:
        shutil.rmtree(snapshot, ignore_errors=True)
    _report(ctx, "backed up", file, manifest)
    if not ctx.obj["json"]:
        needs = f"the key file {key_file}" if key_file else "the passphrase"
        click.echo(f"It opens only with {needs}; keep that apart from the file.")


@click.command("restore")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option(
    "--data", type=click.Path(path_type=Path), required=True, help="A new folder, or an empty one."
)
@PASSPHRASE_OPTION
@click.option("--key-file", type=click.Path(path_type=Path), help="The key it was sealed with.")
@click.pass_context
def restore_command(
    ctx: click.Context,
    *,
    file: Path,
    data: Path,
    passphrase_file: Path | None,
    key_file: Path | None,
) -> None:
    """Make a new data folder of a backup; verified before it is put in place."""
    with file.open("rb") as sealed:
        _, header = read_header(sealed, file.name)
    if header.kind == "key-file" and key_file is None:
        raise Invalid(f"{file} is sealed with a key file.", remedy="Name it with --key-file.")
    if key_file is not None:
        secret = read_key_file(key_file)
    else:
        secret = passphrase_secret(_passphrase(passphrase_file, confirm=False), new=False)
    with _progress("Restoring") as tell:
        manifest = restore(file, data, secret, tell)
    _report(ctx, "restored", data, manifest)
    if not ctx.obj["json"]:
        click.echo("What was revoked or deleted after that moment is back: revoke it again.")
        click.echo(f"Start it: weft up --data {data}")


# --- secrets -------------------------------------------------------------------------------


def _new_secret(passphrase_file: Path | None, key_file: Path | None) -> Secret:
    if key_file is not None:
        return read_key_file(key_file) if key_file.exists() else make_key_file(key_file)
    return passphrase_secret(_passphrase(passphrase_file, confirm=True), new=True)


def _passphrase(file: Path | None, *, confirm: bool) -> str:
    if confirm and file is None and sys.stdin.isatty():
        click.echo("Without its passphrase nobody can open the backup. 15 characters or more.")
    return read_passphrase(file, confirm=confirm, otherwise=" or --key-file")


# --- the snapshot --------------------------------------------------------------------------


def _snapshot(folder: Path) -> Path:
    """Return a folder with a consistent copy; by the server, if one runs."""
    if find_server(folder) is not None:
        try:
            return _ask_server(folder)
        except NoServer:
            click.echo("No server answers; the files are copied directly.", err=True)
    return asyncio.run(_copy_directly(folder))


def _ask_server(folder: Path) -> Path:
    console = Console(stderr=True)
    with console.status("The server copies ...") as status:
        state: dict[str, Any] = operator_client(folder).send("POST", "/backups").value
        while state["state"] == "running":
            status.update(f"The server copies its {state['step']} ...")
            time.sleep(POLL_S)
            # Each time a new client: the operator's token lives for a minute, copying may not.
            path = f"/backups/{state['backup_id']}"
            state = operator_client(folder).send("GET", path).value
    if state["state"] != "done":
        raise StorageError(f"The server could not copy its files: {state['error']}")
    return Path(state["folder"])


async def _copy_directly(folder: Path) -> Path:
    DataFolder(folder).prepare()
    target = folder / FOLDER / new_id()
    console = Console(stderr=True)
    try:
        async with AsyncExitStack() as stack:
            stores = await open_stores(folder, HistorySettings(), stack)
            created = SystemClock().now(), version("weft")
            with console.status("Copying ...") as status:
                await write_snapshot(
                    stores, folder, target, created, lambda step: status.update(f"Copying {step}")
                )
    except BaseException:
        shutil.rmtree(target, ignore_errors=True)
        raise
    return target


def _pack_quietly(snapshot: Path, file: Path, secret: Secret, tell: Tell) -> Manifest:
    """Pack in a thread of low priority: the server beside it goes first."""
    stop = threading.Event()

    def lower() -> None:
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)  # of this thread, on Linux

    def told(done: int, total: int) -> None:
        if stop.is_set():
            raise Unavailable("The backup was interrupted.")
        tell(done, total)

    with ThreadPoolExecutor(1, initializer=lower if sys.platform == "linux" else None) as pool:
        try:
            return pool.submit(pack, snapshot, file, secret, told).result()
        except BaseException:
            stop.set()  # Ctrl-C: the thread removes what it has written
            raise


# --- what it says --------------------------------------------------------------------------


@contextmanager
def _progress(label: str) -> Iterator[Tell]:
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    console = Console(stderr=True)
    console.quiet = not console.is_terminal
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(label, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _report(ctx: click.Context, done: str, path: Path, manifest: Manifest) -> None:
    positions = manifest.positions
    if ctx.obj["json"]:
        show_json(
            {
                "path": str(path),
                "created_at": to_rfc3339(positions.created_at),
                "version": positions.version,
                "journal_head": positions.journal_head,
                "parts": {part.name: part.size for part in manifest.parts},
            }
        )
        return
    click.echo(
        f"{path}: {done}, {len(manifest.parts)} parts of {manifest.size / 1e6:.1f} MB, every "
        f"message up to position {positions.journal_head} ({to_rfc3339(positions.created_at)})."
    )
