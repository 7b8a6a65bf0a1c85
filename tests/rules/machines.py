"""Machines for anomaly rules: generated ones, whose faults we know, and recorded ones.

The recordings lie beside the repository and are not ours to hand out; RECORDINGS names another
folder. All of them are replayed through the evaluation of rules, over messages of a device.
"""

import csv
import json
import math
import os
import random
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path

from msgspec import Struct
from tests.rules.support import MAIN, START, S, around, device, route

from weft.model.message import Committed, Envelope
from weft.model.telemetry import Reading
from weft.rules.ledger import Firing
from weft.rules.replay import try_rule

RECORDINGS = Path(
    os.environ.get("RECORDINGS", Path(__file__).parents[3] / "shared" / "data")
)  # the environment wins: a checkout may lie elsewhere
DAY_S = 86_400
BATCH = 500
TEMPERATURE, VIBRATION = "temperature", "vibration"
Samples = list[tuple[int, float]]  # (at in ns, value)


class Span(Struct, frozen=True):
    """A while in which something was wrong, in nanoseconds."""

    begin: int
    end: int


class Verdict(Struct, frozen=True):
    """What a rule made of a machine whose faults are known."""

    found: int  # faults in which it raised
    false: int  # alarms raised in none of them


def shipped(key: str) -> str:
    """Return the document of a shipped rule."""
    return (resources.files("weft.rules") / "shipped" / f"unusual-{key}.yaml").read_text("utf-8")


async def replayed(document: str, samples: Samples, key: str) -> list[Firing]:
    """Return what a rule would have raised, from the same code as live."""

    async def batches() -> AsyncIterator[Committed]:
        path = route(type_name="")
        for start in range(0, len(samples), BATCH):
            part = samples[start : start + BATCH]
            readings = [[Reading(at, {key: value})] for at, value in part]
            yield Committed(start + 1, [Envelope(path, at, b"") for at, _ in part], readings)

    plant = around(device(type_name=None))
    trial = await try_rule(document, batches(), tenant=MAIN, around=plant)
    return trial.firings


def judged(firings: Sequence[Firing], faults: Iterable[Span]) -> Verdict:
    """Count faults in which an alarm was raised, and alarms raised outside of all of them."""
    spans = list(faults)
    hits = [sum(one.begin <= firing.raised_at <= one.end for firing in firings) for one in spans]
    return Verdict(found=sum(hit > 0 for hit in hits), false=len(firings) - sum(hits))


# --- recorded -----------------------------------------------------------------------------


def _moment(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * S


def nab(name: str) -> tuple[Samples, list[Span]]:
    """Return a file of the Numenta Anomaly Benchmark and its labelled windows."""
    with (RECORDINGS / f"nab_{name}.csv").open(newline="") as file:
        rows = [(_moment(row["timestamp"]), float(row["value"])) for row in csv.DictReader(file)]
    windows = json.loads((RECORDINGS / "nab_windows.json").read_text("utf-8"))
    spans = windows[f"realKnownCause/{name}.csv"]
    return rows, [Span(_moment(begin), _moment(end)) for begin, end in spans]


def column(name: str, key: str, *, delimiter: str = ",", step_s: int) -> Samples:
    """Return a column of a file with a row each `step_s`; rows without a number are no samples."""
    with (RECORDINGS / name).open(newline="", encoding="utf-8-sig") as file:
        cells = [row[key] for row in csv.DictReader(file, delimiter=delimiter)]
    return [
        (START + place * step_s * S, float(cell))
        for place, cell in enumerate(cells)
        if cell not in {"", "?"}
    ]


def bearing(key: str = "rms_horizontal_g") -> Samples:
    """Return the bearing that was run until it failed, a row each ten seconds."""
    return column("femto_bearing1_1_features.csv", key, step_s=10)


# --- generated ----------------------------------------------------------------------------

Process = Callable[[random.Random, int, int], Iterator[float]]  # (chance, count, step_s)


def noise(chance: random.Random, count: int, _step_s: int) -> Iterator[float]:
    """Normal noise without any memory."""
    return (chance.gauss(0, 1) for _ in range(count))


def heavy(chance: random.Random, count: int, _step_s: int) -> Iterator[float]:
    """Student's t with three degrees of freedom: wild single samples."""
    for _ in range(count):
        scale = math.sqrt(sum(chance.gauss(0, 1) ** 2 for _ in range(3)) / 3)
        yield chance.gauss(0, 1) / scale


def spikes(chance: random.Random, count: int, _step_s: int) -> Iterator[float]:
    """Noise, and each five-hundredth sample thirty spreads out."""
    return (chance.gauss(0, 1) + (30 if chance.random() < 0.002 else 0) for _ in range(count))


def walk(chance: random.Random, count: int, _step_s: int) -> Iterator[float]:
    """A random walk: there is nothing usual about it."""
    value = 0.0
    for _ in range(count):
        value += chance.gauss(0, 1)
        yield value


def wandering(time_s: float, *, skew: float = 0.0) -> Process:
    """Return a value that forgets itself within a time; skewed: with a long tail below."""

    def process(chance: random.Random, count: int, step_s: int) -> Iterator[float]:
        keep = math.exp(-step_s / time_s)
        fresh, value = math.sqrt(1 - keep * keep), chance.gauss(0, 1)
        for _ in range(count):
            value = keep * value + fresh * chance.gauss(0, 1)
            yield -math.exp(skew * value) if skew else value

    return process


def daily(chance: random.Random, count: int, step_s: int) -> Iterator[float]:
    """Noise upon a day that goes three spreads up and down."""
    for place in range(count):
        turn = 2 * math.pi * place * step_s / DAY_S
        yield 3 * math.sin(turn) + chance.gauss(0, 1)


def duty(chance: random.Random, count: int, step_s: int) -> Iterator[float]:
    """A machine that is on for about two hours and off for about one, ten spreads apart."""
    running, left = True, chance.expovariate(1 / 7200)
    for _ in range(count):
        left -= step_s
        if left < 0:
            running = not running
            left = chance.expovariate(1 / (7200 if running else 3600))
        yield (10 if running else 0) + chance.gauss(0, 1)


PROCESSES: dict[str, Process] = {
    "noise": noise,
    "heavy-tailed noise": heavy,
    "noise with spikes": spikes,
    "daily rhythm": daily,
    "on and off": duty,
    "wandering within an hour": wandering(3_600),
    "wandering within six hours": wandering(21_600),
    "wandering within a day": wandering(DAY_S),
    "skewed, within an hour": wandering(3_600, skew=0.6),
    "skewed, within six hours": wandering(21_600, skew=0.6),
    "random walk": walk,
}


def lived(process: Process, *, seed: int, days: float, step_s: int) -> Samples:
    """Return the samples of a generated machine."""
    count = int(days * DAY_S / step_s)
    values = process(random.Random(seed), count, step_s)
    return [(START + place * step_s * S, value) for place, value in enumerate(values)]


def broken(
    samples: Samples, faults: Sequence[tuple[float, float, float]]
) -> tuple[Samples, list[Span]]:
    """Add faults to a machine's samples, as (first day, days, by how much)."""
    spans = [
        Span(START + round(first * DAY_S) * S, START + round((first + days) * DAY_S) * S)
        for first, days, _ in faults
    ]
    moved = [
        (at, value + sum(by for span, (_, _, by) in zip(spans, faults, strict=True)
                         if span.begin <= at < span.end))
        for at, value in samples
    ]  # fmt: skip
    return moved, spans


def worn_out(*, seed: int, hours: float = 8.0, step_s: int = 10) -> Samples:
    """Return a vibration: even for half of a life, then growing as cracks do, to tenfold."""
    chance = random.Random(seed)
    count = int(hours * 3_600 / step_s)
    slow = wandering(600)(chance, count, step_s)
    made: Samples = []
    for place, wander in enumerate(slow):
        life = place / count
        growth = 9 * math.exp((life - 1) * 10) if life > 0.5 else 0.0
        level = 1 + growth + 0.035 * (wander + chance.gauss(0, 1))
        made.append((START + place * step_s * S, level))
    return made
