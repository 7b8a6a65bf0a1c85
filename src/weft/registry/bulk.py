"""Bulk import: many devices from one file, as a job that says what became of each row.

A file is read as a whole before anything is made, and kept in pieces. Each piece is one
transaction: its devices, their report and the progress of the job are on disk together, so a
job that a crash or a stop interrupted says so, and goes on behind the last piece when it is
resumed; no row is done twice. Tenants take turns, a piece each (`import_turns.py`), so that
nobody waits for another's file. Secrets that were asked for are sealed until the report has
been fetched, and are in it this once.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from typing import Any, Final

from msgspec.structs import replace

from weft.errors import Conflict, NotFound, QuotaExceeded, StorageError
from weft.model.ids import TenantId, new_id
from weft.model.principal import Principal
from weft.observability.log import get_logger
from weft.ports import Clock, Records, Writer
from weft.registry.devices import Devices
from weft.registry.import_gateways import arranged
from weft.registry.import_keys import Seal, has_keys, sealed_rows
from weft.registry.import_kinds import (
    IMPORTS,
    KEPT_MAX,
    PIECE_ROWS,
    PIECES,
    QUEUE_MAX,
    REPORTS,
    WAITING_MAX,
    GivenKind,
    Import,
    ImportOrder,
    OnConflict,
    Outcome,
    Piece,
    Report,
    RowResult,
    State,
    drop_secrets,
    forget,
    get_import,
    make_room,
    piece_key,
)
from weft.registry.import_rows import KEY_KIND, RowImporter, Work
from weft.registry.import_turns import Turns, TurnsFull
from weft.registry.rows import read_rows
from weft.security.audit import Audit
from weft.security.credentials import Credentials
from weft.security.preshared_keys import PresharedKeys
from weft.security.secrets import Vault

log = get_logger(__name__)

WORKERS: Final = 2  # pieces at once, of two tenants: one is told of while the other is written


class _Undone(Exception):
    """A dry run ends: nothing of it is kept but its results."""

    def __init__(self, results: Sequence[RowResult]) -> None:
        super().__init__()
        self.results = results


class Imports:
    """Takes files, works through them in turns of the tenants, and keeps the reports."""

    def __init__(
        self,
        records: Records,
        clock: Clock,
        audit: Audit,
        devices: Devices,
        issuing: tuple[Credentials, PresharedKeys],
        vault: Vault,
    ) -> None:
        self._records = records
        self._clock = clock
        self._audit = audit
        self._devices = devices
        self._credentials = issuing[0]
        self._vault = vault
        self._rows = RowImporter(devices, issuing, vault)
        self._turns = Turns(QUEUE_MAX)

    async def load(self) -> None:
        """Mark what was under way when Weft ended as interrupted; call once at start."""

        def work(writer: Writer) -> None:
            for tenant in writer.tenants(IMPORTS):
                for record in writer.list(IMPORTS, tenant, limit=KEPT_MAX + WAITING_MAX):
                    if record.value.state in (State.QUEUED, State.RUNNING):
                        problem = "Weft was stopped before it was through."
                        ended = replace(record.value, state=State.INTERRUPTED, problem=problem)
                        writer.put(IMPORTS, tenant, record.key, ended)

        await self._records.write(work)

    # --- asking ---

    async def start(self, actor: Principal, content: bytes, order: ImportOrder) -> Import:
        """Take a file and begin; raise `Invalid` for one that cannot be read at all."""
        rows = await asyncio.to_thread(lambda: arranged(read_rows(content, order.format)))
        keys = has_keys(rows)
        if order.credentials or keys:
            await self._vault.add_tenant(actor.tenant)
        job = Import(
            actor.tenant,
            new_id(),
            order,
            actor,
            self._clock.now(),
            len(rows),
            keys=keys or (order.credentials and order.kind is GivenKind.PSK),
        )
        rows = await asyncio.to_thread(lambda: sealed_rows(rows, self._seal_for(job)))

        def work(writer: Writer) -> None:
            make_room(writer, job.tenant)
            writer.insert(IMPORTS, job.tenant, job.import_id, job)
            for start in range(0, len(rows), PIECE_ROWS):
                piece = Piece(tuple(rows[start : start + PIECE_ROWS]))
                writer.insert(PIECES, job.tenant, piece_key(job, start), piece)
            detail: dict[str, Any] = {
                "rows": job.rows,
                "dry_run": order.dry_run,
                "credentials": order.credentials,
            }
            detail |= {"kind": order.kind.value} if order.credentials else {}
            detail |= {"keys": True} if keys else {}
            target = f"import:{job.import_id}"
            self._audit.entry(writer, actor, "import.create", target, detail=detail)

        await self._records.write(work)
        await self._put(job)
        return job

    def _seal_for(self, job: Import) -> Seal:
        """Return what seals the key of a line until it is done: a piece holds none in clear."""

        def seal(line: int, key: bytes) -> str:
            place = f"{job.import_id}/{line}"
            return self._vault.seal(job.tenant, KEY_KIND, place, key)

        return seal

    async def resume(self, actor: Principal, import_id: str) -> Import:
        """Go on with an import that was interrupted, behind what is done; or raise `Conflict`."""

        def work(writer: Writer) -> Import:
            record = get_import(writer, actor.tenant, import_id)
            if record.value.state is not State.INTERRUPTED:
                raise Conflict(
                    f"The import is {record.value.state}.",
                    remedy="Only an interrupted one goes on.",
                )
            again = replace(record.value, state=State.QUEUED, problem="")
            writer.put(IMPORTS, actor.tenant, import_id, again, version=record.version)
            self._audit.entry(writer, actor, "import.resume", f"import:{import_id}")
            return again

        job = await self._records.write(work)
        await self._put(job)
        return job

    async def delete(self, actor: Principal, import_id: str) -> None:
        """Forget an import and its report; its devices stay. Raises `Conflict` while it runs."""

        def work(writer: Writer) -> None:
            job = get_import(writer, actor.tenant, import_id).value
            if job.state in (State.QUEUED, State.RUNNING):
                raise Conflict("The import is under way.", remedy="Wait until it is through.")
            forget(writer, job)
            self._audit.entry(writer, actor, "import.delete", f"import:{import_id}")

        await self._records.write(work)

    async def get(self, tenant: TenantId, import_id: str) -> Import:
        """Return an import, or raise `NotFound`."""
        return (
            await self._records.read(lambda reader: get_import(reader, tenant, import_id))
        ).value

    async def list(
        self, tenant: TenantId, *, after: str = "", limit: int = 100
    ) -> Sequence[Import]:
        """Return imports, newest first."""
        found = await self._records.read(
            lambda reader: reader.list(IMPORTS, tenant, after=after, limit=limit, descending=True)
        )
        return [record.value for record in found]

    def place_of(self, job: Import) -> int | None:
        """Return how many of its tenant's imports go before one; None where it does not wait."""
        return (
            self._turns.place_of(job.tenant, job.import_id) if job.state is State.QUEUED else None
        )

    async def report(self, job: Import) -> AsyncGenerator[Sequence[tuple[RowResult, str]], None]:
        """Yield results with their secrets, piece by piece; at the end the secrets are gone."""
        for start in range(0, job.done, PIECE_ROWS):
            key = piece_key(job, start)
            found = await self._records.read(
                lambda reader, key=key: reader.find(REPORTS, job.tenant, key)  # type: ignore[misc]  # mypy cannot type a lambda's default
            )
            if found is not None:
                yield [(one, self._unsealed(job, one)) for one in found.value.results]
        if job.secrets and job.state is State.DONE:
            await self._records.write(lambda writer: drop_secrets(writer, job))

    def _unsealed(self, job: Import, result: RowResult) -> str:
        if not result.sealed:
            return ""
        place = f"{job.import_id}/{result.line}"
        return self._vault.unseal(job.tenant, IMPORTS.name, place, result.sealed).decode()

    # --- doing ---

    async def run(self) -> None:
        """Work through the queues until cancelled; a stop leaves the jobs to be resumed."""
        async with asyncio.TaskGroup() as tasks:
            for _ in range(WORKERS):
                tasks.create_task(self._work())

    async def _work(self) -> None:
        while True:
            tenant, import_id = await self._turns.take()
            ended = await self._turn(tenant, import_id)
            self._turns.give_back(tenant, ended=ended)
            await asyncio.sleep(0)  # devices are served between two pieces

    async def _turn(self, tenant: TenantId, import_id: str) -> bool:
        """Do the next piece of an import; return whether it is through, or cannot go on."""
        try:
            job = await self.get(tenant, import_id)
            if job.done < job.rows:
                job = await self._piece(job)
        except NotFound:
            return True  # deleted while it waited
        except StorageError as error:
            log.error("import_interrupted", import_id=import_id, error=error.detail)
            await self._interrupt(tenant, import_id, error.detail)
            return True
        except Exception:  # a bug of ours ends this import, not Weft
            log.exception("import_broke", import_id=import_id)
            await self._interrupt(tenant, import_id, "Weft could not go on; see its log.")
            return True
        return job.done >= job.rows

    async def _interrupt(self, tenant: TenantId, import_id: str, problem: str) -> None:
        def work(writer: Writer) -> None:
            record = writer.find(IMPORTS, tenant, import_id)
            if record is not None:
                ended = replace(record.value, state=State.INTERRUPTED, problem=problem)
                writer.put(IMPORTS, tenant, import_id, ended)

        try:
            await self._records.write(work)
        except StorageError as again:  # still no disk: the next start finds it unfinished
            log.error("import_not_marked", import_id=import_id, error=again.detail)

    async def _piece(self, job: Import) -> Import:
        """Do one piece, and tell of it."""
        made = Work()
        if job.order.dry_run:
            results = await self._try(job, made)
            return await self._records.write(lambda writer: self._keep(writer, job, results))

        def work(writer: Writer) -> Import:
            return self._keep(writer, job, self._rows.do(writer, job, made))

        after = await self._records.write(work)
        for old, new in made.changed:
            self._devices.told(old, new)
        for credential in made.credentials:
            self._credentials.learn(credential)
        return after

    async def _try(self, job: Import, made: Work) -> Sequence[RowResult]:
        def work(writer: Writer) -> None:
            raise _Undone(self._rows.do(writer, job, made))

        try:
            await self._records.write(work)
        except _Undone as undone:
            return undone.results
        return []

    def _keep(self, writer: Writer, job: Import, results: Sequence[RowResult]) -> Import:
        """Write a piece's report and the job's progress; the piece itself goes."""
        key = piece_key(job, job.done)
        counts = dict(job.counts)
        for result in results:
            counts[result.outcome] = counts.get(result.outcome, 0) + 1
        done = job.done + len(results)
        through = done >= job.rows
        after = replace(
            job,
            done=done,
            counts=counts,
            state=State.DONE if through else State.RUNNING,
            finished_at=self._clock.now() if through else None,
            secrets=job.secrets or any(result.sealed for result in results),
        )
        writer.put(REPORTS, job.tenant, key, Report(tuple(results)))
        writer.delete(PIECES, job.tenant, key)
        writer.put(IMPORTS, job.tenant, job.import_id, after)
        return after

    async def _put(self, job: Import) -> None:
        try:
            self._turns.put(job.tenant, job.import_id)
        except TurnsFull as error:
            await self._interrupt(job.tenant, job.import_id, "Too many imports waited.")
            raise QuotaExceeded(
                "Too many imports wait.", remedy="Resume it when others are through."
            ) from error


__all__ = ["Import", "ImportOrder", "Imports", "OnConflict", "Outcome", "RowResult", "State"]
