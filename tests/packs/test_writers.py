"""Writers: documents as they stand, and no write over what somebody changed a moment ago."""

import pytest
from tests.packs.test_packs import NAME, Plant
from tests.registry.support import ALICE

from weft.errors import StaleVersion
from weft.packs.model import Item, ItemKind, digest_of
from weft.packs.packs import Order
from weft.packs.writers import Writers
from weft.registry.assets import AssetPatch, Place


async def installed() -> tuple[Plant, Writers]:
    plant = Plant()
    await plant.packs.install(ALICE, NAME, Order())
    return plant, plant.writers


async def test_what_was_written_is_found_as_the_pack_has_it() -> None:
    """Each kind comes back as the very document."""
    plant, writers = await installed()
    for item in (await plant.packs.get(NAME)).items:
        found = await writers.find(ALICE.tenant, item.key)
        assert found is not None
        assert digest_of(found) == digest_of(item.document)
    assert await writers.find(ALICE.tenant, "rule:nothing") is None


@pytest.mark.parametrize("kind", [ItemKind.TYPE, ItemKind.ASSET, ItemKind.RULE])
async def test_a_document_that_changed_meanwhile_is_neither_written_nor_deleted(
    kind: ItemKind,
) -> None:
    """Between the plan and the act somebody was faster; both are told by its digest."""
    plant, writers = await installed()
    item = (await plant.packs.get(NAME)).of(kind)[0]
    before = await plant.everything()
    for act in (writers.update, writers.delete):
        with pytest.raises(StaleVersion, match="changed meanwhile"):
            await act(ALICE, item, "another digest")
    assert await plant.everything() == before


async def test_an_asset_becomes_what_its_document_says() -> None:
    """Facts, tags and a place that the newer document leaves out go."""
    plant, writers = await installed()
    item = (await plant.packs.get(NAME)).of(ItemKind.ASSET)[1]
    patch = AssetPatch(attributes={"old": 1}, tags=("old",), position=Place(1.0, 2.0))
    await plant.registry.assets.patch(ALICE, item.name, patch)
    held = await writers.find(ALICE.tenant, item.key)
    assert held is not None
    assert held["position"] == {"latitude": 1.0, "longitude": 2.0}
    await writers.update(ALICE, item, digest_of(held))
    assert await writers.find(ALICE.tenant, item.key) == item.document


async def test_a_rule_that_was_switched_off_says_so() -> None:
    """Its document did not change, yet somebody changed it."""
    plant, writers = await installed()
    await plant.rules.set_enabled(ALICE, "zone-c", enabled=False)
    found = await writers.find(ALICE.tenant, "rule:zone-c")
    assert found is not None
    assert found["enabled"] is False


async def test_a_route_is_found_as_its_pack_has_it_and_written_at_its_version() -> None:
    """Its document comes back in one form, whatever its author left out."""
    plant = Plant()
    await plant.packs.install(ALICE, "cold-chain-fleet", Order())
    writers = plant.writers
    (item,) = (await plant.packs.get("cold-chain-fleet")).of(ItemKind.ROUTE)
    held = await writers.find(ALICE.tenant, item.key)
    assert held is not None
    assert digest_of(held) == digest_of(item.document)
    other = Item(item.kind, item.name, {**item.document, "label": "By night"})
    with pytest.raises(StaleVersion):
        await writers.update(ALICE, other, "another digest")
    await writers.update(ALICE, other, digest_of(held))
    assert plant.routes.book.get(ALICE.tenant, item.name).label == "By night"
    await writers.delete(ALICE, other, digest_of(other.document))
    assert await writers.find(ALICE.tenant, item.key) is None
