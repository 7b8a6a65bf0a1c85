"""Wishes: one that no device of the type could fulfil is refused with its place."""

from typing import Any

import pytest
from tests.commands.support import ACME, ALICE, PUMP, Station

from weft.errors import Invalid, TooLarge
from weft.twins.wishes import DESIRED_MAX_BYTES, Wishes

TYPE = {
    "properties": {
        "interval_s": {"type": "integer", "minimum": 1, "maximum": 3600},
        "mode": {"type": "string", "enum": ["eco", "full"]},
        "firmware": {"type": "string", "readOnly": True},
    }
}


async def wishes(type_name: str | None) -> Wishes:
    station = Station()
    await station.types.save(ALICE, "pump", TYPE)
    await station.device(type_name=type_name)
    return Wishes(station.devices, station.types)


@pytest.mark.parametrize(
    ("patch", "told"),
    [
        ({"interval_s": 0}, "desired.interval_s is 0, below the minimum of 1"),
        ({"interval_s": "10"}, "desired.interval_s is a string; declared is integer"),
        ({"mode": "off"}, "desired.mode is 'off'"),
        ({"firmware": "2.0"}, "desired.firmware is read-only"),
        ({"intervals": 1}, "desired.intervals is not declared by type pump@1"),
    ],
)
async def test_a_wish_against_the_type_is_refused(patch: dict[str, Any], told: str) -> None:
    checked = await wishes("pump")
    with pytest.raises(Invalid) as refused:
        checked.require(ACME, PUMP, patch)
    assert refused.value.detail.startswith(told)


async def test_a_wish_as_declared_or_taken_back_passes() -> None:
    (await wishes("pump")).require(ACME, PUMP, {"interval_s": 10, "mode": None})


async def test_without_a_type_anything_that_can_be_kept_can_be_wished() -> None:
    checked = await wishes(None)
    checked.require(ACME, PUMP, {"any": {"thing": [1, None]}})
    with pytest.raises(Invalid, match="64 bits"):
        checked.require(ACME, PUMP, {"any": 2**64})
    with pytest.raises(TooLarge):
        checked.require(ACME, PUMP, {"any": "x" * DESIRED_MAX_BYTES})
