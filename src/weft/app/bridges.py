"""Bridges to other brokers and lines to Kafka, put together."""

import asyncio
from collections.abc import Mapping

from msgspec import structs

from weft.app.identity import Identity
from weft.app.message_path import MessagePath
from weft.app.stores import Stores
from weft.config import Config
from weft.connectors.bridge.bridge import Bridge, BridgeGiven
from weft.connectors.bridge.settings import BridgeSettings, require_sound
from weft.connectors.credentials import Credentials
from weft.connectors.kafka.line import Line, LineGiven
from weft.connectors.kafka.orders import Doors
from weft.connectors.shares import Share
from weft.ports import Clock
from weft.security.outbound import OutboundClient, OutboundSettings


class Bridges:
    """All configured bridges and lines."""

    def __init__(self, bridges: tuple[Bridge, ...], lines: tuple[Line, ...]) -> None:
        self.bridges = bridges
        self.lines = lines

    async def run(self) -> None:
        """Carry until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for bridge in self.bridges:
                tasks.create_task(bridge.run())
            for line in self.lines:
                tasks.create_task(line.run())

    @property
    def health(self) -> Mapping[str, str]:
        """Return each bridge, and "ok" or what is wrong."""
        found = {f"bridge {one.name}": one.health for one in self.bridges}
        return found | {f"kafka {one.name}": one.health for one in self.lines}


def open_bridges(
    parts: tuple[Stores, MessagePath, Identity, Credentials], clock: Clock, config: Config
) -> Bridges:
    """Make the bridges and lines of the configuration, or raise `ConfigurationError`."""
    stores, path, identity, credentials = parts
    policy, share = identity.policy, Share(identity.limiter)
    given = BridgeGiven(
        stores.records, stores.journal, path.ingest, policy, credentials, clock, share
    )
    doors = Doors(policy, path.ingest, path.twins, path.commands)
    theirs = LineGiven(stores.records, stores.journal, doors, credentials, clock, share)
    return Bridges(
        tuple(
            Bridge(name, one, _door(name, one, config.outbound), given)
            for name, one in sorted(config.bridges.items())
        ),
        tuple(Line(name, one, theirs) for name, one in sorted(config.kafka.items())),
    )


def _door(name: str, settings: BridgeSettings, outbound: OutboundSettings) -> OutboundClient:
    """Return a door of the bridge's own; its port was named by the operator."""
    address = require_sound(name, settings)
    return OutboundClient(
        structs.replace(
            outbound,
            allow=outbound.allow + settings.allow,
            ports=(*outbound.ports, address.port),
            ca_file=settings.ca_file or outbound.ca_file,
        )
    )
