"""What a rule costs: one condition, ten rules on one message, and a checkpoint.

Run: python -m benchmarks.rules. One line a figure, in µs unless it says otherwise.
"""

import asyncio
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from msgspec import UNSET
from tests.rules.support import (
    ALICE,
    MACHINE,
    MAIN,
    ORDER,
    START,
    MachineValues,
    Plant,
    around,
    device,
    hot,
    route,
)  # fmt: skip

from weft.backends.sqlite.records import SqliteRecords
from weft.model.message import Committed, Envelope
from weft.model.telemetry import Reading
from weft.rules.conditions import compile_rule
from weft.rules.documents import read_rule
from weft.rules.language import ANY, compile_condition, scope_of
from weft.rules.language.evaluate import evaluator
from weft.rules.program import Program
from weft.rules.replay import trial_rule

CONDITIONS = [
    "temperature > 80",
    "temperature > 80 && rpm > 100",
    "mode == 'run' || mode == 'idle'",
    "mode in ['run', 'idle', 'stop']",
    "temperature * 1.8 + 32 > 180 && running",
    "rpm + 1 > 100 && abs(temperature - pressure) < 70",
]
VALUES = MachineValues(temperature=71.5, pressure=2.5, rpm=900, mode="run", running=True, gps={})
TEN = [
    "temperature > 80", "temperature < -10", "pressure > 9.5", "rpm > 1500", "rpm < 10",
    "mode == 'fault'", "temperature > 75 && running", "pressure < 1 && running",
    "mode in ['stuck', 'jammed']", "temperature > 60 && rpm < 100",
]  # fmt: skip


def per_call(work: Callable[[], Any], *, rounds: int = 5, calls: int = 100_000) -> float:
    """Return µs a call, the best of some rounds."""
    best = float("inf")
    for _ in range(rounds):
        began = time.perf_counter()
        for _ in range(calls):
            work()
        best = min(best, time.perf_counter() - began)
    return best / calls * 1e6


def condition_costs() -> None:
    """Print each condition alone: generated code and closures, less an empty call."""
    nothing = per_call(lambda: None)
    for text in CONDITIONS:
        rule = trial_rule(hot(when=text, name="b"), MAIN, around())
        program = Program([compile_rule(rule, scope_of(MACHINE))])
        slots: list[Any] = [UNSET] * len(program.paths)
        function = program.function(MachineValues)
        code = per_call(lambda: function(VALUES, slots)) - nothing  # noqa: B023  used at once
        checked = compile_condition(text, scope_of(MACHINE))
        closure = evaluator(checked.tree, program.slots)
        slow = per_call(lambda: closure(slots)) - nothing  # noqa: B023  used at once
        print(f"condition  code {code:6.3f}  closures {slow:6.3f}  {text}")
    rule = trial_rule({"name": "b", "when": CONDITIONS[0]}, MAIN, around())
    program = Program([compile_rule(rule, ANY)])
    free, slots, values = program.function(dict), [UNSET], {"temperature": 71.5}
    print(f"condition  code {per_call(lambda: free(values, slots)) - nothing:6.3f}  free JSON")
    text = CONDITIONS[-1]
    compiling = per_call(lambda: read_rule(hot(when=text)), rounds=3, calls=200)
    print(f"document read  {compiling:8.1f}")


async def ten_rules() -> None:
    """Print ten rules on one message, through the whole of apply, and a checkpoint."""
    devices = [device(f"d{number}") for number in range(1_000)]
    plant = Plant(*devices)
    for number, text in enumerate(TEN):
        await plant.rules.create(ALICE, hot(name=f"rule-{number}", when=text))
    routes = [route(one.device_id) for one in devices]
    count, first, best = 50_000, 1, float("inf")
    for round_ in range(4):
        received = START + round_ * 10**12
        envelopes = [Envelope(routes[n % 1_000], received + n, b"") for n in range(count)]
        readings = [[Reading(received + n, VALUES)] for n in range(count)]
        batch = Committed(first, envelopes, readings)
        first += count
        began = time.perf_counter()
        plant.engine.apply(batch)
        best = min(best, time.perf_counter() - began)
    print(f"ten rules on one message  {best / count * 1e6:6.3f}")
    began = time.perf_counter()
    await plant.engine.checkpoint()
    print(f"checkpoint of 1,000 devices  {(time.perf_counter() - began) * 1e3:.2f} ms")


async def raising() -> None:
    """Print the time from `apply` to the alarm on disk, with its work order and audit entry."""
    took: list[float] = []
    told = asyncio.Event()
    with tempfile.TemporaryDirectory() as folder:
        records = await SqliteRecords.open(Path(folder))
        plant = Plant(*[device(f"d{number}") for number in range(200)], records=records)
        await plant.rules.create(ALICE, hot(actions=[ORDER]))
        plant.alarms.on_change(lambda _alarm: told.set())
        async with asyncio.TaskGroup() as group:
            writer = group.create_task(plant.engine.run())
            for number in range(200):
                told.clear()
                batch = plant.line.say(0, {"temperature": 90.0}, name=f"d{number}")
                began = time.perf_counter()
                plant.engine.apply(batch)
                await told.wait()
                took.append((time.perf_counter() - began) * 1e3)
            writer.cancel()
        await records.close()
    took.sort()
    print(f"apply to alarm on disk  p50 {took[100]:.1f} ms  p99 {took[198]:.1f} ms")


if __name__ == "__main__":
    condition_costs()
    asyncio.run(ten_rules())
    asyncio.run(raising())
