"""A listener with real gate, pipeline and broker over memory; fakes say who is who and may what.

`Peer` is a client on a real socket that does one step at a time: what it answers, and when,
is the test's. `TroubledJournal` is slow, or fails, when told to.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from tests.ingest.support import ACME, Devices, Recorder, Types, device, pump_type

from weft.backends.memory.journal import MemoryJournal
from weft.backends.memory.records import MemoryRecords
from weft.broker import wills
from weft.broker.broker import Broker, BrokerDependencies
from weft.broker.settings import BrokerSettings
from weft.errors import PeerError, StorageError, Unauthenticated
from weft.ingest.gate import Gate
from weft.ingest.pipeline import Pipeline, PipelineSettings
from weft.ingest.submit import Ingest, Message
from weft.model.message import Batch
from weft.model.principal import Principal, PrincipalKind
from weft.ports import Decision
from weft.security.authentication import Proof
from weft.security.connections import Connections, ConnectionSettings
from weft.security.limits import Limiter, LimitSettings
from weft.supervision import SystemClock
from weft.transports.mqtt.connection import MqttConnection
from weft.transports.mqtt.listener import MqttListener
from weft.transports.mqtt.settings import Given, MqttSettings
from weft.wire.mqtt.client import ClientConnection
from weft.wire.mqtt.packets import (
    Connack,
    Connect,
    Disconnect,
    Filter,
    Packet,
    Properties,
    Publish,
    Will,
)

PUMP = Principal(ACME, PrincipalKind.DEVICE, "pump-7", "uid-7")
APP = Principal(ACME, PrincipalKind.KEY, "app", "uid-app")
PASSWORD = "secret"
TELEMETRY = "devices/me/telemetry"
PATIENCE_S = 10.0
KEEPS = {"clean_start": False, "properties": Properties(session_expiry_s=60)}
LAST = Will("devices/me/events/leak", b'{"litres":1}', 1)

P = TypeVar("P", bound=Packet)


class KnownPeople:
    """Knows pump-7 and app, each by one password."""

    def __init__(self) -> None:
        self.known = {"pump-7": PUMP, "app": APP}
        self.noted: list[tuple[str, PeerError]] = []

    def prove_secret(self, username: str | None, password: bytes, _peer: str) -> Proof:
        principal = self.known.get(username or "")
        if principal is None or password != PASSWORD.encode():
            raise Unauthenticated("The credential is not accepted.", remedy="Check it.")
        return Proof(principal, principal.id)

    def turned_away(self, proof: Proof, _peer: str, error: PeerError) -> None:
        self.noted.append((proof.principal.id, error))


class OpenPolicy:
    """A device may use its own topics; app may all but `secret/#`."""

    version = 1

    def __init__(self) -> None:
        self.denied: set[str] = set()

    def decide(self, principal: Principal, _action: str, target: str) -> Decision:
        topic = target.removeprefix("topic:")
        own = topic.startswith(f"devices/{principal.id}/")
        allowed = (own or principal is APP) and not topic.startswith("secret/")
        return Decision(allowed and principal.uid not in self.denied, "test", self.version)


class TroubledJournal(MemoryJournal):
    """A disk with bad days: `flowing` cleared, appends wait; `failures` of them fail."""

    def __init__(self) -> None:
        super().__init__()
        self.flowing = asyncio.Event()
        self.flowing.set()
        self.asked = asyncio.Event()
        self.failures = 0

    async def append(self, batch: Batch) -> int:
        self.asked.set()
        await self.flowing.wait()
        if self.failures:
            self.failures -= 1
            raise StorageError("The disk is full.", remedy="Make room.")
        return await super().append(batch)


class CountingLimiter(Limiter):
    """Counts how often somebody was told to wait."""

    waits = 0

    def take(self, *asked: Any) -> float:
        wait_s = super().take(*asked)
        self.waits += wait_s > 0
        return wait_s


class MqttStation:
    """Everything that a connection is given, running."""

    def __init__(
        self,
        settings: MqttSettings,
        limits: LimitSettings | None = None,
        pipeline: PipelineSettings | None = None,
        broker: BrokerSettings | None = None,
    ) -> None:
        self.clock = SystemClock()
        self.journal = TroubledJournal()
        self.limiter = CountingLimiter(self.clock, limits or LimitSettings())
        self.recorder = Recorder()
        self.policy = OpenPolicy()
        self.people = KnownPeople()
        self.connections = Connections(self.clock, ConnectionSettings())
        self.records = MemoryRecords()
        self.broker = Broker(
            BrokerDependencies(
                self.records,
                self.policy,
                self.clock,
                self.publish_will,
                self.journal.forget_session,
            ),
            broker,
        )
        self.pipeline = Pipeline(
            self.journal,
            [self.recorder, self.broker],
            pipeline or PipelineSettings(gather_ms=0.5, storage_pause_s=0.01),
            lambda envelope: self.gate.decode_again(envelope),  # noqa: PLW0108  made below
        )
        self.gate = Gate(
            self.pipeline,
            self.policy,
            Devices(device(), device("free-1", None)),
            Types(pump_type()),
            self.broker.retained.require_room,
        )
        self.ingest = Ingest(self.gate, self.pipeline, self.clock)
        given = Given(
            settings,
            self.people,  # type: ignore[arg-type]  the part that is used
            self.policy,
            self.gate,
            self.pipeline,
            self.broker,
            self.connections,
            self.limiter,
            self.journal,
            self.clock,
            self.ingest.introduce,
        )
        self.listener = MqttListener(given, "127.0.0.1:0")

    async def publish_will(self, principal: Principal, will: wills.Will) -> None:
        message = Message(will.topic, will.payload, will.qos, will.retain)
        await self.ingest.send(principal, message, will.properties, address="will")

    def payloads(self) -> list[bytes]:
        return [payload for _, _, payload, _ in self.recorder.seen]

    @property
    def connection(self) -> MqttConnection:
        """The newest of the live connections' server ends."""
        return max(self.listener._live, key=lambda one: int(one.address.rpartition(":")[2]))

    @asynccontextmanager
    async def peer(self, username: str = "pump-7", **options: Any) -> AsyncIterator["Peer"]:
        """A client that is let in, and hangs up at the end."""
        peer = await Peer.dial(self.listener.port)
        try:
            await peer.sign_in(username, **options)
            yield peer
        finally:
            peer.hang_up()


class Peer:
    """A client's end, step by step."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.machine = ClientConnection(acknowledges=False)
        self.reader = reader
        self.writer = writer
        self.waiting: list[Packet] = []

    @classmethod
    async def dial(cls, port: int) -> "Peer":
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    async def sign_in(self, username: str | None = "pump-7", **options: Any) -> Connack:
        """CONNECT, and the CONNACK that came."""
        options.setdefault("client_id", username or "")
        options.setdefault("password", PASSWORD.encode())
        self.write(self.machine.connect(Connect(username=username, **options)))
        return await self.expect(Connack)

    def write(self, data: bytes) -> None:
        self.writer.write(data)

    async def next(self) -> Packet | None:
        """The next packet, or None when the connection has ended."""
        while not self.waiting:
            async with asyncio.timeout(PATIENCE_S):
                data = await self.reader.read(65_536)
            if not data:
                return None
            self.waiting += self.machine.receive_data(data)
            assert self.machine.error is None, self.machine.error
        return self.waiting.pop(0)

    async def expect(self, kind: type[P]) -> P:
        """The next packet, which must be of this kind."""
        packet = await self.next()
        assert isinstance(packet, kind), packet
        return packet

    async def rest(self) -> list[Packet]:
        """All that still comes, up to the end of the connection."""
        packets = []
        try:
            while (packet := await self.next()) is not None:
                packets.append(packet)
        except ConnectionError:
            return packets
        finally:
            self.writer.close()
        return packets

    async def farewell(self) -> Disconnect:
        """The last packet, behind which the connection has ended."""
        last = (await self.rest())[-1]
        assert isinstance(last, Disconnect), last
        return last

    def publish(self, topic: str, payload: bytes, qos: int = 1, **options: Any) -> int:
        packet_id, data = self.machine.publish(Publish(topic, payload, qos, **options))
        self.write(data)
        return packet_id

    async def subscribe(self, *filters: str, qos: int = 1) -> Sequence[int]:
        """SUBSCRIBE, and the reasons that came."""
        self.write(self.machine.subscribe([Filter(one, qos) for one in filters])[1])
        suback: Any = await self.next()
        return [int(reason) for reason in suback.reasons]

    def hang_up(self) -> None:
        """Be gone without a word."""
        self.writer.transport.abort()


@asynccontextmanager
async def station(
    settings: MqttSettings | None = None, limits: LimitSettings | None = None, **others: Any
) -> AsyncIterator[MqttStation]:
    made = MqttStation(settings or MqttSettings(), limits, **others)
    async with asyncio.TaskGroup() as tasks:
        running: list[asyncio.Task[Any]] = [
            tasks.create_task(made.pipeline.run()),
            tasks.create_task(made.broker.run()),
        ]
        async with made.listener.running():
            yield made
        for task in running:
            task.cancel()


async def until(condition: Any) -> None:
    """Let the loop turn until a condition holds."""
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110  what is looked at knows no event
            await asyncio.sleep(0.001)
