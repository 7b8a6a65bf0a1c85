"""Maintenance windows: where and when alarms are held back."""

from typing import Any

import pytest
from tests.rules.support import ALICE, MAIN, Plant

from weft.errors import AlreadyExists, Invalid, NotFound, QuotaExceeded, StaleVersion
from weft.model.ids import TenantId
from weft.model.moments import from_rfc3339
from weft.rules import maintenance as module
from weft.rules.maintenance import Where, Window, Windows, WindowTimes

PRESS = Where("pump-7", "gate-1", ("north", "line-1", "press-1"))
SATURDAY = WindowTimes(times="Sat 22:00-04:00", zone="Europe/Berlin")


async def in_group(tenant: TenantId, group: str, device_id: str) -> bool:
    return (tenant, group, device_id) == (MAIN, "night-pumps", "pump-7")


def window(name: str = "cleaning", when: WindowTimes = SATURDAY, **more: Any) -> Window:
    parts: dict[str, Any] = {"devices": (), "assets": (), "groups": ()} | more
    return Window(
        tenant=MAIN, name=name, reason="cleaning", when=when, created_at=0, created_by="", **parts
    )


def windows_of(plant: Plant) -> Windows:
    return Windows(plant.records, plant.audit, plant.clock, in_group)


def moment(text: str) -> int:
    return from_rfc3339(text)


@pytest.mark.parametrize(
    ("at", "held"),
    [
        ("2026-03-07T20:59:59Z", False),
        ("2026-03-07T21:00:00Z", True),  # 22:00 in Berlin's winter
        ("2026-03-08T02:59:59Z", True),
        ("2026-03-08T03:00:00Z", False),
        ("2026-06-06T20:00:00Z", True),  # 22:00 in its summer
        ("2026-06-07T02:00:00Z", False),
        ("2026-03-29T01:30:00Z", True),  # the night that loses an hour: 03:30 by the wall
        ("2026-03-29T02:00:00Z", False),
    ],
)
async def test_a_window_keeps_to_the_wall_clock_of_its_place(at: str, held: bool) -> None:
    """Saturday night in Berlin, in winter, in summer and in the night between."""
    windows = windows_of(Plant())
    await windows.create(ALICE, window(assets=("line-1",)))
    assert (await windows.find_covering(MAIN, PRESS, moment(at)) is not None) is held


async def test_a_single_window_has_a_beginning_and_an_end() -> None:
    """From nine to ten, once; its end is outside."""
    windows = windows_of(Plant())
    when = WindowTimes(moment("2026-03-02T09:00:00Z"), moment("2026-03-02T10:00:00Z"))
    made = await windows.create(ALICE, window(when=when, devices=("pump-7",)))
    held = [
        made.holds_at(moment(f"2026-03-02T{at}Z")) for at in ("08:59:59", "09:00:00", "10:00:00")
    ]
    assert held == [False, True, False]


@pytest.mark.parametrize(
    ("part", "held"),
    [
        ({"devices": ("pump-7",)}, True),
        ({"devices": ("gate-1",)}, True),
        ({"devices": ("pump-8",)}, False),
        ({"assets": ("north",)}, True),
        ({"assets": ("press-1",)}, True),
        ({"assets": ("line-2",)}, False),
        ({"groups": ("night-pumps",)}, True),
        ({"groups": ("day-pumps",)}, False),
    ],
)
async def test_a_window_holds_its_part_of_the_plant(part: dict[str, Any], held: bool) -> None:
    """A device, what its gateway speaks for, an asset with all below it, a group."""
    windows = windows_of(Plant())
    await windows.create(ALICE, window(**part))
    at = moment("2026-03-07T22:00:00Z")
    assert (await windows.find_covering(MAIN, PRESS, at) is not None) is held
    assert await windows.find_covering(TenantId("other"), PRESS, at) is None


@pytest.mark.parametrize(
    "bad",
    [
        window(),
        window(devices=("pump-7",), when=WindowTimes()),
        window(devices=("pump-7",), when=WindowTimes(times="Sut 22:00-04:00")),
        window(devices=("pump-7",), when=WindowTimes(times="Sat 22:00-04:00", zone="Mars/North")),
        window(devices=("pump-7",), when=WindowTimes(5, 5)),
        window(devices=("a b",)),
        window(name="no/slash", devices=("pump-7",)),
        window(devices=tuple(f"pump-{number}" for number in range(101))),
    ],
)
async def test_a_window_that_makes_no_sense_is_refused(bad: Window) -> None:
    """For nothing, for no time, in no place."""
    plant = Plant()
    with pytest.raises(Invalid):
        await windows_of(plant).create(ALICE, bad)
    assert "maintenance.create" not in await plant.audited()


async def test_windows_are_kept_changed_and_deleted_on_record() -> None:
    """Two planners change one: the slower is told. A restart forgets nothing."""
    plant = Plant()
    windows = windows_of(plant)
    made = await windows.create(ALICE, window(assets=("line-1",)))
    with pytest.raises(AlreadyExists):
        await windows.create(ALICE, window(assets=("line-2",)))
    changed = await windows.update(ALICE, window(assets=("line-2",)), version=1)
    assert (changed.assets, changed.version, changed.created_at) == (
        ("line-2",), 2, made.created_at
    )  # fmt: skip
    with pytest.raises(StaleVersion):
        await windows.update(ALICE, window(assets=("line-3",)), version=1)
    again = windows_of(plant)
    await again.load()
    assert again.list(MAIN) == [changed]
    with pytest.raises(StaleVersion):
        await windows.delete(ALICE, "cleaning", version=1)
    await windows.delete(ALICE, "cleaning")
    for call in (windows.update(ALICE, window(assets=("a",))), windows.delete(ALICE, "cleaning")):
        with pytest.raises(NotFound):
            await call
    with pytest.raises(NotFound):
        windows.get(MAIN, "cleaning")
    acts = [act for act in await plant.audited() if act.startswith("maintenance.")]
    assert acts == ["maintenance.create", "maintenance.update", "maintenance.delete"]


async def test_a_tenant_has_so_many_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """A script cannot fill the memory that every alarm looks through."""
    monkeypatch.setattr(module, "WINDOWS_MAX", 1)
    windows = windows_of(Plant())
    await windows.create(ALICE, window(assets=("line-1",)))
    with pytest.raises(QuotaExceeded):
        await windows.create(ALICE, window(name="more", assets=("line-1",)))


async def test_a_groups_own_alarm_is_held_by_a_window_of_that_group() -> None:
    """The rule speaks over the group; no device is named, and no window of others holds it."""
    windows = windows_of(Plant())
    await windows.create(ALICE, window(groups=("night-pumps",)))
    at = moment("2026-03-07T22:00:00Z")
    assert await windows.find_covering(MAIN, Where("", group="night-pumps"), at) is not None
    assert await windows.find_covering(MAIN, Where("", group="day-pumps"), at) is None
