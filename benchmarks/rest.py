"""REST on a running Weft: twin reads, a day of history, and readings sent over HTTP.

A client process of its own keeps connections open and sends the next request as soon as the
last one is answered. A twin has three values; a history query reads one key's day of samples
in one-minute means; an ingest is answered after it is on disk.

    scripts/bench rest [--seconds 10] [--connections 32] [--to-reach 5000]
"""

import argparse
import json
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from benchmarks.support import cpu_s, make_fleet, report, temporary_folder, weft_process

DEVICES = 100
RATE = 1_000_000_000  # limits are not what is measured here
SAMPLES = 1440 * 6  # a day, one in ten seconds

CLIENT = """
import asyncio, json, sys, time, uvloop

async def one(given, requests, until, times):
    reader, writer = await asyncio.open_connection("127.0.0.1", given["port"])
    number = 0
    while time.perf_counter() < until:
        began = time.perf_counter()
        writer.write(requests[number % len(requests)])
        number += 1
        head = await reader.readuntil(b"\\r\\n\\r\\n")
        status = head[9:12]
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\\r")[0])
        body = await reader.readexactly(length)
        if not status.startswith(b"2"):
            raise SystemExit(f"{status.decode()}: {body.decode()}")
        times.append(time.perf_counter() - began)
    writer.close()

async def main():
    given = json.load(sys.stdin)
    times = []
    began = time.perf_counter()
    until = began + given["seconds"]
    async with asyncio.TaskGroup() as tasks:
        for requests in given["requests"]:
            tasks.create_task(one(given, [r.encode() for r in requests], until, times))
    elapsed = time.perf_counter() - began
    times.sort()
    at = lambda part: round(times[int(len(times) * part)] * 1000, 2)
    print(json.dumps({"rate": len(times) / elapsed, "p50_ms": at(0.5), "p99_ms": at(0.99)}))

uvloop.run(main())
"""


def request(port: int, token: str, method: str, path: str, body: str = "") -> str:
    """Write a request of HTTP/1.1."""
    lines = [
        f"{method} /api/v1{path} HTTP/1.1",
        f"Host: 127.0.0.1:{port}",
        f"Authorization: Bearer {token}",
        *(("Content-Type: application/json",) if body else ()),
        f"Content-Length: {len(body)}",
    ]
    return "\r\n".join(lines) + "\r\n\r\n" + body


def drive(requests: list[list[str]], port: int, pid: int, seconds: float) -> dict[str, Any]:
    """Send the requests of each connection over and over; add the server's CPU per request."""
    given = json.dumps({"port": port, "requests": requests, "seconds": seconds})
    used, began = cpu_s(pid), time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", CLIENT], input=given, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(done.stderr[-2000:])
    result: dict[str, Any] = json.loads(done.stdout)
    elapsed = time.perf_counter() - began
    result["server_us_per_request"] = (cpu_s(pid) - used) / (result["rate"] * seconds) * 1e6
    result["server_cores"] = (cpu_s(pid) - used) / elapsed
    return result


def service_key(folder: Path) -> str:
    """Make a key that may read what a dashboard reads."""
    command = [sys.executable, "-m", "weft", "--data", str(folder), "--json", "key", "add", "bench"]
    for scope in ("devices:read", "twins:read", "telemetry:read"):
        command += ["--scope", scope]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    token: str = json.loads(done.stdout)["token"]
    return token


def readings(first: datetime) -> list[str]:
    """Write a day of samples as bodies of a hundred each."""
    samples = [
        {
            "ts": (first + timedelta(seconds=10 * number)).isoformat(),
            "values": {"temperature": 60 + number % 7, "vibration": 1.5, "rotations": 1450},
        }
        for number in range(SAMPLES)
    ]
    return [json.dumps(samples[start : start + 100]) for start in range(0, SAMPLES, 100)]


def measure(
    credentials: list[tuple[str, str]], token: str, server: tuple[int, int], options: Any
) -> dict[str, dict[str, Any]]:
    """Send a day of readings first, then measure the three."""
    port, pid = server
    device, secret = credentials[0]
    path = f"/devices/{device}/telemetry"
    yesterday = datetime.now(UTC) - timedelta(days=1)
    day = [request(port, secret, "POST", path, body) for body in readings(yesterday)]
    drive([day], port, pid, 3)
    one = '{"temperature":61.2,"vibration":1.8,"rotations":1452}'
    held = range(options.connections)
    chosen = [credentials[number % len(credentials)] for number in held]
    ingest = [[request(port, s, "POST", f"/devices/{d}/telemetry", one)] for d, s in chosen]
    results = {"ingest": drive(ingest, port, pid, options.seconds)}
    twins = [request(port, token, "GET", f"/devices/{d}/twin") for d, _ in credentials]
    turned = [twins[n % len(twins) :] + twins[: n % len(twins)] for n in held]
    results["twin"] = drive(turned, port, pid, options.seconds)
    query = f"/devices/{device}/history?keys=temperature&bucket=1m"
    history = [[request(port, token, "GET", query)] for _ in range(4)]
    results["history"] = drive(history, port, pid, options.seconds)
    return results


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--to-reach", type=float, default=5_000)
    options = parser.parse_args()
    with temporary_folder() as folder:
        credentials = make_fleet(folder / "data", DEVICES, [])
        with weft_process(folder / "data", *LIMITS) as (server, _, http):
            token = service_key(folder / "data")
            found = measure(credentials, token, (http, server.pid), options)
    rows = []
    for name, title in TITLES:
        one = found[name]
        rows.append((title, f"{one['rate']:,.0f} requests/s"))
        rows.append(("  answered within", f"p50 {one['p50_ms']} ms, p99 {one['p99_ms']} ms"))
        rows.append(("  server's CPU", f"{one['server_us_per_request']:.0f} µs a request"))
    rows.append(("twin reads to reach", f"{options.to_reach:,.0f} requests/s"))
    report("rest", rows, **found)


TITLES = (
    ("twin", "twin read"),
    ("history", "a day in 1-minute means"),
    ("ingest", "reading sent, on disk"),
)
LIMITS = tuple(
    f"security.limits.{who}_{what}.{part}={RATE}"
    for who in ("principal", "tenant")
    for what in ("requests", "messages", "bytes")
    for part in ("per_s", "burst")
)

if __name__ == "__main__":
    main()
