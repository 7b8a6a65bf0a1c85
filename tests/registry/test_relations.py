"""Relations: named, directed, once; and none names an asset that is not there."""

from typing import Any

import pytest
from tests.registry.support import ALICE, MAIN, MALLORY, OTHER, Registry

from weft.errors import Conflict, Invalid, NotFound, QuotaExceeded
from weft.registry import relations as module
from weft.registry.assets import NewAsset


async def plant() -> Registry:
    """A tank, a line and a truck."""
    registry = Registry()
    for name in ("tank", "line", "truck"):
        await registry.assets.create(ALICE, NewAsset("machine", name))
    return registry


async def names(registry: Registry, asset: str, *, inward: bool = False) -> list[str]:
    return [one.key for one in await registry.relations.list(MAIN, asset, inward=inward)]


async def test_a_relation_is_seen_from_both_ends() -> None:
    """The tank feeds the line; the line is fed."""
    registry = await plant()
    made = await registry.relations.relate(ALICE, "tank", "feeds", "line")
    assert await registry.relations.relate(ALICE, "tank", "feeds", "line") == made
    await registry.relations.relate(ALICE, "truck", "serves", "line")
    assert await names(registry, "tank") == ["tank/feeds/line"]
    assert await names(registry, "line") == []
    assert await names(registry, "line", inward=True) == ["tank/feeds/line", "truck/serves/line"]
    assert registry.audit.actions().count("asset.relate") == 2


async def test_a_relation_is_taken_away_once() -> None:
    """The second time there is nothing to take."""
    registry = await plant()
    await registry.relations.relate(ALICE, "tank", "feeds", "line")
    await registry.relations.unrelate(ALICE, "tank", "feeds", "line")
    assert await names(registry, "tank") == []
    with pytest.raises(NotFound):
        await registry.relations.unrelate(ALICE, "tank", "feeds", "line")


@pytest.mark.parametrize("asset", ["tank", "line"])
async def test_a_relation_goes_with_either_of_its_ends(asset: str) -> None:
    """A namesake is related to nothing."""
    registry = await plant()
    await registry.relations.relate(ALICE, "tank", "feeds", "line")
    await registry.assets.delete(ALICE, asset)
    await registry.assets.create(ALICE, NewAsset("machine", asset))
    assert await names(registry, "tank") == []
    assert await names(registry, "line", inward=True) == []


async def test_what_is_no_relation_is_refused(monkeypatch: Any) -> None:
    """To itself, to nothing, under a name that breaks a path, or too many."""
    registry = await plant()
    with pytest.raises(Conflict):
        await registry.relations.relate(ALICE, "tank", "feeds", "tank")
    with pytest.raises(NotFound):
        await registry.relations.relate(ALICE, "tank", "feeds", "nothing")
    with pytest.raises(Invalid):
        await registry.relations.relate(ALICE, "tank", "a/b", "line")
    monkeypatch.setattr(module, "RELATIONS_PER_ASSET", 1)
    await registry.relations.relate(ALICE, "tank", "feeds", "line")
    with pytest.raises(QuotaExceeded):
        await registry.relations.relate(ALICE, "truck", "serves", "line")


async def test_tn_1_no_relation_crosses_tenants() -> None:
    """Their asset is not there to be related to."""
    registry = await plant()
    await registry.assets.create(MALLORY, NewAsset("machine", "theirs"))
    with pytest.raises(NotFound):
        await registry.relations.relate(MALLORY, "theirs", "feeds", "line")
    await registry.relations.relate(ALICE, "tank", "feeds", "line")
    with pytest.raises(NotFound):
        await registry.relations.unrelate(MALLORY, "tank", "feeds", "line")
    assert await registry.relations.list(OTHER, "tank") == []
