"""A process that delivers from an outbox on disk until it is killed; see test_crashes.py."""

import asyncio
import sys
from pathlib import Path

from tests.connectors.support import LOOPBACK, MAIN, Plant

from weft.backends.sqlite.records import SqliteRecords
from weft.config import load_config
from weft.connectors.credentials import Credentials
from weft.connectors.registry import make_connectors
from weft.model.alarm import OutboxState
from weft.rules.kinds import OUTBOX
from weft.security.outbound import OutboundClient
from weft.supervision import SystemClock


async def deliver(folder: Path) -> None:
    """Run the outbox until nothing waits."""
    connectors = make_connectors(
        load_config(folder / "weft.toml", {}).connectors,
        outbound=OutboundClient(LOOPBACK),
        credentials=Credentials(),
        clock=SystemClock(),
    )
    [found] = list(connectors)
    records = await SqliteRecords.open(folder)
    plant = Plant(found.connector, records=records)
    print("up", flush=True)
    where = ("state", str(OutboxState.PENDING))
    changed = asyncio.Event()
    plant.work_orders.on_change(lambda _order: changed.set())
    async with plant.outbox.running():
        while await records.read(lambda r: r.count(OUTBOX, MAIN, where=where)):
            await changed.wait()
            changed.clear()
    await records.close()


if __name__ == "__main__":
    asyncio.run(deliver(Path(sys.argv[1])))
