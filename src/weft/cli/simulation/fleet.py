"""A simulated fleet: machines on their connections, each sending at its own rate."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from weft.cli.simulation.device import PING_S, DeviceConnection, connect_device
from weft.cli.simulation.faults import Fault
from weft.cli.simulation.machine import Machine
from weft.errors import Unavailable
from weft.model.device import Field
from weft.wire.mqtt.reasons import Reason

RECONNECT_S = 1.0
RECONNECT_MAX_S = 30.0


@dataclass
class Member:
    """One simulated device."""

    device_id: str
    token: str
    machine: Machine
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
        telemetry: Mapping[str, Field],
        *,
        interval_s: float,
    ) -> None:
        self._address = address
        self._interval_s = interval_s
        self.members = {
            device_id: Member(device_id, token, Machine(telemetry, seed=number))
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
            while not connection.closed.done():
                values = member.machine.step(self._interval_s)
                if values is not None:
                    await self._send(member, connection, values)
                await self._rest(connection)
        finally:
            connection.close()

    async def _rest(self, connection: DeviceConnection) -> None:
        """Wait for the next turn; a device that is silent for long stays connected."""
        left_s = self._interval_s
        while left_s > 0 and not connection.closed.done():
            pause_s = min(left_s, PING_S)
            await asyncio.sleep(pause_s)
            left_s -= pause_s
            connection.keep_alive()

    async def _send(
        self, member: Member, connection: DeviceConnection, values: dict[str, Any]
    ) -> None:
        reason = await connection.publish("devices/me/telemetry", values)
        if reason >= Reason.UNSPECIFIED_ERROR:
            member.refused += 1
        else:
            member.sent += 1
            member.last = values
        for told in self._told:
            told(member)
