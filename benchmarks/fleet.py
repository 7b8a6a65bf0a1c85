"""Fleet: what a map of moving devices takes of one core, once a second.

All devices report a new place each second. Measured is what taking in their messages costs
beside the map (the twins, nothing more), looking up who has moved, and what each watcher's
frame takes: from far above (clusters) and from near (up to 1,000 devices).

    python -m benchmarks.fleet [--devices 10000]
"""

import argparse
import asyncio
import random
import time
from collections.abc import Sequence

import msgspec

from benchmarks import support
from weft.api.fleet_watch import mark_view
from weft.backends.memory.records import MemoryRecords
from weft.model.ids import DeviceId, TenantId
from weft.model.message import Committed, Envelope, Operation, Route
from weft.model.principal import Principal, PrincipalKind
from weft.model.telemetry import Reading
from weft.registry.assets import Assets
from weft.registry.attachments import Attachments
from weft.registry.devices import Devices, NewDevice
from weft.security.audit import Audit
from weft.supervision import SystemClock
from weft.twins.fleet import Fleet
from weft.twins.plane import View
from weft.twins.twins import Twins

DESCRIPTION = "a map of 10,000 moving devices: share of a core, milliseconds a frame"
MAIN = TenantId("main")
ACTOR = Principal(MAIN, PrincipalKind.SYSTEM, "bench", "system")
FAR = View(west=-10, south=35, east=30, north=60, zoom=4)
NEAR = View(west=9, south=50, east=12, north=52, zoom=12)


async def make(devices: int) -> tuple[Twins, Fleet, list[Route]]:
    """Make devices in memory."""
    records, clock = MemoryRecords(), SystemClock()
    audit = Audit(records, clock, b"k" * 32)
    registry = Devices(records, audit, clock)
    assets = Assets(records, audit, clock)
    attachments = Attachments(records, audit, clock, registry, assets)
    twins = Twins(records, audit, clock)
    routes = []
    for number in range(devices):
        device = await registry.create(ACTOR, NewDevice(f"truck-{number:05d}"))
        topic = f"devices/{device.device_id}/telemetry"
        name = DeviceId(device.device_id)
        routes.append(Route(MAIN, "device", name, topic, Operation.TELEMETRY, name))
    return twins, Fleet(twins, registry, assets, attachments), routes


def second(routes: Sequence[Route], first: int, at: int, dice: random.Random) -> Committed:
    """Return one message of each device, somewhere in the middle of Europe."""
    envelopes = [Envelope(route, at, b"") for route in routes]
    decoded = [
        [Reading(at, {"latitude": dice.uniform(47, 55), "longitude": dice.uniform(6, 15)})]
        for _ in routes
    ]
    return Committed(first, envelopes, decoded)


async def measure(devices: int, rounds: int) -> dict[str, float]:
    """Return CPU seconds a second and milliseconds a frame."""
    twins, fleet, routes = await make(devices)
    dice, encode = random.Random(7), msgspec.json.Encoder().encode
    spent = dict.fromkeys(("taken_in", "looked_up", "far_frame", "near_frame"), 0.0)
    size = dict.fromkeys(("far_bytes", "near_bytes"), 0.0)
    await fleet.refresh(MAIN)
    for number in range(rounds):
        batch = second(routes, number * devices + 1, (number + 1) * 10**9, dice)
        begun = time.process_time()
        twins.apply(batch)
        spent["taken_in"] += (applied := time.process_time()) - begun
        await fleet.refresh(MAIN)
        spent["looked_up"] += (looked := time.process_time()) - applied
        for name, view in (("far", FAR), ("near", NEAR)):
            marks = fleet.marks(MAIN, view, limit=1_000).marks
            size[f"{name}_bytes"] += len(encode([mark_view(mark) for mark in marks]))
            spent[f"{name}_frame"] += (drawn := time.process_time()) - looked
            looked = drawn
    return {name: value / rounds for name, value in (spent | size).items()}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=DESCRIPTION)
    parser.add_argument("--devices", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=10)
    given = parser.parse_args(arguments)
    found = asyncio.run(measure(given.devices, given.rounds))
    rows = [
        ("messages taken in by the twins", f"{found['taken_in'] * 1e3:.1f} ms a second"),
        ("devices looked up for the map", f"{found['looked_up'] * 1e3:.1f} ms a second"),
        ("a frame from far above", f"{found['far_frame'] * 1e3:.1f} ms"),
        ("a frame from near", f"{found['near_frame'] * 1e3:.1f} ms"),
        ("its size, far and near", f"{found['far_bytes']:.0f} B, {found['near_bytes']:.0f} B"),
    ]
    support.report("fleet", rows, **found)


if __name__ == "__main__":
    main()
