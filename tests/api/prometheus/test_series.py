"""Series: telemetry under names and labels, of one tenant, and no more than is shown."""

import asyncio

import pytest
from tests.api.support import MAIN, OTHER, World

from weft.api.prometheus import series
from weft.api.prometheus.language import Matcher, Selector, read_query
from weft.api.prometheus.series import (
    find_series,
    label_values,
    metric_name,
    metric_names,
    read_series,
)
from weft.errors import TooLarge

START = 1_772_366_400_000  # 2026-03-01T12:00:00Z, ms


def matchers(text: str) -> tuple[Matcher, ...]:
    query = read_query(text)
    assert isinstance(query, Selector)
    return query.matchers


async def fleet(world: World) -> None:
    """A pump with a type at an asset, and a fan without one."""
    token = world.admin()
    document = {"telemetry": {"t": {"type": "number", "unit": "Cel"}, "word": {"type": "string"}}}
    await world.call("PUT", "/types/pump", token=token, body=document)
    pump = await world.device("pump-7", type_name="pump")
    fan = await world.device("fan-1")
    await world.call("POST", "/assets", token=token, body={"kind": "hall", "asset_id": "hall-2"})
    await world.call(
        "PUT", "/devices/pump-7/attachments/observes", token=token, body={"asset": "hall-2"}
    )
    await world.call("POST", "/devices/me/telemetry", token=pump, body={"t": 21.5, "word": "x"})
    await world.call("POST", "/devices/me/telemetry", token=fan, body={"t": 5.0, "air-temp": 1.0})


def test_names_are_those_that_promql_can_write() -> None:
    """Odd letters are underscores; a digit has one before it."""
    assert [metric_name(key) for key in ("t", "air-temp", "a.b", "1st")] == [
        "t",
        "air_temp",
        "a_b",
        "_1st",
    ]


async def test_series_have_the_labels_that_are_known(world: World) -> None:
    """And are found by them; words are no series of a type."""
    await fleet(world)
    found = {one["device"]: one for one in await find_series(world.services, MAIN, matchers("t"))}
    assert found["pump-7"] == {
        "__name__": "t",
        "key": "t",
        "device": "pump-7",
        "type": "pump",
        "asset": "hall-2",
        "unit": "Cel",
    }
    assert found["fan-1"] == {"__name__": "t", "key": "t", "device": "fan-1"}
    for text, devices in (
        ('t{asset="hall-2"}', ["pump-7"]),
        ('t{type=""}', ["fan-1"]),
        ('t{device=~"pump-.*|x"}', ["pump-7"]),
        ('t{device!~"pump-.*"}', ["fan-1"]),
        ("air_temp", ["fan-1"]),
        ('{"air-temp"}', ["fan-1"]),
        ('t{device="nobody"}', []),
        ("word", []),
    ):
        some = await find_series(world.services, MAIN, matchers(text))
        assert [one["device"] for one in some] == devices, text


async def test_names_and_values_for_completion(world: World) -> None:
    """Of types and of what devices without one have sent."""
    await fleet(world)
    assert await metric_names(world.services, MAIN) == ["air_temp", "t", "word"]
    assert await label_values(world.services, MAIN, "device") == ["fan-1", "pump-7"]
    assert await label_values(world.services, MAIN, "asset") == ["hall-2"]
    assert await label_values(world.services, MAIN, "unit") == ["Cel"]


async def test_the_loop_has_its_turn_while_devices_are_gone_through(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After each page of them, whatever is asked: a large fleet holds nobody else up."""
    await fleet(world)
    for number in range(4):
        await world.device(f"other-{number}", type_name="pump")
    monkeypatch.setattr(series, "_AT_ONCE", 1)
    for asked in (
        label_values(world.services, MAIN, "device"),
        metric_names(world.services, MAIN),
        find_series(world.services, MAIN, matchers("t")),
        find_series(world.services, MAIN, matchers('{type="none"}')),
    ):
        turns = 0
        async with asyncio.TaskGroup() as tasks:
            asking = tasks.create_task(asked)
            while not asking.done():
                turns += 1
                await asyncio.sleep(0)
        assert turns >= 6, asked


async def test_tn_1_another_tenants_series_are_not_there(world: World) -> None:
    """By no name, no value, no sample."""
    await fleet(world)
    selector = Selector(matchers("t"))
    assert await find_series(world.services, OTHER, selector.matchers) == []
    assert await metric_names(world.services, OTHER) == []
    assert await label_values(world.services, OTHER, "device") == []
    now = world.clock.now()
    assert await read_series(world.services, OTHER, [selector], (now, now)) == {selector: []}


async def test_too_much_is_refused(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Series and samples alike, before they are read."""
    await fleet(world)
    now = world.clock.now()
    monkeypatch.setattr(series, "SAMPLES_MAX", 1)
    with pytest.raises(TooLarge):
        await read_series(world.services, MAIN, [Selector(matchers("t"))], (now, now))
    monkeypatch.setattr(series, "SERIES_MAX", 1)
    with pytest.raises(TooLarge):
        await find_series(world.services, MAIN, matchers("t"))
