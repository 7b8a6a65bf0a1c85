"""Bearings that were run until they failed: the pack says so in time, and once.

`test_packs.py` tells the same hours to a real Weft and a real Tryton, with kills.
"""

from collections.abc import AsyncIterator, Callable, Sequence

import pytest
from tests.flows.bearing import RECORD, SENSOR, STEP_S, generated, recorded, values_of
from tests.flows.fleet import PACKS
from tests.rules.support import MAIN, START, S, around, device, route

from weft.model.message import Committed, Envelope
from weft.model.telemetry import Reading
from weft.packs.model import ItemKind
from weft.rules.ledger import Firing
from weft.rules.replay import try_rule

PACK = PACKS["predictive-maintenance"]
MINUTE = 60 // STEP_S  # in rows


async def firings(rule: str, rows: Sequence[float]) -> list[Firing]:
    """Return what a rule of the pack raises over a bearing's life."""

    async def life() -> AsyncIterator[Committed]:
        told = [Reading(START + n * STEP_S * S, values_of(row)) for n, row in enumerate(rows)]
        path = route(SENSOR.device, type_name="")
        envelopes = [Envelope(path, reading.at, b"") for reading in told]
        yield Committed(1, envelopes, [[reading] for reading in told])

    [item] = [one for one in PACK.of(ItemKind.RULE) if one.name == rule]
    document = {key: value for key, value in item.document.items() if key != "actions"}
    document["selector"] = {"devices": [SENSOR.device]}
    plant = around(device(SENSOR.device, type_name=None, **SENSOR.attributes))
    trial = await try_rule(document, life(), tenant=MAIN, around=plant)
    return trial.firings


@pytest.mark.parametrize(
    "of",
    [
        generated,
        pytest.param(
            recorded,
            marks=pytest.mark.skipif(
                not RECORD.exists(), reason=f"the record is not there: {RECORD.name}"
            ),
        ),
    ],
)
async def test_a_bearing_is_told_once_for_each_zone_before_it_fails(
    of: Callable[[], list[float]],
) -> None:
    """An hour to plan its repair, twenty minutes to stop it, and nothing while it is sound."""
    rows = of()
    found = [await firings(rule, rows) for rule in ("zone-c", "zone-d", "unusual-vibration")]
    assert [len(one) for one in found] == [1, 1, 1]
    zone_c, zone_d, unusual = ((one.raised_at - START) // S // STEP_S for [one] in found)
    assert len(rows) // 2 < zone_c < len(rows) - 60 * MINUTE
    assert zone_c < zone_d < len(rows) - 20 * MINUTE
    assert len(rows) // 2 < unusual
