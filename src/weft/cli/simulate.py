"""`weft simulate`: any number of devices of any type, over the real protocol, with faults.

The devices are made with the rest of the API (and kept); each gets a credential of its own.
Values follow the type's declared ranges, so the gate accepts them, unless a fault is asked
for that it must refuse. They report their properties, follow what is desired of them, answer
the commands that their type declares and tell its events.
"""

import asyncio
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any
from urllib.parse import quote

import click
import msgspec
import uvloop
from rich.console import Console

from weft.cli.client import Client, Refused, find_client
from weft.cli.simulate_pack import announce, find_pack, make_device, make_fleet, make_trips, told
from weft.cli.simulation.behaviour import EVENT_EVERY_S
from weft.cli.simulation.faults import Fault, read_fault
from weft.cli.simulation.fleet import Fleet
from weft.cli.simulation.generator import Model
from weft.supervision import SystemClock

DEFAULT_TYPE = "simulated-machine"
DEFAULT_TELEMETRY: dict[str, Any] = {
    "temperature": {"type": "number", "unit": "Cel", "minimum": 20, "maximum": 120},
    "vibration": {"type": "number", "unit": "[g]", "minimum": 0, "maximum": 10},
    "rotations": {"type": "integer", "unit": "/min", "minimum": 0, "maximum": 3000},
}
DEFAULT_COMMANDS: dict[str, Any] = {
    "set_rotations": {
        "rotations": {
            "type": "integer",
            "unit": "/min",
            "minimum": 0,
            "maximum": 3000,
            "required": True,
        }
    },
    "restart": {},
}
DEFAULT_PROPERTIES: dict[str, Any] = {
    "interval_s": {"type": "number", "unit": "s", "minimum": 0.1, "maximum": 3600}
}
LABEL = "simulation"  # of the credentials that are made here
SHOW_S = 1.0


@click.command("simulate")
@click.option("--type", "type_name", default=DEFAULT_TYPE, help="A device type that is there.")
@click.option("--devices", default=5, type=click.IntRange(1, 10_000), help="How many.")
@click.option("--prefix", default="", help="Their names begin with this; the type's, if left out.")
@click.option("--interval", "interval_s", default=1.0, type=click.FloatRange(0.01), help="Seconds.")
@click.option("--seconds", default=0.0, help="Stop after this; 0 goes on until Ctrl-C.")
@click.option("--seed", default=0, help="Another one gives other values; the same, the same.")
@click.option(
    "--event-every",
    "event_every_s",
    default=EVENT_EVERY_S,
    type=click.FloatRange(0.01),
    help="Seconds between events of a device, on average.",
)
@click.option(
    "--fault",
    "faults",
    multiple=True,
    metavar="NAME[:DEVICES]",
    help=f"One of {', '.join(Fault)}; on so many devices (1).",
)
@click.option("--pack", "pack_name", help="The devices and the story of a pack instead.")
@click.option(
    "--speed",
    default=1.0,
    type=click.FloatRange(1.0, 10_000.0),
    help="With --pack: told once, so many times as fast as life, as if it ended now.",
)
@click.option("--after", "after_s", default=10.0, help="Seconds until the faults begin.")
@click.pass_context
def simulate(ctx: click.Context, /, **options: Any) -> None:
    """Drive simulated devices until Ctrl-C."""
    client = find_client(ctx.obj["data"], ctx.obj["tenant"])
    if options["pack_name"]:
        _simulate_pack(client, options)
        return
    faults = [_read_fault(text) for text in options["faults"]]
    model = _model_of(client, options["type_name"])
    prefix = options["prefix"] or options["type_name"]
    names = [f"{prefix}-{number}" for number in range(1, options["devices"] + 1)]
    credentials = [_credential_of(client, name, options["type_name"]) for name in names]
    fleet = Fleet(
        mqtt_address(client),
        credentials,
        model,
        interval_s=options["interval_s"],
        seed=options["seed"],
        event_every_s=options["event_every_s"],
    )
    console = Console(stderr=True)
    console.print(f"{len(names)} devices send every {options['interval_s']:g} s; stop with Ctrl-C.")
    uvloop.run(_run(fleet, names, faults, options, console))
    console.print(f"{fleet.sent} messages acknowledged, {fleet.refused} refused.")


def _simulate_pack(client: Client, options: dict[str, Any]) -> None:
    pack, prefix, speed = find_pack(options["pack_name"]), options["prefix"], options["speed"]
    known = {}
    for device in pack.simulation.devices:
        name, type_name = prefix + device.device, prefix + device.type
        try:
            model = _model_of(client, type_name)
        except Refused as refused:
            if refused.status != 404:
                raise
            remedy = f"weft pack install {pack.name}" + (f" --prefix {prefix}" if prefix else "")
            raise refused.with_remedy(f"Install the pack first: {remedy}") from refused
        make_device(client, device, prefix)
        known[device.device] = model, _credential_of(client, name, type_name)[1]
    now = SystemClock().now()
    begins_at = now if speed <= 1 else now - round(pack.simulation.lasts_s * 1e9)
    make_trips(client, pack, prefix, begins_at)
    fleet = make_fleet(mqtt_address(client), pack, known, prefix=prefix, speed=speed, ends_at=now)
    console = Console(stderr=True)
    announce(console, pack, speed)
    uvloop.run(_play(fleet, options["seconds"], console))
    console.print(f"{fleet.sent} messages acknowledged, {fleet.refused} refused.")


async def _play(fleet: Fleet, seconds: float, console: Console) -> None:
    stop = asyncio.Event()
    stop_on_signals(stop)
    async with asyncio.TaskGroup() as tasks:
        running = [
            tasks.create_task(fleet.run()),
            tasks.create_task(_show(fleet, console)),
            tasks.create_task(_stop_when_told(fleet, stop)),
        ]
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), seconds or None)
        for task in running:
            task.cancel()


async def _stop_when_told(fleet: Fleet, stop: asyncio.Event) -> None:
    await told(fleet)
    stop.set()


async def _run(
    fleet: Fleet,
    names: Sequence[str],
    faults: Sequence[tuple[Fault, int]],
    options: dict[str, Any],
    console: Console,
) -> None:
    stop = asyncio.Event()
    stop_on_signals(stop)
    async with asyncio.TaskGroup() as tasks:
        running = [
            tasks.create_task(fleet.run()),
            tasks.create_task(_begin(fleet, names, faults, options["after_s"], console)),
            tasks.create_task(_show(fleet, console)),
        ]
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), options["seconds"] or None)
        for task in running:
            task.cancel()


def stop_on_signals(stop: asyncio.Event) -> None:
    """Let Ctrl-C and a service manager end it in order."""
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)


async def _begin(
    fleet: Fleet,
    names: Sequence[str],
    faults: Sequence[tuple[Fault, int]],
    after_s: float,
    console: Console,
) -> None:
    await asyncio.sleep(after_s)
    start = 0
    for fault, count in faults:
        hit = names[start : start + count]
        start += count
        for name in hit:
            fleet.break_with(name, fault)
        console.print(f"{fault} begins on {', '.join(hit) or 'no device: none is left'}.")


async def _show(fleet: Fleet, console: Console) -> None:
    """Say how it goes once a second on a terminal, else every ten."""
    live = sys.stderr.isatty()
    began, before = time.monotonic(), 0
    while True:
        await asyncio.sleep(SHOW_S if live else 10 * SHOW_S)
        sent = fleet.sent
        up = sum(member.connected for member in fleet.members.values())
        trouble = next((m.trouble for m in fleet.members.values() if m.trouble), "")
        line = (
            f"{time.monotonic() - began:5.0f} s  {up} connected  {sent} sent "
            f"(+{sent - before})  {fleet.refused} refused  {trouble}"
        )
        before = sent
        console.print(line, end="\r" if live else "\n", highlight=False, soft_wrap=True)


def _read_fault(text: str) -> tuple[Fault, int]:
    name, _, count = text.partition(":")
    try:
        return read_fault(name), int(count or 1)
    except ValueError:
        raise click.BadParameter(f"{count!r} is no number of devices.") from None


def _model_of(client: Client, type_name: str) -> Model:
    path = f"/types/{quote(type_name, safe='')}"
    try:
        found = client.send("GET", path).value
    except Refused as refused:
        if refused.status != 404 or type_name != DEFAULT_TYPE:
            raise
        document = {
            "title": "Simulated machine",
            "telemetry": DEFAULT_TELEMETRY,
            "properties": DEFAULT_PROPERTIES,
            "commands": DEFAULT_COMMANDS,
        }
        client.send("PUT", path, body=msgspec.json.encode(document))
        found = client.send("GET", path).value
    if not {"mapping", "weft:mapping"}.isdisjoint(found["document"]):
        raise click.UsageError(
            f"Devices of the type {type_name!r} speak words of their own, which its mapping reads "
            "and nobody can make up. Simulate a copy of it without the mapping."
        )
    return msgspec.convert(found, Model)


def _credential_of(client: Client, name: str, type_name: str) -> tuple[str, str]:
    """Make the device if it is not there, and a credential for this run."""
    path = f"/devices/{quote(name, safe='')}"
    try:
        known = client.send("GET", f"{path}/credentials").value["items"]
    except Refused as refused:
        if refused.status != 404:
            raise
        known = []
        body = {"device_id": name, "type_name": type_name, "label": "simulated"}
        client.send("POST", "/devices", body=msgspec.json.encode(body))
    for old in known:  # those of earlier runs have no holder any more
        if old["label"] == LABEL and old["revoked_at"] is None:
            client.send("DELETE", f"{path}/credentials/{quote(old['credential_id'], safe='')}")
    body = {"kind": "secret", "label": LABEL}
    issued = client.send("POST", f"{path}/credentials", body=msgspec.json.encode(body)).value
    return name, issued["token"]


def mqtt_address(client: Client) -> tuple[str, int]:
    """Ask the server where it speaks MQTT."""
    endpoints = client.send("GET", "/health").value["endpoints"]
    host, _, port = endpoints["mqtt"].rpartition(":")
    return host.strip("[]"), int(port)
