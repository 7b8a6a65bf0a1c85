"""What memory costs a rule: a window a sample, and a thousand rules on one type of device.

Run: python -m benchmarks.windows. Figures in µs of CPU unless it says otherwise; the first
line names the machine.
"""

import asyncio
import platform
import time
from collections.abc import Callable
from pathlib import Path

from tests.rules.support import ALICE, MAIN, START, MachineValues, Plant, around, device, hot, route

from weft.model.ids import DeviceId
from weft.model.message import Committed, Envelope
from weft.model.telemetry import Reading
from weft.rules.conditions import compile_rule
from weft.rules.language import scope_of
from weft.rules.program import Program
from weft.rules.replay import trial_rule
from weft.rules.state import DeviceState

S = 1_000_000_000
SAMPLES = 50_000
CALLS = [
    "mean(temperature, 5m)", "mean(temperature, 1h)", "max(temperature, 5m)",
    "stddev(temperature, 5m)", "slope(temperature, 5m)", "increase(temperature, 5m)",
    "count(temperature, 10 samples)", "percentile(temperature, 95, 5m)",
    "previous(temperature)",
]  # fmt: skip
FLAGS = ["held(temperature > 80, 30s)", "silent(temperature, 10m)", "rising(temperature > 80)"]


def cpu() -> str:
    """Return what the processor calls itself."""
    lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return f"{len(names)} x {names[0]}" if names else platform.machine()


def timed(work: Callable[[], None], count: int, *, rounds: int = 3) -> float:
    """Return µs of CPU a piece, the best of some rounds."""
    best = float("inf")
    for _ in range(rounds):
        began = time.process_time()
        work()
        best = min(best, time.process_time() - began)
    return best / count * 1e6


def per_sample(text: str) -> float:
    """Feed one device a sample a second, and look at the condition each time."""
    rule = trial_rule(hot(when=text, name="b"), MAIN, around())
    program = Program([compile_rule(rule, scope_of(around().types.find(MAIN, "machine")))])
    values = [MachineValues(temperature=60.0 + n * 7919 % 400 / 10) for n in range(1_000)]
    evaluate = program.function(MachineValues)

    def work() -> None:
        state = DeviceState(MAIN, DeviceId("d"), program)
        state.take_class(MachineValues)
        feed, slots, feeds = state.feed, state.slots, state.feeds
        if feed is None:
            for number in range(SAMPLES):
                evaluate(values[number % 1_000], slots)
            return
        for number in range(SAMPLES):
            at = START + number * S
            reading = values[number % 1_000]
            feed(reading, slots, feeds, at, at)
            evaluate(reading, slots)

    return timed(work, SAMPLES)


async def many_rules(texts: list[str], *, keys: int) -> tuple[float, float]:
    """Return µs a message and the seconds that compiling took, all rules on one type."""
    devices = [device(f"d{number}") for number in range(100)]
    plant = Plant(*devices)
    for number, text in enumerate(texts):
        await plant.rules.create(ALICE, hot(name=f"rule-{number}", when=text))
    routes = [route(one.device_id) for one in devices]
    sent = {"temperature": 71.5, "pressure": 2.5, "rpm": 900, "mode": "run"}
    values = MachineValues(**dict(list(sent.items())[:keys]))
    count, first, took = 1_000, 1, []
    for round_ in range(4):
        received = START + round_ * 10 * S  # each device once a second
        batch = Committed(
            first,
            [Envelope(routes[n % 100], received + n * S // 100, b"") for n in range(count)],
            [[Reading(received + n * S // 100, values)] for n in range(count)],
        )
        first += count
        began = time.process_time()
        plant.engine.apply(batch)
        took.append(time.process_time() - began)
    return min(took) / count * 1e6, took[0] - min(took)


async def thousand() -> None:
    """Print a thousand rules on one type, without and with windows."""
    plain = [f"{('temperature', 'pressure', 'rpm')[n % 3]} > {1_000 + n}" for n in range(1_000)]
    windows = [f"mean(temperature, {n + 10}s) > 900" if n % 10 == 0 else one
               for n, one in enumerate(plain)]  # fmt: skip
    for name, texts in (("1,000 thresholds", plain), ("900 and 100 windows", windows)):
        each, compiling = await many_rules(texts, keys=4)
        rate = 1e6 / each
        print(f"{name}  {each:8.1f} µs a message, {rate:8.0f} a second, first {compiling:.1f} s")


if __name__ == "__main__":
    print(cpu(), platform.python_version())
    print(f"{per_sample('temperature > 80'):6.3f}  temperature > 80")
    for call in CALLS:
        print(f"{per_sample(call + ' > 900.0'):6.3f}  {call} > 900.0")
    for flag in FLAGS:
        print(f"{per_sample(flag):6.3f}  {flag}")
    asyncio.run(thousand())
