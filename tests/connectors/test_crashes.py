"""kill -9 at random points of delivery: every action becomes one record, known to both sides."""

import json
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.connectors.support import MAIN, Plant, alarm, entry

from weft.backends.sqlite.records import SqliteRecords
from weft.model.alarm import OutboxState, WorkOrderState
from weft.model.ids import WorkOrderId
from weft.rules.kinds import OUTBOX, WORK_ORDERS

ENTRIES = 60
KILLS = 8


def far_side(folder: Path, kind: str) -> tuple[subprocess.Popen[bytes], dict[str, Any]]:
    """Start a stand-in; it writes the settings that reach it."""
    command = [sys.executable, "-m", "weft", "connector", "standin", kind, "--repair-after", "0"]
    options = ["--key-file", str(folder / "key"), "--settings", str(folder / "weft.toml")]
    process = subprocess.Popen([*command, *options], stdout=subprocess.PIPE)
    assert process.stdout is not None
    return process, json.loads(process.stdout.readline())


def start(folder: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tests.connectors.deliverer", str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert process.stdout is not None
    process.stdout.readline()
    return process


def keys_in(said: list[dict[str, Any]]) -> list[str]:
    """The key of each record: a field of its own, or the last word of Tryton's comment."""
    return [str(one.get("key") or one["comment"].rpartition(" ")[2]) for one in said]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["tryton", "sap", "salesforce"])
async def test_no_kill_loses_or_doubles_a_work_order(kind: str, tmp_path: Path) -> None:
    """Sixty faults, eight kills, one record each; the remote ids stand on both sides."""
    records = await SqliteRecords.open(tmp_path)
    plant = Plant(records=records)
    for number in range(ENTRIES):
        await plant.put(entry(number), raised=alarm(number))
    await records.close()

    erp, where = far_side(tmp_path, kind)
    rolls = random.Random(7)
    try:
        for _ in range(KILLS):
            process = start(tmp_path)
            time.sleep(rolls.uniform(0.005, 0.06))  # noqa: ASYNC251  only the children run
            process.kill()
            process.wait(10)
        process = start(tmp_path)
        assert process.wait(60) == 0
        listed = "/tasks.json" if kind == "tryton" else "/orders.json"
        async with httpx2.AsyncClient(trust_env=False) as client:
            keys = keys_in((await client.get(where["url"] + listed)).json())
    finally:
        erp.terminate()
        erp.wait(10)

    assert len(keys) == len(set(keys)) == ENTRIES
    records = await SqliteRecords.open(tmp_path)
    remote_ids = set()
    for number in range(ENTRIES):
        action_id = entry(number).action.action_id
        stored = (await records.read(lambda r, k=action_id: r.get(OUTBOX, MAIN, k))).value
        order_id = WorkOrderId(action_id)
        order = (await records.read(lambda r, k=order_id: r.get(WORK_ORDERS, MAIN, k))).value
        assert (stored.state, order.state) == (OutboxState.DELIVERED, WorkOrderState.OPEN)
        assert stored.remote_id == order.remote_id
        remote_ids.add(stored.remote_id)
    assert len(remote_ids) == ENTRIES
    await records.close()
