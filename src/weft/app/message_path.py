"""The life of a message, put together: gate, pipeline, projections and their housekeeping."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

from weft.api.arrivals import tell_arrivals
from weft.api.live import Live
from weft.app.derived import DerivedTelemetry, connect_derived, open_derived
from weft.app.dialects import Around, make_answerers, make_dialects
from weft.app.identity import Identity
from weft.app.membership import around_of, tell_members
from weft.app.reactions import connect, connect_twins
from weft.app.stores import Stores
from weft.broker.broker import Broker, BrokerDependencies
from weft.broker.wills import Will
from weft.commands.bulks import Bulks
from weft.commands.commands import Commands
from weft.commands.drafts import CommandDependencies
from weft.config import Config
from weft.groups.groups import Groups
from weft.groups.membership import Membership
from weft.history.events import DeviceEvents
from weft.history.history import History
from weft.ingest.dialects.desk import Desk
from weft.ingest.dialects.lorawan_answers import LoRaWanAnswers
from weft.ingest.dialects.sparkplug_answers import SparkplugAnswers
from weft.ingest.dialects.thingsboard.requests import Requests
from weft.ingest.gate import Gate
from weft.ingest.pipeline import Pipeline
from weft.ingest.quarantine import Quarantine
from weft.ingest.rejections import RejectionInbox, Rejections
from weft.ingest.submit import Ingest, Message
from weft.model.ids import DeviceId, TenantId
from weft.model.message import Committed, Decoded, Envelope, Operation
from weft.model.principal import Principal
from weft.model.twin import Properties
from weft.ports import Clock
from weft.registry.children import Children
from weft.rules.alarms import Alarms
from weft.rules.engine import Engine
from weft.rules.handling import Handling
from weft.rules.lineage import Lineage
from weft.rules.places.book import Given
from weft.rules.places.books import PlaceBooks, make_places
from weft.rules.rules import Rules
from weft.rules.surroundings import Reported, Surroundings
from weft.twins.twins import Twins

DECODED_AT_ONCE = 256  # messages: a millisecond of the loop


@dataclass(frozen=True)
class MessagePath:
    """Everything between a transport and what is kept."""

    gate: Gate
    pipeline: Pipeline
    ingest: Ingest
    inbox: RejectionInbox
    rejections: Rejections
    quarantine: Quarantine
    twins: Twins
    commands: Commands
    bulks: Bulks
    history: History
    events: DeviceEvents
    broker: Broker
    desk: Desk
    thingsboard: Requests
    sparkplug: SparkplugAnswers
    lorawan: LoRaWanAnswers
    live: Live
    groups: Groups
    surroundings: Surroundings
    places: PlaceBooks
    rules: Rules
    engine: Engine
    derived: DerivedTelemetry
    alarms: Alarms
    handling: Handling
    lineage: Lineage
    stores: Stores

    async def samples(
        self, after: int, until: int, tenant: TenantId | None = None
    ) -> AsyncIterator[Committed]:
        """Read the journal again, decoded as it was when it was admitted, some at a time.

        With `tenant`, what others sent is passed over: `decoded` is None for it.
        """
        decode = self.gate.decode_again
        async for committed in self.stores.journal.read(after, until=until):
            envelopes, first = committed.envelopes, committed.first
            for start in range(0, len(envelopes), DECODED_AT_ONCE):
                some = envelopes[start : start + DECODED_AT_ONCE]
                decoded = [
                    decode(one) if tenant is None or one.route.tenant == tenant else None
                    for one in some
                ]
                yield Committed(first + start, some, decoded)


class _Late:
    """What is needed by a station that is made before it: bound once, used later."""

    gate: Gate
    ingest: Ingest
    desk: Desk

    def decode_again(self, envelope: Envelope) -> Decoded:
        return self.gate.decode_again(envelope)

    async def publish_will(self, principal: Principal, will: Will) -> None:
        message = Message(will.topic, will.payload, will.qos, will.retain)
        await self.ingest.send(principal, message, will.properties, address="will")

    async def publish_delta(self, tenant: TenantId, device_id: DeviceId, delta: bytes) -> None:
        topic = f"devices/{device_id}/properties/desired"
        await self.ingest.publish(tenant, topic, delta, Operation.DESIRED, retain=True)


async def _open_surroundings(
    stores: Stores, identity: Identity, twins: Twins, given: tuple[Clock, PlaceBooks]
) -> tuple[Groups, Surroundings]:
    clock, places = given
    around = around_of(identity, twins)
    groups = Groups(stores.records, identity.audit, clock, around)
    await groups.load()
    members = Membership(groups, around)
    reported = _reported_by(twins)
    known = Surroundings(identity.devices, identity.types, reported, members, places.atlas)
    return groups, known


async def open_message_path(
    stores: Stores, identity: Identity, clock: Clock, config: Config
) -> MessagePath:
    """Make and load all projections; the journal is not read again yet."""
    records, audit, policy = stores.records, identity.audit, identity.policy
    late = _Late()
    twins = Twins(records, audit, clock)
    commands, bulks = _make_commands(stores, identity, clock, config)
    history, events = await _open_history(stores, clock, config)
    inbox = RejectionInbox(records, config.rejections)
    alarms = Alarms(records, audit, clock)
    places = await _open_places(Given(records, audit, clock), identity)
    groups, surroundings = await _open_surroundings(stores, identity, twins, (clock, places))
    known = (surroundings, history)
    derived, surroundings = await open_derived(stores, identity, known, clock, config)
    engine = Engine(records, surroundings, (policy, audit), alarms, config.rules)
    rules = Rules(records, policy, audit, clock, surroundings, lambda: engine.applied)
    desk = late.desk = Desk(stores.journal, records)
    broker = _make_broker(stores, identity, clock, config, (late, commands))
    live = Live(stores.journal, policy, identity.connections, config.api)
    for projection in (twins, commands, inbox, engine, broker, desk):
        await projection.load()
    behind = (twins, commands, history, events, engine, inbox, broker, live, desk, derived.deriver)
    pipeline = Pipeline(stores.journal, behind, config.pipeline, late.decode_again)
    gate = late.gate = _make_gate(pipeline, identity, broker)
    children = Children(identity.devices, identity.types, policy)
    ingest = late.ingest = Ingest(gate, pipeline, clock, children)
    around = Around(identity, gate, ingest, broker, twins, commands, desk, clock, config)
    spoken = make_answerers(around)
    desk.answer_with(spoken.answerers)
    twins.publish_delta_with(late.publish_delta)
    rejections = Rejections(records, inbox, gate, ingest, audit)
    path = MessagePath(
        gate=gate,
        pipeline=pipeline,
        ingest=ingest,
        inbox=inbox,
        rejections=rejections,
        quarantine=_quarantine(identity, rejections, live),
        twins=twins,
        commands=commands,
        bulks=bulks,
        history=history,
        events=events,
        broker=broker,
        desk=desk,
        thingsboard=spoken.thingsboard,
        sparkplug=spoken.sparkplug,
        lorawan=spoken.lorawan,
        live=live,
        groups=groups,
        surroundings=surroundings,
        places=places,
        rules=rules,
        engine=engine,
        derived=derived,
        alarms=alarms,
        handling=Handling(alarms, records, clock, identity.assets.find),
        lineage=Lineage(records),
        stores=stores,
    )
    return _connected(path, identity, clock)


def _connected(path: MessagePath, identity: Identity, clock: Clock) -> MessagePath:
    path.commands.refuse_with(path.inbox.put_answers)
    path.gate.check_reported_with(path.twins.require_room)
    connect_twins(path, identity)
    connect(path, identity, clock)
    connect_derived(path, identity)
    tell_members(path.engine, path.groups, identity, clock)
    return path


async def _open_history(
    stores: Stores, clock: Clock, config: Config
) -> tuple[History, DeviceEvents]:
    events = DeviceEvents(stores.records, config.history.events_per_device)
    await events.load(stores.journal.tail, stores.journal.head)
    return History(stores.history, clock, config.history), events


async def _open_places(given: Given, identity: Identity) -> PlaceBooks:
    places = make_places(given, identity.devices, identity.assets, identity.attachments)
    await places.load()
    return places


def _make_gate(pipeline: Pipeline, identity: Identity, broker: Broker) -> Gate:
    return Gate(
        pipeline,
        identity.policy,
        identity.devices,
        identity.types,
        broker.retained.require_room,
        make_dialects(),
    )


def _make_broker(
    stores: Stores,
    identity: Identity,
    clock: Clock,
    config: Config,
    told: tuple[_Late, Commands],
) -> Broker:
    late, commands = told

    def acknowledged(principal: Principal, topic: str) -> None:
        commands.acknowledged(principal, topic)
        late.desk.acknowledged(principal, topic)

    given = BrokerDependencies(
        stores.records,
        identity.policy,
        clock,
        late.publish_will,
        stores.journal.forget_session,
        acknowledged,
        commands.owed_to,
        late.desk.subscribed,
        commands.refused,
    )
    return Broker(given, config.broker)


def _make_commands(
    stores: Stores, identity: Identity, clock: Clock, config: Config
) -> tuple[Commands, Bulks]:
    given = CommandDependencies(
        stores.records, identity.audit, clock, identity.tenants, identity.devices, identity.types
    )
    commands = Commands(given, config.commands)
    return commands, Bulks(given, commands, identity.policy, config.commands)


def _quarantine(identity: Identity, rejections: Rejections, live: Live) -> Quarantine:
    registry = (identity.devices, identity.types)
    given = (identity.claims, identity.provisioning, rejections, identity.revocation)
    made = Quarantine(registry, *given)
    tell_arrivals(live, identity.devices, made.claim_name)
    return made


def _reported_by(twins: Twins) -> Reported:
    def reported(tenant: TenantId, device_id: DeviceId) -> Properties:
        return twins.get(tenant, device_id).reported

    return reported
