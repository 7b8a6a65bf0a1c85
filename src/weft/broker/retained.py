"""Retained messages: the last word on a topic, for who subscribes later.

Each has an owner, who must still be allowed to publish there whenever it is read: a
revoked or deleted device no longer speaks (MQ-7). A tenant holds so many and so much.
"""

from collections.abc import Iterator

from msgspec import Struct

from weft.broker import metrics
from weft.broker.delivery import Message
from weft.broker.settings import BrokerSettings
from weft.broker.storage import (
    RETAINED,
    Changes,
    StoredMessage,
    StoredRetained,
    pages,
)
from weft.broker.topics import TopicIndex
from weft.errors import QuotaExceeded
from weft.model.ids import TenantId
from weft.model.message import Envelope
from weft.model.principal import Principal, PrincipalKind
from weft.ports import Deciding, Reader


class Retained(Struct, eq=False):
    """One retained message, with what was last decided about its owner."""

    message: Message
    qos: int
    owner: Principal
    checked_version: int = -1
    allowed: bool = False


class _Shelf:
    """The retained messages of one tenant."""

    __slots__ = ("index", "promised", "promised_bytes", "size_bytes")

    def __init__(self) -> None:
        self.index: TopicIndex[Retained] = TopicIndex()
        self.size_bytes = 0
        self.promised = 0  # admitted and not yet applied
        self.promised_bytes = 0


class RetainedMessages:
    """The retained messages of all tenants."""

    def __init__(self, settings: BrokerSettings, policy: Deciding) -> None:
        self._settings = settings
        self._policy = policy
        self._quotas: dict[TenantId, tuple[int, int]] = {}
        self._shelves: dict[TenantId, _Shelf] = {}
        self._dirty: set[tuple[TenantId, str]] = set()
        self._expiring: dict[tuple[TenantId, str], int] = {}

    def __len__(self) -> int:
        return sum(len(shelf.index) for shelf in self._shelves.values())

    def set_quota(self, tenant: TenantId, messages: int, size_bytes: int) -> None:
        """Hold a tenant to a quota of its own, where that is below the settings'."""
        self._quotas[tenant] = (messages, size_bytes)

    def _quota_of(self, tenant: TenantId) -> tuple[int, int]:
        common = (self._settings.retained_messages_max, self._settings.retained_bytes_max)
        own = self._quotas.get(tenant, common)
        return min(own[0], common[0]), min(own[1], common[1])

    def require_room(self, tenant: TenantId, topic: str, payload: bytes) -> None:
        """Raise `QuotaExceeded` unless this may be retained; the gate asks before it admits.

        What was admitted counts from then on. A promise that comes to nothing, because its
        batch could not be written, is forgotten at the next sweep.
        """
        if not payload:
            return
        shelf = self._shelves.setdefault(tenant, _Shelf())
        old = shelf.index.find(topic)
        size = len(topic) + len(payload) + 64
        more = size - (old.message.size_bytes if old is not None else 0)
        count = len(shelf.index) + shelf.promised + (old is None)
        total = shelf.size_bytes + shelf.promised_bytes + more
        messages_max, bytes_max = self._quota_of(tenant)
        if count > messages_max or total > bytes_max:
            raise QuotaExceeded(
                f"The tenant holds {len(shelf.index)} retained messages of "
                f"{shelf.size_bytes} bytes; {topic!r} does not fit beside them.",
                remedy="Remove some by publishing an empty retained message to their topics, "
                "or raise the tenant's quota, or broker.retained_messages_max.",
            )
        shelf.promised += old is None
        shelf.promised_bytes += max(0, more)

    def keep(self, envelope: Envelope, message: Message) -> None:
        """Keep the last word on a topic; an empty payload removes it [MQTT-3.3.1-6]."""
        route = envelope.route
        old = self._remove(route.tenant, route.topic)
        if envelope.payload:
            owner = Principal(
                route.tenant,
                PrincipalKind(route.principal_kind),
                route.principal_id,
                route.principal_uid,
            )
            shelf = self._put(route.tenant, Retained(message, envelope.qos, owner))
            more = message.size_bytes - (old.message.size_bytes if old is not None else 0)
            shelf.promised = max(0, shelf.promised - (old is None))
            shelf.promised_bytes = max(0, shelf.promised_bytes - max(0, more))
        self._dirty.add((route.tenant, route.topic))

    def forget(self, tenant: TenantId, filter_: str) -> None:
        """Remove everything that a filter matches."""
        shelf = self._shelves.get(tenant)
        for one in shelf.index.match(filter_) if shelf is not None else ():
            self._remove(tenant, one.message.topic)
            self._dirty.add((tenant, one.message.topic))

    def match(self, tenant: TenantId, filter_: str, now: int) -> list[Retained]:
        """Return what a filter matches, without what has expired or whose owner may not speak."""
        shelf = self._shelves.get(tenant)
        if shelf is None:
            return []
        return [
            one
            for one in shelf.index.match(filter_)
            if not one.message.has_expired(now) and self._may_speak(one)
        ]

    def sweep(self, now: int) -> None:
        """Remove what has expired, and promises that came to nothing."""
        for shelf in self._shelves.values():
            shelf.promised = 0
            shelf.promised_bytes = 0
        for tenant, topic in [key for key, at in self._expiring.items() if at <= now]:
            self._remove(tenant, topic)
            self._dirty.add((tenant, topic))
        metrics.RETAINED.set(len(self))

    def keep_changes(self, changes: Changes) -> None:
        """Note what has changed since the last checkpoint."""
        for tenant, topic in self._dirty:
            one = self._shelves[tenant].index.find(topic) if tenant in self._shelves else None
            if one is None:
                changes.delete(RETAINED, tenant, topic)
            else:
                changes.put(RETAINED, tenant, topic, _store(one))
        self._dirty.clear()

    def take_back(self, loaded: list[tuple[TenantId, Retained]]) -> None:
        """Take back what was kept, after a restart."""
        for tenant, one in loaded:
            self._put(tenant, one)

    def _may_speak(self, one: Retained) -> bool:
        version = self._policy.version
        if one.checked_version != version:
            target = f"topic:{one.message.topic}"
            one.allowed = self._policy.decide(one.owner, "topic.publish", target).allowed
            one.checked_version = version
        return one.allowed

    def _put(self, tenant: TenantId, one: Retained) -> _Shelf:
        shelf = self._shelves.setdefault(tenant, _Shelf())
        shelf.index.put(one.message.topic, one)
        shelf.size_bytes += one.message.size_bytes
        if one.message.expires_at:
            self._expiring[tenant, one.message.topic] = one.message.expires_at
        return shelf

    def _remove(self, tenant: TenantId, topic: str) -> Retained | None:
        shelf = self._shelves.get(tenant)
        old = shelf.index.remove(topic) if shelf is not None else None
        if shelf is not None and old is not None:
            shelf.size_bytes -= old.message.size_bytes
            self._expiring.pop((tenant, topic), None)
        return old


def _store(one: Retained) -> StoredRetained:
    owner = one.owner
    message = StoredMessage.of(one.message)
    return StoredRetained(message, one.qos, owner.kind, owner.id, owner.uid)


def load_retained(reader: Reader) -> list[tuple[TenantId, Retained]]:
    """Read all retained messages."""
    return list(_load(reader))


def _load(reader: Reader) -> Iterator[tuple[TenantId, Retained]]:
    for tenant in reader.tenants(RETAINED):
        for record in pages(reader, RETAINED, tenant):
            stored: StoredRetained = record.value
            owner = Principal(tenant, stored.owner_kind, stored.owner_id, stored.owner_uid)
            yield tenant, Retained(stored.message.thawed(), stored.qos, owner)
