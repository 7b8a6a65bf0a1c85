"""The life of a message, put together: gate, pipeline, projections and their housekeeping."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from weft.api.arrivals import tell_arrivals
from weft.api.live import Live
from weft.app.dialects import Around, make_answerers, make_dialects
from weft.app.identity import Identity
from weft.app.stores import Stores
from weft.broker.broker import Broker, BrokerDependencies
from weft.broker.wills import Will
from weft.commands.bulks import Bulks
from weft.commands.commands import Commands
from weft.commands.drafts import CommandDependencies
from weft.config import Config
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
from weft.model.command import Command
from weft.model.device import Device
from weft.model.ids import DeviceId, TenantId
from weft.model.message import Committed, Decoded, Envelope, Operation
from weft.model.principal import Principal
from weft.model.twin import Properties
from weft.ports import Clock
from weft.registry.children import Children
from weft.registry.tenants import Tenant
from weft.rules.alarms import Alarms
from weft.rules.engine import Engine
from weft.rules.lineage import Lineage
from weft.rules.rules import RuleChange, Rules
from weft.rules.surroundings import Reported, Surroundings
from weft.twins.changes import Side, TwinChange
from weft.twins.twins import IsOnline, Twins
from weft.twins.wishes import Wishes


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
    broker: Broker
    desk: Desk
    thingsboard: Requests
    sparkplug: SparkplugAnswers
    lorawan: LoRaWanAnswers
    live: Live
    surroundings: Surroundings
    rules: Rules
    engine: Engine
    alarms: Alarms
    lineage: Lineage
    stores: Stores

    async def samples(self, after: int, until: int) -> AsyncIterator[Committed]:
        """Read the journal again, decoded as it was when it was admitted."""
        async for committed in self.stores.journal.read(after, until=until):
            committed.decoded = [self.gate.decode_again(one) for one in committed.envelopes]
            yield committed


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


async def open_message_path(
    stores: Stores, identity: Identity, clock: Clock, config: Config
) -> MessagePath:
    """Make and load all projections; the journal is not read again yet."""
    records, audit, policy = stores.records, identity.audit, identity.policy
    late = _Late()
    twins = Twins(records, audit, clock)
    commands, bulks = _make_commands(stores, identity, clock, config)
    history = History(stores.history, clock, config.history)
    inbox = RejectionInbox(records, config.rejections)
    commands.refuse_with(inbox.put_answers)
    alarms = Alarms(records, audit, clock)
    surroundings = Surroundings(identity.devices, identity.types, _reported_by(twins))
    engine = Engine(records, surroundings, (policy, audit), alarms, config.rules)
    rules = Rules(records, policy, audit, clock, surroundings, lambda: engine.applied)
    desk = late.desk = Desk(stores.journal, records)
    broker = _make_broker(stores, identity, clock, config, (late, commands))
    live = Live(stores.journal, policy, identity.connections, config.api)
    for projection in (twins, commands, inbox, engine, broker, desk):
        await projection.load()
    pipeline = Pipeline(
        stores.journal,
        [twins, commands, history, engine, inbox, broker, live, desk],
        config.pipeline,
        late.decode_again,
    )
    gate = late.gate = _make_gate(pipeline, identity, broker)
    children = Children(identity.devices, identity.types, policy)
    ingest = late.ingest = Ingest(gate, pipeline, clock, children)
    around = Around(identity, gate, ingest, broker, twins, commands, desk, clock, config)
    spoken = make_answerers(around)
    desk.answer_with(spoken.answerers)
    _connect_twins(twins, late, (identity, broker), desk)
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
        broker=broker,
        desk=desk,
        thingsboard=spoken.thingsboard,
        sparkplug=spoken.sparkplug,
        lorawan=spoken.lorawan,
        live=live,
        surroundings=surroundings,
        rules=rules,
        engine=engine,
        alarms=alarms,
        lineage=Lineage(records),
        stores=stores,
    )
    _connect(path, identity, clock)
    return path


def _make_gate(pipeline: Pipeline, identity: Identity, broker: Broker) -> Gate:
    return Gate(
        pipeline,
        identity.policy,
        identity.devices,
        identity.types,
        broker.retained.require_room,
        make_dialects(),
    )


def _connect_twins(twins: Twins, late: _Late, given: tuple[Identity, Broker], desk: Desk) -> None:
    """Give the twins what checks a wish, carries it to its device, and tells who is there."""
    identity, broker = given

    def changed(change: TwinChange) -> None:
        # A report that leaves nothing to be desired is no news to its device.
        if change.side is Side.DESIRED or change.delta:
            desk.desired_changed(change.tenant, change.device_id)

    twins.on_properties(changed)
    twins.publish_delta_with(late.publish_delta)
    twins.check_desired_with(Wishes(identity.devices, identity.types).require)
    twins.online_with(_online_by(identity, broker))
    late.gate.check_reported_with(twins.require_room)


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


def _online_by(identity: Identity, broker: Broker) -> IsOnline:
    def is_online(tenant: TenantId, device_id: DeviceId) -> bool:
        device = identity.devices.find(tenant, device_id)
        if device is None:
            return False
        return broker.is_connected(device.uid) or (
            bool(device.gateway) and broker.is_connected(device.gateway)
        )

    return is_online


def _reported_by(twins: Twins) -> Reported:
    def reported(tenant: TenantId, device_id: DeviceId) -> Properties:
        return twins.get(tenant, device_id).reported

    return reported


def _withdrawing(path: MessagePath, identity: Identity) -> Callable[[Command], None]:
    """Take a command out of its device's queues when it ends before the device has it."""

    def changed(command: Command) -> None:
        if command.has_ended and command.delivered_at is None:
            device = identity.devices.find(command.tenant, command.device_id)
            path.broker.withdraw(command.device_uid, command.topic)
            if device is not None and device.gateway:
                path.broker.withdraw(device.gateway, command.topic)

    return changed


def _connect(path: MessagePath, identity: Identity, clock: Clock) -> None:
    """Let a change in one station be seen by those that remember what it said."""

    def rule_changed(change: RuleChange) -> None:
        identity.policy.bump()
        path.engine.rule_changed(change.old, change.new, at=change.at)

    async def forget(device: Device) -> None:
        # What it sent last may be on its way, or come again after a crash: applied behind this,
        # it would turn up in its namesake.
        await path.pipeline.settle()
        path.engine.device_changed(device, None, at=clock.now())
        await path.twins.forget(device.tenant, device.device_id)
        await path.commands.forget(device.tenant, device.device_id)
        await path.history.delete_device(device.tenant, device.device_id)
        await path.broker.forget_device(device.tenant, device.device_id)
        await path.pipeline.settle()

    def quotas_changed(tenant: Tenant) -> None:
        quotas = tenant.quotas
        identity.limiter.set_tenant_messages(tenant.id, quotas.messages_per_s)
        identity.connections.set_quota(tenant.id, quotas.connections)
        path.broker.retained.set_quota(tenant.id, quotas.retained_messages, quotas.retained_bytes)

    for tenant in identity.tenants.list():
        quotas_changed(tenant)
    identity.tenants.on_change(quotas_changed)
    path.commands.publish_with(path.ingest.put)
    path.commands.on_change(lambda one: path.desk.commands_changed(one.tenant, one.device_id))
    identity.devices.on_change(lambda _change: path.gate.registry_changed())
    identity.types.on_change(lambda _change: path.gate.registry_changed())
    identity.devices.on_change(
        lambda change: path.engine.device_changed(change.old, change.new, at=clock.now())
    )
    identity.types.on_change(lambda _change: path.engine.types_changed())

    def revoked(uid: str) -> None:
        path.broker.revoke(uid)

    path.commands.on_change(_withdrawing(path, identity))
    identity.revocation.listen(revoked)
    identity.devices.in_delete(identity.credentials.delete_in)
    identity.devices.in_delete(identity.enrolments.delete_in)
    identity.devices.after_delete(forget)
    path.rules.on_change(rule_changed)
