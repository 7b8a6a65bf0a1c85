"""What derived telemetry costs a message: with none in Weft, none in the tenant, 1 and 10 keys.

Run: python -m benchmarks.derived. Figures in µs of CPU a message of three values: `computed` is
the projection alone, `in all` is it with the journal, history, twins and rules behind it, which
take in the derived message as well. The first line names the machine.
"""

import asyncio
import itertools
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from msgspec.structs import replace
from tests.rules.support import ALICE, MAIN, START, MachineValues, Plant, S, device, route

from benchmarks.windows import cpu
from weft.backends.duckdb.history import DuckDbHistory
from weft.backends.sqlite.journal import SqliteJournal
from weft.history.history import History
from weft.history.settings import HistorySettings
from weft.ingest.pipeline import CommitFuture, Pipeline, PipelineSettings
from weft.model.ids import TenantId
from weft.model.message import Committed, Envelope
from weft.model.telemetry import Reading
from weft.ports import Projection
from weft.rules.derived.derivations import Derivations, DerivedKeysOf
from weft.rules.derived.deriver import Deriver
from weft.rules.derived.model import DerivationDocument
from weft.rules.model import Selector
from weft.twins.twins import Twins

DEVICES = 1_000
BATCH = 500
BATCHES = 100
PAYLOAD = b'{"temperature": 21.4, "pressure": 3.0, "rpm": 900}'
PLAIN = "temperature * pressure + {n}.0"
WINDOW = "mean(temperature + {n}.0, 5m)"


async def deriver(plant: Plant, keys: int, text: str, tenant: TenantId = MAIN) -> Deriver:
    """Make the projection, with so many derived keys of a tenant."""
    known = DerivedKeysOf(plant.around.devices.find)
    around = replace(plant.around, derived=known)
    made = Deriver(plant.records, around, plant.clock)
    derivations = Derivations(
        plant.records, plant.audit, plant.clock, around, known, lambda: made.applied
    )
    derivations.on_change(made.changed)
    for number in range(keys):
        document = DerivationDocument(f"key_{number}", text.format(n=number), Selector())
        await derivations.save(replace(ALICE, tenant=tenant), f"d{number}", document)
    return made


def batches(count: int) -> list[tuple[list[Envelope], list[list[Reading]]]]:
    """Return messages of a thousand devices, each a second apart."""
    routes = [route(f"d{number}") for number in range(DEVICES)]
    turns = itertools.cycle(range(DEVICES))
    made = []
    for number in range(count):
        at = START + number * S // 2
        values = MachineValues(temperature=20.0 + number % 7, pressure=3.0, rpm=900)
        envelopes = [Envelope(routes[next(turns)], at + one, PAYLOAD) for one in range(BATCH)]
        made.append((envelopes, [[Reading(one.received_at, values)] for one in envelopes]))
    return made


async def computed(keys: int, text: str, tenant: TenantId = MAIN) -> float:
    """Return µs a message of the projection alone, its answers handed on and come back."""
    plant = Plant(*(device(f"d{number}") for number in range(DEVICES)))
    made = await deriver(plant, keys, text, tenant)
    waiting: list[Envelope] = []
    made.start(lambda envelope, _decoded: waiting.append(envelope), lambda _sender: None)
    position, best = 0, float("inf")
    for _ in range(3):
        given = batches(BATCHES)
        began = time.process_time()
        for envelopes, decoded in given:
            made.apply(Committed(position + 1, envelopes, decoded))
            position += BATCH
            if waiting:
                made.apply(Committed(position + 1, waiting, [None] * len(waiting)))
                position += len(waiting)
                waiting.clear()
        best = min(best, time.process_time() - began)
    return best / (BATCH * BATCHES) * 1e6


async def in_all(keys: int, text: str, folder: Path) -> float:
    """Return µs a message from the batch to what is kept of it."""
    plant = Plant(*(device(f"d{number}") for number in range(DEVICES)))
    made = await deriver(plant, keys, text)
    journal = await SqliteJournal.open(folder)
    store = await DuckDbHistory.open(folder)
    history = History(store, plant.clock, HistorySettings())
    twins = Twins(plant.records, plant.audit, plant.clock)
    projections: Sequence[Projection] = [twins, history, plant.engine, made]
    pipeline = Pipeline(journal, projections, PipelineSettings(), lambda _one: None)
    made.start(pipeline.add, lambda sender: pipeline.acknowledge(sender, 0))
    running = asyncio.create_task(pipeline.run())
    given = batches(BATCHES)
    began = time.process_time()
    for envelopes, decoded in given:
        for envelope, readings in zip(envelopes, decoded, strict=True):
            pipeline.add(envelope, readings)
        done = CommitFuture()
        pipeline.acknowledge(done, 0)
        await done.wait()
    await made.wait_done(journal.head)
    await pipeline.drain()
    spent = time.process_time() - began
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await journal.close()
    await store.close()
    return spent / (BATCH * BATCHES) * 1e6


async def measure() -> None:
    """Print all of it."""
    print(cpu())
    cases = [
        ("none in Weft", 0, PLAIN, MAIN),
        ("none in the tenant", 1, PLAIN, TenantId("other")),
        ("1 key", 1, PLAIN, MAIN),
        ("10 keys", 10, PLAIN, MAIN),
        ("1 window", 1, WINDOW, MAIN),
        ("10 windows", 10, WINDOW, MAIN),
    ]
    for title, keys, text, tenant in cases:
        print(f"{title:<20} computed {await computed(keys, text, tenant):7.2f} µs")
    for title, keys in (("none", 0), ("1 key", 1), ("10 keys", 10)):
        with tempfile.TemporaryDirectory() as folder:
            found = await in_all(keys, PLAIN, Path(folder))
        print(f"{title:<20} in all   {found:7.2f} µs")


if __name__ == "__main__":
    asyncio.run(measure())
