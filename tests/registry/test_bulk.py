"""Bulk import: a stop loses nothing, no row is done twice, and no tenant waits for another."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from tests.registry.batch import PEER
from tests.registry.importing import Bulk, rows
from tests.registry.support import ALICE, MAIN, MALLORY

from weft.errors import Conflict, NotFound, QuotaExceeded, StorageError
from weft.model.ids import TenantId
from weft.registry.bulk import PIECE_ROWS, Import, State
from weft.registry.import_rows import RowImporter
from weft.registry.import_turns import Turns


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


async def test_a_file_that_finds_no_place_can_be_gone_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is taken, told to wait, and stands as interrupted, so that the remedy works."""
    bulk = Bulk(tmp_path)
    monkeypatch.setattr(bulk.imports, "_turns", Turns(1))
    await bulk.start("device_id\npump-1\n")
    with pytest.raises(QuotaExceeded, match="wait"):
        await bulk.start("device_id\npump-2\n")
    late = next(one for one in await bulk.imports.list(MAIN) if one.state is State.INTERRUPTED)
    async with bulk.running():
        async with asyncio.timeout(30):
            while len(bulk.imports._turns):  # noqa: ASYNC110  it sets no event
                await asyncio.sleep(0.001)
        assert (await bulk.through(await bulk.imports.resume(ALICE, late.import_id))).done == 1


async def test_a_bug_of_ours_interrupts_one_import(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next one is done, and Weft goes on."""
    bulk = Bulk(tmp_path)
    whole = RowImporter.do

    def broken_once(*arguments: Any) -> Any:
        monkeypatch.setattr(RowImporter, "do", whole)
        raise ZeroDivisionError

    monkeypatch.setattr(RowImporter, "do", broken_once)
    async with bulk.running():
        broken = await bulk.through(await bulk.start("device_id\npump-1\n"))
        assert broken.state is State.INTERRUPTED
        assert (await bulk.through(await bulk.start("device_id\npump-2\n"))).state is State.DONE


def told_of_pieces(
    bulk: Bulk, monkeypatch: pytest.MonkeyPatch, watched: Import | None = None
) -> list[tuple[Import, int | None]]:
    """Return a list that fills with the job of each piece, as it begins, and a job's place."""
    order: list[tuple[Import, int | None]] = []
    whole = bulk.imports._piece

    async def piece(job: Import) -> Import:
        queued = replace(job, done=0, counts={}, state=State.QUEUED)
        order.append((queued, bulk.imports.place_of(watched) if watched else None))
        return await whole(job)

    monkeypatch.setattr(bulk.imports, "_piece", piece)
    return order


async def test_a_tenants_huge_file_holds_up_nobody_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Main imports a file of many pieces, and two others a few devices: those are through soon."""
    bulk = Bulk(tmp_path)
    huge = await bulk.start(rows(PIECE_ROWS * 30))
    others = [
        await bulk.start(rows(3), actor=replace(MALLORY, tenant=TenantId(name)))
        for name in ("north", "south")
    ]
    order = told_of_pieces(bulk, monkeypatch)
    async with bulk.running():
        for job in (*others, huge):
            assert (await bulk.through(job)).counts == {"created": job.rows}
    assert {job.tenant for job, _ in order[:4]} == {MAIN, "north", "south"}


async def test_one_import_of_a_tenant_runs_and_the_next_is_told_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the order in which they came; none that has begun, or ended, waits."""
    bulk = Bulk(tmp_path)
    jobs = [await bulk.start(rows(PIECE_ROWS * 2, letter)) for letter in "abc"]
    foreign = await bulk.start(rows(1), actor=MALLORY)
    assert [bulk.imports.place_of(job) for job in (*jobs, foreign)] == [0, 1, 2, 0]
    order = told_of_pieces(bulk, monkeypatch, jobs[2])
    async with bulk.running():
        ended = await bulk.through(jobs[2])
        await bulk.through(foreign)
    assert bulk.imports.place_of(ended) is None
    mine = [(jobs.index(job), place) for job, place in order if job in jobs]
    assert mine == [(0, 2), (0, 2), (1, 1), (1, 1), (2, 0), (2, 0)]
