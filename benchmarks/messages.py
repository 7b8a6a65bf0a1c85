"""CPU per message beside mosquitto, and how many messages a second Weft sustains.

Both servers get the same load from the same generator in the same run: N connections at
QoS 1, about 90 bytes of JSON with three values. Mosquitto hands it to one subscriber and
keeps nothing; Weft decodes and checks it, has it on disk before each acknowledgement, and
keeps twin, history and ten rules up to date.

    scripts/bench messages [--rate 30000] [--seconds 20] [--connections 1000] [--no-mosquitto]

`--profile FILE` has py-spy record the server's stacks meanwhile.
"""

import argparse
import json
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from benchmarks.support import (
    cpu_s,
    make_fleet,
    mosquitto_process,
    report,
    rss_mb,
    temporary_folder,
    weft_process,
)

RULES = [
    {"name": f"rule-{number}", "selector": {"type": "machine"}, "when": condition, **more}
    for number, (condition, more) in enumerate(
        [
            ("temperature > 120", {"for": "10s", "clear": "temperature < 100"}),
            ("vibration > 4.5", {"severity": "critical"}),
            ("rotations < 100", {"for": "1m"}),
            ("temperature > 90 && vibration > 2", {}),
            ("rotations > 3000", {"severity": "major"}),
            ("temperature < -20", {}),
            ("vibration > 1.8 && rotations > 1400", {"for": "5s"}),
            ("abs(temperature - 61.2) > 40", {}),
            ("temperature > 85 || vibration > 3", {"for": "30s"}),
            ("rotations * vibration > 9000", {}),
        ]
    )
]

GENERATOR = """
import sys, json, uvloop
from weft.cli.load import Load, run_load
given = json.load(sys.stdin)
given["credentials"] = [tuple(one) for one in given["credentials"]]
print(uvloop.run(run_load(Load(**given))).to_json())
"""


def generate(load: dict[str, Any], pid: int) -> dict[str, Any]:
    """Run the generator beside a server; add the server's CPU per message."""
    generator = subprocess.Popen(
        [sys.executable, "-c", GENERATOR], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    samples: list[tuple[float, float]] = []
    done = threading.Event()

    def sample() -> None:
        while not done.wait(0.5):
            samples.append((time.perf_counter(), cpu_s(pid)))

    watcher = threading.Thread(target=sample)
    watcher.start()
    output, _ = generator.communicate(json.dumps(load))
    done.set()
    watcher.join()
    result: dict[str, Any] = json.loads(output)
    # The measured part is the last `seconds` of the generator's life: leave out both ends.
    end = samples[-1][0] - 1.0
    begin = end - load["seconds"] + 2.0
    inside = [one for one in samples if begin <= one[0] <= end]
    elapsed, used = inside[-1][0] - inside[0][0], inside[-1][1] - inside[0][1]
    result["server_us_per_message"] = used / elapsed / result["rate"] * 1e6
    result["server_cores"] = used / elapsed
    return result


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, default=30_000)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--connections", type=int, default=1_000)
    parser.add_argument("--no-mosquitto", action="store_true")
    parser.add_argument("--no-rules", action="store_true")
    parser.add_argument("--profile", type=Path)
    options = parser.parse_args()
    with temporary_folder() as folder:
        credentials = make_fleet(
            folder / "data", options.connections, [] if options.no_rules else RULES
        )
        load = {
            "host": "127.0.0.1",
            "credentials": credentials,
            "topic": "devices/{id}/telemetry",
            "rate": options.rate,
            "seconds": options.seconds,
        }
        beside: dict[str, Any] | None = None
        if not options.no_mosquitto:
            with mosquitto_process(folder) as (broker, port):
                beside = generate({**load, "port": port}, broker.pid)
        with weft_process(
            folder / "data",
            "transports.mqtt.strangers_per_address=10000",
        ) as (server, port, _):
            idle_mb = rss_mb(server.pid)
            if options.profile:
                subprocess.Popen(
                    ["py-spy", "record", "-d", str(int(options.seconds)), "-r", "200", "-f", "raw",
                     "-o", str(options.profile), "-p", str(server.pid)],
                    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                )  # fmt: skip
            ours = generate({**load, "port": port}, server.pid)
            loaded_mb = rss_mb(server.pid)
    rows = [
        ("Weft: acknowledged", f"{ours['rate']:,.0f} messages/s"),
        ("Weft: CPU per message", f"{ours['server_us_per_message']:.1f} µs"),
        ("Weft: cores", f"{ours['server_cores']:.2f}"),
        ("Weft: PUBLISH to PUBACK", f"p50 {ours['ack_p50_ms']} ms, p99 {ours['ack_p99_ms']} ms"),
        ("Weft: memory", f"{idle_mb:.0f} MB idle, {loaded_mb:.0f} MB under load"),
    ]
    ratio = None
    if beside is not None:
        ratio = ours["server_us_per_message"] / beside["server_us_per_message"]
        rows += [
            ("mosquitto: acknowledged", f"{beside['rate']:,.0f} messages/s"),
            ("mosquitto: CPU per message", f"{beside['server_us_per_message']:.1f} µs"),
            ("ratio of CPU per message", f"{ratio:.2f} (to reach: 1.5)"),
        ]
    report("messages", rows, weft=ours, mosquitto=beside, ratio=ratio)


if __name__ == "__main__":
    main()
