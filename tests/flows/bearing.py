"""A real bearing wears out: from its vibration to a work order in Tryton, and back to health.

The record (PHM 2012 challenge, bearing 1_1: a row each ten seconds until it failed) is sent
over MQTT with its own moments. A rule watches the RMS of its vibration, with `for:` and
hysteresis; then the technician closes the task and the machine runs with a new bearing, for
which the record's own beginning stands.
"""

import asyncio
import csv
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.flows.support import connected, make_device, until, until_told
from tests.interop.tryton.support import Tryton
from tests.soak.device import Device
from tests.soak.server import ServerProcess

from weft.backends.sqlite.journal import SqliteJournal
from weft.model.moments import to_rfc3339

RECORD = (
    Path(__file__).parents[3] / "shared" / "data" / "femto_bearing1_1_features.csv"
)  # beside the repository: not ours to hand out
STEP_S = 10
HEALTHY_ROWS = 100  # of the record's beginning, for the machine after its repair
IN_FLIGHT = 20
DEVICE, TYPE_NAME, RULE = "rig-1", "bearing", "bearing-wear"
KEYS = (
    "rms_horizontal_g",
    "rms_vertical_g",
    "peak_horizontal_g",
    "peak_vertical_g",
    "kurtosis_horizontal",
    "kurtosis_vertical",
)
TYPE: dict[str, Any] = {
    "title": "Bearing",
    "telemetry": {key: {"type": "number", "minimum": 0} for key in KEYS},
}
WEAR: dict[str, Any] = {
    "name": RULE,
    "selector": {"type": TYPE_NAME},
    "when": "rms_horizontal_g > 1.2",
    "for": "1m",
    "clear": "rms_horizontal_g < 0.7",
    "clear_for": "5m",
    "severity": "critical",
    "message": "{device} vibrates with {rms_horizontal_g} g",
    "actions": [{"work_order": {"connector": "erp", "title": "Change the bearing of {device}"}}],
}


def read_record() -> list[dict[str, float]]:
    """Return the rows of the record."""
    with RECORD.open(newline="") as file:
        return [{key: float(row[key]) for key in KEYS} for row in csv.DictReader(file)]


class Story:
    """The story on one data folder; `speed` is how much faster than life, None as fast as can."""

    def __init__(self, data: Path, erp: Tryton, speed: float | None) -> None:
        self._data = data
        self._erp = erp
        self._speed = speed
        self._rows = read_record()
        rows = len(self._rows) + HEALTHY_ROWS
        self._began_ms = round((time.time() - rows * STEP_S) * 1000)
        self._server = ServerProcess(
            data,
            "connectors.erp.kind=tryton",
            f"connectors.erp.url={erp.url}",
            f"connectors.erp.database={erp.database}",
            f"connectors.erp.key=file:{erp.key_file}",
            'connectors.erp.allow=["127.0.0.0/8"]',
            "work_orders.poll_interval_s=0.5",
        )

    async def tell(self) -> str:
        """Let it happen, and check each step; return what happened in a line."""
        token = await make_device(self._data, DEVICE, TYPE_NAME, types={TYPE_NAME: TYPE})
        await self._server.start()
        try:
            await self._server.post("/rules", WEAR)
            async with connected(self._server, DEVICE, token) as rig:
                return await self._tell(rig)
        finally:
            if self._server.process is not None and self._server.process.poll() is None:
                await self._server.stop()

    async def _tell(self, rig: Device) -> str:
        await self._send(rig, 0, self._rows)
        alarm = await self._the_alarm("active")
        order = await self._the_order("open")
        [task] = await self._erp.tasks()
        assert (order["remote_id"], order["alarm_id"]) == (str(task["id"]), alarm["alarm_id"])
        assert task["name"] == f"Change the bearing of {DEVICE}"

        await self._erp.complete(task["id"])
        closed = await self._the_order("closed")
        await self._send(rig, len(self._rows), self._rows[:HEALTHY_ROWS])
        cleared = await self._the_alarm("cleared")
        assert (cleared["alarm_id"], cleared["cleared_by"]) == (alarm["alarm_id"], "rule")
        assert len(await self._erp.tasks()) == 1

        samples = await self._require_lineage(alarm, order, str(task["id"]))
        await self._require_history()
        await self._server.stop()
        await self._require_journal(samples)
        return (
            f"alarm {alarm['alarm_id']} at {alarm['raised_at']}, cleared {cleared['cleared_at']}; "
            f"work order {closed['work_order_id']} is task {task['id']} in Tryton, "
            f"closed {closed['closed_at']}; samples at positions {samples[0]} to {samples[-1]}"
        )

    async def _send(self, rig: Device, first: int, rows: Sequence[dict[str, float]]) -> None:
        started = time.monotonic()
        for number, row in enumerate(rows):
            if self._speed is not None:
                due = started + number * STEP_S / self._speed
                await asyncio.sleep(max(0.0, due - time.monotonic()))
            await until(lambda: rig.ready and rig.open < IN_FLIGHT, "there is room for one more")
            document = {"ts": self._moment_ms(first + number), "values": row}
            rig.send(first + number + 1, json.dumps(document).encode(), qos=1)
        await until(lambda: not rig.open, "all of it is acknowledged")

    def _moment_ms(self, number: int) -> int:
        return self._began_ms + number * STEP_S * 1000

    async def _the_alarm(self, state: str) -> dict[str, Any]:
        """Wait until there is one alarm in a state; there is never a second one."""

        async def ask() -> dict[str, Any] | None:
            alarms = await self._server.pages("/alarms")
            assert len(alarms) <= 1, f"{len(alarms)} alarms for one fault"
            return alarms[0] if alarms and alarms[0]["state"] == state else None

        found: dict[str, Any] = await until_told(ask, f"the alarm is {state}")
        return found

    async def _the_order(self, state: str) -> dict[str, Any]:
        async def ask() -> dict[str, Any] | None:
            orders = await self._server.pages("/work-orders")
            assert len(orders) <= 1, f"{len(orders)} work orders for one fault"
            return orders[0] if orders and orders[0]["state"] == state else None

        found: dict[str, Any] = await until_told(ask, f"the work order is {state}")
        return found

    async def _require_lineage(
        self, alarm: dict[str, Any], order: dict[str, Any], task_id: str
    ) -> list[int]:
        """Walk from the task to the samples, and from a sample to the task; return positions."""
        back = await self._server.get(f"/lineage/work_order/{order['work_order_id']}")
        nodes = {node["id"]: node for node in back["nodes"]}
        path = (f"remote:{task_id}", f"work_order:{order['work_order_id']}", f"rule:{RULE}")
        assert nodes.keys() >= {*path, f"alarm:{alarm['alarm_id']}", f"device:{DEVICE}"}
        reached = _upstream(back["edges"], f"remote:{task_id}")
        positions = sorted(
            int(node["key"]) for name, node in nodes.items() if node["kind"] == "sample"
        )
        assert positions
        assert {f"sample:{position}" for position in positions} <= reached
        for position in positions:
            shown = nodes[f"sample:{position}"]["facts"]["values"]
            assert shown["rms_horizontal_g"] == self._rows[position - 1]["rms_horizontal_g"]
        forth = await self._server.get(f"/lineage/sample/{positions[0]}")
        assert f"sample:{positions[0]}" in _upstream(forth["edges"], f"remote:{task_id}")
        return positions

    async def _require_history(self) -> None:
        since = to_rfc3339(self._began_ms * 1_000_000)
        rows = await self._server.pages(
            f"/devices/{DEVICE}/history", keys="rms_horizontal_g", start=since, limit=10_000
        )
        sent = [*self._rows, *self._rows[:HEALTHY_ROWS]]
        assert [row["value"] for row in rows] == [row["rms_horizontal_g"] for row in sent]

    async def _require_journal(self, positions: Sequence[int]) -> None:
        """The positions that the lineage names hold the very messages that the rig sent."""
        journal = await SqliteJournal.open(self._data)
        try:
            async for batch in journal.read(positions[0] - 1, until=positions[-1]):
                for position, envelope in enumerate(batch.envelopes, batch.first):
                    if position in positions:
                        document = json.loads(envelope.payload)
                        assert document["values"] == self._rows[position - 1]
                        assert document["ts"] == self._moment_ms(position - 1)
        finally:
            await journal.close()


def _upstream(edges: Sequence[dict[str, str]], end: str) -> set[str]:
    """Return everything that led to `end`."""
    reached, before = {end}, 0
    while len(reached) != before:
        before = len(reached)
        reached |= {edge["source"] for edge in edges if edge["target"] in reached}
    return reached
