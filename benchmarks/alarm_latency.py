"""Message in to alarm raised, while 10,000 messages a second come from 1,000 other devices.

Some devices cross a threshold again and again; the time is taken from their PUBLISH to the
live alarm event (SSE), that is: message on disk, rule evaluated, alarm on disk, event sent.
Twelve rules are on. The background load comes from a process of its own.

    python -m benchmarks.alarm_latency [--rate 10000] [--seconds 30] [--connections 1000]
"""

import argparse
import asyncio
import json
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx2
import uvloop

from benchmarks.messages import GENERATOR, RULES
from benchmarks.support import cpu_s, make_fleet, report, temporary_folder, weft_process
from weft.api.operator import Operator, read_key
from weft.app.compose import MAIN
from weft.cli.load import Load, LoadConnection, LoadResult
from weft.supervision import SystemClock

PROBES = 5
WARM_UP_S = 4.0
PAUSE_S = (0.02, 0.25)
ANSWER_S = 10.0
STREAM_S = 45.0  # the operator's token lives for a minute
HIGH, LOW = 250.0, 60.0
PROBE_RULE = {
    "name": "probe",
    "selector": {"type": "machine"},
    "when": "temperature > 200",
    "severity": "critical",
}
HELD_RULE = {**PROBE_RULE, "name": "held", "when": "temperature > 400", "for": "10s"}


class Probe:
    """One device that crosses the threshold, and the moments at which we heard of it."""

    def __init__(self, load: Load, name: str, token: str) -> None:
        self.connection = LoadConnection(load, name, token, LoadResult())
        self.heard: dict[str, asyncio.Future[float]] = {}
        self.latencies_ms: list[float] = []

    async def run(self, ends_at: float, begins_at: float, chance: random.Random) -> None:
        """Go up and down until it is time."""
        while time.perf_counter() < ends_at:
            for level, state in ((HIGH, "active"), (LOW, "cleared")):
                sent_at = time.perf_counter()
                heard_at = await self._send(level, state)
                if state == "active" and sent_at > begins_at:
                    self.latencies_ms.append((heard_at - sent_at) * 1000)
                await asyncio.sleep(chance.uniform(*PAUSE_S))

    async def _send(self, level: float, state: str) -> float:
        heard = self.heard[state] = asyncio.get_running_loop().create_future()
        payload = json.dumps({"temperature": level, "vibration": 0.5, "rotations": 1480.0})
        self.connection.publish(payload.encode(), time.perf_counter())
        return await asyncio.wait_for(heard, ANSWER_S)


async def listen(url: str, folder: Path, probes: dict[str, Probe]) -> None:
    """Read alarm events until cancelled."""
    operator = Operator(read_key(folder), SystemClock())
    async with httpx2.AsyncClient(trust_env=False, timeout=None) as client:
        while True:
            headers = {"Authorization": f"Bearer {operator.make_token(MAIN)}"}
            until = time.perf_counter() + STREAM_S
            stream = client.stream("GET", f"{url}/api/v1/live?kinds=alarm", headers=headers)
            async with stream as answer:
                answer.raise_for_status()
                async for line in answer.aiter_lines():
                    if line.startswith("data:"):
                        take(json.loads(line[5:]), probes, time.perf_counter())
                    if time.perf_counter() > until:
                        break


def take(event: dict[str, Any], probes: dict[str, Probe], now: float) -> None:
    """Tell the probe that waits for it."""
    probe = probes.get(event.get("device_id", ""))
    waiting = probe.heard.pop(event["change"], None) if probe is not None else None
    if waiting is not None and not waiting.done():
        waiting.set_result(now)


async def measure(load: Load, url: str, folder: Path, credentials: list[tuple[str, str]]) -> Any:
    """Run the probes; return all their latencies."""
    probes = {name: Probe(load, name, token) for name, token in credentials}
    loop = asyncio.get_running_loop()
    for probe in probes.values():
        await loop.create_connection(
            lambda made=probe.connection: made,  # type: ignore[misc]  mypy cannot see the default
            load.host,
            load.port,
        )
        await probe.connection.ready
    chance = random.Random(3)
    begins_at = time.perf_counter() + WARM_UP_S
    async with asyncio.TaskGroup() as tasks:
        listener = tasks.create_task(listen(url, folder, probes))
        await asyncio.sleep(0.5)
        running = [
            tasks.create_task(probe.run(begins_at + load.seconds, begins_at, chance))
            for probe in probes.values()
        ]
        await asyncio.gather(*running)
        listener.cancel()
    return sorted(ms for probe in probes.values() for ms in probe.latencies_ms)


def run(options: argparse.Namespace, folder: Path) -> tuple[list[float], dict[str, Any], float]:
    """Serve, load and probe; return latencies, the generator's result and the server's cores."""
    fleet = make_fleet(folder, options.connections + PROBES, [*RULES, PROBE_RULE, HELD_RULE])
    with weft_process(folder, "transports.mqtt.strangers_per_address=10000") as (
        server,
        mqtt,
        http,
    ):
        load = {
            "host": "127.0.0.1",
            "port": mqtt,
            "credentials": fleet[PROBES:],
            "topic": "devices/{id}/telemetry",
            "rate": options.rate,
            "seconds": options.seconds + WARM_UP_S,
        }
        generator = subprocess.Popen(
            [sys.executable, "-c", GENERATOR],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert generator.stdin is not None
        assert generator.stdout is not None
        generator.stdin.write(json.dumps(load))
        generator.stdin.close()
        time.sleep(3.0)  # its connections
        probing = Load("127.0.0.1", mqtt, fleet[:PROBES], load["topic"], 0, options.seconds)
        before, started = cpu_s(server.pid), time.perf_counter()
        url = f"http://127.0.0.1:{http}"
        latencies = uvloop.run(measure(probing, url, folder, fleet[:PROBES]))
        cores = (cpu_s(server.pid) - before) / (time.perf_counter() - started)
        result: dict[str, Any] = json.loads(generator.stdout.read())
        generator.wait()
    return latencies, result, cores


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, default=10_000)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--connections", type=int, default=1_000)
    options = parser.parse_args()
    with temporary_folder() as folder:
        latencies, background, cores = run(options, folder / "data")

    def at(share: float) -> float:
        return round(latencies[min(len(latencies) - 1, int(share * len(latencies)))], 1)

    rows = [
        ("background", f"{background['rate']:,.0f} messages/s acknowledged"),
        ("alarms raised", f"{len(latencies)} from {PROBES} devices"),
        ("PUBLISH to alarm event", f"p50 {at(0.5)} ms, p99 {at(0.99)} ms (to reach: p99 50 ms)"),
        ("slowest", f"{latencies[-1]:.1f} ms"),
        ("server", f"{cores:.2f} cores"),
    ]
    report("alarm_latency", rows, p50_ms=at(0.5), p99_ms=at(0.99), background=background)


if __name__ == "__main__":
    main()
