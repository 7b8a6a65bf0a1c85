"""How often the shipped anomaly rules are right, on recorded and on generated machines.

Each machine's samples go through the evaluation of rules, as live; the rules are those that
are shipped, with the same constants for all. The recordings are not handed out with Weft
(docs/explanation/anomaly-detection.md says where they are from): without them the generated
machines are judged alone. Then what a sample costs.

    python -m benchmarks.anomaly [--runs 4] [--document FILE] [--key KEY]

With a document, that rule is judged in place of the shipped ones; its condition is on KEY.
"""

import argparse
import asyncio
import random
import time
from pathlib import Path
from typing import Any

from tests.rules import machines
from tests.rules.machines import (
    PROCESSES,
    RECORDINGS,
    TEMPERATURE,
    VIBRATION,
    S,
    Samples,
    Verdict,
    broken,
    judged,
    lived,
    replayed,
    shipped,
    wandering,
    worn_out,
)

from benchmarks.support import report
from weft.model.ids import DeviceId, TenantId
from weft.rules.feeds.anomaly import ANOMALIES
from weft.rules.feeds.base import Origin

DAYS, STEP_S = 56, 600
FAULTS = [(17.0, 1.5, -8.0), (27.0, 1.0, -7.0), (37.0, 1.0, -7.0), (47.0, 1.0, 7.0)]
FAULTY = {
    "wandering within six hours": wandering(21_600),
    "wandering within a day": wandering(86_400),
    "skewed, within six hours": wandering(21_600, skew=0.4),
    "daily rhythm": machines.daily,
}
COLUMNS = [  # recordings without labelled faults: file, column, its delimiter, seconds a row
    ("household_power_extract.txt", "Voltage", ";", 60),
    ("household_power_extract.txt", "Global_active_power", ";", 60),
    ("ai4i2020.tsv", "Process temperature [K]", "\t", 60),
    ("ai4i2020.tsv", "Torque [Nm]", "\t", 60),
]
SEASONAL = ("anomaly(temperature)", "seasonal_score(temperature, 1d)")
SETTINGS: dict[str, dict[str, Any]] = {
    "anomaly": {},
    "ewma_score": {"span": 3600 * S},
    "seasonal_score": {"season": 86_400 * S},
    "drift": {"baseline": 3600 * S},
}


class Judge:
    """The rule that is judged, for whatever is measured."""

    def __init__(self, document: str | None, key: str) -> None:
        self._document = document
        self._key = key

    async def firings(self, samples: Samples, key: str) -> list[Any]:
        """Return the alarms of one machine."""
        document = self._document or shipped(key)
        return await replayed(document, samples, self._key if self._document else key)


async def recorded(judge: Judge) -> dict[str, Any]:
    """Print what the rules make of the recordings; return the figures."""
    rows: list[tuple[str, str]] = []
    figures: dict[str, Any] = {}
    for name in ("machine_temperature_system_failure", "ambient_temperature_system_failure"):
        samples, windows = machines.nab(name)
        verdict = judged(await judge.firings(samples, TEMPERATURE), windows)
        days = (samples[-1][0] - samples[0][0]) / S / 86_400
        rows.append((f"nab {name}", f"{_told(verdict, len(windows))} in {days:.0f} days"))
        figures[name] = [verdict.found, len(windows), verdict.false]
    for key in ("rms_horizontal_g", "rms_vertical_g"):
        samples = machines.bearing(key)
        told = _lifetime(samples, await judge.firings(samples, VIBRATION))
        rows.append((f"bearing {key}", told))
        figures[key] = told
    for name, key, delimiter, step_s in COLUMNS:
        samples = machines.column(name, key, delimiter=delimiter, step_s=step_s)
        alarms = len(await judge.firings(samples, TEMPERATURE))
        days = len(samples) * step_s / 86_400
        rows.append((f"{Path(name).stem} {key}", f"{alarms} alarms in {days:.1f} days"))
        figures[key] = alarms
    report("recorded machines", rows, **figures)
    return figures


def _told(verdict: Verdict, faults: int) -> str:
    return f"{verdict.found} of {faults} faults found, {verdict.false} false alarms"


def _lifetime(samples: Samples, firings: list[Any]) -> str:
    if not firings:
        return "never told"
    life = samples[-1][0] - samples[0][0]
    raised = firings[0].raised_at
    left = (samples[-1][0] - raised) / S / 60
    share = (raised - samples[0][0]) / life
    return f"told {left:.0f} minutes before the end, at {share:.0%} of its life"


async def generated(judge: Judge, runs: int) -> None:
    """Print false alarms of healthy machines, and the faults found in broken ones."""
    rows: list[tuple[str, str]] = []
    figures: dict[str, Any] = {}
    for name, process in PROCESSES.items():
        alarms = 0
        for seed in range(runs):
            samples = lived(process, seed=seed, days=DAYS, step_s=STEP_S)
            alarms += len(await judge.firings(samples, TEMPERATURE))
        rows.append((f"healthy, {name}", f"{alarms / runs:.2f} alarms in {DAYS} days"))
        figures[name] = alarms / runs
    for name, process in FAULTY.items():
        found = false = 0
        for seed in range(runs):
            healthy = lived(process, seed=seed, days=DAYS, step_s=STEP_S)
            samples, spans = broken(healthy, FAULTS)
            verdict = judged(await judge.firings(samples, TEMPERATURE), spans)
            found, false = found + verdict.found, false + verdict.false
        told = f"{found} of {runs * len(FAULTS)} faults found, {false / runs:.2f} false alarms"
        rows.append((f"broken, {name}", told))
        figures[f"found, {name}"] = found / runs / len(FAULTS)
    found = false = 0
    for seed in range(runs):
        samples, spans = broken(lived(machines.daily, seed=seed, days=DAYS, step_s=STEP_S), FAULTS)
        seasonal = shipped(TEMPERATURE).replace(*SEASONAL)
        verdict = judged(await replayed(seasonal, samples, TEMPERATURE), spans)
        found, false = found + verdict.found, false + verdict.false
    told = f"{found} of {runs * len(FAULTS)} faults found, {false / runs:.2f} false alarms"
    rows.append(("broken, daily rhythm, with seasonal_score", told))
    for seed in range(runs):
        samples = worn_out(seed=seed)
        told = _lifetime(samples, await judge.firings(samples, VIBRATION))
        rows.append((f"worn out, {seed + 1}", told))
    report("generated machines", rows, **figures)


def costs(count: int = 50_000) -> None:
    """Print the CPU time of one sample for each function, warm."""
    chance = random.Random(1)
    values = [20 + chance.gauss(0, 1) for _ in range(count)]
    origin = Origin(tenant=TenantId("main"), device_id=DeviceId("d"), began_at=0)
    rows, figures = [], {}
    for function in ANOMALIES:
        feed = function.make(SETTINGS[function.name], origin)
        best, at = float("inf"), 0
        for _ in range(6):
            began = time.process_time()
            for value in values:
                at += 60 * S
                feed.take(at, at, value)
            best = min(best, time.process_time() - began)
        figures[function.name] = round(best / count * 1e6, 2)
        rows.append((function.name, f"{figures[function.name]:.2f} µs a sample"))
    report("cost of anomaly functions", rows, **figures)


async def main() -> None:
    """Judge, and print."""
    parser = argparse.ArgumentParser(prog="benchmarks.anomaly", description=__doc__)
    parser.add_argument("--runs", type=int, default=4, help="generated machines of each kind")
    parser.add_argument("--document", type=Path, help="a rule to judge in place of the shipped")
    parser.add_argument("--key", default=TEMPERATURE, help="what its condition is on")
    options = parser.parse_args()
    document = options.document.read_text("utf-8") if options.document else None
    judge = Judge(document, options.key)
    if (RECORDINGS / "nab_windows.json").exists():
        await recorded(judge)
    else:
        print(f"no recordings in {RECORDINGS}: RECORDINGS=FOLDER names another place")
    await generated(judge, options.runs)
    costs()


if __name__ == "__main__":
    asyncio.run(main())
