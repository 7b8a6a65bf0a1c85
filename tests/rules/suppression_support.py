"""A plant whose alarms are kept back: windows, causes and floods, wired as the app does."""

from collections.abc import Mapping

from tests.rules.support import ALICE, MAIN, Plant, device, hot

from weft.model.alarm import Action, Alarm
from weft.model.asset import Asset
from weft.model.ids import AssetId, AssetUid, TenantId
from weft.rules.handling import Handling
from weft.rules.maintenance import Where, Window, Windows, WindowTimes
from weft.rules.releasing import Releasing
from weft.rules.suppressing import FloodSettings, Suppressing

PLACES: Mapping[str, Where] = {
    "pump-1": Where("pump-1", "gate-1", ("north", "line-1", "press-1")),
    "pump-2": Where("pump-2", "gate-1", ("north", "line-1", "press-2")),
    "fan-1": Where("fan-1", "", ("north", "line-2")),
    "gate-1": Where("gate-1", "", ("north",)),
    "line-plc": Where("line-plc", "", ("north", "line-1")),
}


def find_place(alarm: Alarm) -> tuple[Where, Asset | None]:
    tenant, device_id = alarm.tenant, alarm.device_id
    where = PLACES.get(device_id, Where(device_id))
    if not where.assets:
        return where, None
    name = AssetId(where.assets[-1])
    facts = {"criticality": "high"} if name == "press-1" else {}
    return where, Asset(tenant, name, AssetUid(f"x-{name}"), "machine", 0, attributes=facts)


async def in_no_group(_tenant: TenantId, _group: str, _device_id: str) -> bool:
    return False


class Quiet(Plant):
    """A plant with the step that keeps alarms back."""

    def __init__(self, *names: str, flood: FloodSettings | None = None) -> None:
        super().__init__(*map(device, names or tuple(PLACES)))
        self.windows = Windows(self.records, self.audit, self.clock, in_no_group)
        self.suppressing = Suppressing(
            self.windows, find_place, self.clock, flood or FloodSettings()
        )
        self.engine.suppress_with(self.suppressing)
        self.releasing = Releasing(
            self.records, self.alarms, self.suppressing, self.policy, (self.audit, self.clock)
        )
        self.asked: list[Action] = []
        self.releasing.on_actions(self.asked.extend)
        self.handling = Handling(self.alarms, self.records, self.clock, lambda *_: None)

    async def maintain(self, *assets: str, seconds: float = 3600) -> Window:
        now = self.clock.now()
        when = WindowTimes(now, now + round(seconds * 1_000_000_000))
        return await self.windows.create(
            ALICE, Window(MAIN, "cleaning", "", (), assets, (), when, 0, "")
        )

    async def rule(self, **more: object) -> None:
        await self.rules.create(ALICE, hot(**more))

    async def heat(self, *names: str, second: float = 0, degrees: float = 90.0) -> None:
        for name in names:
            await self.hear(second, {"temperature": degrees}, name=name)

    async def alarm_of(self, name: str) -> Alarm:
        (found,) = [one for one in await self.raised() if one.device_id == name and not one.flood]
        return found
