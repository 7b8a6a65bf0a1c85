"""CoAP: requests of a second of the server's CPU, in the clear and over DTLS, beside aiocoap.

Each request is a confirmable POST of three values, decoded against a device type and answered
2.04 after it is on disk. aiocoap's server, in the same run and with the same generator, decodes
the JSON and answers; it keeps nothing. Then a million datagrams with distinct message ids come
from made-up addresses, and what they leave in memory is watched until every exchange has
outlived its time, 247 s [RFC 7252 4.8.2], and the sweep behind it has passed. A second million
behind that shows whether what is left is used again, or grows with every flood.

    scripts/bench coap [--seconds 10] [--clients 64] [--window 8] [--flood 1000000] [--watch 290]
"""

import argparse
import asyncio
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.support import (
    MACHINE_TYPE,
    cpu_s,
    report,
    rss_mb,
    stop,
    temporary_folder,
    weft_process,
)
from benchmarks.support_coap import PATH
from weft.app.compose import MACHINE, Weft
from weft.app.folder import DataFolder
from weft.config import load_config
from weft.registry.devices import NewDevice

RATE = 1_000_000_000  # limits are not what is measured here
OPEN = tuple(
    f"security.limits.{who}_{what}.{one}={RATE}"
    for who in ("principal", "tenant")
    for what in ("messages", "bytes", "requests", "connects")
    for one in ("per_s", "burst")
)
NO_PORTS = ("api.listen=", "transports.mqtt.listen=", "transports.coap.listen=")
SUITES = "PSK-AES128-GCM-SHA256"
REACH_PLAIN, REACH_DTLS, GROWTH_MB = 8_000, 4_000, 50
FLOOD_EACH = 1_000
WATCH_S = 290.0  # EXCHANGE_LIFETIME, and what is swept now and then
SAMPLE_S = 1.0
SOON_S = 12.0

AIOCOAP = """
import asyncio, json, sys
import aiocoap, aiocoap.resource as resource

class Telemetry(resource.Resource):
    async def render_post(self, request):
        json.loads(request.payload)
        return aiocoap.Message(code=aiocoap.CHANGED)

async def main():
    site = resource.Site()
    site.add_resource(["api", "v1", "devices", "me", "telemetry"], Telemetry())
    await aiocoap.Context.create_server_context(site, bind=("127.0.0.1", int(sys.argv[1])))
    print("ready", flush=True)
    await asyncio.get_running_loop().create_future()

asyncio.run(main())
"""


def free_datagram_port() -> int:
    """Return a UDP port of the loopback interface that nobody has."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as holder:
        holder.bind(("127.0.0.1", 0))
        return int(holder.getsockname()[1])


async def furnish(folder: Path, devices: int) -> tuple[list[str], list[tuple[str, str, str]]]:
    """Make devices, each with a secret and a pre-shared key; return both lists."""
    tokens, keys = [], []
    config = load_config(None, {}, NO_PORTS)
    async with Weft.open(config, DataFolder(folder)) as weft:
        identity = weft.identity
        await identity.types.save(MACHINE, "machine", MACHINE_TYPE)
        for number in range(devices):
            new = NewDevice(device_id=f"machine-{number:05d}", type_name="machine")
            device = await identity.devices.create(MACHINE, new)
            tokens.append((await identity.credentials.issue_secret(MACHINE, device)).token)
            issued = await identity.preshared.issue(MACHINE, device)
            keys.append((issued.credential.credential_id, issued.key, SUITES))
    return tokens, keys


def generate(given: dict[str, Any]) -> dict[str, Any]:
    """Run the generator."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.support_coap"],
        input=json.dumps(given),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(done.stderr[-2000:])
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def measure(pid: int, port: int, options: argparse.Namespace, **proof: Any) -> dict[str, float]:
    """Drive a server and return its requests of a second of CPU, and of a second."""
    given = {
        "flood": False,
        "port": port,
        "path": PATH,
        "clients": options.clients,
        "window": options.window,
        "tokens": [],
        "keys": [],
        **proof,
    }
    generate({**given, "seconds": 1.0})  # warm
    size, before = rss_mb(pid), cpu_s(pid)
    found = generate({**given, "seconds": options.seconds})
    used = cpu_s(pid) - before
    return {
        "per_cpu_s": found["requests"] / used,
        "us": used / found["requests"] * 1e6,
        "rate": found["rate"],
        "grown_mb": rss_mb(pid) - size,
    }


@contextmanager
def aiocoap_process() -> Iterator[tuple["subprocess.Popen[bytes]", int]]:
    """Run aiocoap's server."""
    port = free_datagram_port()
    process = subprocess.Popen(
        [sys.executable, "-c", AIOCOAP, str(port)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdout is not None
    process.stdout.readline()
    try:
        yield process, port
    finally:
        stop(process)


class Watch(threading.Thread):
    """Looks at the memory of a process about once a second, until it is stopped."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._pid = pid
        self._over = threading.Event()
        self.samples = [(time.monotonic(), rss_mb(pid))]  # when, and MB

    def run(self) -> None:
        """Take samples."""
        while not self._over.wait(SAMPLE_S):
            self.samples.append((time.monotonic(), rss_mb(self._pid)))

    def stop(self) -> None:
        """Take no more."""
        self._over.set()
        self.join()

    def at(self, moment: float) -> float:
        """Return the memory at a moment, or just before it."""
        return [size for when, size in self.samples if when <= moment][-1]


def flood(pid: int, port: int, token: str, options: argparse.Namespace) -> dict[str, float]:
    """Send datagrams that nobody stands behind; return how memory grows, and what stays."""
    before, count = rss_mb(pid), options.flood
    given = {
        "flood": True,
        "port": port,
        "path": PATH,
        "tokens": [token],
        "addresses": count // FLOOD_EACH,
        "each": FLOOD_EACH,
        "burst": 500,
        "pause_s": options.pause,
    }
    used, lost = cpu_s(pid), dropped(port)
    watch = Watch(pid)
    watch.start()
    sent = generate(given)["sent"]
    over = time.monotonic()
    used = cpu_s(pid) - used
    time.sleep(options.watch)
    watch.stop()
    return {
        "sent": sent,
        "grown_mb": max(size for _, size in watch.samples) - before,
        "soon_mb": watch.at(over + min(SOON_S, options.watch)) - before,
        "left_mb": rss_mb(pid) - before,
        "watched_s": options.watch,
        "us": used / sent * 1e6,
        "dropped": dropped(port) - lost,
    }


def dropped(port: int) -> int:
    """Return how many datagrams the kernel had no room for at a port."""
    wanted = f"0100007F:{port:04X}"
    for line in Path("/proc/net/udp").read_text().splitlines():
        fields = line.split()
        if len(fields) > 12 and fields[1] == wanted:
            return int(fields[12])
    return 0


def main() -> None:
    """Measure all of it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--window", type=int, default=8)
    parser.add_argument("--flood", type=int, default=1_000_000)
    parser.add_argument(
        "--pause",
        type=float,
        default=0.01,
        help="seconds between 500 of the flood: more where the "
        "kernel drops them, for what it drops is not measured",
    )
    parser.add_argument("--watch", type=float, default=WATCH_S, help="seconds behind the flood")
    options = parser.parse_args()
    with temporary_folder() as folder:
        tokens, keys = asyncio.run(furnish(folder, options.clients))
        plain, secure = free_datagram_port(), free_datagram_port()
        settings = (
            *OPEN,
            f"transports.coap.listen=127.0.0.1:{plain}",
            f"transports.coap.listen_dtls=127.0.0.1:{secure}",
        )
        with weft_process(folder, *settings) as (process, _mqtt, _http):
            clear = measure(process.pid, plain, options, tokens=tokens)
            dtls = measure(process.pid, secure, options, keys=keys)
            strangers = flood(process.pid, plain, tokens[0], options)
            again = flood(process.pid, plain, tokens[0], options)
        with aiocoap_process() as (process, port):
            other = measure(process.pid, port, options)
    report(
        f"CoAP, {options.clients} clients with {options.window} requests under way each",
        [
            ("in the clear", row(clear, f"reach {REACH_PLAIN:,}")),
            ("over DTLS (PSK)", row(dtls, f"reach {REACH_DTLS:,}")),
            ("aiocoap, in the clear", row(other, "keeps nothing")),
            (
                f"{strangers['sent']:,} datagrams of strangers",
                memory_row(strangers),
            ),
            ("as many again", memory_row(again)),
        ],
        plain=clear,
        dtls=dtls,
        aiocoap=other,
        flood=strangers,
        again=again,
    )


def row(found: dict[str, float], beside: str) -> str:
    """Write one row."""
    return (
        f"{found['per_cpu_s']:,.0f} requests a second of CPU ({beside}), "
        f"{found['us']:.0f} µs each, {found['rate']:,.0f} a second, "
        f"memory grows by {found['grown_mb']:.1f} MB"
    )


def memory_row(found: dict[str, float]) -> str:
    """Write what a flood has left."""
    return (
        f"memory grows by {found['grown_mb']:.1f} MB at most (reach < {GROWTH_MB}), "
        f"{found['soon_mb']:.1f} MB stay {SOON_S:.0f} s later and {found['left_mb']:.1f} MB "
        f"{found['watched_s']:.0f} s later; {found['us']:.1f} µs each; the kernel dropped "
        f"{found['dropped']:,}"
    )


if __name__ == "__main__":
    main()
