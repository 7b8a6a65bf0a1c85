"""A simulated fleet: machines on their connections, each sending at its own rate."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from weft.cli.simulation.behaviour import EVENT_EVERY_S, Behaviour
from weft.cli.simulation.device import PING_S, DeviceConnection, connect_device
from weft.cli.simulation.faults import Fault
from weft.cli.simulation.generator import Model
from weft.cli.simulation.machine import Machine
from weft.errors import Unavailable
from weft.model.device import Field
from weft.wire.mqtt.packets import Publish
from weft.wire.mqtt.reasons import Reason

RECONNECT_S = 1.0
RECONNECT_MAX_S = 30.0


@dataclass
class Member:
    """One simulated device."""

    device_id: str
    token: str
    machine: Machine
    behaviour: Behaviour
    sent: int = 0
    refused: int = 0
    connected: bool = False
    trouble: str = ""
    last: dict[str, Any] = field(default_factory=dict)


class Fleet:
    """All simulated devices of one run."""

    def __init__(
        self,
        address: tuple[str, int],
        credentials: Sequence[tuple[str, str]],
        model: Model | Mapping[str, Field],
        *,
        interval_s: float,
        seed: int = 0,
        event_every_s: float = EVENT_EVERY_S,
    ) -> None:
        """A `model` that is only fields has telemetry and nothing else."""
        self._address = address
        self._interval_s = interval_s
        played = model if isinstance(model, Model) else Model(dict(model))
        self.members = {
            device_id: Member(
                device_id,
                token,
                Machine(played.telemetry, seed=seed + number),
                Behaviour(played, seed + number, event_every_s=event_every_s),
            )
            for number, (device_id, token) in enumerate(credentials)
        }
        self._told: list[Callable[[Member], None]] = []

    def on_message(self, told: Callable[[Member], None]) -> None:
        """Call `told` after each message."""
        self._told.append(told)

    def break_with(self, device_id: str, fault: Fault) -> None:
        """Begin a fault on one device."""
        self.members[device_id].machine.break_with(fault)

    @property
    def sent(self) -> int:
        """Messages that were acknowledged."""
        return sum(member.sent for member in self.members.values())

    @property
    def refused(self) -> int:
        """Messages that the server kept in its rejection inbox."""
        return sum(member.refused for member in self.members.values())

    async def run(self) -> None:
        """Run all devices until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for number, member in enumerate(self.members.values()):
                delay_s = self._interval_s * number / len(self.members)  # not all at once
                tasks.create_task(self._run_one(member, delay_s))

    async def _run_one(self, member: Member, delay_s: float) -> None:
        await asyncio.sleep(delay_s)
        pause_s = RECONNECT_S
        while True:
            try:
                connection = await connect_device(*self._address, (member.device_id, member.token))
                member.connected, member.trouble = True, ""
                pause_s = RECONNECT_S
                await self._send_on(member, connection)
            except (Unavailable, TimeoutError) as error:
                member.trouble = str(error) or "The server did not answer in time."
            member.connected = False
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, RECONNECT_MAX_S)

    async def _send_on(self, member: Member, connection: DeviceConnection) -> None:
        try:
            await self._begin(member, connection)
            while not connection.closed.done():
                values = member.machine.step(self._interval_s)
                if values:
                    await self._send(member, connection, "telemetry", values)
                    member.last = values
                if values is not None and (event := member.behaviour.event(self._interval_s)):
                    await self._send(member, connection, f"events/{event[0]}", event[1])
                await self._rest(member, connection)
        finally:
            connection.close()

    async def _begin(self, member: Member, connection: DeviceConnection) -> None:
        """Do what a device does after a start: listen, and say how it is."""
        behaviour = member.behaviour
        if behaviour.listens:
            base = f"devices/{member.device_id}"
            await connection.subscribe(f"{base}/properties/desired", f"{base}/commands/+/+")
        if behaviour.reported:
            await self._send(member, connection, "properties/reported", behaviour.reported)

    async def _rest(self, member: Member, connection: DeviceConnection) -> None:
        """Wait for the next turn and do meanwhile what is asked; silence stays connected."""
        loop = asyncio.get_running_loop()
        until = loop.time() + self._interval_s
        while (left_s := until - loop.time()) > 0 and not connection.closed.done():
            try:
                async with asyncio.timeout(min(left_s, PING_S)):
                    message = await connection.inbox.get()
            except TimeoutError:
                connection.keep_alive()
            else:
                if member.machine.fault is not Fault.SILENCE:  # who is silent answers nobody
                    await self._obey(member, connection, message)

    async def _obey(self, member: Member, connection: DeviceConnection, message: Publish) -> None:
        """Follow what is desired, or answer a command; what cannot be read is answered so."""
        try:
            given: Any = msgspec.json.decode(message.payload)
        except msgspec.DecodeError:
            given = None
        match message.topic.split("/")[2:]:
            case ["commands", request_id, name]:
                result = member.behaviour.answer(name, given)
                if result["status"] == "succeeded":
                    member.machine.steer(given)
                await self._send(member, connection, f"commands/{request_id}/result", result)
                taken = result.get("output")
            case ["properties", "desired"] if isinstance(given, dict):
                wanted = given.get("properties")
                taken = member.behaviour.follow(wanted if isinstance(wanted, dict) else {})
            case _:
                return
        if taken:
            await self._send(member, connection, "properties/reported", taken)

    async def _send(
        self, member: Member, connection: DeviceConnection, topic: str, values: dict[str, Any]
    ) -> None:
        reason = await connection.publish(f"devices/me/{topic}", values)
        if reason >= Reason.UNSPECIFIED_ERROR:
            member.refused += 1
        else:
            member.sent += 1
        for told in self._told:
            told(member)
