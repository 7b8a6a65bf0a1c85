"""Asset changes: readers of `live` see the plant change, in their own tenant only."""

from typing import Any

from tests.api.support import OTHER, World

from weft.api.streams import Filter
from weft.model.asset import AttachmentRole
from weft.registry.assets import AssetPatch, NewAsset
from weft.registry.devices import NewDevice


async def test_a_plant_that_changes_is_seen_live(world: World) -> None:
    """Made, moved, changed, attached and deleted, each with its word."""
    actor = world.badges.known[world.admin()].principal
    theirs = world.badges.known[world.admin(OTHER)].principal
    stream = world.live.open(actor, Filter(kinds=frozenset({"asset"})), "test")
    await world.assets.create(theirs, NewAsset("site", "hidden"))
    await world.assets.create(actor, NewAsset("site", "north"))
    await world.assets.create(actor, NewAsset("line", "line-1"))
    await world.assets.patch(actor, "line-1", AssetPatch(parent="north"))
    await world.assets.patch(actor, "line-1", AssetPatch(label="x"))
    await world.devices.create(actor, NewDevice("pump-7"))
    await world.attachments.attach(actor, "pump-7", AttachmentRole.OBSERVES, "line-1")
    await world.attachments.detach(actor, "pump-7", AttachmentRole.OBSERVES)
    await world.assets.delete(actor, "north", recursive=True)
    seen = await _text(stream)
    words = [part.split('"')[0] for part in seen.split('"change":"')[1:]]
    assert words == [
        "created", "created", "moved", "changed", "attached", "detached", "deleted", "deleted",
    ]  # fmt: skip
    assert "hidden" not in seen
    assert "event: asset" in seen
    world.live.leave(stream)


async def _text(stream: Any) -> str:
    async for chunk in stream.events(1.0):
        text: str = chunk.decode()
        return text
    return ""
