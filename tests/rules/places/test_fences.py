"""Geofences: GeoJSON in and out, imports whole or not at all, rules that hold them."""

from typing import Any

import pytest
from tests.registry.support import ALICE, MAIN
from tests.rules.places.support import CIRCLE, SQUARE, Yard
from tests.rules.support import ALICE as RULER
from tests.rules.support import Plant, hot

from weft.errors import Conflict, Invalid, TooLarge
from weft.rules.places.book import Given
from weft.rules.places.fences import IMPORTED_AT_ONCE, Fences, feature, read_fence


def named(name: str, document: dict[str, Any] = CIRCLE) -> dict[str, Any]:
    return {**document, "properties": {**document["properties"], "name": name}}


def collection(*features: Any) -> dict[str, Any]:
    return {"type": "FeatureCollection", "features": list(features)}


async def test_what_goes_out_comes_back_in() -> None:
    """An export is an import; a bare geometry is taken as well."""
    yard = Yard()
    fences = yard.books.fences
    await fences.save(ALICE, "depot", SQUARE)
    await fences.save(ALICE, "customer", CIRCLE)
    exported = [feature(history.newest) for history in fences.book.all(MAIN)]
    assert [one["properties"]["name"] for one in exported] == ["customer", "depot"]
    assert await fences.take(ALICE, collection(*exported)) == (2, 0)
    assert await Yard().books.fences.take(ALICE, collection(*exported)) == (2, 2)


async def test_an_import_with_a_mistake_changes_nothing() -> None:
    """Named with its place in the list."""
    yard = Yard()
    wrong = named("b", {**CIRCLE, "properties": {}})
    with pytest.raises(Invalid, match=r"features\[1\]: A fence of a Point needs radius_m"):
        await yard.books.fences.take(ALICE, collection(named("a"), wrong))
    assert yard.books.fences.book.all(MAIN) == []


@pytest.mark.parametrize(
    ("document", "match"),
    [
        ({"type": "Feature"}, "no FeatureCollection"),
        ({"type": "FeatureCollection", "features": 7}, "no FeatureCollection"),
        (collection(7), r"features\[0\]: It is no Feature"),
        (collection(CIRCLE), r"features\[0\]: It has no name"),
        (collection(named("a b")), r"features\[0\]: "),
    ],
)
async def test_a_wrong_collection_is_refused(document: dict[str, Any], match: str) -> None:
    """With what to write instead."""
    with pytest.raises(Invalid, match=match):
        await Yard().books.fences.take(ALICE, document)


async def test_an_import_is_bounded() -> None:
    """As many as are taken in one request."""
    many = collection(*[named(f"f{n}") for n in range(IMPORTED_AT_ONCE + 1)])
    with pytest.raises(TooLarge):
        await Yard().books.fences.take(ALICE, many)


@pytest.mark.parametrize(
    ("properties", "match"),
    [
        ({"radius_m": "wide"}, "radius_m is no number"),
        ({"radius_m": True}, "radius_m is no number"),
        ({"radius_m": 300, "label": 7}, "label is no text"),
    ],
)
def test_wrong_properties_are_refused(properties: dict[str, Any], match: str) -> None:
    """Rather than passed over."""
    with pytest.raises(Invalid, match=match):
        read_fence({**CIRCLE, "properties": properties})
    with pytest.raises(Invalid, match="has no geometry"):
        read_fence({"type": "Feature", "geometry": None})


async def test_a_fence_that_a_rule_names_is_not_deleted() -> None:
    """The rule would never fire again, and say nothing."""
    plant = Plant()
    fences = Fences(Given(plant.records, plant.audit, plant.clock))
    await fences.save(RULER, "depot", SQUARE)
    await fences.save(RULER, "north", SQUARE)
    when = "temperature > 80 && inside(pressure, temperature, 'depot') || mode == 'north'"
    await plant.rules.create(RULER, hot(when=when))
    with pytest.raises(Conflict, match="'overheating' names the geofence 'depot'"):
        await fences.delete(RULER, "depot")
    await plant.rules.create(RULER, hot(name="other", when="mode == 'depot'"))
    await plant.rules.delete(RULER, "overheating")
    await fences.delete(RULER, "depot")
    await fences.delete(RULER, "north")
