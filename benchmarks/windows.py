"""What memory costs a rule: a window a sample, and a thousand rules on one type of device.

Run: python -m benchmarks.windows. Figures in µs of CPU unless it says otherwise; the first
line names the machine.
"""

import asyncio
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from tests.rules.support import (
    ALICE,
    MACHINE,
    MAIN,
    START,
    MachineValues,
    Plant,
    around,
    device,
    hot,
    route,
)

from weft.model.device import DeviceType, Field
from weft.model.ids import DeviceId
from weft.model.message import Committed, Envelope
from weft.model.telemetry import Reading
from weft.rules.conditions import compile_rule
from weft.rules.language import scope_of
from weft.rules.program import Program
from weft.rules.replay import trial_rule
from weft.rules.state import DeviceState

S = 1_000_000_000
Kind = tuple[DeviceType, type[Any]]  # a device type, and the class of its readings
SAMPLES = 50_000
CALLS = [
    "mean(temperature, 5m)", "mean(temperature, 1h)", "max(temperature, 5m)",
    "stddev(temperature, 5m)", "slope(temperature, 5m)", "increase(temperature, 5m)",
    "count(temperature, 10 samples)", "percentile(temperature, 95, 5m)",
    "previous(temperature)",
]  # fmt: skip
FLAGS = ["held(temperature > 80, 30s)", "silent(temperature, 10m)", "rising(temperature > 80)"]


class Load(NamedTuple):
    """What a message costs, and what the rules took to be compiled."""

    message_us: float
    compiling_s: float


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


async def many_rules(texts: list[str], sent: list[dict[str, float]], kind: Kind) -> Load:
    """Return what a message costs where all rules are on one type, and what compiling took.

    A hundred devices take turns with the readings `sent`, each once a second.
    """
    devices = [device(f"d{number}") for number in range(100)]
    plant = Plant(*devices)
    type_, values_class = kind
    plant.around.types.types[MAIN, "machine"] = type_  # type: ignore[attr-defined]  # a fake
    for number, text in enumerate(texts):
        await plant.rules.create(ALICE, hot(name=f"rule-{number}", when=text, message="hot"))
    routes = [route(one.device_id) for one in devices]
    readings = [values_class(**one) for one in sent]
    count, first, took = 1_000, 1, []
    for round_ in range(6):
        received = START + round_ * 10 * S
        batch = Committed(
            first,
            [Envelope(routes[n % 100], received + n * S // 100, b"") for n in range(count)],
            [
                [Reading(received + n * S // 100, readings[n // 100 % len(readings)])]
                for n in range(count)
            ],
        )
        first += count
        began = time.process_time()
        plant.engine.apply(batch)
        took.append(time.process_time() - began)
    return Load(min(took) / count * 1e6, took[0] - min(took))


def type_of(keys: int) -> Kind:
    """Return a type with so many numbers, and the class that its readings are decoded to."""
    names = [f"key_{number}" for number in range(keys)]
    fields = {name: Field(type="number") for name in names}
    values = msgspec.defstruct(
        "Values", [(name, float | msgspec.UnsetType, msgspec.UNSET) for name in names]
    )
    return msgspec.structs.replace(MACHINE, telemetry=fields), values


async def thousand() -> None:
    """Print a thousand rules on one type, by what a message carries and how many look at it.

    Spread: the rules are on 100 keys, ten on each, and a message carries three. All alike: the
    rules are on three keys, and a message carries all three, so that each one is looked at.
    """
    for title, keys in (("spread", 100), ("all alike", 3)):
        plain = [f"key_{n % keys} > {1_000 + n}" for n in range(1_000)]
        windows = [
            f"mean(key_{n // 10 % keys}, {n + 10}s) > 900" if n % 10 == 0 else one
            for n, one in enumerate(plain)
        ]
        one_key = [
            f"mean(key_0, {n + 10}s) > 900" if n % 10 == 0 else f"key_0 > {n + 1_000}"
            for n in range(1_000)
        ]
        readings = [
            {f"key_{(start * 3 + n) % keys}": 71.5 for n in range(3)}
            for start in range(10 if keys > 3 else 1)
        ]
        loads = [("1,000 thresholds", plain), ("900 and 100 windows", windows)]
        if keys == 3:
            loads.append(("the same, on one key", one_key))
        for name, texts in loads:
            load = await many_rules(texts, readings, type_of(keys))
            print(
                f"{title:10} {name:22} {load.message_us:8.1f} µs a message, "
                f"{1e6 / load.message_us:8.0f} a second, first {load.compiling_s:.1f} s"
            )
    load = await many_rules(["key_0 > 1000"], [{"key_0": 71.5}], type_of(3))
    print(f"one rule on one key               {load.message_us:8.2f} µs a message")


if __name__ == "__main__":
    print(cpu(), platform.python_version())
    print(f"{per_sample('temperature > 80'):6.3f}  temperature > 80")
    for call in CALLS:
        print(f"{per_sample(call + ' > 900.0'):6.3f}  {call} > 900.0")
    for flag in FLAGS:
        print(f"{per_sample(flag):6.3f}  {flag}")
    asyncio.run(thousand())
