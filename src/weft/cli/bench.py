"""`weft bench`: how many messages this machine takes, and what each of them costs.

A Weft of its own on a temporary folder, and a load generator in another process: many MQTT
connections at QoS 1, about 90 bytes of JSON with three values, each on disk before it is
acknowledged, decoded, checked, and kept as twin and history. Nothing of it remains.
"""

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

import click
from msgspec import Struct
from rich.console import Console
from rich.table import Table

from weft.app.compose import MACHINE, Weft
from weft.app.folder import DataFolder
from weft.cli.output import show_json
from weft.config import load_config
from weft.errors import ConfigurationError, Unavailable
from weft.observability.log import set_up_logging
from weft.registry.devices import NewDevice

TYPE = {
    "title": "Machine",
    "telemetry": {
        "temperature": {"type": "number", "unit": "Cel"},
        "vibration": {"type": "number", "unit": "[g]"},
        "rotations": {"type": "number", "unit": "/min"},
    },
}
START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 20.0
SAMPLE_S = 0.25
WARM_UP_S = 2.0
EDGE_S = 0.5  # left out at both ends of the measured time
HELD_BACK = 0.95  # below this share of the asked rate, it is the machine that gives the rate

GENERATOR = """
import sys, json, uvloop
from weft.cli.load import Load, run_load
given = json.load(sys.stdin)
given["credentials"] = [tuple(one) for one in given["credentials"]]
print(uvloop.run(run_load(Load(**given))).to_json())
"""


class Sample(Struct, frozen=True):
    """The server at one moment."""

    at_s: float
    cpu_s: float
    memory_bytes: int


class Measured(Struct, frozen=True):
    """What came of a run."""

    asked_rate: float
    rate: float
    connections: int
    seconds: float
    cpu_us_per_message: float
    cores: float
    ack_p50_ms: float
    ack_p99_ms: float
    idle_memory_mb: float
    memory_mb: float
    lost_connections: int


@click.command("bench")
@click.option("--seconds", default=10.0, type=click.FloatRange(2), help="How long to measure.")
@click.option("--connections", default=200, type=click.IntRange(1, 10_000), help="Devices.")
@click.option("--rate", default=5_000.0, type=click.FloatRange(1), help="Messages a second.")
@click.option(
    "--folder",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Where to write meanwhile; the disk that is measured (the current folder).",
)
@click.option("--json", "as_json", is_flag=True, help="Answer for machines.")
@click.pass_context
def bench(
    ctx: click.Context,
    /,
    seconds: float,
    connections: int,
    rate: float,
    folder: Path | None,
    *,
    as_json: bool,
) -> None:
    """Measure messages a second, CPU per message, latency and memory."""
    set_up_logging("error", json=False)
    console = Console(stderr=True)
    with temporary_folder(folder or Path.cwd()) as data, console.status("") as status:
        status.update(f"Making {connections:,} devices ...")
        credentials = asyncio.run(make_fleet(data, connections))
        status.update("Starting Weft ...")
        with server(data) as (process, port):
            status.update(f"{rate:,.0f} messages a second for {seconds:g} s ...")
            load = {"port": port, "credentials": credentials, "rate": rate, "seconds": seconds}
            measured = measure(load, process.pid)
    if as_json or ctx.obj["json"]:
        show_json({name: getattr(measured, name) for name in Measured.__struct_fields__})
    else:
        show(measured, Console(highlight=False))


@contextmanager
def temporary_folder(beside: Path) -> Iterator[Path]:
    """Make a folder, and remove it whatever happens."""
    folder = Path(tempfile.mkdtemp(prefix="weft-bench-", dir=beside))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def make_fleet(folder: Path, devices: int) -> list[tuple[str, str]]:
    """Make a type and devices of it; return the id and token of each."""
    credentials: list[tuple[str, str]] = []
    async with Weft.open(load_config(None, {}), DataFolder(folder)) as weft:
        identity = weft.identity
        await identity.types.save(MACHINE, "machine", TYPE)
        for number in range(devices):
            new = NewDevice(device_id=f"machine-{number:05d}", type_name="machine")
            device = await identity.devices.create(MACHINE, new)
            issued = await identity.credentials.issue_secret(MACHINE, device)
            credentials.append((device.device_id, issued.token))
    return credentials


@contextmanager
def server(folder: Path) -> Iterator[tuple["subprocess.Popen[bytes]", int]]:
    """Run `weft up` on a folder as a process of its own; yield it and its MQTT port."""
    port = free_port()
    command = [sys.executable, "-m", "weft", "up", "--data", str(folder)]
    for setting in (
        f"transports.mqtt.listen=127.0.0.1:{port}",
        "transports.coap.listen=",
        f"api.listen=127.0.0.1:{free_port()}",
        "transports.mqtt.strangers_per_address=10000",  # the whole fleet comes from one address
        "log.level=error",
    ):
        command += ["--set", setting]
    environment = {name: text for name, text in os.environ.items() if not name.startswith("WEFT_")}
    with tempfile.TemporaryFile() as said:  # no pipe: nobody would read it meanwhile
        process = subprocess.Popen(  # noqa: S603  our own program, our own arguments
            command, stderr=said, env=environment
        )
        try:
            if not is_ready(process, folder):
                said.seek(0)
                words = said.read()[-2000:].decode("utf-8", "replace").strip()
                raise Unavailable(
                    f"Weft did not start: {words or 'no answer'}", remedy="Run weft doctor."
                )
            yield process, port
        finally:
            stop(process)


def free_port() -> int:
    """Return a port of the loopback interface that nothing listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def is_ready(process: "subprocess.Popen[bytes]", folder: Path) -> bool:
    """Wait until the server says where it answers; return False if it does not."""
    deadline = time.monotonic() + START_TIMEOUT_S
    while not (folder / "server.json").exists():
        if process.poll() is not None or time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def stop(process: "subprocess.Popen[bytes]") -> None:
    """End it in order, or by force when that takes too long."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


# --- measuring -----------------------------------------------------------------------------


def measure(load: dict[str, Any], pid: int) -> Measured:
    """Run the generator, and look at the server meanwhile."""
    idle = sample(pid)
    given = {"host": "127.0.0.1", "topic": "devices/{id}/telemetry", "warm_up_s": WARM_UP_S, **load}
    with subprocess.Popen(  # noqa: S603  our own program, our own arguments
        [sys.executable, "-c", GENERATOR], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as generator:
        assert generator.stdin is not None
        assert generator.stdout is not None
        generator.stdin.write(json.dumps(given).encode())
        generator.stdin.close()
        samples = []
        while generator.poll() is None:
            samples.append(sample(pid))
            time.sleep(SAMPLE_S)
        output = generator.stdout.read()
    if generator.returncode != 0:
        raise Unavailable(
            "The load generator failed; what it said stands above.",
            remedy="Ask for fewer connections, or raise the limit of open files: ulimit -n.",
        )
    return summarise(json.loads(output), load, idle, samples)


def summarise(
    result: dict[str, Any], load: dict[str, Any], idle: Sample, samples: list[Sample]
) -> Measured:
    """Put the generator's numbers and the server's together."""
    # The measured time is the end of the generator's life; both of its ends are left out.
    end = samples[-1].at_s - EDGE_S
    begin = end - load["seconds"] + 2 * EDGE_S
    inside = [one for one in samples if begin <= one.at_s <= end]
    if len(inside) < 2:
        raise ConfigurationError("That is too short to measure.", remedy="Ask for more --seconds.")
    elapsed = inside[-1].at_s - inside[0].at_s
    used = inside[-1].cpu_s - inside[0].cpu_s
    rate = float(result["rate"])
    return Measured(
        asked_rate=float(load["rate"]),
        rate=rate,
        connections=int(result["connections"]),
        seconds=float(result["seconds"]),
        cpu_us_per_message=used / elapsed / rate * 1e6 if rate else 0.0,
        cores=used / elapsed,
        ack_p50_ms=float(result["ack_p50_ms"]),
        ack_p99_ms=float(result["ack_p99_ms"]),
        idle_memory_mb=idle.memory_bytes / 1e6,
        memory_mb=max(one.memory_bytes for one in samples) / 1e6,
        lost_connections=int(result["lost_connections"]),
    )


def sample(pid: int) -> Sample:
    """Look at a process: CPU of all its threads, and memory."""
    folder = Path(f"/proc/{pid}")
    try:
        fields = (folder / "stat").read_text().rpartition(")")[2].split()
        pages = int((folder / "statm").read_text().split()[1])
    except OSError as error:
        raise Unavailable(
            f"The server's process cannot be looked at: {error}.",
            remedy="This needs Linux, and a server that did not stop meanwhile.",
        ) from error
    cpu_s = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return Sample(time.monotonic(), cpu_s, pages * os.sysconf("SC_PAGE_SIZE"))


def show(measured: Measured, console: Console) -> None:
    """Print a table for people."""
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="bold")
    table.add_column()
    rows = (
        ("acknowledged", f"{measured.rate:,.0f} messages/s of {measured.asked_rate:,.0f} asked"),
        ("connections", f"{measured.connections:,}, {measured.lost_connections:,} lost"),
        (
            "CPU per message",
            f"{measured.cpu_us_per_message:.1f} µs, {measured.cores:.2f} cores",
        ),
        (
            "PUBLISH to PUBACK",
            f"half within {measured.ack_p50_ms:.1f} ms, 99 % within {measured.ack_p99_ms:.1f} ms",
        ),
        ("memory", f"{measured.idle_memory_mb:.0f} MB idle, {measured.memory_mb:.0f} MB at most"),
    )
    for row in rows:
        table.add_row(*row)
    console.print(table)
    if measured.rate < HELD_BACK * measured.asked_rate:
        console.print("\nThis is as fast as it goes here: the server held the load back.")
    console.print(
        "\nQoS 1, 90 bytes with three values, on disk before each acknowledgement, kept as twin\n"
        "and history. The numbers are this machine's, its disk's, and of whatever else it does;\n"
        "the load generator takes its share of the same cores.",
        style="dim",
        soft_wrap=True,
    )
