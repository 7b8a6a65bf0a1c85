"""The operation that sums a fleet up: how devices, alarms, messages and work orders stand.

One question in place of thousands: devices are counted by type and by site from what is known
in memory, some at a time, so that no other request waits for the sum of a large fleet. Only
what the caller may read is in it.
"""

import asyncio
from collections.abc import Mapping

from msgspec import Struct

from weft.api.operation import Call, Command, Operation
from weft.api.services import Services
from weft.model.alarm import Alarm, AlarmState, Severity, WorkOrderState
from weft.model.asset import Asset
from weft.model.device import Device, Lifecycle
from weft.model.ids import TenantId
from weft.model.moments import NS_PER_S
from weft.ports import Reader
from weft.rules.alarms import Wanted
from weft.rules.kinds import WORK_ORDERS

AT_ONCE = 500  # devices; then others have their turn
ALARMS_MAX = 5_000  # open ones that are held against devices; the counts know them all
NEWEST_MAX = 2_000  # messages of all tenants that the rate is taken from
RATE_SPAN_S = 60.0  # and no older than this
SITE = "site"


class GroupHealth(Struct):
    """How the devices of one type, or of one site, are."""

    name: str  # of the type or the asset; empty for devices that have none
    label: str
    devices: int = 0
    connected: int = 0
    not_active: int = 0  # pending, suspended, revoked or decommissioned
    alarms: dict[str, int] = {}  # devices by the severity of their worst open alarm


class MessageRate(Struct, frozen=True):
    """How many messages come in, over the newest of them."""

    per_s: float
    span_s: float  # what it was taken over; 0 where nothing came in that time


class FleetOverview(Struct, frozen=True):
    """A tenant's fleet as it stands; parts that the caller may not read are null."""

    devices: int
    connected: int
    types: list[GroupHealth]
    sites: list[GroupHealth]
    alarms: dict[str, dict[str, int]] | None  # severity -> active or acknowledged -> how many
    shelved: int
    suppressed: int
    messages: MessageRate | None
    work_orders: dict[str, int] | None  # state -> how many


async def get_overview(services: Services, call: Call) -> FleetOverview:
    """Answer with the sums."""
    tenant = call.principal.tenant

    def may(action: str) -> bool:
        return services.policy.decide(call.principal, action, "*").allowed

    worst: Mapping[str, Severity] = {}
    alarms: dict[str, dict[str, int]] | None = None
    shelved = suppressed = 0
    if may("alarm.read"):
        worst = await _worst_alarms(services, tenant)
        counted = await services.alarms.overview(tenant)
        alarms = {
            str(severity): {str(state): count for state, count in states.items()}
            for severity, states in counted.counts.items()
        }
        shelved, suppressed = counted.shelved, counted.suppressed
    sums = _Sums(services, worst, with_sites=may("asset.read"))
    await sums.add_all(tenant)
    return FleetOverview(
        devices=sums.devices,
        connected=sums.connected,
        types=sums.in_order(sums.types),
        sites=sums.in_order(sums.sites),
        alarms=alarms,
        shelved=shelved,
        suppressed=suppressed,
        messages=await _rate(services, tenant) if may("telemetry.read") else None,
        work_orders=await _work_orders(services, tenant) if may("work_order.read") else None,
    )


class _Sums:
    """The counts, as devices are added to them."""

    def __init__(
        self, services: Services, worst: Mapping[str, Severity], *, with_sites: bool
    ) -> None:
        self._services = services
        self._worst = worst
        self._with_sites = with_sites
        self._site_of_asset: dict[str, Asset | None] = {}
        self.devices = 0
        self.connected = 0
        self.types: dict[str, GroupHealth] = {}
        self.sites: dict[str, GroupHealth] = {}

    async def add_all(self, tenant: TenantId) -> None:
        after = ""
        while part := self._services.devices.behind(tenant, after, AT_ONCE):
            for device in part:
                self._add(device)
            after = part[-1].device_id
            await asyncio.sleep(0)

    def in_order(self, groups: dict[str, GroupHealth]) -> list[GroupHealth]:
        """Return the largest first; those of none at the end."""
        return sorted(groups.values(), key=lambda one: (not one.name, -one.devices, one.name))

    def _add(self, device: Device) -> None:
        connected = self._services.presence.is_connected(device.uid)
        self.devices += 1
        self.connected += connected
        groups = [_group(self.types, device.type_name or "", "")]
        if self._with_sites:
            site = self._site_of(device)
            name, label = ("", "") if site is None else (site.asset_id, site.label)
            groups.append(_group(self.sites, name, label))
        severity = self._worst.get(device.device_id)
        for group in groups:
            group.devices += 1
            group.connected += connected
            group.not_active += device.lifecycle is not Lifecycle.ACTIVE
            if severity is not None:
                group.alarms[severity] = group.alarms.get(severity, 0) + 1

    def _site_of(self, device: Device) -> Asset | None:
        """Return the site above what a device is attached to, or the root where none is one."""
        held = self._services.attachments.of_device(device.uid)
        if not held:
            return None
        uid = held[0].asset_uid
        if uid not in self._site_of_asset:
            self._site_of_asset[uid] = self._find_site(uid)
        return self._site_of_asset[uid]

    def _find_site(self, uid: str) -> Asset | None:
        assets = self._services.assets
        asset = assets.find_uid(uid)
        if asset is None:
            return None
        chain = [assets.find(asset.tenant, name) for name in assets.chain_of(asset)]
        known = [one for one in chain if one is not None]
        return next((one for one in known if one.kind == SITE), known[0] if known else None)


def _group(groups: dict[str, GroupHealth], name: str, label: str) -> GroupHealth:
    found = groups.get(name)
    if found is None:
        found = groups[name] = GroupHealth(name, label, alarms={})
    return found


async def _worst_alarms(services: Services, tenant: TenantId) -> dict[str, Severity]:
    order = list(Severity)
    worst: dict[str, Severity] = {}
    part = await services.alarms.list(tenant, Wanted(open=True), limit=ALARMS_MAX)
    for alarm in part.items:
        if not _stands(alarm):
            continue
        held = worst.get(alarm.device_id)
        if held is None or order.index(alarm.severity) > order.index(held):
            worst[alarm.device_id] = alarm.severity
    return worst


def _stands(alarm: Alarm) -> bool:
    """Whether it is before the operators' eyes: open, and not put aside."""
    aside = alarm.is_shelved or alarm.is_suppressed
    return bool(alarm.device_id) and alarm.state is not AlarmState.CLEARED and not aside


async def _rate(services: Services, tenant: TenantId) -> MessageRate:
    now = services.clock.now()
    earliest = now - round(RATE_SPAN_S * NS_PER_S)
    head = services.journal.head
    after = max(services.journal.tail - 1, head - NEWEST_MAX)
    heard, begins = 0, 0
    async for batch in services.journal.read(after, until=head):
        for envelope in batch.envelopes:
            if envelope.received_at < earliest:
                continue
            begins = begins or envelope.received_at
            heard += envelope.route.tenant == tenant
    if not heard:
        return MessageRate(0.0, 0.0)
    # Where the whole span was read, all of it counts: one message a minute is not one a second.
    span_s = (now - begins) / NS_PER_S if head - after >= NEWEST_MAX else RATE_SPAN_S
    return MessageRate(round(heard / max(span_s, 1.0), 2), round(span_s, 1))


async def _work_orders(services: Services, tenant: TenantId) -> dict[str, int]:
    def work(reader: Reader) -> dict[str, int]:
        return {
            str(state): reader.count(WORK_ORDERS, tenant, where=("state", state))
            for state in WorkOrderState
        }

    return await services.records.read(work)


OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "get_overview",
        "GET",
        "/overview",
        "Sum the fleet up: devices by type and site, alarms, messages, work orders",
        get_overview,
        action="device.read",
        tag="system",
        description="Parts that the caller may not read are null or empty.",
        result=FleetOverview,
        command=Command("system", "overview"),
    ),
)
