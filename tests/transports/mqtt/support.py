"""A listener with real gate, pipeline, broker and policy over memory, and one fake: who is who."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from tests.ingest.support import ACME, Devices, Recorder, Types, device, pump_type

from weft.backends.memory.journal import MemoryJournal
from weft.backends.memory.records import MemoryRecords
from weft.broker.broker import Broker, BrokerDependencies
from weft.broker.wills import Will
from weft.errors import Unauthenticated
from weft.ingest.gate import Gate
from weft.ingest.pipeline import Pipeline, PipelineSettings
from weft.ingest.submit import Ingest, Message
from weft.model.principal import Principal, PrincipalKind
from weft.ports import Decision
from weft.security.authentication import Proof
from weft.security.connections import Connections, ConnectionSettings
from weft.security.limits import Limiter, LimitSettings
from weft.supervision import SystemClock
from weft.transports.mqtt.listener import MqttListener
from weft.transports.mqtt.settings import Given, MqttSettings

PUMP = Principal(ACME, PrincipalKind.DEVICE, "pump-7", "uid-7")
APP = Principal(ACME, PrincipalKind.KEY, "app", "uid-app")
PASSWORD = "secret"


class KnownPeople:
    """Knows pump-7 and app, each by one password."""

    def __init__(self) -> None:
        self.known = {"pump-7": PUMP, "app": APP}

    def prove_secret(self, username: str | None, password: bytes, _peer: str) -> Proof:
        principal = self.known.get(username or "")
        if principal is None or password != PASSWORD.encode():
            raise Unauthenticated("The credential is not accepted.", remedy="Check it.")
        return Proof(principal, principal.id)


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


class MqttStation:
    """Everything that a connection is given, running."""

    def __init__(self, settings: MqttSettings, limits: LimitSettings | None = None) -> None:
        self.clock = SystemClock()
        self.journal = MemoryJournal()
        self.recorder = Recorder()
        self.policy = OpenPolicy()
        self.connections = Connections(self.clock, ConnectionSettings())
        self.broker = Broker(
            BrokerDependencies(
                MemoryRecords(),
                self.policy,
                self.clock,
                self.publish_will,
                self.journal.forget_session,
            )
        )
        self.pipeline = Pipeline(
            self.journal,
            [self.recorder, self.broker],
            PipelineSettings(gather_ms=0.5),
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
            KnownPeople(),  # type: ignore[arg-type]  the part that is used
            self.policy,
            self.gate,
            self.pipeline,
            self.broker,
            self.connections,
            Limiter(self.clock, limits or LimitSettings()),
            self.journal,
            self.clock,
        )
        self.listener = MqttListener(given, "127.0.0.1:0")

    async def publish_will(self, principal: Principal, will: Will) -> None:
        message = Message(will.topic, will.payload, will.qos, will.retain)
        await self.ingest.send(principal, message, will.properties, address="will")

    def payloads(self) -> list[bytes]:
        return [payload for _, _, payload, _ in self.recorder.seen]


@asynccontextmanager
async def station(
    settings: MqttSettings | None = None, limits: LimitSettings | None = None
) -> AsyncIterator[MqttStation]:
    made = MqttStation(settings or MqttSettings(), limits)
    async with asyncio.TaskGroup() as tasks:
        running: list[asyncio.Task[Any]] = [
            tasks.create_task(made.pipeline.run()),
            tasks.create_task(made.broker.run()),
        ]
        async with made.listener.running():
            yield made
        for task in running:
            task.cancel()
