"""The bearing's story at a steady speed: about five minutes at 100 times life.

scripts/soak bearing [--speed 100]
"""

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.flows.bearing import EXPECTED, RECORD, TASK, Rig
from tests.flows.fleet import Fleet, plant
from tests.flows.support import until_told
from tests.interop.tryton.support import tryton
from tests.soak.server import ServerProcess
from tests.soak.warm import Warm


async def run(speed: float) -> str:
    """Tell it with a real Tryton, killed twice on the way; return what happened."""
    warm = Warm()
    try:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            (folder / "erp").mkdir()
            async with (
                tryton(folder / "erp") as erp,
                plant(folder / "data", erp, warm) as server,
            ):
                fleet = Fleet(server)
                rig = Rig(fleet)
                await fleet.set_up()
                await rig.set_up()
                async with fleet.connected():
                    await fleet.tell(rig.to_failure, (0.5, 0.9), speed=speed)
                    order = await until_told(lambda: _the_order(server, "open"), "it is ordered")
                    [task] = await erp.tasks()
                    assert (order["remote_id"], task["name"]) == (str(task["id"]), TASK)
                    await erp.complete(task["id"])
                    await until_told(lambda: _the_order(server, "closed"), "it is closed")
                    await fleet.tell(rig.repaired, speed=speed)
                return await _sum_up(server, rig)
    finally:
        warm.close()


async def _the_order(server: ServerProcess, state: str) -> dict[str, Any] | None:
    orders = await server.pages("/work-orders")
    assert len(orders) <= 1, f"{len(orders)} work orders for one fault"
    return orders[0] if orders and orders[0]["state"] == state else None


async def _sum_up(server: ServerProcess, rig: Rig) -> str:
    alarms = {(one["rule_id"], one["device_id"]): one for one in await server.pages("/alarms")}
    assert alarms.keys() == EXPECTED.keys()
    positions = await rig.require_lineage()
    await rig.require_history()
    await server.stop()
    await rig.require_journal(positions)
    told = [
        f"{rule} {one['raised_at']} to {one['cleared_at']}"
        for (rule, _device), one in sorted(alarms.items())
    ]
    return f"{'; '.join(told)}; one task, closed; samples at {positions[0]} to {positions[-1]}"


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="scripts/soak bearing", description=__doc__)
    parser.add_argument("--speed", type=float, default=100.0)
    options = parser.parse_args()
    if not RECORD.exists():
        print(f"the record is not there: {RECORD}", file=sys.stderr)
        return 2
    print(asyncio.run(run(options.speed)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
