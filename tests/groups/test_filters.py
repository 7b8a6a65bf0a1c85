"""Filters: they match where the expression is true, find what a naive look would, and yield."""

import asyncio
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.groups.support import Plant
from tests.registry.support import ALICE, MAIN, MALLORY, OTHER

from weft.errors import Invalid
from weft.groups import filters as module
from weft.groups.filters import Found, search
from weft.model.asset import AttachmentRole
from weft.model.device import Lifecycle
from weft.model.message import Operation
from weft.registry.assets import NewAsset
from weft.registry.devices import NewDevice


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("true", ["pump-1", "pump-2", "pump-3"]),
        ("device.type == 'pump'", ["pump-1", "pump-2"]),
        ("device.type == ''", ["pump-3"]),
        ("device.id.startsWith('pump-') && !('old' in device.tags)", ["pump-1", "pump-3"]),
        ("size(device.tags) == 2", ["pump-2"]),
        ("attributes.power > 6", ["pump-2"]),
        ("attributes.power == 5", ["pump-1"]),
        ("attributes.maker.name == 'A'", ["pump-1", "pump-2"]),
        ("!has(attributes.power)", ["pump-3"]),
        ("attributes.power > 6 || device.id == 'pump-3'", ["pump-2", "pump-3"]),
        ("asset.kind == 'line'", ["pump-1", "pump-2"]),
        ("'hall-2' in asset.ancestors", ["pump-2"]),
        ("'north' in asset.ancestors", ["pump-1", "pump-2"]),
        ("asset.path == '/north/hall-1/line-1'", ["pump-1"]),
        ("asset.attributes.floor == 1 && asset.label == ''", ["pump-1", "pump-2"]),
        ("!has(asset.id)", ["pump-3"]),
        ("telemetry.temperature > 80", ["pump-1"]),
        ("reported.mode == 'auto'", ["pump-2"]),
        ("connected", ["pump-3"]),
        ("!connected && device.lifecycle == 'active'", ["pump-1", "pump-2"]),
        ("device.gateway == '' && device.label == ''", ["pump-1", "pump-2", "pump-3"]),
        ("attributes.power > 'a'", []),
        ("1 / 0 == 1", []),
    ],
)
async def test_a_filter_finds_what_it_says(text: str, found: list[str]) -> None:
    """Over every name that there is; what is absent or of another type is no match."""
    plant = await Plant().built()
    plant.tell("pump-1", Operation.TELEMETRY, {"temperature": 81})
    plant.tell("pump-2", Operation.TELEMETRY, {"temperature": 79})
    plant.tell("pump-2", Operation.REPORTED, {"mode": "auto"})
    plant.connect("pump-3")
    assert await plant.matching(text) == found


async def test_what_a_device_steers_counts_where_it_observes_nothing() -> None:
    """A drive is found by its line."""
    plant = await Plant().built()
    await plant.registry.attachments.attach(ALICE, "pump-3", AttachmentRole.STEERS, "line-2")
    assert await plant.matching("asset.id == 'line-2'") == ["pump-2", "pump-3"]


async def test_assets_are_found_as_well() -> None:
    """By kind, place, tags and attributes."""
    plant = await Plant().built()
    await plant.registry.assets.create(
        ALICE, NewAsset("machine", "m", parent="line-2", tags=("x",))
    )
    for text, names in (
        ("'hall-2' in asset.ancestors", ["hall-2", "line-2", "m"]),
        ("asset.parent == ''", ["north"]),
        ("'x' in asset.tags || asset.kind == 'site'", ["m", "north"]),
        ("attributes.floor == 1 && asset.path.contains('hall-1')", ["hall-1", "line-1"]),
    ):
        found = await plant.groups.search_assets(MAIN, plant.groups.asset_filter(text))
        assert [asset.asset_id for asset in found.items] == names, text


async def test_tn_1_a_filter_sees_its_own_tenant_only() -> None:
    """Whatever the expression says."""
    plant = await Plant().built()
    await plant.registry.devices.create(MALLORY, NewDevice("theirs"))
    await plant.registry.assets.create(MALLORY, NewAsset("site", "their-site"))
    assert "theirs" not in await plant.matching("true")
    found = await plant.groups.search_devices(OTHER, plant.groups.device_filter(OTHER, "true"))
    assert [device.device_id for device in found.items] == ["theirs"]
    assets = await plant.groups.search_assets(OTHER, plant.groups.asset_filter("true"))
    assert [asset.asset_id for asset in assets.items] == ["their-site"]


def test_asking_by_a_value_takes_the_right_to_read_it() -> None:
    """Or a filter would read telemetry bit by bit for who may only see devices."""
    plant = Plant()
    for text, rights in (
        ("device.id == 'x'", set()),
        ("telemetry.t > 1", {"telemetry.read"}),
        ("has(reported.x) && connected", {"twin.read", "connection.read"}),
        ("'a' in asset.tags || asset.attributes.x == 1", {"asset.read"}),
    ):
        assert plant.groups.device_filter(MAIN, text).rights == rights


def test_a_wrong_filter_says_where() -> None:
    """With the column, as in rules."""
    with pytest.raises(Invalid, match="The filter: Column 7"):
        Plant().groups.device_filter(MAIN, "device.lifecycl == 'active'")


SPACE = st.fixed_dictionaries(
    {
        "power": st.none() | st.integers(-3, 3) | st.floats(-3, 3) | st.sampled_from(["a", "b"]),
        "tags": st.lists(st.sampled_from(["a", "b", "c"]), max_size=3),
    }
)


def _above(device: Any, least: int) -> bool:
    power = device["power"]
    return not isinstance(power, str) and power is not None and power > least


@given(
    devices=st.lists(SPACE, max_size=12),
    least=st.integers(-3, 3),
    tag=st.sampled_from(["a", "b", "c"]),
    limit=st.integers(1, 5),
)
@settings(max_examples=60, deadline=None)
async def test_pages_of_a_filter_are_what_a_naive_look_finds(
    devices: Any, least: int, tag: str, limit: int
) -> None:
    """Any devices, any page size: the same ids in the same order, none twice."""
    plant = Plant()
    for number, device in enumerate(devices):
        attributes = {} if device["power"] is None else {"power": device["power"]}
        new = NewDevice(f"d{number:02d}", attributes=attributes, tags=tuple(device["tags"]))
        await plant.registry.devices.create(ALICE, new)
    text = f"attributes.power > {least} || '{tag}' in device.tags"
    expected = [
        f"d{number:02d}"
        for number, device in enumerate(devices)
        if _above(device, least) or tag in device["tags"]
    ]
    wanted = plant.groups.device_filter(MAIN, text)
    seen: list[str] = []
    after: str | None = ""
    while after is not None:
        page = await plant.groups.search_devices(MAIN, wanted, after=after, limit=limit)
        assert len(page.items) <= limit
        seen += [device.device_id for device in page.items]
        after = page.after
    assert seen == expected


async def test_a_search_that_examined_enough_says_where_to_go_on(monkeypatch: Any) -> None:
    """Nobody's request examines without an end."""
    monkeypatch.setattr(module, "AT_ONCE", 10)
    monkeypatch.setattr(module, "EXAMINED_MAX", 20)
    names = [f"{number:03d}" for number in range(50)]

    def records(after: str, limit: int) -> list[str]:
        return [name for name in names if name > after][:limit]

    found = await search(records, str, lambda name: name == "030", after="", limit=5)
    assert found == Found([], "019")
    found = await search(records, str, lambda name: name == "030", after="019", limit=5)
    assert found == Found(["030"], "039")


async def test_a_slow_expression_holds_nobody_up(monkeypatch: Any) -> None:
    """Each look takes 4 ms: others have their turn after two, and after a second it ends."""
    moments = iter(range(1_000_000))
    monkeypatch.setattr(module, "perf_counter", lambda: next(moments) * 0.004)
    names = [f"{number:04d}" for number in range(1_000)]

    def records(after: str, limit: int) -> list[str]:
        return [name for name in names if name > after][:limit]

    seen: list[str] = []
    pages = 0
    after: str | None = ""
    while after is not None:
        found = await search(records, str, lambda name: int(name) % 100 == 0, after=after, limit=9)
        seen += found.items
        after, pages = found.after, pages + 1
    assert seen == names[::100]
    assert pages > 2


async def test_ten_thousand_devices_are_searched_in_well_under_a_second() -> None:
    """Beside other work, which goes on meanwhile."""
    plant = Plant()
    for number in range(10_000):
        device = plant.registry.devices.prepare(
            MAIN, NewDevice(f"d{number:05d}", attributes={"power": number}, tags=("a", "b"))
        )
        plant.registry.devices.told(None, device)
    wanted = plant.groups.device_filter(
        MAIN,
        f"'b' in device.tags && attributes.power >= 9990 && device.lifecycle == "
        f"'{Lifecycle.ACTIVE}' && !has(telemetry.temperature)",
    )
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as tasks:
        beside = tasks.create_task(other())
        began = time.process_time()
        found = await plant.groups.search_devices(MAIN, wanted, limit=100)
        took = time.process_time() - began
        beside.cancel()
    assert len(found.items) == 10
    assert turns >= 20
    assert took < 1.0
