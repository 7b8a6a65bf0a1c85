"""Bridges: our messages to another broker, and its messages in by the one gate.

Outwards the journal is read behind a stored position, so what is sent while the broker is
away is sent later, in order; what the journal no longer has by then is counted and told.
Inwards a message is acknowledged when the journal has it. A bridge acts as a service key: it
carries out what that key may receive, and in what it may publish, and nothing that came in
by it goes out by it again. Each message arrives at least once; a repetition says so.
"""

import asyncio
from collections import OrderedDict

from msgspec import Struct

from weft.connectors.bridge.link import Heard, Link
from weft.connectors.bridge.sas import LIFE_S, sas_token
from weft.connectors.bridge.settings import Address, BridgeSettings, require_sound
from weft.connectors.bridge.topics import TopicMaps
from weft.connectors.credentials import Credentials
from weft.connectors.shares import Share
from weft.errors import ConnectorError, PeerError, StorageError, Unavailable
from weft.ingest.submit import Ingest, Message
from weft.model.ids import TenantId
from weft.model.message import Envelope, PublishProperties
from weft.model.moments import NS_PER_S
from weft.model.principal import Principal, PrincipalKind
from weft.observability.log import get_logger
from weft.ports import Clock, Deciding, Journal, Kind, Records
from weft.security.keys import KEYS
from weft.security.outbound import OutboundClient
from weft.supervision import keep_running
from weft.wire.mqtt.client import ClientConnection
from weft.wire.mqtt.packets import NO_PROPERTIES, Connect, Properties, Publish
from weft.wire.mqtt.reasons import Reason

log = get_logger(__name__)

VIA = "weft-via"  # user property: the bridges that a message has crossed
SESSION_S = 7 * 24 * 3600  # the broker keeps what is for us while we are away
LOOK_S = 0.2
RECONNECT_S = 1.0
FAULTS = (ConnectorError, StorageError, Unavailable)
REFRESH_S = LIFE_S - 300  # a token is replaced before it ends


class Reached(Struct, frozen=True):
    """How far a bridge has carried messages out, and how many it came too late for."""

    position: int
    missed: int = 0


BRIDGES: Kind[Reached] = Kind("bridge", Reached)


class BridgeGiven(Struct, frozen=True):
    """What bridges work with."""

    records: Records
    journal: Journal
    ingest: Ingest
    policy: Deciding
    credentials: Credentials
    clock: Clock
    share: Share


class BridgeState(Struct):
    """How a bridge is; moments are ns UTC."""

    connected: bool = False
    last_error: str = "not connected yet"
    sent: int = 0
    received: int = 0
    refused: int = 0
    reached: Reached = Reached(0)


class Bridge:
    """One configured bridge; `run` carries until cancelled."""

    def __init__(
        self, name: str, settings: BridgeSettings, outbound: OutboundClient, given: BridgeGiven
    ) -> None:
        self.name = name
        self.state = BridgeState()
        self._settings = settings
        self._address: Address = require_sound(name, settings)
        self._outbound = outbound
        self._given = given
        self._tenant = TenantId(settings.tenant)
        self._out = TopicMaps(settings.out, f"[bridges.{name}] out")
        self._into = TopicMaps(settings.into, f"[bridges.{name}] into")
        self._client_id = settings.client_id or f"weft-{name}"
        self._machine = ClientConnection(acknowledges=False)
        self._sent: OrderedDict[int, int] = OrderedDict()  # packet id -> position
        self._read_to = 0  # everything up to here is sent or was not for us
        self._furthest = 0  # of all that was ever sent: what is sent again says so
        self._stored = Reached(0)
        self._room = asyncio.Event()
        self._principal: Principal | None = None

    @property
    def health(self) -> str:
        """Say "ok", or what is wrong."""
        return "ok" if self.state.connected else self.state.last_error

    async def run(self) -> None:
        """Carry until cancelled, through every fault of the broker."""
        await keep_running(
            self._carry,
            expected=FAULTS,
            failed=self._failed,
            pause_max_s=30.0,
        )

    def _failed(self, error: Exception, wait_s: float) -> None:
        self.state.connected = False
        self.state.last_error = str(error)
        log.warning("bridge_down", bridge=self.name, error=str(error), again_in_s=round(wait_s, 1))

    async def _carry(self) -> None:
        """Carry over one connection until it ends; raise where none came about."""
        given = self._given
        self._principal = await find_key(
            given.records, self._tenant, self._settings.key, given.clock.now()
        )
        self._stored = self.state.reached = await self._load()
        link = await Link.open(
            await self._door(),
            self._address,
            self._machine,
            await self._introduction(),
            self._settings.timeout_s,
        )
        try:
            await self._begin(link)
            self.state.connected, self.state.last_error = True, ""
            log.info("bridge_up", bridge=self.name, session=link.session_present)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(link.listen(lambda heard: self._hear(link, heard)))
                tasks.create_task(self._keep_alive(link))
                if self._out:
                    tasks.create_task(self._send_on(link))
        except BaseExceptionGroup as group:
            self._failed(_expected_of(group), RECONNECT_S)
        finally:
            self.state.connected = False
            link.abort()
            await self._store()
        await asyncio.sleep(RECONNECT_S)  # it was up: the pauses begin anew

    async def _begin(self, link: Link) -> None:
        if link.session_present:
            await link.write(self._machine.resend())
        else:
            self._sent.clear()
        if not self._sent:  # nothing is on its way: go on behind what is stored
            self._read_to = self._stored.position
        if self._into:
            await link.subscribe(self._into.filters)

    async def _introduction(self) -> Connect:
        settings, credentials = self._settings, self._given.credentials
        password: str | None = None
        if settings.sas_key:
            key = await credentials.get(settings.sas_key)
            resource = f"{self._address.host}/devices/{self._client_id}"
            expires_s = self._given.clock.now() // NS_PER_S + LIFE_S
            password = sas_token(resource, key, expires_s)
        elif settings.password:
            password = await credentials.get(settings.password)
        five = settings.version == 5
        return Connect(
            client_id=self._client_id,
            version=settings.version,
            clean_start=False,  # what is for us waits there
            keep_alive_s=settings.keep_alive_s,
            username=settings.username or None,
            password=None if password is None else password.encode(),
            properties=Properties(session_expiry_s=SESSION_S, receive_maximum=settings.window)
            if five
            else NO_PROPERTIES,
        )

    async def _door(self) -> OutboundClient:
        """Return the guarded door, with the certificate that is valid now."""
        pair = self._settings.client_certificate
        if pair is None:
            return self._outbound
        get = self._given.credentials.get
        certificate, key = await get(pair.certificate), await get(pair.key)
        return await asyncio.to_thread(self._outbound.presenting, certificate, key)

    async def _keep_alive(self, link: Link) -> None:
        """Say that we are here; end the connection before a token does."""
        began = asyncio.get_running_loop().time()
        while True:
            await asyncio.sleep(max(self._machine.keep_alive_s, 2) / 2)
            await link.write(self._machine.ping())
            held_s = asyncio.get_running_loop().time() - began
            if self._settings.sas_key and held_s > REFRESH_S:
                raise ConnectorError("The token is renewed.")

    # --- in ---

    async def _hear(self, link: Link, heard: Heard) -> None:
        for one in heard.acknowledged:
            self._acknowledged(one.packet_id, one.reason)
        if heard.messages:
            assert self._principal is not None
            size_bytes = sum(len(message.payload) for message in heard.messages)
            await self._given.share.pay(self._principal, len(heard.messages), size_bytes)
            async with asyncio.TaskGroup() as tasks:  # together, so that they share a commit
                for message in heard.messages:
                    tasks.create_task(self._admit(link, message))

    async def _admit(self, link: Link, message: Publish) -> None:
        """Bring a message in by the gate; acknowledge it when it, or its refusal, is kept."""
        topic = self._into.map(message.topic)
        if topic is not None and not self._is_own(message):
            assert self._principal is not None
            try:
                await self._given.ingest.send(
                    self._principal,
                    # What is retained there is news here once, and not kept as retained.
                    Message(
                        topic,
                        message.payload,
                        message.qos,
                        dup=message.dup,
                        packet_id=message.packet_id,
                    ),
                    _kept(message.properties),
                    address=f"bridge:{self.name}",
                    client_id=self._client_id,
                )
                self.state.received += 1
            except PeerError as error:  # it is in the rejection inbox
                self.state.refused += 1
                log.debug("bridge_refused", bridge=self.name, error=error.code)
        if message.qos == 1:
            await link.write(self._machine.puback(message.packet_id))

    def _is_own(self, message: Publish) -> bool:
        return (VIA, self._client_id) in message.properties.user_properties

    # --- out ---

    async def _send_on(self, link: Link) -> None:
        journal = self._given.journal
        while True:
            if journal.tail - 1 > self._read_to:
                await self._miss(journal.tail - 1 - self._read_to)
            if journal.head > self._read_to:
                await self._send(link, journal.head)
            await self._store()
            await asyncio.sleep(LOOK_S)

    async def _send(self, link: Link, until: int) -> None:
        after = self._read_to
        async for batch in self._given.journal.read(after, until=until):
            for position, envelope in enumerate(batch.envelopes, batch.first):
                if not after < position <= until:
                    continue
                topic = self._outward(envelope)
                if topic is not None:
                    await self._publish(link, position, topic, envelope)
                self._read_to = position

    def _outward(self, envelope: Envelope) -> str | None:
        """Return what a message is called out there; None where it does not go out."""
        route, principal = envelope.route, self._principal
        if route.tenant != self._tenant or envelope.rejection is not None or principal is None:
            return None
        if route.principal_uid == principal.uid or route.principal_id == principal.id:
            return None  # it came in by us
        topic = self._out.map(route.topic)
        if topic is None:
            return None
        allowed = self._given.policy.decide(principal, "topic.receive", f"topic:{route.topic}")
        return topic if allowed.allowed else None

    async def _publish(self, link: Link, position: int, topic: str, envelope: Envelope) -> None:
        while self._machine.window <= 0 or len(self._sent) >= self._settings.window:
            self._room.clear()
            await self._room.wait()
        given = envelope.properties
        properties = NO_PROPERTIES
        if self._settings.version == 5:
            crossed = given.user_properties if given else ()
            properties = Properties(
                content_type=given.content_type if given else None,
                user_properties=(*crossed, (VIA, self._client_id)),
            )
        packet = Publish(
            topic,
            envelope.payload,
            qos=1,
            dup=position <= self._furthest,  # it may be there already
            properties=properties,
        )
        packet_id, data = self._machine.publish(packet)
        self._sent[packet_id] = position
        self._furthest = max(self._furthest, position)
        await link.write(data)

    def _acknowledged(self, packet_id: int, reason: Reason) -> None:
        position = self._sent.pop(packet_id, None)
        if position is None:
            return
        self.state.sent += 1
        if reason >= 0x80:
            log.error("bridge_not_taken", bridge=self.name, position=position, reason=reason.name)
        self._room.set()

    def _reached(self) -> int:
        """Return the position up to which everything is acknowledged or was not for us."""
        return min(self._sent.values(), default=self._read_to + 1) - 1

    async def _miss(self, count: int) -> None:
        """Tell that the journal no longer has what was to go out."""
        missed = self._stored.missed + count
        log.error("bridge_missed", bridge=self.name, count=count)
        self._read_to += count
        await self._put(Reached(max(self._reached(), self._stored.position), missed))

    async def _store(self) -> None:
        reached = self._reached()
        if reached > self._stored.position:
            await self._put(Reached(reached, self._stored.missed))

    async def _put(self, reached: Reached) -> None:
        await self._given.records.write(lambda w: w.put(BRIDGES, self._tenant, self.name, reached))
        self._stored = self.state.reached = reached

    async def _load(self) -> Reached:
        found = await self._given.records.read(lambda r: r.find(BRIDGES, self._tenant, self.name))
        if found is not None:
            return found.value
        first = Reached(self._given.journal.head)  # it begins with what comes from now on
        await self._given.records.write(lambda w: w.put(BRIDGES, self._tenant, self.name, first))
        return first


async def find_key(records: Records, tenant: TenantId, key_id: str, now: int) -> Principal:
    """Return the service key that carries, or raise `ConnectorError` where there is none."""
    found = await records.read(lambda r: r.find(KEYS, tenant, key_id))
    key = found.value if found is not None and found.value.revoked_at is None else None
    if key is None or (key.expires_at is not None and key.expires_at <= now):
        raise ConnectorError(
            f"There is no service key {key_id!r} to carry with.",
            remedy="Make one with weft key add, with what may cross, and name its id.",
        )
    return Principal(tenant, PrincipalKind.KEY, key_id, key.uid)


def _kept(properties: Properties) -> PublishProperties | None:
    """Return what travels on with a message that came in."""
    if properties is NO_PROPERTIES or properties == NO_PROPERTIES:
        return None
    return PublishProperties(
        payload_format=properties.payload_format,
        message_expiry_s=properties.message_expiry_s,
        content_type=properties.content_type,
        response_topic=properties.response_topic,
        correlation_data=properties.correlation_data,
        user_properties=properties.user_properties,
    )


def _expected_of(group: BaseExceptionGroup[BaseException]) -> Exception:
    """Return the fault that ended a connection; raise what is none of the expected ones."""
    faults, others = group.split(FAULTS)
    if others is not None or faults is None:
        raise group
    first: BaseException = faults
    while isinstance(first, BaseExceptionGroup):
        first = first.exceptions[0]
    assert isinstance(first, Exception)
    return first
