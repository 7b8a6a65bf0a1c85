"""Names of places in rules: looked up on save, with column and suggestion."""

import pytest
from tests.registry.support import ALICE as OWNER
from tests.rules.places.support import SQUARE, fleet
from tests.rules.support import ALICE, MAIN, Plant, device, hot

from weft.errors import Invalid
from weft.model.ids import TenantId
from weft.rules.feeds.table import FUNCTIONS
from weft.rules.places.checking import functions_of
from weft.rules.surroundings import Surroundings


async def plant() -> Plant:
    """A plant with one fence and one route."""
    yard = await fleet()
    await yard.books.fences.save(OWNER, "depot", SQUARE)
    made = Plant(device())
    made.rules._around = Surroundings(
        made.around.devices, made.around.types, places=yard.books.atlas
    )
    return made


@pytest.mark.parametrize(
    ("when", "match", "remedy"),
    [
        ("rpm > 1 && inside(pressure, temperature, 'depo')", "Column 12: .*no fence 'depo'",
         "Did you mean 'depot'?"),
        ("distance(pressure, temperature, 'x') > 5", "no fence 'x'", "Known: depot."),
        ("late_by(pressure, temperature, 'midle') > 5", "no stop 'midle'", "'middle'"),
        ("inside(pressure, temperature, mode)", "a text that is written out as fence", "quotes"),
        ("inside(mode, temperature, 'depot')", "takes number as latitude", "number"),
        ("inside(temperature, 'depot')", r"takes", "in"),
    ],
)  # fmt: skip
async def test_a_name_that_is_not_there_is_refused_on_save(
    when: str, match: str, remedy: str
) -> None:
    """Rather than a rule that never fires."""
    with pytest.raises(Invalid, match=match) as caught:
        await (await plant()).rules.create(ALICE, hot(when=when))
    assert remedy in caught.value.remedy


async def test_what_is_there_is_taken() -> None:
    """Units are those of the functions: metres and seconds."""
    rules = (await plant()).rules
    for place, when in enumerate(
        (
            "inside(pressure, temperature, 'depot', 20, 30s)",
            "enters(gps.lat, gps.lon, 'depot', gps.accuracy)",
            "distance(pressure, temperature, 'depot') < 2[km]",
            "late_by(pressure, temperature, 'middle') > 15[min]",
            "eta(pressure, temperature) < 600",
            "held(off_route(pressure, temperature) > 500[m], 2m)",
            "next_stop(pressure, temperature) == 'end'",
        )
    ):
        await rules.create(ALICE, hot(name=f"r{place}", when=when))


async def test_no_places_no_checks() -> None:
    """Where rules are evaluated without any, nothing is looked up."""
    assert functions_of(None, MAIN) is FUNCTIONS
    yard = await fleet()
    made = functions_of(yard.books.atlas, TenantId("other"))
    assert made["mean"] is FUNCTIONS["mean"]
    assert made["inside"] is not FUNCTIONS["inside"]
    with pytest.raises(Invalid, match="'depot'") as caught:
        made["inside"].make({"fence": "depot"}, None)  # type: ignore[arg-type]  # not reached
    assert caught.value.remedy == "There is none yet: weft geofence save depot FILE.geojson"
