"""Dashboard map: what ten thousand moving devices cost the page that shows them, and the server.

A Weft in a process of its own, simulated devices that report a new place each second over MQTT,
and headless Chromium on the fleet map, which draws with the processor where there is no card.
Measured, by the browser's own tracing, is each task of the page's main thread: how long it took
(what else runs on the machine shows in it) and how much of the processor. Beside it the heap
after each minute, collected, and the server's CPU with and without the page. With `--first` the
page's main thread goes before all else that wants the processor, as on a machine that does not
also draw, serve and drive ten thousand devices; that takes the right to say so (root).

    python -m benchmarks.dashboard_map [--devices 10000] [--seconds 180] [--first]
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import Browser, Page, sync_playwright
from tests.web.support import FLAGS, Server, find_chromium, opened, sign_in

from benchmarks import support

DESCRIPTION = "10,000 moving devices on the map: main-thread tasks, heap, the server's share"
FRAME_MS = 33.0
SETTLE_S = 20.0
FIRST = -20  # the best that nice knows
# Pages are put together where they are drawn, as in every browser with a card: otherwise each
# picture of the map is read back by the main thread, which waits until it has been drawn.
DRAWN = tuple(flag for flag in FLAGS if flag != "--disable-gpu-compositing")
RATE = 1_000_000_000  # limits are not what is measured here
LIMITS = [
    word
    for who in ("principal", "tenant")
    for what in ("requests", "connects", "messages")
    for part in ("per_s", "burst")
    for word in ("--set", f"security.limits.{who}_{what}.{part}={RATE}")
] + ["--set", "transports.mqtt.strangers_per_address=10000"]
TRACED = ("disabled-by-default-devtools.timeline", "__metadata")
VEHICLE = {
    "telemetry": {
        "latitude": {"type": "number", "minimum": 47, "maximum": 55},
        "longitude": {"type": "number", "minimum": 6, "maximum": 15},
    }
}

# Each goes its own way, half a kilometre at most in a second, and turns back at the border.
GENERATOR = """
import sys, json, random, uvloop
from weft.cli.load import Load, LoadConnection, run_load

class Vehicle(LoadConnection):
    def __init__(self, load, username, password, result):
        super().__init__(load, username, password, result)
        chance = random.Random(username)
        self.place = [chance.uniform(47, 55), chance.uniform(6, 15)]
        self.step = [chance.uniform(-0.003, 0.003), chance.uniform(-0.005, 0.005)]

    def publish(self, payload, now):
        for axis, (low, high) in enumerate(((47, 55), (6, 15))):
            if not low < self.place[axis] + self.step[axis] < high:
                self.step[axis] = -self.step[axis]
            self.place[axis] += self.step[axis]
        there = b'{"latitude":%.5f,"longitude":%.5f}' % tuple(self.place)
        super().publish(there, now)

given = json.load(sys.stdin)
print(uvloop.run(run_load(Load(**given), Vehicle)).to_json())
"""


def cpu_s(pid: int) -> float:
    """Return the CPU seconds that a process has used (proc(5))."""
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def share_of(pid: int, seconds: float) -> float:
    """Return what a process takes of one core, over some seconds."""
    before, begun = cpu_s(pid), time.monotonic()
    time.sleep(seconds)
    return (cpu_s(pid) - before) / (time.monotonic() - begun)


def tasks_of(trace: bytes) -> tuple[list[float], list[float]]:
    """Return milliseconds, and milliseconds of CPU, of each task of the page's main thread."""
    events = json.loads(trace)["traceEvents"]
    mains = {
        (one["pid"], one["tid"])
        for one in events
        if one["name"] == "thread_name" and one["args"]["name"] == "CrRendererMain"
    }
    tasks: dict[tuple[int, int], list[Any]] = {}
    for one in events:
        place = (one.get("pid"), one.get("tid"))
        if place in mains and one["name"] == "RunTask" and one["ph"] == "X":
            tasks.setdefault(place, []).append(one)
    page = max(tasks.values(), key=len)  # other renderers are idle
    return [one["dur"] / 1e3 for one in page], [one.get("tdur", 0) / 1e3 for one in page]


def put_first(browser: Browser) -> None:
    """Let the main threads of pages go before all others (nice is a thread's: sched(7))."""
    session = browser.new_browser_cdp_session()
    for one in session.send("SystemInfo.getProcessInfo")["processInfo"]:
        if one["type"] == "renderer":
            os.setpriority(os.PRIO_PROCESS, int(one["id"]), FIRST)
    session.detach()


def heap_mb(page: Page) -> float:
    """Return the page's heap behind a collection."""
    session = page.context.new_cdp_session(page)
    session.send("HeapProfiler.collectGarbage")
    session.send("Performance.enable")
    found = {one["name"]: one["value"] for one in session.send("Performance.getMetrics")["metrics"]}
    session.detach()
    return float(found["JSHeapUsedSize"]) / 1e6


def watch(page: Page, server: Server, given: argparse.Namespace) -> dict[str, float]:
    """Open the map and measure."""
    pid = server.pid
    without = share_of(pid, SETTLE_S)
    page.goto("/map")
    page.get_by_role("button", name="Zoom in").wait_for(timeout=120_000)
    page.wait_for_timeout(SETTLE_S * 1e3)
    browser = page.context.browser
    assert browser is not None
    if given.first:
        put_first(browser)
    begun = heap_mb(page)
    browser.start_tracing(page=page, categories=list(TRACED))
    with_page = share_of(pid, given.traced)
    took, cpu = tasks_of(browser.stop_tracing())
    heaps = [begun]
    for _ in range(given.seconds // 60):
        page.wait_for_timeout(60_000)
        heaps.append(heap_mb(page))
    shown = "".join(one for one in page.get_by_text("in view").inner_text() if one.isdigit())
    return {
        "shown": float(shown),
        "tasks": len(took),
        "cpu_p99_ms": float(np.percentile(cpu, 99)),
        "cpu_max_ms": max(cpu),
        "over_33_ms_of_cpu": sum(one > FRAME_MS for one in cpu),
        "took_p99_ms": float(np.percentile(took, 99)),
        "took_max_ms": max(took),
        "over_33_ms": sum(one > FRAME_MS for one in took),
        "page_cpu_share": sum(cpu) / 1e3 / given.traced,
        "heap_first_mb": heaps[0],
        "heap_last_mb": heaps[-1],
        "server_without": without,
        "server_with": with_page,
    }


def measure(given: argparse.Namespace) -> dict[str, float]:
    """Start all of it, measure, and end all of it."""
    chromium = find_chromium()
    if chromium is None:
        raise SystemExit("Chromium is not installed: apt-get install chromium")
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        credentials = support.make_fleet(data, given.devices, [], ("vehicle", VEHICLE))
        server = Server(data, *LIMITS)
        server.start()
        try:
            server.sign_up()
            with drivers(server, credentials), sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=chromium, args=[*DRAWN])
                with opened(browser, server) as (page, _):
                    page.context.set_default_timeout(120_000)
                    sign_in(page)
                    return watch(page, server, given)
        finally:
            server.stop()


@contextmanager
def drivers(server: Server, credentials: Sequence[tuple[str, str]]) -> Iterator[None]:
    """Drive vehicles that report each second, until the end."""
    load = {
        "host": "127.0.0.1",
        "port": server.mqtt_port,
        "credentials": credentials,
        "topic": "devices/{id}/telemetry",
        "rate": len(credentials),
        "seconds": 86_400,
    }
    generator = subprocess.Popen([sys.executable, "-c", GENERATOR], stdin=subprocess.PIPE)
    try:
        assert generator.stdin is not None
        generator.stdin.write(json.dumps(load).encode())
        generator.stdin.close()
        wait_for_devices(server, len(credentials))
        yield
    finally:
        generator.terminate()
        generator.wait(30)


def wait_for_devices(server: Server, devices: int) -> None:
    """Wait until all of them have said where they are."""
    deadline = time.monotonic() + 600
    while server.call("GET", "/fleet/map?zoom=3")["devices"] < devices:
        if time.monotonic() > deadline:
            raise SystemExit("The devices did not all come within ten minutes.")
        time.sleep(2)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=DESCRIPTION)
    parser.add_argument("--devices", type=int, default=10_000)
    parser.add_argument("--traced", type=int, default=30, help="seconds of tracing")
    parser.add_argument("--seconds", type=int, default=180, help="of the heap, by minutes")
    parser.add_argument("--first", action="store_true", help="the page goes before all else")
    given = parser.parse_args(arguments)
    found = measure(given)
    rows = [
        ("devices that the page shows", f"{found['shown']:.0f}"),
        ("tasks of the main thread", f"{found['tasks']:.0f}"),
        ("CPU of a task, p99 and most", f"{found['cpu_p99_ms']:.1f}, {found['cpu_max_ms']:.1f} ms"),
        ("tasks of more than 33 ms of CPU", f"{found['over_33_ms_of_cpu']:.0f}"),
        ("a task took, p99 and most", f"{found['took_p99_ms']:.1f}, {found['took_max_ms']:.1f} ms"),
        ("tasks that took more than 33 ms", f"{found['over_33_ms']:.0f}"),
        ("the main thread's share of a core", f"{found['page_cpu_share']:.1%}"),
        ("heap, first and last", f"{found['heap_first_mb']:.1f}, {found['heap_last_mb']:.1f} MB"),
        (
            "the server's share of a core, without and with the page",
            f"{found['server_without']:.1%}, {found['server_with']:.1%}",
        ),
    ]
    support.report("dashboard_map", rows, **found)


if __name__ == "__main__":
    main()
