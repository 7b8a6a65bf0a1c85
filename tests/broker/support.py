"""What the broker's tests stand on: a link that remembers, a policy that can be changed."""

import asyncio
from collections.abc import Sequence
from typing import Any

from weft.backends.memory.records import MemoryRecords
from weft.broker import (
    NEVER_S,
    Attached,
    Broker,
    BrokerDependencies,
    BrokerSettings,
    Delivery,
    Opening,
    Reason,
    Session,
    SubscriptionRequest,
    Will,
)
from weft.model.ids import TenantId
from weft.model.message import Committed, Envelope, Operation, PublishProperties, Route
from weft.model.principal import Principal, PrincipalKind
from weft.ports import Decision
from weft.supervision import FakeClock

MAIN = TenantId("main")
OTHER = TenantId("other")


def principal(name: str, tenant: TenantId = MAIN) -> Principal:
    return Principal(tenant, PrincipalKind.DEVICE, name, f"uid-{tenant}-{name}")


ALICE = principal("alice")
BOB = principal("bob")


class FakePolicy:
    """Allows everything but what was denied: (principal id, action, target)."""

    def __init__(self) -> None:
        self.version = 1
        self.denied: set[tuple[str, str, str]] = set()
        self.gone: set[str] = set()
        self.asked = 0

    def deny(self, who: Principal, action: str, topic: str) -> None:
        self.denied.add((who.id, action, f"topic:{topic}"))
        self.version += 1

    def allow_all(self) -> None:
        self.denied.clear()
        self.version += 1

    def forget(self, who: Principal) -> None:
        self.gone.add(who.uid)
        self.version += 1

    def decide(self, who: Principal, action: str, target: str) -> Decision:
        self.asked += 1
        allowed = (who.id, action, target) not in self.denied and who.uid not in self.gone
        return Decision(allowed, "test", self.version)


class FakeLink:
    """A connection that remembers what it was handed, batch by batch."""

    def __init__(self) -> None:
        self.writable = True
        self.came = asyncio.Event()
        self.batches: list[list[Delivery]] = []
        self.released: list[int] = []
        self.closed: Reason | None = None

    def send(self, deliveries: Sequence[Delivery]) -> None:
        assert deliveries
        self.batches.append(list(deliveries))
        self.came.set()

    def release(self, packet_ids: Sequence[int]) -> None:
        self.released.extend(packet_ids)

    def close(self, reason: Reason) -> None:
        self.closed = reason

    @property
    def deliveries(self) -> list[Delivery]:
        return [one for batch in self.batches for one in batch]

    @property
    def payloads(self) -> list[bytes]:
        return [one.payload for one in self.deliveries]

    def taken(self) -> list[Delivery]:
        """What has come since the last call."""
        found = self.deliveries
        self.batches.clear()
        return found


class Station:
    """A broker with everything around it, and short words for what tests do."""

    def __init__(self, settings: BrokerSettings | None = None, records: Any = None) -> None:
        self.records = records or MemoryRecords()
        self.policy = FakePolicy()
        self.clock = FakeClock()
        self.settings = settings or BrokerSettings()
        self.wills: list[tuple[Principal, Will]] = []
        self.will_came = asyncio.Event()
        self.will_error: Exception | None = None
        self.forgotten: list[str] = []
        self.acknowledged: list[tuple[Principal, str]] = []
        self.refused: list[tuple[Principal, str]] = []
        self.owed: list[Envelope] = []
        self.subscribed: list[tuple[Principal, str]] = []
        self.journal: list[Envelope] = []
        self.routes: dict[tuple[Any, ...], Route] = {}
        self.broker = self._make()

    def _make(self) -> Broker:
        given = BrokerDependencies(
            self.records,
            self.policy,
            self.clock,
            self._publish_will,
            self._forget,
            lambda who, topic: self.acknowledged.append((who, topic)),
            lambda _who: self.owed,
            lambda who, filter_: self.subscribed.append((who, filter_)),
            lambda who, topic: self.refused.append((who, topic)),
        )
        return Broker(given, self.settings)

    async def _publish_will(self, who: Principal, will: Will) -> None:
        if self.will_error is not None:
            raise self.will_error
        self.wills.append((who, will))
        self.will_came.set()

    async def _forget(self, session: str) -> None:
        self.forgotten.append(session)

    async def restart(self) -> None:
        """Lose the memory, keep the disk; the journal is replayed behind the position."""
        self.broker = self._make()
        await self.broker.load()
        after = self.broker.position
        if len(self.journal) > after:
            behind = self.journal[after:]
            self.broker.apply(Committed(after + 1, behind, [None] * len(behind)))

    async def connect(
        self, who: Principal = ALICE, client_id: str = "c", **opening: Any
    ) -> tuple[Session, FakeLink]:
        """Connect and let it flow; durable sessions: `expiry_s=3600`."""
        attached, link = await self.attach(who, client_id, **opening)
        self.broker.resume(attached.session)
        return attached.session, link

    async def attach(
        self, who: Principal = ALICE, client_id: str = "c", **opening: Any
    ) -> tuple[Attached, FakeLink]:
        link = FakeLink()
        opening.setdefault("clean_start", False)
        attached = await self.broker.attach(who, link, Opening(client_id, **opening))
        return attached, link

    async def subscribe(self, session: Session, *filters: str, **options: Any) -> list[Reason]:
        requests = [SubscriptionRequest(one, **options) for one in filters]
        results = await self.broker.subscribe(session, requests)
        self.broker.resume(session)
        return results

    def envelope(
        self,
        topic: str,
        payload: bytes = b"x",
        *,
        qos: int = 0,
        retain: bool = False,
        who: Principal = BOB,
        session: str = "",
        operation: Operation = Operation.PLAIN,
        expiry_s: int | None = None,
    ) -> Envelope:
        key = (who.tenant, who.uid, topic, operation)
        route = self.routes.get(key)
        if route is None:
            route = self.routes[key] = Route(
                who.tenant, who.kind, who.id, topic, operation, principal_uid=who.uid
            )
        properties = None if expiry_s is None else PublishProperties(message_expiry_s=expiry_s)
        return Envelope(
            route,
            self.clock.now(),
            payload,
            qos=qos,
            retain=retain,
            session=session,
            properties=properties,
        )

    def publish(self, topic: str, payload: bytes = b"x", **options: Any) -> None:
        """Commit one message and apply it."""
        self.apply(self.envelope(topic, payload, **options))

    def apply(self, *envelopes: Envelope) -> None:
        """Commit some messages in one batch and apply it."""
        first = len(self.journal) + 1
        self.journal.extend(envelopes)
        self.broker.apply(Committed(first, list(envelopes), [None] * len(envelopes)))


async def subscribed(
    station: Station, filter_: str = "t/#", qos: int = 2, **opening: Any
) -> tuple[Session, FakeLink]:
    session, link = await station.connect(ALICE, "c", **opening)
    await station.subscribe(session, filter_, qos=qos)
    return session, link


__all__ = [
    "ALICE",
    "BOB",
    "MAIN",
    "NEVER_S",
    "OTHER",
    "BrokerSettings",
    "FakeLink",
    "FakePolicy",
    "Reason",
    "Station",
    "principal",
    "subscribed",
]
