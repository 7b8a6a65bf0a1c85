"""AL-2: whoever holds the database file cannot change the audit without being found."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from msgspec import structs
from tests.interop.support import settings

from weft.app.compose import MAIN, Weft
from weft.app.folder import DataFolder
from weft.backends.sqlite.rows import RowWriter
from weft.errors import Damaged
from weft.model.principal import Principal, PrincipalKind
from weft.security.audit import (
    AUDIT,
    AUDIT_HEAD,
    AuditHead,
    AuditReport,
    Checkpoint,
    hash_of,
    key_of,
)

ADA = Principal(MAIN, PrincipalKind.USER, "ada", "uid-ada")
RECORDS = 30


async def write_chain(folder: Path) -> Checkpoint:
    """A platform with thirty records more in its audit; return the exported head."""
    async with Weft.open(settings(), DataFolder(folder)) as weft:
        for number in range(RECORDS):
            await weft.identity.audit.record(ADA, "device.update", f"device:pump-{number}")
        return await weft.identity.audit.export_head(MAIN)


async def verify(folder: Path, exported: Checkpoint | None = None) -> AuditReport:
    async with Weft.open(settings(), DataFolder(folder)) as weft:
        return await weft.identity.audit.verify(MAIN, exported)


def tamper(folder: Path, work: Callable[[RowWriter], None]) -> None:
    """Write into the file as Weft itself would, checksums and all."""
    with closing(sqlite3.connect(folder / "records.sqlite", isolation_level=None)) as database:
        database.execute("PRAGMA foreign_keys = ON")  # index texts go with their record
        database.execute("BEGIN IMMEDIATE")
        work(RowWriter(database))
        database.execute("COMMIT")
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def change(writer: RowWriter, at: int) -> None:
    old = writer.get(AUDIT, MAIN, key_of(at)).value
    writer.put(AUDIT, MAIN, key_of(at), structs.replace(old, actor="user:mallory"))


def change_and_hash_again(writer: RowWriter, at: int) -> None:
    """The record itself is consistent; the one behind it gives it away."""
    old = writer.get(AUDIT, MAIN, key_of(at)).value
    new = structs.replace(old, actor="user:mallory")
    writer.put(AUDIT, MAIN, key_of(at), structs.replace(new, hash=hash_of(new)))


def delete(writer: RowWriter, at: int) -> None:
    writer.delete(AUDIT, MAIN, key_of(at))


def insert(writer: RowWriter, at: int) -> None:
    """Everything from there on moves up by one, and one of the attacker's own stands there."""
    head = writer.get(AUDIT_HEAD, MAIN, "head").value
    for sequence in range(head.sequence, at - 1, -1):
        moved = writer.get(AUDIT, MAIN, key_of(sequence)).value
        moved = structs.replace(moved, sequence=sequence + 1)
        writer.put(AUDIT, MAIN, key_of(sequence + 1), moved)
    forged = structs.replace(writer.get(AUDIT, MAIN, key_of(at)).value, actor="user:mallory")
    writer.put(AUDIT, MAIN, key_of(at), structs.replace(forged, hash=hash_of(forged)))
    new = AuditHead(head.sequence + 1, head.hash)
    writer.put(AUDIT_HEAD, MAIN, "head", new)


def reorder(writer: RowWriter, at: int) -> None:
    first = writer.get(AUDIT, MAIN, key_of(at)).value
    second = writer.get(AUDIT, MAIN, key_of(at + 1)).value
    writer.put(AUDIT, MAIN, key_of(at), structs.replace(second, sequence=at))
    writer.put(AUDIT, MAIN, key_of(at + 1), structs.replace(first, sequence=at + 1))


@pytest.mark.parametrize(
    ("work", "first_bad"),
    [(change, 0), (change_and_hash_again, 1), (delete, 0), (insert, 1), (reorder, 0)],
)
@pytest.mark.parametrize("at", [1, 17])
async def test_al_2_the_first_record_that_was_touched_is_named(
    tmp_path: Path, work: Callable[[RowWriter, int], None], first_bad: int, at: int
) -> None:
    """Changed, changed with its hash, deleted, inserted, swapped: each is found at its place."""
    await write_chain(tmp_path)
    assert (await verify(tmp_path)).intact
    tamper(tmp_path, lambda writer: work(writer, at))
    report = await verify(tmp_path)
    assert not report.intact
    assert report.first_bad == at + first_bad
    assert report.reason


async def test_al_2_a_chain_that_was_cut_off_is_found(tmp_path: Path) -> None:
    """The last five are gone; the stored head says that they were there."""
    exported = await write_chain(tmp_path)

    def work(writer: RowWriter) -> None:
        for sequence in range(exported.sequence - 4, exported.sequence + 1):
            delete(writer, sequence)

    tamper(tmp_path, work)
    report = await verify(tmp_path)
    assert not report.intact
    assert report.first_bad == exported.sequence - 4


async def test_al_2_a_chain_cut_off_with_its_head_is_found_by_the_exported_head(
    tmp_path: Path,
) -> None:
    """Whoever rewrites the head as well cannot rewrite what was given away."""
    exported = await write_chain(tmp_path)
    last = exported.sequence - 5

    def work(writer: RowWriter) -> None:
        for sequence in range(last + 1, exported.sequence + 1):
            delete(writer, sequence)
        kept = writer.get(AUDIT, MAIN, key_of(last)).value
        writer.put(AUDIT_HEAD, MAIN, "head", AuditHead(last, kept.hash))

    tamper(tmp_path, work)
    report = await verify(tmp_path, exported)
    assert not report.intact
    assert report.first_bad == last + 1


async def test_al_2_a_flipped_bit_is_not_read_as_a_record(tmp_path: Path) -> None:
    """Without a matching checksum it is damage, and said to be."""
    await write_chain(tmp_path)
    with closing(sqlite3.connect(tmp_path / "records.sqlite")) as database:
        where = ("audit", "main", key_of(9))
        body = bytearray(
            database.execute(
                "SELECT body FROM record WHERE kind = ? AND tenant = ? AND key = ?", where
            ).fetchone()[0]
        )
        body[20] ^= 1
        database.execute(
            "UPDATE record SET body = ? WHERE kind = ? AND tenant = ? AND key = ?",
            (bytes(body), *where),
        )
        database.commit()
    with pytest.raises(Damaged, match=f"audit {key_of(9)!r}"):
        await verify(tmp_path)
