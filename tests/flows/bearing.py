"""A bearing that wears out, as one more machine of the predictive-maintenance pack.

The record (PHM 2012 challenge, bearing 1_1: a row each ten seconds until it failed) is told
with its own moments; where it is not there, a generated one wears out in its place. After the
technician's work the machine runs with a new bearing, for which the record's beginning stands.

It measured acceleration, and the pack asks for velocity. A vibration of one frequency f has
a / (2 pi f); all of it is taken to be at 500 Hz, the middle of what ISO 20816-3 looks at.
"""

import json
import math
from collections.abc import Sequence
from typing import Any

from tests.flows.fleet import Fleet
from tests.rules import machines

from weft.backends.sqlite.journal import SqliteJournal
from weft.model.moments import to_rfc3339
from weft.packs.model import Sample
from weft.packs.simulation import SimulatedDevice

RECORD = machines.RECORDINGS / "femto_bearing1_1_features.csv"  # not ours to hand out
STEP_S = 10
HEALTHY_ROWS = 100  # of the record's beginning, for the machine after its repair
HEALTHY_G = 0.56  # of the recorded bearing when it was new
MM_S_PER_G = 9_806.65 / (2 * math.pi * 500)
ROTATIONS = 1_800  # a minute, as the rig ran
ASSET = {"asset_id": "rig-1", "kind": "machine", "label": "Test rig", "parent": "plant"}
SENSOR = SimulatedDevice(
    device="rig-1-sensor",
    type="vibration-sensor",
    asset="rig-1",
    attributes={"group": 2, "support": "rigid", "zone_b_c": 2.8, "zone_c_d": 4.5},
)
NAME = SENSOR.device
UNUSUAL = ("unusual-vibration", NAME)  # told early, and over after a day without it
EXPECTED = {UNUSUAL: 1, ("zone-c", NAME): 1, ("zone-d", NAME): 1}
TASK = f"Check the bearing at {NAME}"  # zone C came first: one fault, one order


def recorded() -> list[float]:
    """Return the record's vibration: horizontal acceleration in g, RMS."""
    return [value for _at, value in machines.bearing()]


def generated() -> list[float]:
    """Return a vibration that is even for half of a life and then grows tenfold."""
    return [HEALTHY_G * level for _at, level in machines.worn_out(seed=1, step_s=STEP_S)]


class Rig:
    """The bearing on its rig, from its first hour to its replacement."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        rows = recorded() if RECORD.exists() else generated()
        begins_s = fleet.lasts_s - (len(rows) + HEALTHY_ROWS) * STEP_S
        told = [
            Sample(NAME, begins_s + number * STEP_S, values_of(row))
            for number, row in enumerate([*rows, *rows[:HEALTHY_ROWS]])
        ]
        self.to_failure, self.repaired = told[: len(rows)], told[len(rows) :]

    async def set_up(self) -> None:
        """Make the rig and its sensor."""
        await self._fleet.server.post("/assets", ASSET)
        await self._fleet.add(SENSOR)

    async def require_lineage(self) -> list[int]:
        """Walk from the task to the samples, and from a sample to the task; return positions."""
        server = self._fleet.server
        [order] = [one for one in await server.pages("/work-orders") if one["device_id"] == NAME]
        back = await server.get(f"/lineage/work_order/{order['work_order_id']}")
        remote = f"remote:{order['remote_id']}"
        nodes = {node["id"]: node for node in back["nodes"]}
        path = (remote, f"work_order:{order['work_order_id']}", "rule:zone-c")
        assert nodes.keys() >= {*path, f"alarm:{order['alarm_id']}", f"device:{NAME}"}
        reached = _upstream(back["edges"], remote)
        samples = {int(node["key"]): node for node in back["nodes"] if node["kind"] == "sample"}
        assert samples
        assert {node["id"] for node in samples.values()} <= reached
        first = min(samples)
        forth = await server.get(f"/lineage/sample/{first}")
        assert f"sample:{first}" in _upstream(forth["edges"], remote)
        told = [one.values["velocity_rms"] for one in self.to_failure]
        assert {node["facts"]["values"]["velocity_rms"] for node in samples.values()} <= {*told}
        return sorted(samples)

    async def require_history(self) -> None:
        """The history has each row, once, in its order."""
        told = [*self.to_failure, *self.repaired]
        rows = await self._fleet.server.pages(
            f"/devices/{NAME}/history",
            keys="velocity_rms",
            start=to_rfc3339(self._fleet.moment_ms(told[0]) * 1_000_000),
            limit=10_000,
        )
        assert [row["value"] for row in rows] == [one.values["velocity_rms"] for one in told]

    async def require_journal(self, positions: Sequence[int]) -> None:
        """The positions that the lineage names hold the very messages that the rig sent."""
        told = {self._fleet.moment_ms(one): one.values for one in self.to_failure}
        journal = await SqliteJournal.open(self._fleet.server.data)
        found = []
        try:
            async for batch in journal.read(positions[0] - 1, until=positions[-1]):
                for position, envelope in enumerate(batch.envelopes, batch.first):
                    if position in positions:
                        document = json.loads(envelope.payload)
                        assert document["values"] == told[document["ts"]]
                        found.append(position)
        finally:
            await journal.close()
        assert found == list(positions)


def values_of(acceleration_g: float) -> dict[str, Any]:
    """Return what the sensor sends of an acceleration."""
    return {"velocity_rms": round(acceleration_g * MM_S_PER_G, 3), "rotations": ROTATIONS}


def _upstream(edges: Sequence[dict[str, str]], end: str) -> set[str]:
    """Return everything that led to `end`."""
    reached, before = {end}, 0
    while len(reached) != before:
        before = len(reached)
        reached |= {edge["source"] for edge in edges if edge["target"] in reached}
    return reached
