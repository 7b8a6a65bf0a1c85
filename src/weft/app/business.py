"""The business half, put together: connectors, outbox, work orders."""

from contextlib import AsyncExitStack
from dataclasses import dataclass

from msgspec import structs

from weft.api.asset_changes import tell_assets
from weft.api.changes import tell_changes, tell_presence
from weft.app.alarms import Suppression, open_suppression
from weft.app.bridges import Bridges, open_bridges
from weft.app.events import Events, open_events
from weft.app.identity import Identity
from weft.app.membership import around_of
from weft.app.message_path import MessagePath
from weft.app.stores import Stores
from weft.config import Config
from weft.connectors.credentials import Credentials
from weft.connectors.inward import Inward
from weft.connectors.lorawan import DownlinkGiven, Downlinks
from weft.connectors.mappings import Mappings, MappingsGiven
from weft.connectors.outbox import Outbox
from weft.connectors.own import OwnConnectors, OwnGiven
from weft.connectors.poller import Poller
from weft.connectors.registry import Connectors, make_connectors
from weft.connectors.synchronising import Synchroniser
from weft.connectors.work_orders import WorkOrders
from weft.groups.groups import Groups
from weft.ingest.dialects import lorawan_words
from weft.ingest.dialects.lorawan import LoRaWan
from weft.model.ids import TenantId
from weft.packs.packs import Packs, PacksGiven
from weft.packs.writers import Writers
from weft.ports import Clock
from weft.rules.model import ActionKind
from weft.rules.order_ends import OrderEnds
from weft.security.outbound import OutboundClient
from weft.security.threads import Threads


@dataclass(frozen=True)
class Business:
    """Everything towards business systems."""

    connectors: Connectors
    own_connectors: OwnConnectors
    outbox: Outbox
    poller: Poller
    work_orders: WorkOrders
    groups: Groups
    packs: Packs
    downlinks: Downlinks
    suppression: Suppression
    events: Events
    bridges: Bridges


async def open_business(
    stores: Stores,
    identity: Identity,
    path: MessagePath,
    clock: Clock,
    config: Config,
    stack: AsyncExitStack,
) -> Business:
    """Make the connectors of the configuration and what serves them."""
    outbound = OutboundClient(config.outbound)
    credentials = Credentials(stores.records, identity.vault, identity.audit)
    around = around_of(identity, path.twins)
    connectors = make_connectors(
        config.connectors,
        outbound=outbound,
        credentials=credentials,
        clock=clock,
        mappings=Mappings(MappingsGiven(stores.records, identity.audit, clock, around)),
    )
    connectors.add_inward(Inward(identity.policy, path.twins, path.commands))
    stack.push_async_callback(connectors.close)
    own = await open_own(stores, identity, connectors, clock, config)
    work_orders = WorkOrders(stores.records)
    outbox = Outbox(stores.records, connectors, work_orders, identity.audit, clock, config.outbox)
    synchroniser = Synchroniser(stores.records, clock, OrderEnds(path.alarms))
    poller = Poller(
        stores.records, connectors, work_orders, synchroniser, clock, config.work_orders
    )
    path.engine.on_actions(lambda _actions: outbox.notify())
    tell_changes(path.live, path.alarms, path.twins, work_orders, path.commands)
    tell_presence(path.live, identity.presence, identity.devices)
    path.rules.check_actions_with(connectors.require_action)
    tell_assets(path.live, identity.assets, identity.attachments)
    given = DownlinkGiven(stores.records, path.commands, identity.devices, credentials, outbound)
    downlinks = await open_downlinks(given, path, config)
    stack.push_async_callback(downlinks.close)
    suppression = await open_suppression(
        (stores, identity, path), (path.groups, connectors), clock, config, outbox.notify
    )
    packs = open_packs(stores, identity, path, clock, connectors)
    events = open_events((stores, identity, around), clock, config, stack)
    bridges = open_bridges((stores, path, identity, credentials), clock, config)
    ours = (outbox, poller, work_orders, path.groups, packs, downlinks, suppression)
    return Business(connectors, own, *ours, events, bridges)


async def open_own(
    stores: Stores, identity: Identity, connectors: Connectors, clock: Clock, config: Config
) -> OwnConnectors:
    """Make the connectors that tenants have set up."""
    settings = config.own_connectors
    # A tenant names the address: what [outbound] opens for the operator's connectors is not its.
    reached = structs.replace(
        config.outbound, allow=settings.allow, schemes=settings.schemes, ports=settings.ports
    )
    # Nor are its threads: a silent mail or name server of one tenant keeps two of them.
    threads = Threads(each=2)
    outbound = OutboundClient(reached, opened_by="[own_connectors] allow", threads=threads)
    given = OwnGiven(stores.records, identity.audit, clock, identity.vault, connectors, outbound)
    own = OwnConnectors(given, settings)
    await own.load()
    return own


def open_packs(
    stores: Stores,
    identity: Identity,
    path: MessagePath,
    clock: Clock,
    connectors: Connectors,
) -> Packs:
    """Make what installs packs."""

    def takes_orders(tenant: TenantId, connector: str) -> bool:
        found = connectors.find(tenant, connector)
        return found is not None and ActionKind.WORK_ORDER in found.connector.actions

    writers = Writers(
        identity.types,
        identity.assets,
        path.places.routes,
        path.derived.derivations,
        path.rules,
    )
    return Packs(
        PacksGiven(stores.records, identity.policy, identity.audit, clock, writers, takes_orders)
    )


async def open_downlinks(given: DownlinkGiven, path: MessagePath, config: Config) -> Downlinks:
    """Make what sends commands to LoRaWAN devices, and tell the dialect what it has sent."""
    downlinks = Downlinks(given, config.lorawan)
    await downlinks.load()
    path.commands.on_change(downlinks.changed)
    given.devices.after_delete(downlinks.forget)
    path.lorawan.tell_downlinks_with(downlinks.learn, downlinks.place)
    dialect = path.gate.dialects.named(lorawan_words.NAME)
    assert isinstance(dialect, LoRaWan)
    dialect.find_queued_with(downlinks.find, downlinks.is_new_address)
    return downlinks
