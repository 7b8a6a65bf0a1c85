"""kill -9 at random points of delivery: every action becomes one task, known to both sides."""

import random
import subprocess
import sys
import time
from pathlib import Path

import httpx2
import pytest
from tests.connectors.support import MAIN, Plant, alarm, entry
from tests.connectors.test_standin import running

from weft.backends.sqlite.records import SqliteRecords
from weft.model.alarm import OutboxState, WorkOrderState
from weft.model.ids import WorkOrderId
from weft.rules.kinds import OUTBOX, WORK_ORDERS

ENTRIES = 60
KILLS = 8


def start(folder: Path, url: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tests.connectors.deliverer", str(folder), url]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert process.stdout is not None
    process.stdout.readline()
    return process


@pytest.mark.slow
async def test_no_kill_loses_or_doubles_a_work_order(tmp_path: Path) -> None:
    """Sixty faults, eight kills, one task each; the remote ids stand on both sides."""
    records = await SqliteRecords.open(tmp_path)
    plant = Plant(records=records)
    for number in range(ENTRIES):
        await plant.put(entry(number), raised=alarm(number))
    await records.close()

    erp, where = running(tmp_path, "--repair-after", "0")
    rolls = random.Random(7)
    try:
        for _ in range(KILLS):
            process = start(tmp_path, where["url"])
            time.sleep(rolls.uniform(0.005, 0.06))  # noqa: ASYNC251  only the children run
            process.kill()
            process.wait(10)
        process = start(tmp_path, where["url"])
        assert process.wait(60) == 0
        async with httpx2.AsyncClient(trust_env=False) as client:
            tasks = (await client.get(where["url"] + "/tasks.json")).json()
    finally:
        erp.terminate()
        erp.wait(10)

    records = await SqliteRecords.open(tmp_path)
    by_key = {task["comment"].rpartition(" ")[2]: str(task["id"]) for task in tasks}
    assert len(tasks) == len(by_key) == ENTRIES
    for number in range(ENTRIES):
        action_id = entry(number).action.action_id
        stored = (await records.read(lambda r, k=action_id: r.get(OUTBOX, MAIN, k))).value
        order_id = WorkOrderId(action_id)
        order = (await records.read(lambda r, k=order_id: r.get(WORK_ORDERS, MAIN, k))).value
        assert (stored.state, stored.remote_id) == (OutboxState.DELIVERED, by_key[action_id])
        assert (order.state, order.remote_id) == (WorkOrderState.OPEN, by_key[action_id])
    await records.close()
