"""What the tests of groups share: a small plant, its devices, and what is known of them."""

from collections.abc import Mapping
from typing import Any

from tests.registry.support import ALICE, MAIN, Registry

from weft.groups.filters import Around
from weft.groups.groups import Groups
from weft.model.asset import AttachmentRole
from weft.model.ids import DeviceId
from weft.model.message import Committed, Envelope, Operation, Route
from weft.model.principal import Principal, PrincipalKind
from weft.model.telemetry import Reading
from weft.registry.assets import NewAsset
from weft.registry.devices import NewDevice
from weft.registry.presence import Presence
from weft.security.connections import Connection, Connections
from weft.twins.twins import Twins

PUMP = """
title: Pump
telemetry:
  temperature: {type: number}
"""


class Plant:
    """A registry with what filters look up beside it."""

    def __init__(self) -> None:
        self.registry = Registry()
        self.connections = Connections(self.registry.clock)
        self.presence = Presence(self.registry.records, self.registry.clock)
        self.presence.watch(self.connections)
        self.twins = Twins(self.registry.records, self.registry.audit, self.registry.clock)
        self.around = Around(
            self.registry.devices,
            self.registry.assets,
            self.registry.attachments,
            self.presence,
            self.twins,
            self.registry.types,
        )
        self.groups = Groups(
            self.registry.records, self.registry.audit, self.registry.clock, self.around
        )
        self._position = 1

    async def built(self) -> "Plant":
        """Two halls with a line each, and three pumps on them."""
        for name, kind, parent in (
            ("north", "site", None),
            ("hall-1", "building", "north"),
            ("hall-2", "building", "north"),
            ("line-1", "line", "hall-1"),
            ("line-2", "line", "hall-2"),
        ):
            new = NewAsset(kind, name, parent=parent, attributes={"floor": 1})
            await self.registry.assets.create(ALICE, new)
        await self.registry.types.save(ALICE, "pump", PUMP)
        for name, asset, tags, power in (
            ("pump-1", "line-1", ("critical",), 5),
            ("pump-2", "line-2", ("critical", "old"), 7.5),
            ("pump-3", None, (), None),
        ):
            await self.registry.devices.create(
                ALICE,
                NewDevice(
                    name,
                    "pump" if asset else None,
                    tags=tags,
                    attributes={} if power is None else {"power": power, "maker": {"name": "A"}},
                ),
            )
            if asset:
                await self.registry.attachments.attach(ALICE, name, AttachmentRole.OBSERVES, asset)
        return self

    def tell(self, device_id: str, operation: Operation, values: Mapping[str, Any]) -> None:
        """Let a device say something, as a committed batch does."""
        topic = f"devices/{device_id}/telemetry"
        route = Route(MAIN, "device", device_id, topic, operation, DeviceId(device_id))
        now = self.registry.clock.now()
        envelope = Envelope(route, now, b"{}")
        said = [Reading(now, dict(values))] if operation is Operation.TELEMETRY else dict(values)
        self.twins.apply(Committed(self._position, [envelope], [said]))
        self._position += 1

    def connect(self, device_id: str) -> None:
        """Let a device be connected."""
        device = self.registry.devices.get(MAIN, device_id)
        principal = Principal(MAIN, PrincipalKind.DEVICE, device_id, device.uid)
        self.connections.register(Connection(principal, "mqtt", "10.0.0.7", lambda _why: None))

    async def matching(self, text: str) -> list[str]:
        """Return the ids of the devices that a filter finds."""
        found = await self.groups.search_devices(MAIN, self.groups.device_filter(MAIN, text))
        return [device.device_id for device in found.items]
