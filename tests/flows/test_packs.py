"""The three packs on one Weft and a real Tryton, killed in the middle: as if nothing had been.

Machines that wear out, a truck on a planned route whose cargo gets warm, that leaves its stop
late and its road, and a line of one of three plants that stands still tell their hours over
MQTT while the server is killed (-9) again and again. In the end there is each alarm that the
packs promise, once; one task in Tryton for each fault; and every one of them closed.
"""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from tests.flows import bearing
from tests.flows.fleet import PACKS, Fleet, as_time_goes, plant
from tests.flows.support import until_told
from tests.interop.tryton.support import Tryton, tryton
from tests.soak.server import ServerProcess
from tests.soak.warm import Warm

KILLS = (0.3, 0.55, 0.75, 0.95)  # of all samples: before, in the middle of, behind the alarms
TASKS = {
    "Check the bearing at fan-1-sensor",
    "Check the bearing at pump-1-sensor",  # zone C, then D, then heat: one fault, one order
    bearing.TASK,
    "Save the cargo of truck-1, check its refrigeration",
    "Tell the customers that truck-1 will be late",
    "Call the driver of truck-1, it has left its route",
    "asset plant-b-line-1 stands still",
}


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_killed_in_the_middle_each_fault_is_one_work_order_and_is_closed(
    tmp_path: Path, warm: Warm
) -> None:
    """Two pumps, a truck and a line; the technician ends every task; nothing is there twice."""
    erp_folder = tmp_path / "erp"
    erp_folder.mkdir()
    async with tryton(erp_folder) as erp, plant(tmp_path / "data", erp, warm) as server:
        fleet = Fleet(server)
        rig = bearing.Rig(fleet)
        await fleet.set_up()
        await rig.set_up()
        samples = as_time_goes(rig.to_failure, *(pack.samples for pack in PACKS.values()))
        async with fleet.connected():
            await fleet.tell(samples, KILLS)
            await _require_alarms(server, active=frozenset(bearing.EXPECTED))
            tasks = await until_told(lambda: _tasks(erp), "Tryton has a task for each fault")
            assert Counter(task["name"] for task in tasks) == Counter(TASKS)

            await server.kill()  # between the task and its end
            for task in tasks:
                await erp.complete(task["id"])
            await server.start()
            await until_told(lambda: _all_closed(server), "all work orders are closed")
            await fleet.tell(rig.repaired)
        assert len(await erp.tasks()) == len(TASKS)
        await _require_alarms(server, active=frozenset({bearing.UNUSUAL}))
        await _require_lineage(server)
        positions = await rig.require_lineage()
        await rig.require_history()
        await server.stop()
        await rig.require_journal(positions)


async def _tasks(erp: Tryton) -> list[dict[str, Any]]:
    found = await erp.tasks()
    return found if len(found) >= len(TASKS) else []


async def _all_closed(server: ServerProcess) -> bool:
    orders = await server.pages("/work-orders")
    assert len(orders) == len(TASKS)
    return all(order["state"] == "closed" for order in orders)


async def _require_alarms(server: ServerProcess, *, active: frozenset[tuple[str, str]]) -> None:
    """Each alarm that the packs promise, once, and over but for these."""
    alarms = await server.pages("/alarms")
    named = [((one["rule_id"], one["asset"] or one["device_id"]), one["state"]) for one in alarms]
    expected = Counter(
        {(one.rule, one.device): one.alarms for pack in PACKS.values() for one in pack.expects}
    ) + Counter(bearing.EXPECTED)
    assert Counter(name for name, _state in named) == expected
    assert {name for name, state in named if state != "cleared"} == active


async def _require_lineage(server: ServerProcess) -> None:
    """From each task back to a sample that proved it."""
    for order in await server.pages("/work-orders"):
        chain = await server.get(f"/lineage/work_order/{order['work_order_id']}")
        kinds = {node["kind"] for node in chain["nodes"]}
        assert kinds >= {"sample", "rule", "alarm", "work_order", "remote"}, order
