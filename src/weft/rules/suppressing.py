"""Suppressing: which alarms are kept back when they are raised, and when they come forth.

Four things keep an alarm back: a maintenance window, a cause above it that is an open alarm
already (one root, not fifty), a shelf that its rule and device were put on, and a flood. An
alarm that is kept back is stored, listed and marked like any other; what its rule asked for
waits with it. When what kept it back is over and it still holds, it comes forth: then its
actions are asked for. All is decided on records, in the transaction of the alarm, so that a
crash repeats it and changes nothing.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from weft.model.alarm import (
    Action,
    Alarm,
    AlarmState,
    Priority,
    Suppression,
    SuppressionKind,
    priority_of,
)
from weft.model.asset import Asset
from weft.model.ids import AlarmId, AssetId, RuleId, TenantId, derived_id_at
from weft.model.principal import Principal
from weft.ports import Clock, Kind, Reader, Writer
from weft.registry.assets import Assets
from weft.registry.attachments import Attachments
from weft.registry.devices import Devices
from weft.rules.kinds import ALARMS, SHELVES, shelf_key
from weft.rules.maintenance import Where, Windows
from weft.rules.model import Rule
from weft.rules.requests import Raise, Request

MINUTE_NS: Final = 60_000_000_000


class Placed(Struct, frozen=True):
    """What is known of an alarm's device before the alarm is written."""

    where: Where
    priority: Priority
    window: str = ""  # the maintenance window that it stands in now


class Held(Struct, frozen=True):
    """An alarm that is kept back, with what its rule asked for and on whose rights."""

    alarm_id: AlarmId
    owner: Principal
    rule: Principal  # who the audit names
    actions: tuple[Action, ...]


class Flood(Struct, frozen=True):
    """How many alarms there were in a minute, and the alarm that stands for the rest."""

    began_at: int
    count: int = 0
    alarm_id: AlarmId | None = None


# Keyed by the alarm's id.
HELD: Final = Kind("alarm_held", Held)
# Keyed by the rule's id, and by "" for all of a tenant.
FLOODS: Final = Kind("alarm_flood", Flood)


class FloodSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """`[alarms]`: when many alarms become one; 0 for never."""

    flood_per_rule: int = 100  # a minute; more than anybody reads
    flood_per_tenant: int = 500  # a minute


class Plant:
    """Where devices stand: what suppressing looks up on the loop."""

    def __init__(self, devices: Devices, assets: Assets, attachments: Attachments) -> None:
        self._devices = devices
        self._assets = assets
        self._attachments = attachments

    def find(self, alarm: Alarm) -> tuple[Where, Asset | None]:
        """Return where an alarm's subject stands now, and its asset.

        A device's is what it observes (or else steers); a group has none.
        """
        if alarm.asset:
            return self._at(Where(""), self._assets.find(alarm.tenant, alarm.asset))
        if alarm.group:
            return Where("", group=alarm.group), None
        device = self._devices.find(alarm.tenant, alarm.device_id)
        if device is None:
            return Where(alarm.device_id), None
        gateway = self._devices.find_uid(device.gateway) if device.gateway else None
        held = self._attachments.of_device(device.uid)
        asset = self._assets.find_uid(held[0].asset_uid) if held else None
        if asset is not None and asset.tenant != alarm.tenant:
            asset = None
        return self._at(Where(alarm.device_id, gateway.device_id if gateway else ""), asset)

    def _at(self, where: Where, asset: Asset | None) -> tuple[Where, Asset | None]:
        if asset is None:
            return where, None
        return replace(where, assets=tuple(self._assets.chain_of(asset))), asset


FindPlace = Callable[[Alarm], tuple[Where, Asset | None]]


class Suppressing:
    """The step between what a rule asks for and what is written."""

    def __init__(
        self, windows: Windows, find: FindPlace, clock: Clock, settings: FloodSettings
    ) -> None:
        self._windows = windows
        self._find = find
        self._clock = clock
        self._settings = settings

    # --- on the loop ---

    async def look(self, requests: Sequence[Request]) -> Mapping[AlarmId, Placed]:
        """Look up where the devices stand of what is to be raised."""
        return {
            request.alarm_id: await self.place(request.alarm())
            for request in requests
            if isinstance(request, Raise)
        }

    async def place(self, alarm: Alarm) -> Placed:
        """Look up where one alarm's subject stands now."""
        where, asset = self._find(alarm)
        window = await self._windows.find_covering(alarm.tenant, where, self._clock.now())
        criticality = asset.attributes.get("criticality") if asset is not None else None
        priority = priority_of(alarm.severity, criticality)
        return Placed(where, priority, window.name if window is not None else "")

    # --- in the transaction ---

    def judge(self, writer: Writer, alarm: Alarm, placed: Placed) -> tuple[Alarm, list[Alarm]]:
        """Return the alarm as it is to be written, and what else was written: a flood's alarm."""
        chain = tuple(AssetId(name) for name in placed.where.assets)
        alarm = replace(alarm, priority=placed.priority, assets=chain)
        now = self._clock.now()
        shelf = writer.find(SHELVES, alarm.tenant, shelf_key(alarm.rule_id, str(alarm.subject)))
        if shelf is not None and shelf.value.until > now:
            mark = Suppression(SuppressionKind.SHELF, shelf.value.by, now)
            return replace(alarm, shelf=shelf.value, suppression=mark), []
        mark_or_none = self.find_reason(writer, alarm, placed)
        if mark_or_none is not None:
            return replace(alarm, suppression=mark_or_none), []
        return self._flooded(writer, alarm, now)

    def find_reason(self, reader: Reader, alarm: Alarm, placed: Placed) -> Suppression | None:
        """Return the window or the cause that keeps an alarm back, if one does."""
        now = self._clock.now()
        if placed.window:
            return Suppression(SuppressionKind.MAINTENANCE, placed.window, now)
        cause = find_cause(reader, alarm, placed.where)
        return None if cause is None else Suppression(SuppressionKind.CAUSE, cause.alarm_id, now)

    def hold(self, writer: Writer, alarm: Alarm, rule: Rule, actions: Sequence[Action]) -> None:
        """Keep what a rule asked for until its alarm comes forth."""
        held = Held(alarm.alarm_id, rule.owner, rule.principal, tuple(actions))
        writer.insert(HELD, alarm.tenant, alarm.alarm_id, held)

    def _flooded(self, writer: Writer, alarm: Alarm, now: int) -> tuple[Alarm, list[Alarm]]:
        made: list[Alarm] = []
        limits = (
            (str(alarm.rule_id), self._settings.flood_per_rule),
            ("", self._settings.flood_per_tenant),
        )
        for key, limit in limits:
            if not limit:
                continue
            record = writer.find(FLOODS, alarm.tenant, key)
            flood = record.value if record is not None else Flood(now)
            root = _open_alarm(writer, alarm.tenant, flood.alarm_id)
            if root is None:
                within = now - flood.began_at < MINUTE_NS
                flood = Flood(flood.began_at if within else now, flood.count if within else 0)
            flood = replace(flood, count=flood.count + 1)
            if root is None and flood.count > limit:
                root = _flood_alarm(alarm, key, limit, now)
                writer.insert(ALARMS, root.tenant, root.alarm_id, root)
                made.append(root)
                flood = replace(flood, alarm_id=root.alarm_id)
            if root is not None:
                flood = replace(flood, began_at=now)  # of the newest that it stands for
            writer.put(FLOODS, alarm.tenant, key, flood)
            if root is not None:
                mark = Suppression(SuppressionKind.FLOOD, root.alarm_id, now)
                return replace(alarm, suppression=mark), made
        return alarm, made


def find_cause(reader: Reader, alarm: Alarm, where: Where) -> Alarm | None:
    """Return the open alarm highest above a device that is declared as a cause, if there is one.

    Assets are asked from the root down, without the device's own: what stands beside it is not
    caused by it. Then its gateway.
    """
    asked = [("cause_asset", name) for name in where.assets[:-1]]
    if where.gateway_id:
        asked.append(("cause_device", where.gateway_id))
    for index in asked:
        for record in reader.list(ALARMS, alarm.tenant, where=index, limit=10):
            if record.value.alarm_id != alarm.alarm_id:
                return record.value
    return None


def is_quiet(flood: Flood, now: int) -> bool:
    """Whether nothing has come for a minute."""
    return now - flood.began_at >= MINUTE_NS


def _open_alarm(reader: Reader, tenant: TenantId, alarm_id: AlarmId | None) -> Alarm | None:
    record = reader.find(ALARMS, tenant, alarm_id) if alarm_id is not None else None
    return record.value if record is not None and record.value.is_open else None


def _flood_alarm(alarm: Alarm, key: str, limit: int, now: int) -> Alarm:
    of = f"rule {key}" if key else "all rules"
    return Alarm(
        alarm_id=AlarmId(derived_id_at(now, "flood", alarm.tenant, key, alarm.alarm_id)),
        tenant=alarm.tenant,
        rule_id=RuleId(alarm.rule_id),
        rule_version=alarm.rule_version,
        device_id=alarm.device_id,
        episode=alarm.episode,
        severity=alarm.severity,
        state=AlarmState.ACTIVE,
        message=f"Flood: more than {limit} alarms of {of} within a minute; the rest is held here",
        raised_at=now,
        priority=alarm.priority,
        flood=True,
        group=alarm.group,
        asset=alarm.asset,
    )
