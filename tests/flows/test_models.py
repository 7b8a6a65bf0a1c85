"""One device type file: everything that is made of it fits together."""

import asyncio
from pathlib import Path

from tests.api.documents import PUMP, require_asyncapi, require_td
from tests.app.support import eventually, served

from weft.api.asyncapi import asyncapi_document
from weft.api.thing_descriptions import thing_description
from weft.app.compose import MACHINE, MAIN, Weft
from weft.cli.simulation.fleet import Fleet
from weft.cli.simulation.generator import Model
from weft.model.command import CommandState
from weft.model.ids import DeviceId
from weft.registry.devices import NewDevice

NAMES = ("pump-1", "pump-2", "pump-3")


async def fleet_of(weft: Weft) -> Fleet:
    """Make the type and its devices, and simulated ones that speak for them."""
    made = await weft.identity.types.save(MACHINE, "pump", PUMP)
    credentials = []
    for name in NAMES:
        device = await weft.identity.devices.create(MACHINE, NewDevice(name, type_name="pump"))
        issued = await weft.identity.credentials.issue_secret(MACHINE, device)
        credentials.append((name, issued.token))
    host, _, port = weft.endpoints.mqtt.rpartition(":")
    model = Model(made.telemetry, made.properties, made.commands, made.events)
    address = (host, int(port))
    return Fleet(address, credentials, model, interval_s=0.02, seed=7, event_every_s=0.1)


async def test_one_type_gives_descriptions_and_devices_that_the_gate_accepts(
    tmp_path: Path,
) -> None:
    """A TD for each device, an AsyncAPI, and a fleet of which not one message is refused.

    The fleet measures, reports, tells events, follows what is desired and answers commands.
    """
    async with served(tmp_path) as weft:
        fleet = await fleet_of(weft)
        kind = weft.identity.types.get(MAIN, "pump")
        require_asyncapi(asyncapi_document(kind, weft.endpoints))
        for name in NAMES:
            device = weft.identity.devices.get(MAIN, name)
            require_td(thing_description(device, kind, weft.endpoints))

        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(fleet.run())
            try:
                await _is_busy(fleet, weft)
                await _obeys(weft, "pump-1")
                await _answers(weft, "pump-2")
            finally:
                running.cancel()
        assert fleet.refused == 0
        assert await weft.path.rejections.list(MAIN) == []


async def _is_busy(fleet: Fleet, weft: Weft) -> None:
    async def busy() -> bool:
        twins = [weft.path.twins.get(MAIN, DeviceId(name)) for name in NAMES]
        return (
            all(member.sent >= 30 for member in fleet.members.values())
            and all(twin.reported.keys() == {"firmware", "setpoint_rpm", "mode"} for twin in twins)
            and all("rpm" in twin.telemetry for twin in twins)
        )

    await eventually(busy, 60)


async def _obeys(weft: Weft, name: str) -> None:
    """Wait until what is desired is what is reported."""
    twins, pump = weft.path.twins, DeviceId(name)
    version = twins.get(MAIN, pump).desired_version
    await twins.desire(MACHINE, pump, {"setpoint_rpm": 1234}, version=version)

    async def followed() -> bool:
        return twins.get(MAIN, pump).reported.get("setpoint_rpm") == 1234

    await eventually(followed, 60)
    assert twins.get(MAIN, pump).delta() == {}


async def _answers(weft: Weft, name: str) -> None:
    """Wait until a command has come to its outcome."""
    commands = weft.path.commands
    sent = await commands.send(MACHINE, DeviceId(name), "start", {"rpm": 900})

    async def succeeded() -> bool:
        now = await commands.get(MAIN, DeviceId(name), sent.request_id)
        return now.state is CommandState.SUCCEEDED

    await eventually(succeeded, 60)
