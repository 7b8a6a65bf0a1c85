"""Imports as they are kept: so many wait, so many are kept, and the oldest goes."""

from pathlib import Path

import pytest
from tests.registry.importing import Bulk, rows
from tests.registry.support import ALICE, MAIN

from weft.errors import Conflict, Invalid, QuotaExceeded
from weft.registry import import_kinds as module
from weft.registry.bulk import State
from weft.registry.import_kinds import IMPORTS, PIECES, REPORTS, WAITING_MAX


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


async def test_the_oldest_that_has_ended_makes_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With its pieces and its report: what is kept does not grow for ever."""
    monkeypatch.setattr(module, "KEPT_MAX", 2)
    bulk = Bulk(tmp_path)
    jobs = [(await bulk.imported(f"device_id\np-{number}\n"))[0] for number in range(4)]
    kept = [one.import_id for one in await bulk.imports.list(MAIN)]
    assert kept == [jobs[3].import_id, jobs[2].import_id]
    counts = [
        await bulk.records.read(lambda reader, kind=kind: reader.count(kind, MAIN))  # type: ignore[misc]  # mypy cannot type a lambda's default
        for kind in (IMPORTS, PIECES, REPORTS)
    ]
    assert counts == [2, 0, 2]
