"""The stores: every checksum of records and journal, that history opens, and that all fit.

Run while nobody else has the files open. Beside a running server only what does not
disturb it is looked at: the structure, through connections that only read.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

from weft.app.stores import PLATFORM, POSITIONS
from weft.backends.duckdb.history import DuckDbHistory
from weft.backends.sqlite.database import Database
from weft.backends.sqlite.ends import find_ends, verify_journal
from weft.backends.sqlite.faults import REPAIR, told
from weft.backends.sqlite.journal import FILE as JOURNAL
from weft.backends.sqlite.marker import Marker
from weft.backends.sqlite.records import FILE as RECORDS
from weft.backends.sqlite.records import SqliteRecords, verify_records
from weft.cli.checks.finding import Finding, fail, failed, ok, warn
from weft.errors import StorageError, WeftError
from weft.model.ids import TenantId
from weft.ports import Reader
from weft.security.audit import AUDIT_HEAD, Audit
from weft.security.secrets import FILE_NAME as MASTER_KEY
from weft.security.secrets import MasterKey, Vault
from weft.supervision import SystemClock

HISTORY = "history.duckdb"
WHOLE_CHECK_BYTES = 1 << 30  # beside a running server, larger files are left alone


def is_in_use(folder: Path) -> bool:
    """Whether another process holds the stores."""
    for name in ("records.head", "journal.head"):
        if (folder / name).exists():
            try:
                Marker(folder / name).close()
            except StorageError:
                return True
    return False


# --- nobody else has them open -------------------------------------------------------------


async def check_stores(folder: Path) -> list[Finding]:
    """Everything about the stores of a folder that is not in use."""
    if not (folder / RECORDS).exists():
        return []
    findings = [_records(folder)]
    positions: dict[str, int] = {}
    try:
        positions |= await _projections(folder)
    except WeftError as error:
        findings.append(failed("projections", error))
    findings += [finding async for finding in _history(folder, positions)]
    findings.append(_journal(folder, positions))
    if findings[0].state == "ok":
        findings += await _audit(folder)
    return findings


def _records(folder: Path) -> Finding:
    database = Database(folder / RECORDS)
    try:
        report = database.open()
        try:
            verify_records(database)
        finally:
            database.close()
    except WeftError as error:
        return failed("records", error)
    if report.notes:
        return warn("records", " ".join(report.notes), "Nothing to do: it was not acknowledged.")
    return ok("records", "every record is as it was written")


async def _projections(folder: Path) -> dict[str, int]:
    async with AsyncExitStack() as stack:
        records = await SqliteRecords.open(folder)
        stack.push_async_callback(records.close)
        return await records.read(_stored_positions)


def _stored_positions(reader: Reader) -> dict[str, int]:
    return {found.key: found.value for found in reader.list(POSITIONS, PLATFORM, limit=100)}


async def _history(folder: Path, positions: dict[str, int]) -> AsyncIterator[Finding]:
    if not (folder / HISTORY).exists():
        remedy = "Nothing to do: the next start reads it again from the journal."
        yield warn("history", f"There is no {HISTORY}.", remedy)
        return
    try:
        history = await DuckDbHistory.open(folder)
    except WeftError as error:
        yield failed("history", error)
        return
    positions["history"] = history.position
    size = await history.size_bytes()
    await history.close()
    yield ok("history", f"opens; {size / 1e6:,.1f} MB, up to position {history.position:,}")


def _journal(folder: Path, positions: dict[str, int]) -> Finding:
    if not (folder / JOURNAL).exists():
        if not any(positions.values()):
            return ok("journal", "not there yet")
        remedy = "Restore a backup; weft doctor --repair goes on without the messages."
        return fail("journal", f"{JOURNAL} is missing.", remedy)
    database = Database(folder / JOURNAL)
    furthest = max(positions.values(), default=0)
    try:
        report = database.open()
        try:
            verify_journal(database, furthest)
            ends = find_ends(database, furthest)
        finally:
            database.close()
    except WeftError as error:
        return failed("journal", error)
    found = f"positions {ends.tail:,} to {ends.head:,}, every checksum holds"
    behind = {name: ends.head - at for name, at in positions.items() if at < ends.head}
    if behind:
        found += "; to be read again: " + ", ".join(f"{n} {c:,}" for n, c in sorted(behind.items()))
    lost = [name for name, at in positions.items() if at + 1 < ends.tail]
    if lost:
        return fail("journal", f"{found}; {', '.join(lost)} needs older ones.", REPAIR)
    if report.notes:
        found = f"{found}. {' '.join(report.notes)}"
        return warn("journal", found, "Nothing to do: it was not acknowledged.")
    return ok("journal", found)


async def _audit(folder: Path) -> list[Finding]:
    if not (folder / MASTER_KEY).exists():
        return []
    try:
        async with AsyncExitStack() as stack:
            records = await SqliteRecords.open(folder)
            stack.push_async_callback(records.close)
            vault = Vault(MasterKey.open(folder), records)
            await vault.load()
            audit = Audit(records, SystemClock(), await vault.secret("audit"))
            tenants = await records.read(lambda reader: reader.tenants(AUDIT_HEAD))
            return [await _verify(audit, tenant) for tenant in tenants]
    except WeftError as error:
        return [failed("audit", error)]


async def _verify(audit: Audit, tenant: TenantId) -> Finding:
    report = await audit.verify(tenant)
    return audit_finding(tenant, report.records, report.first_bad, report.reason)


def audit_finding(tenant: str, records: int, first_bad: int | None, reason: str) -> Finding:
    """Say whether a tenant's chain is whole."""
    what = f"audit of {tenant}" if tenant else "audit of the platform"
    if first_bad is None:
        return ok(what, f"{records:,} records, the chain is whole")
    return fail(
        what,
        f"Record {first_bad} is not as it was written: {reason}.",
        "Compare with an exported head or a backup; find out who could write the file.",
    )


# --- beside a running server ---------------------------------------------------------------


def check_beside(folder: Path) -> Iterator[Finding]:
    """What can be seen of the databases while a server writes them."""
    for name in (RECORDS, JOURNAL):
        path = folder / name
        what = name.removesuffix(".sqlite")
        if not path.exists():
            yield fail(what, f"{name} is missing under a running server.", "Stop it; restore.")
            continue
        if path.stat().st_size > WHOLE_CHECK_BYTES:
            yield ok(what, "in use, and too large to be checked beside the server")
            continue
        try:
            problems = _quick_check(path)
        except WeftError as error:
            yield failed(what, error)
            continue
        if problems != ["ok"]:
            yield fail(what, "; ".join(problems), REPAIR)
        else:
            yield ok(what, "its structure is whole; checksums are verified when Weft is stopped")


def _quick_check(path: Path) -> list[str]:
    connection = Database(path).connect()
    try:
        with told(path):
            return [row[0] for row in connection.execute("PRAGMA quick_check(3)")]
    finally:
        connection.close()
