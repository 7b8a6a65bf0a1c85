"""What tests of imports share: a registry that takes files and works through them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.registry.batch import Batch
from tests.registry.support import ALICE

from weft.model.principal import Principal
from weft.registry.bulk import Import, ImportOrder, Imports, RowResult, State
from weft.registry.rows import FileFormat


class Bulk(Batch):
    """A registry with imports."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.imports = self.again()

    def again(self) -> Imports:
        """Return the imports of a new process on the same store."""
        return Imports(
            self.records,
            self.clock,
            self.audit,
            self.devices,
            (self.credentials, self.preshared),
            self.vault,
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(self.imports.run())
            yield
            task.cancel()

    async def start(self, content: str, *, actor: Principal = ALICE, **more: Any) -> Import:
        order = ImportOrder(**{"format": FileFormat.CSV, **more})
        return await self.imports.start(actor, content.encode(), order)

    async def through(self, job: Import) -> Import:
        """Wait until it has ended."""
        async with asyncio.timeout(30):
            while job.state not in (State.DONE, State.INTERRUPTED):
                await asyncio.sleep(0.001)
                job = await self.imports.get(job.tenant, job.import_id)
        return job

    async def imported(self, content: str, **more: Any) -> tuple[Import, list[RowResult]]:
        """Import a file; return the job and its report."""
        async with self.running():
            job = await self.through(await self.start(content, **more))
        return job, [result for result, _ in await self.report(job)]

    async def report(self, job: Import) -> list[tuple[RowResult, str]]:
        return [one async for page in self.imports.report(job) for one in page]


def rows(count: int, letter: str = "p") -> str:
    """Return a file of so many devices."""
    lines = "".join(f"{letter}-{number},Pump\n" for number in range(count))
    return f"device_id,label\n{lines}"
