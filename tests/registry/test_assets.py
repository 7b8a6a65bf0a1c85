"""Assets: named once, in one place each, moved and deleted with what stands below them."""

import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.registry.support import ALICE, MAIN, MALLORY, OTHER, Registry

from weft.errors import (
    AlreadyExists,
    Conflict,
    Invalid,
    NotFound,
    QuotaExceeded,
    StaleVersion,
    TooLarge,
)
from weft.model.asset import DEPTH_MAX, Asset, PositionKeys
from weft.model.ids import AssetId
from weft.registry.assets import AssetChange, AssetPatch, NewAsset, Place
from weft.registry.tenants import Quotas


async def plant() -> Registry:
    """A site with a hall, a line and a machine, and a store beside them."""
    registry = Registry()
    for name, kind, parent in (
        ("north", "site", None),
        ("hall-2", "building", "north"),
        ("line-1", "line", "hall-2"),
        ("press-1", "machine", "line-1"),
        ("store", "building", "north"),
    ):
        await registry.assets.create(ALICE, NewAsset(kind, name, parent=parent))
    return registry


def path(registry: Registry, name: str) -> str:
    return "/".join(registry.assets.chain_of(registry.assets.get(MAIN, name)))


async def test_an_asset_is_found_at_once_and_after_a_restart() -> None:
    """With its place in the tree."""
    registry = await plant()
    asset = await registry.assets.create(
        ALICE,
        NewAsset(
            "pump",
            "p-1",
            label="Cooling pump",
            parent="line-1",
            attributes={"built": 2019},
            tags=("critical", "critical"),
            position=Place(52.37, 4.89),
        ),
    )
    assert asset.tags == ("critical",)
    assert registry.assets.find(MAIN, "p-1") == asset
    assert registry.assets.find_uid(asset.uid) == asset
    again = await registry.restarted()
    assert again.assets.get(MAIN, "p-1") == asset
    assert path(again, "p-1") == "north/hall-2/line-1/p-1"


async def test_what_is_moved_takes_all_below_it_along() -> None:
    """A line goes to another hall, its machines with it; also after a restart."""
    registry = await plant()
    moved = await registry.assets.patch(ALICE, "line-1", AssetPatch(parent="store"))
    assert moved.version == 2
    assert path(registry, "press-1") == "north/store/line-1/press-1"
    assert path(await registry.restarted(), "press-1") == "north/store/line-1/press-1"
    freed = await registry.assets.patch(ALICE, "line-1", AssetPatch(parent=None))
    assert freed.parent is None
    assert path(registry, "press-1") == "line-1/press-1"
    assert registry.audit.entries[-1][3]["from"] == "store"


async def test_no_move_makes_a_cycle() -> None:
    """The site cannot stand below its own machine, nor below itself."""
    registry = await plant()
    for parent in ("north", "press-1"):
        with pytest.raises(Conflict):
            await registry.assets.patch(ALICE, "north", AssetPatch(parent=parent))
    assert path(registry, "press-1") == "north/hall-2/line-1/press-1"


async def test_two_moves_that_make_a_cycle_together_do_not_both_happen() -> None:
    """Each is sound alone; at the same moment, one is refused."""
    registry = Registry()
    for name in ("a", "b"):
        await registry.assets.create(ALICE, NewAsset("area", name))
    done = await asyncio.gather(
        registry.assets.patch(ALICE, "a", AssetPatch(parent="b")),
        registry.assets.patch(ALICE, "b", AssetPatch(parent="a")),
        return_exceptions=True,
    )
    assert {type(one) for one in done} == {Asset, Conflict}


async def test_a_tree_is_not_deeper_than_its_cap() -> None:
    """Sixteen levels; the seventeenth is refused, with what to do instead."""
    registry = Registry()
    parent = None
    for number in range(DEPTH_MAX):
        await registry.assets.create(ALICE, NewAsset("area", f"l{number}", parent=parent))
        parent = f"l{number}"
    with pytest.raises(Conflict, match=str(DEPTH_MAX)):
        await registry.assets.create(ALICE, NewAsset("area", "deeper", parent=parent))


async def test_what_stands_below_is_listed_the_nearest_first() -> None:
    """With the asset itself, at any depth, and nothing beside it or of another tenant."""
    registry = await plant()
    await registry.assets.create(MALLORY, NewAsset("site", "north"))
    for top, expected in (
        ("north", ["north", "hall-2", "store", "line-1", "press-1"]),
        ("line-1", ["line-1", "press-1"]),
        ("store", ["store"]),
    ):
        found = registry.assets.below(registry.assets.get(MAIN, top))
        assert [one.asset_id for one in found] == expected
        assert {one.tenant for one in found} == {MAIN}


async def test_an_asset_with_others_below_it_is_not_deleted_by_mistake() -> None:
    """The refusal counts them; asked for in full, all of them go, and nothing else."""
    registry = await plant()
    with pytest.raises(Conflict, match="2 assets below"):
        await registry.assets.delete(ALICE, "hall-2")
    assert await registry.assets.delete(ALICE, "hall-2", recursive=True) == 3
    assert [one.asset_id for one in (await registry.assets.list(MAIN)).items] == ["north", "store"]
    again = await registry.restarted()
    assert [one.asset_id for one in (await again.assets.list(MAIN)).items] == ["north", "store"]
    assert registry.audit.entries[-1][1:3] == ("asset.delete", "asset:hall-2")
    assert registry.audit.entries[-1][3]["assets"] == 3


async def test_children_are_listed_by_page() -> None:
    """Those right below, in order; the empty name asks for the roots."""
    registry = await plant()
    below = (await registry.assets.list(MAIN, parent="north", limit=1)).items
    assert [one.asset_id for one in below] == ["hall-2"]
    rest = (await registry.assets.list(MAIN, parent="north", after="hall-2")).items
    assert [one.asset_id for one in rest] == ["store"]
    assert [one.asset_id for one in (await registry.assets.list(MAIN, parent="")).items] == [
        "north"
    ]
    of_kind = (await registry.assets.list(MAIN, kind="building", parent="north")).items
    assert [one.asset_id for one in of_kind] == ["hall-2", "store"]
    assert [one.asset_id for one in (await registry.assets.list(MAIN, kind="line")).items] == [
        "line-1"
    ]


async def test_a_patch_names_only_what_changes() -> None:
    """Attributes are merged, tags replaced, a position entered and taken away."""
    registry = await plant()
    keys = PositionKeys("lat", "lon")
    patch = AssetPatch(
        kind="press",
        label="Press",
        attributes={"built": 2019},
        tags=("old",),
        position=Place(1.0, 2.0, 3.0),
        position_keys=keys,
    )
    made = await registry.assets.patch(ALICE, "press-1", patch)
    assert (made.kind, made.label, made.tags, made.position_keys) == (
        "press",
        "Press",
        ("old",),
        keys,
    )
    assert made.position
    assert made.position.altitude_m == 3.0
    emptied = await registry.assets.patch(
        ALICE, "press-1", AssetPatch(attributes={"built": None}, tags=(), position=None)
    )
    assert (emptied.attributes, emptied.tags, emptied.position) == ({}, (), None)
    assert emptied.parent == "line-1"


async def test_a_stale_change_is_refused() -> None:
    """Two plan the same hall; the slower one is told."""
    registry = await plant()
    await registry.assets.patch(ALICE, "hall-2", AssetPatch(label="x"), version=1)
    with pytest.raises(StaleVersion):
        await registry.assets.patch(ALICE, "hall-2", AssetPatch(label="y"), version=1)
    with pytest.raises(StaleVersion):
        await registry.assets.delete(ALICE, "hall-2", recursive=True, version=1)
    assert registry.assets.get(MAIN, "hall-2").label == "x"


async def test_what_cannot_be_is_refused() -> None:
    """A parent that is not there, a place beyond the poles, a name that breaks a path."""
    registry = await plant()
    with pytest.raises(NotFound, match="'hall-9'"):
        await registry.assets.create(ALICE, NewAsset("line", "line-9", parent="hall-9"))
    with pytest.raises(AlreadyExists):
        await registry.assets.create(ALICE, NewAsset("line", "line-1"))
    for new in (
        NewAsset("line", "a/b"),
        NewAsset("a kind", "x"),
        NewAsset("line", "x", position=Place(91.0, 0.0)),
        NewAsset("line", "x", position=Place(float("nan"), 0.0)),
        NewAsset("line", "x", position_keys=PositionKeys("", "lon")),
    ):
        with pytest.raises(Invalid):
            await registry.assets.create(ALICE, new)
    with pytest.raises(TooLarge):
        await registry.assets.create(ALICE, NewAsset("line", "x", label="x" * 257))
    assert len((await registry.assets.list(MAIN)).items) == 5


async def test_tn_3_a_tenant_has_as_many_assets_as_its_quota() -> None:
    """One more is refused in the transaction that would have made it."""
    registry = Registry()
    await registry.tenants.create(ALICE, "main", quotas=Quotas(assets=1))
    await registry.assets.create(ALICE, NewAsset("site", "one"))
    with pytest.raises(QuotaExceeded, match="1 assets"):
        await registry.assets.create(ALICE, NewAsset("site", "two"))
    assert registry.assets.find(MAIN, "two") is None


async def test_tn_1_another_tenants_asset_is_not_there() -> None:
    """Neither seen, nor changed, nor stood below; the same name is another asset."""
    registry = await plant()
    for refused in (
        registry.assets.patch(MALLORY, "north", AssetPatch(label="mine")),
        registry.assets.delete(MALLORY, "north", recursive=True),
        registry.assets.create(MALLORY, NewAsset("hall", "mine", parent="north")),
    ):
        with pytest.raises(NotFound):
            await refused
    assert (await registry.assets.list(OTHER)).items == []
    await registry.assets.create(MALLORY, NewAsset("site", "north"))
    await registry.assets.delete(MALLORY, "north")
    assert path(registry, "press-1") == "north/hall-2/line-1/press-1"


async def test_changes_are_told_once_they_are_kept() -> None:
    """With what was there before; a delete tells of each asset, the lowest first."""
    registry = await plant()
    told: list[AssetChange] = []
    registry.assets.on_change(told.append)
    await registry.assets.patch(ALICE, "line-1", AssetPatch(label="x"))
    await registry.assets.delete(ALICE, "line-1", recursive=True)
    names = [(change.asset.asset_id, change.new is None) for change in told]
    assert names == [("line-1", False), ("press-1", True), ("line-1", True)]
    assert told[0].old is not None
    assert told[0].old.label == ""


async def test_a_namesake_is_another_asset() -> None:
    """What was kept of the old one under its uid is not the new one's."""
    registry = Registry()
    old = await registry.assets.create(ALICE, NewAsset("site", "north"))
    await registry.assets.delete(ALICE, "north")
    new = await registry.assets.create(ALICE, NewAsset("site", "north"))
    assert new.uid != old.uid
    assert new.asset_id == AssetId("north")
    assert registry.assets.find_uid(old.uid) is None
    unnamed = await registry.assets.create(ALICE, NewAsset("site"))
    assert len(unnamed.asset_id) == 36


NAMES = st.sampled_from(["a", "b", "c", "d", "e", "f"])
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["create", "move", "delete", "delete_all", "relate", "restart"]),
        NAMES,
        st.none() | NAMES,
    ),
    max_size=25,
)


@given(steps=STEPS)
@settings(max_examples=60, deadline=None)
async def test_any_changes_leave_the_tree_that_a_model_says(steps: Any) -> None:
    """Made, moved, deleted, related and restarted in any order: no cycle, no orphan, no ghost."""
    registry = Registry()
    parents: dict[str, str | None] = {}
    edges: set[tuple[str, str]] = set()

    def above(name: str | None) -> list[str]:
        found: list[str] = []
        while name is not None:
            found.append(name)
            name = parents[name]
        return found

    for step, name, other in steps:
        below = {one for one in parents if name in above(one)}
        known = other is None or other in parents
        try:
            if step == "create":
                await registry.assets.create(ALICE, NewAsset("area", name, parent=other))
                assert known
                assert name not in parents
                parents[name] = other
            elif step == "move":
                await registry.assets.patch(ALICE, name, AssetPatch(parent=other))
                assert known
                assert other not in below
                parents[name] = other
            elif step in ("delete", "delete_all"):
                await registry.assets.delete(ALICE, name, recursive=step == "delete_all")
                assert step == "delete_all" or below == {name}
                parents = {one: two for one, two in parents.items() if one not in below}
                edges = {edge for edge in edges if not below & set(edge)}
            elif step == "relate" and other is not None:
                await registry.relations.relate(ALICE, name, "feeds", other)
                assert {name, other} <= parents.keys()
                edges.add((name, other))
            else:
                registry = await registry.restarted()
        except AlreadyExists:
            assert name in parents
        except NotFound:
            assert name not in parents or not known
        except Conflict:
            assert other in below or other == name or len(below) > 1
    assert {one.asset_id: one.parent for one in (await registry.assets.list(MAIN)).items} == parents
    for name in parents:
        assert path(registry, name) == "/".join(reversed(above(name)))
        children = [one.asset_id for one in (await registry.assets.list(MAIN, parent=name)).items]
        assert children == sorted(one for one, parent in parents.items() if parent == name)
        out = await registry.relations.list(MAIN, name)
        assert {(one.source, one.target) for one in out} == {e for e in edges if e[0] == name}
