"""Groups, assets and attachments reach the rules, in a whole Weft."""

from pathlib import Path

from tests.app.support import add_pump, eventually, send, served

from weft.app.compose import MACHINE, MAIN, Weft
from weft.groups.kinds import NewGroup
from weft.model.alarm import Alarm, AlarmState
from weft.model.asset import AttachmentRole
from weft.registry.assets import AssetPatch, NewAsset
from weft.rules.alarms import Wanted

HOT = {"name": "hot", "when": "any(temperature > 90.0)", "severity": "major"}


async def found(weft: Weft, wanted: Wanted, state: AlarmState) -> list[Alarm]:
    return [one for one in await weft.path.alarms.list(MAIN, wanted) if one.state is state]


async def test_an_alarm_of_an_asset_follows_the_tree(tmp_path: Path) -> None:
    """The pump is attached to line 1; line 1 moves out of the hall, and the hall is well."""
    async with served(tmp_path) as weft:
        pump = await add_pump(weft)
        for name, kind, parent in (("hall", "building", None), ("line-1", "line", "hall")):
            await weft.identity.assets.create(MACHINE, NewAsset(kind, name, parent=parent))
        await weft.path.rules.create(MACHINE, {**HOT, "scope": {"asset": "hall"}})
        await send(weft, pump, b'{"temperature": 95.0}')
        assert not await weft.path.alarms.list(MAIN)

        await weft.identity.attachments.attach(MACHINE, "pump-7", AttachmentRole.OBSERVES, "line-1")
        await send(weft, pump, b'{"temperature": 96.0}')
        hall = Wanted(asset="hall")
        (alarm,) = await eventually(lambda: found(weft, hall, AlarmState.ACTIVE))
        assert alarm.members == ("pump-7",)

        await weft.identity.assets.patch(MACHINE, "line-1", AssetPatch(parent=None))
        assert await eventually(lambda: found(weft, hall, AlarmState.CLEARED))


async def test_a_deleted_group_ends_what_was_raised_for_it(tmp_path: Path) -> None:
    """And over a restart the alarm and its members are as they were."""
    async with served(tmp_path) as weft:
        pump = await add_pump(weft)
        await weft.path.groups.create(MACHINE, NewGroup("all", "device.id.startsWith('pump')"))
        await weft.path.rules.create(MACHINE, {**HOT, "scope": {"group": "all"}})
        await send(weft, pump, b'{"temperature": 95.0}')
        group = Wanted(group="all")
        assert await eventually(lambda: found(weft, group, AlarmState.ACTIVE))
    async with served(tmp_path) as weft:
        await send(weft, pump, b'{"temperature": 96.0}')
        (alarm,) = await weft.path.alarms.list(MAIN, group)
        assert alarm.state is AlarmState.ACTIVE

        await weft.path.groups.delete(MACHINE, "all")

        assert await eventually(lambda: found(weft, group, AlarmState.CLEARED))
