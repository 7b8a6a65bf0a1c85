"""Run in a child process that is killed: append, and print each position once acknowledged."""

import asyncio
import sys
from pathlib import Path

from weft.backends.sqlite.journal import SqliteJournal
from weft.backends.sqlite.records import SqliteRecords
from weft.model.ids import TenantId
from weft.model.message import Batch, Envelope, Operation, QosTwo, Route
from weft.ports import Kind, Writer

MAIN = TenantId("main")
COUNTER = Kind("counter", int)
ROUTE = Route(MAIN, "device", "d", "devices/d/telemetry", Operation.TELEMETRY)


def _count(writer: Writer) -> int:
    found = writer.find(COUNTER, MAIN, "c")
    return writer.put(COUNTER, MAIN, "c", found.value + 1 if found else 1).value


async def main() -> None:
    folder = Path(sys.argv[1])
    journal = await SqliteJournal.open(folder)
    records = await SqliteRecords.open(folder)
    while True:
        size = journal.head % 97 + 1
        start = journal.head + 1
        envelopes = [Envelope(ROUTE, start + i, b"message %d" % (start + i)) for i in range(size)]
        change = QosTwo("s", start % 60_000 + 1, False)
        first = await journal.append(Batch(envelopes, [None] * size, [change]))
        assert first == start
        print("journal", journal.head, flush=True)
        print("records", await records.write(_count), flush=True)
        if start % 50 == 0:
            await journal.trim(before=journal.head - 500)


asyncio.run(main())
