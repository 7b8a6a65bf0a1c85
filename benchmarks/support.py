"""What benchmarks share: a fleet on a data folder, servers as processes, CPU by process."""

import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from weft.app.compose import MACHINE, Weft
from weft.app.folder import DataFolder
from weft.config import load_config
from weft.registry.devices import NewDevice

TICKS = os.sysconf("SC_CLK_TCK")

MACHINE_TYPE = {
    "title": "Machine",
    "telemetry": {
        "temperature": {"type": "number", "unit": "Cel", "minimum": -50, "maximum": 300},
        "vibration": {"type": "number", "unit": "[g]", "minimum": 0},
        "rotations": {"type": "number", "unit": "/min"},
    },
}


def free_port() -> int:
    """Return a port of the loopback interface that nothing listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """Make a folder on the disk of the working directory, not in memory, and remove it."""
    folder = Path(tempfile.mkdtemp(prefix="weft-bench-", dir=Path.cwd()))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def make_fleet(
    folder: Path,
    devices: int,
    rules: list[dict[str, Any]],
    kind: tuple[str, dict[str, Any]] = ("machine", MACHINE_TYPE),
) -> list[tuple[str, str]]:
    """Make a type, devices with secrets and rules; return (device id, secret) of each."""
    return asyncio.run(_make_fleet(folder, devices, rules, kind))


async def _make_fleet(
    folder: Path, devices: int, rules: list[dict[str, Any]], kind: tuple[str, dict[str, Any]]
) -> list[tuple[str, str]]:
    credentials: list[tuple[str, str]] = []
    async with Weft.open(load_config(None, {}), DataFolder(folder)) as weft:
        identity = weft.identity
        type_name, document = kind
        await identity.types.save(MACHINE, type_name, document)
        tenant = identity.tenants.get(MACHINE.tenant)
        assert tenant is not None
        for number in range(devices):
            new = NewDevice(device_id=f"{type_name}-{number:05d}", type_name=type_name)
            device = await identity.devices.create(MACHINE, new)
            issued = await identity.credentials.issue_secret(MACHINE, device)
            credentials.append((device.device_id, issued.token))
        for rule in rules:
            await weft.path.rules.create(MACHINE, rule)
    return credentials


@contextmanager
def weft_process(
    folder: Path, *settings: str, timeout_s: float = 30.0
) -> Iterator[tuple[subprocess.Popen[bytes], int, int]]:
    """Run `weft up` on a folder; yield (process, MQTT port, HTTP port)."""
    mqtt, http = free_port(), free_port()
    command = [sys.executable, "-m", "weft", "up", "--data", str(folder)]
    for setting in (
        f"transports.mqtt.listen=127.0.0.1:{mqtt}",
        "transports.coap.listen=",
        f"api.listen=127.0.0.1:{http}",
        "log.level=warning",
        *settings,
    ):
        command += ["--set", setting]
    process = subprocess.Popen(command, stderr=subprocess.PIPE)
    try:
        wait_for_port(mqtt, timeout_s)
        wait_for_port(http, timeout_s)
        yield process, mqtt, http
    finally:
        stop(process)


@contextmanager
def mosquitto_process(folder: Path) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """Run mosquitto without persistence, with one subscriber to everything."""
    port = free_port()
    configuration = folder / "mosquitto.conf"
    configuration.write_text(
        f"listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\n"
        "max_inflight_messages 100\nmax_queued_messages 100000\n"
    )
    broker = subprocess.Popen(["mosquitto", "-c", str(configuration)], stderr=subprocess.DEVNULL)
    wait_for_port(port)
    subscriber = subprocess.Popen(
        ["mosquitto_sub", "-p", str(port), "-t", "devices/+/telemetry", "-q", "1"],
        stdout=subprocess.DEVNULL,
    )
    try:
        yield broker, port
    finally:
        stop(subscriber)
        stop(broker)


def wait_for_port(port: int, timeout_s: float = 30.0) -> None:
    """Wait until something listens."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise TimeoutError(f"nothing listens on port {port}")


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a process that this benchmark started, in order if it will."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def cpu_s(pid: int) -> float:
    """Return user and system time of a process and its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def rss_mb(pid: int) -> float:
    """Return the resident memory of a process in MB (10^6 bytes)."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def report(title: str, rows: list[tuple[str, str]], **figures: Any) -> None:
    """Print a small table, and the same as one JSON line for machines."""
    print(title)
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        print(f"  {name:<{width}}  {value}")
    print(json.dumps({"benchmark": title, **figures}))
