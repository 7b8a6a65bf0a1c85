"""Bulk import: each row has its outcome, a stop loses nothing, and no row is done twice."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.registry.batch import PEER, Batch
from tests.registry.support import ALICE, MAIN, MALLORY

from weft.errors import Conflict, Invalid, NotFound, QuotaExceeded, StorageError
from weft.model.device import Lifecycle
from weft.registry.bulk import (
    PIECE_ROWS,
    WAITING_MAX,
    Import,
    ImportOrder,
    Imports,
    OnConflict,
    Outcome,
    RowResult,
    State,
)
from weft.registry.devices import NewDevice
from weft.registry.rows import FileFormat
from weft.registry.tenants import Quotas


class Bulk(Batch):
    """A registry with imports."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.imports = self.again()

    def again(self) -> Imports:
        """Return the imports of a new process on the same store."""
        return Imports(
            self.records, self.clock, self.audit, self.devices, self.credentials, self.vault
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(self.imports.run())
            yield
            task.cancel()

    async def start(self, content: str, **more: Any) -> Import:
        order = ImportOrder(**{"format": FileFormat.CSV, **more})
        return await self.imports.start(ALICE, content.encode(), order)

    async def through(self, job: Import) -> Import:
        """Wait until it has ended."""
        async with asyncio.timeout(30):
            while job.state not in (State.DONE, State.INTERRUPTED):
                await asyncio.sleep(0.001)
                job = await self.imports.get(MAIN, job.import_id)
        return job

    async def imported(self, content: str, **more: Any) -> tuple[Import, list[RowResult]]:
        """Import a file; return the job and its report."""
        async with self.running():
            job = await self.through(await self.start(content, **more))
        return job, [result for result, _ in await self.report(job)]

    async def report(self, job: Import) -> list[tuple[RowResult, str]]:
        return [one async for page in self.imports.report(job) for one in page]


def rows(count: int) -> str:
    return "device_id,label\n" + "".join(f"p-{number},Pump\n" for number in range(count))


async def test_each_row_has_its_outcome(tmp_path: Path) -> None:
    """What is wrong is told with line, column and remedy, and spoils no other row."""
    bulk = Bulk(tmp_path)
    await bulk.devices.create(ALICE, NewDevice(device_id="there"))
    content = (
        "device_id,type_name,label,lifecycle,attributes.hall\n"
        "p-1,,Pump,pending,2\n"
        "a/b,,,,\n"
        "p-2,nothing,,,\n"
        f"p-3,,{'x' * 300},,\n"
        "p-4,,,revoked,\n"
        "p-5,,,odd,\n"
        "there,,,,\n"
    )
    job, report = await bulk.imported(content)
    assert (job.state, job.done, job.rows) == (State.DONE, 7, 7)
    assert job.counts == {"created": 1, "failed": 6}
    told = [(one.line, one.error.column if one.error else "") for one in report]
    assert told == [
        (2, ""),
        (3, "device_id"),
        (4, "type_name"),
        (5, "label"),
        (6, "lifecycle"),
        (7, "lifecycle"),
        (8, "device_id"),
    ]
    assert all(one.error.remedy for one in report if one.error)
    made = bulk.devices.get(MAIN, "p-1")
    assert (made.lifecycle, made.attributes) == (Lifecycle.PENDING, {"hall": 2})
    assert bulk.audit.actions().count("device.create") == 2


async def test_devices_that_are_there_are_skipped_or_updated_as_asked(tmp_path: Path) -> None:
    """What a row does not name stays; the same file twice changes nothing more."""
    bulk = Bulk(tmp_path)
    await bulk.devices.create(
        ALICE, NewDevice(device_id="p-1", label="Old", attributes={"hall": 1, "row": 2})
    )
    content = "device_id,label,attributes.hall\np-1,,7\np-2,New,\n"
    job, _ = await bulk.imported(content, on_conflict=OnConflict.SKIP)
    assert job.counts == {"skipped": 1, "created": 1}
    job, _ = await bulk.imported(content, on_conflict=OnConflict.UPDATE)
    assert job.counts == {"updated": 1, "skipped": 1}
    held = bulk.devices.get(MAIN, "p-1")
    assert (held.label, held.attributes) == ("Old", {"hall": 7, "row": 2})
    again, report = await bulk.imported(content, on_conflict=OnConflict.UPDATE)
    assert again.counts == {"skipped": 2}
    moved, report = await bulk.imported(
        "device_id,lifecycle\np-1,suspended\n", on_conflict=OnConflict.UPDATE
    )
    assert moved.counts == {"failed": 1}
    assert report[0].error is not None
    assert "weft device move" in report[0].error.remedy


async def test_a_dry_run_says_what_would_be_and_does_nothing(tmp_path: Path) -> None:
    """Also what the quota would stop, over all pieces together."""
    bulk = Bulk(tmp_path)
    await bulk.tenants.create(ALICE, MAIN, quotas=Quotas(devices=PIECE_ROWS + 5))
    job, report = await bulk.imported(rows(PIECE_ROWS + 10), dry_run=True, credentials=True)
    assert job.counts == {"created": PIECE_ROWS + 5, "failed": 5}
    assert await bulk.devices.list(MAIN) == []
    assert not any(one.sealed for one in report)
    real, report = await bulk.imported(rows(PIECE_ROWS + 10))
    assert real.counts == job.counts
    assert [one.outcome for one in report[-5:]] == [Outcome.FAILED] * 5
    assert len(await bulk.devices.list(MAIN, limit=1_000)) == PIECE_ROWS + 5


async def test_secrets_are_in_the_report_once_and_sealed_until_then(tmp_path: Path) -> None:
    """Each opens its device; the second reading has none."""
    bulk = Bulk(tmp_path)
    job, results = await bulk.imported(rows(3))
    async with bulk.running():
        job = await bulk.through(await bulk.start("device_id\nq-1\nq-2\n", credentials=True))
    assert job.secrets
    first = await bulk.report(job)
    assert all("weft_" not in result.sealed for result, _ in first)
    assert [bulk.door.by_bearer(token, PEER).id for _, token in first] == ["q-1", "q-2"]
    job = await bulk.imports.get(MAIN, job.import_id)
    assert not job.secrets
    assert [token for _, token in await bulk.report(job)] == ["", ""]
    assert results


async def test_a_reading_that_breaks_off_loses_no_secret(tmp_path: Path) -> None:
    """They go when the report has been read to its end, not when it was begun."""
    bulk = Bulk(tmp_path)
    async with bulk.running():
        content = rows(PIECE_ROWS + 1)
        job = await bulk.through(await bulk.start(content, credentials=True))
    reading = bulk.imports.report(job)
    await anext(reading)
    await reading.aclose()
    assert all(token for _, token in await bulk.report(job))


async def test_an_import_that_was_interrupted_says_so_and_goes_on(tmp_path: Path) -> None:
    """The process ends between two pieces: what is done is done, and is not done again."""
    bulk = Bulk(tmp_path)
    count = PIECE_ROWS * 3
    job = await bulk.start(rows(count))
    await bulk.imports._piece(job)  # one piece, and then the power fails
    bulk.imports = bulk.again()
    await bulk.imports.load()
    stopped = await bulk.imports.get(MAIN, job.import_id)
    assert (stopped.state, stopped.done) == (State.INTERRUPTED, PIECE_ROWS)
    assert stopped.problem
    async with bulk.running():
        await bulk.imports.resume(ALICE, job.import_id)
        ended = await bulk.through(await bulk.imports.get(MAIN, job.import_id))
    assert ended.state is State.DONE
    assert ended.counts == {"created": count}
    assert [result.line for result, _ in await bulk.report(ended)] == list(range(2, count + 2))
    with pytest.raises(Conflict):
        await bulk.imports.resume(ALICE, job.import_id)


async def test_a_full_disk_interrupts_and_does_not_end_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is marked, and the next in the queue is worked through."""
    bulk = Bulk(tmp_path)
    whole = bulk.imports._piece
    failing = await bulk.start(rows(3))

    async def piece(job: Import) -> Import:
        if job.import_id == failing.import_id:
            raise StorageError("The disk is full.", remedy="Make room.")
        return await whole(job)

    monkeypatch.setattr(bulk.imports, "_piece", piece)
    async with bulk.running():
        other = await bulk.through(await bulk.start("device_id\nq\n"))
        ended = await bulk.through(await bulk.imports.get(MAIN, failing.import_id))
    assert other.state is State.DONE
    assert (ended.state, ended.problem) == (State.INTERRUPTED, "The disk is full.")


async def test_an_import_is_its_tenants_own(tmp_path: Path) -> None:
    """Neither seen nor ended by another; deleted, its devices stay."""
    bulk = Bulk(tmp_path)
    job, _ = await bulk.imported(rows(2))
    with pytest.raises(NotFound):
        await bulk.imports.get(MALLORY.tenant, job.import_id)
    with pytest.raises(NotFound):
        await bulk.imports.delete(MALLORY, job.import_id)
    assert await bulk.imports.list(MALLORY.tenant) == []
    await bulk.imports.delete(ALICE, job.import_id)
    assert await bulk.imports.list(MAIN) == []
    assert len(await bulk.devices.list(MAIN)) == 2


async def test_only_so_many_wait_and_a_file_that_cannot_be_read_is_none_of_them(
    tmp_path: Path,
) -> None:
    """A mistake in the header is told at once, and makes no job."""
    bulk = Bulk(tmp_path)
    with pytest.raises(Invalid):
        await bulk.start("devise_id\np\n")
    jobs = [await bulk.start(f"device_id\np-{number}\n") for number in range(WAITING_MAX)]
    with pytest.raises(QuotaExceeded):
        await bulk.start(rows(1))
    with pytest.raises(Conflict):
        await bulk.imports.delete(ALICE, jobs[0].import_id)
    async with bulk.running():
        for job in jobs:
            assert (await bulk.through(job)).state is State.DONE
    kept = [one.import_id for one in await bulk.imports.list(MAIN)]
    assert kept == sorted((job.import_id for job in jobs), reverse=True)


async def test_a_file_that_finds_no_place_can_be_gone_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is taken, told to wait, and stands as interrupted, so that the remedy works."""
    bulk = Bulk(tmp_path)
    monkeypatch.setattr(bulk.imports, "_queue", asyncio.Queue(1))
    await bulk.start("device_id\npump-1\n")
    with pytest.raises(QuotaExceeded, match="wait"):
        await bulk.start("device_id\npump-2\n")
    late = next(one for one in await bulk.imports.list(MAIN) if one.state is State.INTERRUPTED)
    async with bulk.running():
        async with asyncio.timeout(30):
            while bulk.imports._queue.qsize():  # noqa: ASYNC110  it sets no event
                await asyncio.sleep(0.001)
        assert (await bulk.through(await bulk.imports.resume(ALICE, late.import_id))).done == 1


async def test_a_bug_of_ours_interrupts_one_import(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next one is done, and Weft goes on."""
    bulk = Bulk(tmp_path)
    do = bulk.imports._do

    def broken_once(*arguments: Any) -> Any:
        monkeypatch.setattr(bulk.imports, "_do", do)
        raise ZeroDivisionError

    monkeypatch.setattr(bulk.imports, "_do", broken_once)
    async with bulk.running():
        broken = await bulk.through(await bulk.start("device_id\npump-1\n"))
        assert broken.state is State.INTERRUPTED
        assert (await bulk.through(await bulk.start("device_id\npump-2\n"))).state is State.DONE
