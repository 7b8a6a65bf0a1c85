"""Where devices were in a time: moved ones at each place, those of before any at their first."""

import pytest
from tests.api.support import MAIN, World

from weft.api import stays
from weft.api.stays import stays_of
from weft.errors import TooLarge
from weft.model.asset import AttachmentRole
from weft.registry.assets import NewAsset

HOUR = 3600 * 10**9


async def lines(world: World) -> int:
    """Make two lines and a press that is nowhere; return what time it is."""
    actor = world.badges.known[world.admin()].principal
    for name in ("a", "b"):
        await world.assets.create(actor, NewAsset("line", name))
    await world.device("press")
    return world.clock.now()


async def move(world: World, name: str, role: AttachmentRole = AttachmentRole.OBSERVES) -> None:
    """Let the press be at an asset from now on, which is an hour later."""
    world.clock.turn(3600)
    actor = world.badges.known[world.admin()].principal
    await world.attachments.attach(actor, "press", role, name)


async def asked(world: World, start: int, end: int) -> dict[str, list[tuple[int, ...]]]:
    """Return from when until when the press was at each line, in hours since the start."""
    both = [world.assets.get(MAIN, name) for name in ("a", "b")]
    records = world.services.records
    found = await stays_of(records, MAIN, both, (start, end), lambda _attachment: True)
    assert {one.device_id for one in found} <= {"press"}
    return {
        one.asset_id: [tuple((at - start) // HOUR for at in part) for part in one.within]
        for one in found
    }


async def test_who_never_moved_was_always_there(world: World) -> None:
    """From before it was attached; to steer an asset is not to observe it."""
    start = await lines(world)
    await move(world, "b", AttachmentRole.STEERS)
    await move(world, "a")
    world.clock.turn(3600)
    assert await asked(world, start, start + 3 * HOUR) == {"a": [(0, 3)]}


async def test_who_moved_was_at_each_place_in_turn(world: World) -> None:
    """There and back is one stay in two parts; what is not asked for is left out."""
    start = await lines(world)
    for name in ("a", "b", "a"):
        await move(world, name)
    world.clock.turn(3600)
    assert await asked(world, start, start + 4 * HOUR) == {"a": [(0, 2), (3, 4)], "b": [(2, 3)]}
    assert await asked(world, start + 2 * HOUR, start + 3 * HOUR) == {"b": [(0, 1)]}


async def test_who_was_detached_is_there_no_more(world: World) -> None:
    """What it did before stays where it was done."""
    start = await lines(world)
    await move(world, "a")
    world.clock.turn(3600)
    actor = world.badges.known[world.admin()].principal
    await world.attachments.detach(actor, "press", AttachmentRole.OBSERVES)
    world.clock.turn(3600)
    assert await asked(world, start, start + 3 * HOUR) == {"a": [(0, 2)]}
    assert await asked(world, start + 2 * HOUR, start + 3 * HOUR) == {}


async def test_too_many_are_refused(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many moves are behind them, an answer looks at so many, over all its assets."""
    start = await lines(world)
    for name in ("a", "b", "a", "b"):
        await move(world, name)
    monkeypatch.setattr(stays, "_PAGE", 1)
    monkeypatch.setattr(stays, "_ASSETS_AT_ONCE", 1)
    monkeypatch.setattr(stays, "_DEVICES_AT_ONCE", 1)
    monkeypatch.setattr(stays, "ATTACHMENTS_MAX", 4)
    assert set(await asked(world, start, start + 9 * HOUR)) == {"a", "b"}
    monkeypatch.setattr(stays, "ATTACHMENTS_MAX", 3)
    with pytest.raises(TooLarge, match="More than 3"):
        await asked(world, start, start + 9 * HOUR)
