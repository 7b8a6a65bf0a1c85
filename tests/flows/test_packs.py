"""The three packs on one Weft and a real Tryton, killed in the middle: as if nothing had been.

A machine that wears out, a truck whose cargo gets warm and a line that stands still tell their
hours over MQTT while the server is killed (-9) again and again. In the end there is each alarm
that the packs promise, once; one task in Tryton for each fault; and every one of them closed.
"""

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.flows.support import until, until_told
from tests.interop.tryton.support import Tryton, tryton
from tests.soak.device import Device
from tests.soak.server import ServerProcess

from weft.packs.model import Sample
from weft.packs.reading import read_library

PACKS = read_library()
IN_FLIGHT = 20  # of all devices together: those of one line stay within minutes of each other
KILLS = (0.3, 0.55, 0.75)  # of all samples: before, in the middle of, and behind the alarms
TASKS = {
    "Check the bearing at fan-1-sensor",
    "Check the bearing at pump-1-sensor",  # zone C, then D, then heat: one fault, one order
    "Save the cargo of truck-1, check its refrigeration",
    "asset plant-b-line-1 stands still",
}


class Fleet:
    """All devices of all packs, and the server that they talk to."""

    def __init__(self, server: ServerProcess) -> None:
        self.server = server
        self.devices: dict[str, Device] = {}
        self._began_ms = 0.0

    async def set_up(self) -> None:
        """Install the packs, make their devices and attach them."""
        for pack in PACKS.values():
            await self.server.post(f"/packs/{pack.name}/install", {})
            for one in pack.simulation.devices:
                body = {
                    "device_id": one.device,
                    "type_name": one.type,
                    "attributes": one.attributes,
                }
                await self.server.post("/devices", body)
                path = f"/devices/{one.device}/attachments/{one.role.value}"
                attached = await self.server.ask("PUT", path, {"asset": one.asset})
                assert attached.is_success, attached.text
                issued = await self.server.post(f"/devices/{one.device}/credentials", {})
                self.devices[one.device] = Device(
                    one.device, issued["token"], port=self.server.mqtt_port, five=True
                )
        longest_s = max(pack.simulation.lasts_s for pack in PACKS.values())
        self._began_ms = (time.time() - longest_s) * 1000

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(one.keep_connected()) for one in self.devices.values()]
            yield
            for task in running:
                task.cancel()

    async def tell(self, samples: list[Sample], kills: tuple[float, ...]) -> None:
        """Send samples in their order; kill and start the server at shares of the way."""
        due = [round(len(samples) * share) for share in kills]
        for number, sample in enumerate(samples, 1):
            device = self.devices[sample.device]
            await until(lambda one=device: self._has_room(one), "there is room for one more")
            moment = round(self._began_ms + sample.at_s * 1000)
            document = {"ts": moment, "values": sample.values}
            device.send(number, json.dumps(document).encode(), qos=1)
            if number in due:  # some are on their way, some are not acknowledged
                await self.server.kill()
                await self.server.start()
        await until(lambda: not self._open(), "all of it is acknowledged")

    def _has_room(self, device: Device) -> bool:
        return device.ready and self._open() < IN_FLIGHT

    def _open(self) -> int:
        return sum(device.open for device in self.devices.values())


def samples() -> list[Sample]:
    """The samples of all packs, as time goes."""
    found = [sample for pack in PACKS.values() for sample in pack.samples]
    return sorted(found, key=lambda sample: sample.at_s)


@asynccontextmanager
async def plant(data: Path, erp: Tryton) -> AsyncIterator[ServerProcess]:
    server = ServerProcess(
        data,
        "connectors.erp.kind=tryton",
        f"connectors.erp.url={erp.url}",
        f"connectors.erp.database={erp.database}",
        f"connectors.erp.key=file:{erp.key_file}",
        'connectors.erp.allow=["127.0.0.0/8"]',
        "work_orders.poll_interval_s=0.5",
    )
    await server.start()
    try:
        yield server
    finally:
        if server.process is not None and server.process.poll() is None:
            await server.stop()


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_killed_in_the_middle_each_fault_is_one_work_order_and_is_closed(
    tmp_path: Path,
) -> None:
    """A pump, a truck and a line; the technician ends every task; nothing is there twice."""
    erp_folder = tmp_path / "erp"
    erp_folder.mkdir()
    async with tryton(erp_folder) as erp, plant(tmp_path / "data", erp) as server:
        fleet = Fleet(server)
        await fleet.set_up()
        async with fleet.connected():
            await fleet.tell(samples(), KILLS)
        await _require_alarms(server)
        tasks = await until_told(lambda: _tasks(erp), "Tryton has a task for each fault")
        assert Counter(task["name"] for task in tasks) == Counter(TASKS)

        await server.kill()  # between the task and its end
        for task in tasks:
            await erp.complete(task["id"])
        await server.start()
        await until_told(lambda: _all_closed(server), "all work orders are closed")
        assert len(await erp.tasks()) == len(TASKS)
        await _require_alarms(server)
        await _require_lineage(server)


async def _tasks(erp: Tryton) -> list[dict[str, Any]]:
    found = await erp.tasks()
    return found if len(found) >= len(TASKS) else []


async def _all_closed(server: ServerProcess) -> bool:
    orders = await server.pages("/work-orders")
    assert len(orders) == len(TASKS)
    return all(order["state"] == "closed" for order in orders)


async def _require_alarms(server: ServerProcess) -> None:
    """Each alarm that the packs promise, once, and over."""
    alarms = await server.pages("/alarms")
    expected = Counter(
        {(one.rule, one.device): one.alarms for pack in PACKS.values() for one in pack.expects}
    )
    found = Counter((one["rule_id"], one["asset"] or one["device_id"]) for one in alarms)
    assert found == expected
    assert {one["state"] for one in alarms} == {"cleared"}


async def _require_lineage(server: ServerProcess) -> None:
    """From each task back to a sample that proved it."""
    for order in await server.pages("/work-orders"):
        chain = await server.get(f"/lineage/work_order/{order['work_order_id']}")
        kinds = {node["kind"] for node in chain["nodes"]}
        assert kinds >= {"sample", "rule", "alarm", "work_order", "remote"}, order
