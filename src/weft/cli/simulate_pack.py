"""`weft simulate --pack`: the devices of a pack, living through its story.

They are made and attached to the pack's assets where they are not there yet, under the
prefix of the install. Faster than life the story is told once, and ends when it began.
"""

import asyncio
from contextlib import suppress
from typing import Any
from urllib.parse import quote

import click
import msgspec
from rich.console import Console

from weft.cli.client import Client, Refused
from weft.cli.simulation.behaviour import Behaviour
from weft.cli.simulation.fleet import Fleet, Member
from weft.cli.simulation.generator import Model
from weft.cli.simulation.story import StoryMachine
from weft.model.moments import to_rfc3339
from weft.packs.model import Pack
from weft.packs.reading import read_library
from weft.packs.simulation import SimulatedDevice

LOOK_S = 0.05


def find_pack(name: str) -> Pack:
    """Return a pack of this Weft, or say which there are."""
    library = read_library()
    if name not in library:
        raise click.BadParameter(
            f"There is no pack {name!r}. There is: {', '.join(library)}.", param_hint="--pack"
        )
    return library[name]


def make_device(client: Client, device: SimulatedDevice, prefix: str) -> None:
    """Make a device and attach it, unless it is there; what people changed of it stays."""
    name = prefix + device.device
    body = {
        "device_id": name,
        "type_name": prefix + device.type,
        "label": device.label,
        "attributes": device.attributes,
    }
    with suppress(Refused):
        client.send("GET", f"/devices/{quote(name, safe='')}")
        return
    client.send("POST", "/devices", body=msgspec.json.encode(body))
    if device.asset is not None:
        path = f"/devices/{quote(name, safe='')}/attachments/{device.role.value}"
        client.send("PUT", path, body=msgspec.json.encode({"asset": prefix + device.asset}))


def make_trips(client: Client, pack: Pack, prefix: str, begins_at: int) -> None:
    """Send the story's vehicles on their planned routes, from a moment (ns) on."""
    for one in pack.simulation.trips:
        body = {
            "name": f"{prefix}{one.trip}-{begins_at // 1_000_000_000}",
            "route": prefix + one.route,
            "device_id": prefix + one.device,
            "starts_at": to_rfc3339(begins_at),
            "ends_at": to_rfc3339(begins_at + round(one.until_s * 1e9)),
        }
        client.send("POST", "/trips", body=msgspec.json.encode(body))


def make_fleet(
    address: tuple[str, int],
    pack: Pack,
    known: dict[str, tuple[Model, str]],
    *,
    prefix: str,
    speed: float,
    ends_at: int,
) -> Fleet:
    """Return the pack's devices, ready to run; `known` has model and secret of each.

    `ends_at` is the moment (ns) at which a story that is told faster than life ends.
    """
    story = pack.simulation
    fleet = Fleet(address, (), {}, interval_s=story.every_s / speed)
    for number, device in enumerate(story.devices):
        model, token = known[device.device]
        machine = StoryMachine(
            model.telemetry, device, lasts_s=story.lasts_s, speed=speed, ends_at=ends_at
        )
        name = prefix + device.device
        fleet.members[name] = Member(name, token, machine, Behaviour(model, number))
    return fleet


async def told(fleet: Fleet) -> None:
    """Wait until every story has been told, which at the pace of life never is."""
    while not all(_is_over(member) for member in fleet.members.values()):  # noqa: ASYNC110  no event a step could set
        await asyncio.sleep(LOOK_S)


def _is_over(member: Member) -> bool:
    machine: Any = member.machine
    return isinstance(machine, StoryMachine) and machine.over


def announce(console: Console, pack: Pack, speed: float) -> None:
    """Say what is played, and how long."""
    story = pack.simulation
    pace = "again and again" if speed <= 1 else f"once, {speed:g} times as fast"
    console.print(
        f"{len(story.devices)} devices live through {story.lasts_s / 60:g} minutes, {pace}; "
        "stop with Ctrl-C."
    )
