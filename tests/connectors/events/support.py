"""Subscriptions over memory, with a receiver on loopback and a clock turned by hand."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from tests.connectors.support import ALICE, LOOPBACK, MAIN

from weft.backends.memory.journal import MemoryJournal
from weft.backends.memory.records import MemoryRecords
from weft.connectors.events.deliverer import Deliverer
from weft.connectors.events.describing import DESCRIBE
from weft.connectors.events.kinds import PROGRESS
from weft.connectors.events.noting import NotedRecords
from weft.connectors.events.settings import EventSettings
from weft.connectors.events.subscriptions import Given, Subscriptions
from weft.groups.filters import Around
from weft.model.ids import DeviceId
from weft.model.message import Batch, Envelope, Operation, Route
from weft.model.subscription import NewSubscription, Progress, Standing
from weft.rules.kinds import ALARMS
from weft.security.actions import Role
from weft.security.audit import Audit
from weft.security.outbound import OutboundClient
from weft.security.policy import Policy
from weft.security.secrets import MasterKey, Vault
from weft.supervision import FakeClock

SECRET = "a secret that is long enough"


class Desk:
    """What a business system subscribes at."""

    def __init__(self, folder: Path, settings: EventSettings | None = None) -> None:
        self.clock = FakeClock()
        self.inner = MemoryRecords()
        self.records = NotedRecords(self.inner, self.clock, DESCRIBE)
        self.journal = MemoryJournal()
        self.policy = Policy()
        self.policy.set_user(MAIN, ALICE.uid, frozenset({Role.TENANT_ADMIN}))
        self.vault = Vault(MasterKey.open(folder), self.inner)
        self.around: Any = Around(
            SimpleNamespace(find=lambda *_: None),
            None,
            None,
            None,
            None,
            None,  # type: ignore[arg-type]
        )
        self.settings = settings or EventSettings()
        self.outbound = OutboundClient(LOOPBACK)
        self.restart()

    def restart(self) -> None:
        """Forget everything but what is on disk."""
        given = Given(
            records=self.records,
            audit=Audit(self.inner, self.clock, b"a" * 32),
            clock=self.clock,
            vault=self.vault,
            policy=self.policy,
            journal=self.journal,
            around=self.around,
        )
        self.subscriptions = Subscriptions(given, self.settings)
        self.deliverer = Deliverer(
            given, self.subscriptions, self.outbound, "weft.example", self.settings
        )

    async def subscribe(self, url: str, **changes: Any) -> Standing:
        values: dict[str, Any] = {
            "name": "cmms", "url": url, "secret": SECRET, "handshake": False,
        }  # fmt: skip
        made, _ = await self.subscriptions.create(ALICE, NewSubscription(**(values | changes)))
        return made

    async def put(self, *alarms: Any) -> None:
        """Write alarms, each in a transaction of its own."""
        for one in alarms:
            await self.records.write(
                lambda w, one=one: w.put(ALARMS, one.tenant, one.alarm_id, one)  # type: ignore[misc]
            )

    async def say(self, payload: bytes, operation: Operation = Operation.TELEMETRY) -> int:
        """Put a message of pump-7 into the journal."""
        topic = f"devices/pump-7/{operation.name.lower()}"
        route = Route(MAIN, "device", "pump-7", topic, operation, DeviceId("pump-7"))
        return await self.journal.append(
            Batch([Envelope(route, self.clock.now(), payload)], [None])
        )

    async def progress(self, name: str = "cmms") -> Progress:
        uid = (await self.subscriptions.get(MAIN, name)).subscription.uid
        found = await self.inner.read(lambda r: r.get(PROGRESS, MAIN, uid))
        return found.value
