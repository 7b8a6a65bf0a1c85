"""Backup: one consistent moment of the data folder, copied while everything goes on.

What is derived (records, history) is copied before what it is derived from (the journal):
so no copy is ahead of the journal's, and at the start after a restore the journal is read
again from where each of them stands. Nothing that was acknowledged before is missing.
"""

import asyncio
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec
from msgspec import Struct, structs

from weft.app.stores import PLATFORM, POSITIONS, Stores
from weft.errors import Conflict, NotFound, StorageError, WeftError
from weft.model.ids import new_id
from weft.model.moments import NS_PER_S
from weft.model.principal import Principal
from weft.observability.log import get_logger
from weft.ports import Clock, Reader
from weft.security.audit import Audit
from weft.security.secrets import FILE_NAME as MASTER_KEY

log = get_logger(__name__)

FOLDER = "backups"
POSITIONS_FILE = "positions.json"
KEY_FILES = (MASTER_KEY, "operator.key")
CERTIFICATES = "certificates"
LEFT_OVER_NS = 24 * 3600 * NS_PER_S  # what nobody has fetched by then is removed
UNFETCHED_MAX = 2  # asking for ever more must not fill the disk
KEPT_STATES = 16
_ROOM = 1.1  # free space needed, over what the files take now


class Positions(Struct, frozen=True):
    """What a snapshot holds."""

    created_at: int
    version: str
    journal_head: int
    journal_tail: int
    least: int  # no projection's copy is behind this position


class Backup(Struct, frozen=True):
    """A snapshot under way, or done."""

    backup_id: str
    state: str  # running, done or failed
    step: str
    folder: str
    error: str = ""


Tell = Callable[[str], None]


async def write_snapshot(
    stores: Stores, source: Path, target: Path, created: tuple[int, str], tell: Tell
) -> Positions:
    """Copy everything that a data folder needs into an empty folder, in the order that is safe."""
    await asyncio.to_thread(_make_room, source, target)
    least = min(stores.history.position, await stores.records.read(_least))
    keys = await asyncio.to_thread(_read_keys, source)
    tell("history")
    await stores.history.copy_to(str(target))
    tell("records")
    await stores.documents.copy_to(target)
    tell("journal")
    await stores.journal.copy_to(target)
    if stores.journal.tail > least + 1:
        raise StorageError(
            "While it was copied, the journal forgot messages that the copies still need.",
            remedy="Give the journal more room ([journal] keep_bytes) and try again.",
        )
    tell("keys")
    await asyncio.to_thread(_write_keys, source, target, keys)
    at, version = created
    found = Positions(at, version, stores.journal.head, stores.journal.tail, least)
    (target / POSITIONS_FILE).write_bytes(msgspec.json.encode(found))
    (target / POSITIONS_FILE).chmod(0o600)
    return found


def _least(reader: Reader) -> int:
    positions = [record.value for record in reader.list(POSITIONS, PLATFORM, limit=100)]
    return min(positions, default=0)


def _make_room(source: Path, target: Path) -> None:
    """Make the folder; a backup must not be what fills the disk of a running server."""
    target.parent.mkdir(mode=0o700, exist_ok=True)
    target.mkdir(mode=0o700)
    names = ("records.sqlite", "journal.sqlite", "history.duckdb")
    files = [source / f"{name}{end}" for name in names for end in ("", "-wal", ".wal")]
    needed = round(_ROOM * sum(file.stat().st_size for file in files if file.exists()))
    free = shutil.disk_usage(target).free
    if free < needed:
        raise StorageError(
            f"A backup needs {needed >> 20} MiB in {target.parent}; {free >> 20} MiB are free.",
            remedy="Make room on the disk of the data folder; the copy is removed afterwards.",
        )


def _read_keys(source: Path) -> dict[str, bytes]:
    keys = {name: (source / name).read_bytes() for name in KEY_FILES if (source / name).exists()}
    folder = source / CERTIFICATES
    for file in sorted(folder.iterdir()) if folder.exists() else ():
        keys[f"{CERTIFICATES}/{file.name}"] = file.read_bytes()
    return keys


def _write_keys(source: Path, target: Path, keys: dict[str, bytes]) -> None:
    """Write the keys as they were before the records; if they have changed, nothing fits."""
    if _read_keys(source) != keys:
        raise Conflict("Keys were changed while the backup was made.", remedy="Try it again.")
    (target / CERTIFICATES).mkdir(mode=0o700, exist_ok=True)
    for name, content in keys.items():
        descriptor = os.open(target / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)


class Backups:
    """Makes snapshots beside the serving, one at a time; their owner fetches and removes them."""

    def __init__(
        self, stores: Stores, folder: Path, audit: Audit, clock: Clock, version: str
    ) -> None:
        self._stores = stores
        self._folder = folder
        self._audit = audit
        self._clock = clock
        self._version = version
        self._known: dict[str, Backup] = {}
        self._asked: asyncio.Queue[str] = asyncio.Queue(1)

    async def start(self, actor: Principal) -> Backup:
        """Begin a snapshot, or raise `Conflict` while one is under way."""
        if any(one.state == "running" for one in self._known.values()):
            raise Conflict("A backup is being made already.", remedy="Wait until it is done.")
        await asyncio.to_thread(self._require_few)
        backup_id = new_id()
        folder = self._folder / FOLDER / backup_id
        backup = self._known[backup_id] = Backup(backup_id, "running", "waiting", str(folder))
        while len(self._known) > KEPT_STATES:
            del self._known[next(iter(self._known))]
        try:
            await self._audit.record(actor, "backup.create", f"backup:{backup_id}")
        except WeftError:
            del self._known[backup_id]
            raise
        self._asked.put_nowait(backup_id)
        return backup

    def _require_few(self) -> None:
        remove_left_overs(self._folder, self._clock.now())
        if len([*(self._folder / FOLDER).glob("*")]) >= UNFETCHED_MAX:
            raise Conflict(
                f"{UNFETCHED_MAX} snapshots lie in {self._folder / FOLDER} unfetched.",
                remedy="Remove them, unless `weft backup` is just packing one.",
            )

    def get(self, backup_id: str) -> Backup:
        """Return how far a snapshot is."""
        if backup_id not in self._known:
            raise NotFound(f"There is no backup {backup_id!r}, or it was made before the restart.")
        return self._known[backup_id]

    async def run(self) -> None:
        """Make what is asked for, until cancelled."""
        while True:
            await self._make(await self._asked.get())

    async def _make(self, backup_id: str) -> None:
        target = Path(self._known[backup_id].folder)

        def tell(step: str) -> None:
            self._set(backup_id, step=step)

        try:
            created = self._clock.now(), self._version
            await write_snapshot(self._stores, self._folder, target, created, tell)
        except (WeftError, OSError) as error:
            detail = error.detail if isinstance(error, WeftError) else str(error)
            log.error("backup_failed", backup=backup_id, error=detail)
            self._set(backup_id, state="failed", error=detail)
            await asyncio.to_thread(shutil.rmtree, target, ignore_errors=True)
        except BaseException:
            shutil.rmtree(target, ignore_errors=True)
            raise
        else:
            log.info("backup_made", backup=backup_id)
            self._set(backup_id, state="done")

    def _set(self, backup_id: str, **changes: str) -> None:
        self._known[backup_id] = structs.replace(self._known[backup_id], **changes)


def remove_left_overs(folder: Path, now: int) -> None:
    """Remove snapshots that nobody has fetched within a day."""
    for one in (folder / FOLDER).glob("*"):
        if one.stat().st_mtime_ns < now - LEFT_OVER_NS:
            shutil.rmtree(one, ignore_errors=True)
