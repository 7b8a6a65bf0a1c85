"""What the broker keeps on disk, and how little of it a checkpoint writes.

A session is one record: who, what it subscribed to, and the window. Its queue lies beside
it in chunks that are written once and removed when all of a chunk is done, so that one
more message never rewrites a queue. Messages that came and went between two checkpoints
are never written. All of a checkpoint, with the journal position that it reflects, is one
transaction: what is behind that position comes again from the journal, and nothing else.
"""

from collections.abc import Iterator
from itertools import islice
from typing import Any

from msgspec import Struct

from weft.broker.delivery import Message
from weft.broker.items import Common, Item
from weft.broker.sessions import Session
from weft.broker.subscriptions import SubscriptionRequest
from weft.broker.wills import DueWill, Will
from weft.errors import Damaged
from weft.model.ids import TenantId
from weft.model.message import PublishProperties
from weft.model.principal import Principal, PrincipalKind
from weft.ports import Kind, Reader, Record, Writer

CHUNK_ITEMS = 64
PAGE = 500


class StoredMessage(Struct, frozen=True, array_like=True):
    """A message at rest."""

    topic: str
    payload: bytes
    received_at: int
    properties: PublishProperties | None
    expires_at: int

    @classmethod
    def of(cls, message: Message) -> "StoredMessage":
        """Freeze a message."""
        return cls(
            message.topic,
            message.payload,
            message.received_at,
            message.properties,
            message.expires_at,
        )

    def thawed(self) -> Message:
        """Make the message that it was."""
        return Message(self.topic, self.payload, self.received_at, self.properties, self.expires_at)


class StoredItem(Struct, frozen=True, array_like=True):
    """One queued message of one session."""

    seq: int
    message: StoredMessage
    qos: int
    retain: bool
    subscription_ids: tuple[int, ...]
    share: str = ""


class StoredChunk(Struct, frozen=True):
    """A piece of a queue, never changed once it is written."""

    session: str
    items: tuple[StoredItem, ...]


class StoredSession(Struct, frozen=True):
    """A session without its queue."""

    key: str
    principal_kind: PrincipalKind
    principal_id: str
    principal_uid: str
    client_id: str
    created_at: int
    detached_at: int  # 0 while it is live
    expiry_s: int
    subscriptions: tuple[SubscriptionRequest, ...]
    next_seq: int
    next_packet_id: int
    inflight: tuple[tuple[int, int, bool], ...]  # (seq, packet id, released)
    gone: tuple[int, ...]  # items of chunks still stored that are done
    will: Will | None
    will_due_at: int  # 0 while the session is live


class StoredRetained(Struct, frozen=True):
    """A retained message with its owner."""

    message: StoredMessage
    qos: int
    owner_kind: PrincipalKind
    owner_id: str
    owner_uid: str


SESSIONS = Kind("broker_session", StoredSession)
QUEUES = Kind("broker_queue", StoredChunk)
RETAINED = Kind("broker_retained", StoredRetained)
POSITIONS = Kind("projection", int)
PLATFORM = TenantId("")


class Changes:
    """What the next checkpoint writes; of several changes of one record the last counts."""

    def __init__(self) -> None:
        self._changes: dict[tuple[Kind[Any], TenantId, str], Any] = {}

    def __len__(self) -> int:
        return len(self._changes)

    def put(self, kind: Kind[Any], tenant: TenantId, key: str, value: Any) -> None:
        """Add or replace a record."""
        self._changes[kind, tenant, key] = value

    def delete(self, kind: Kind[Any], tenant: TenantId, key: str) -> None:
        """Remove a record, if it is there."""
        self._changes[kind, tenant, key] = None

    def write(self, writer: Writer) -> None:
        """Do it all in one transaction."""
        for (kind, tenant, key), value in self._changes.items():
            if value is None:
                writer.delete(kind, tenant, key)
            else:
                writer.put(kind, tenant, key, value)


def _chunk_key(session: str, first: int) -> str:
    return f"{session}/{first:016d}"


def keep_session(session: Session, changes: Changes, *, due: DueWill | None) -> None:
    """Note what of a session has changed since the last checkpoint."""
    tenant = session.principal.tenant
    if session.ended or not session.durable:
        for first in session.chunks:
            changes.delete(QUEUES, tenant, _chunk_key(session.key, first))
        session.chunks = {}
        session.stored_seqs = {}
        session.fresh = []
        for item in (*session.queue, *session.inflight.values()):
            item.chunk = -1
        if session.stored:
            session.stored = False
            changes.delete(SESSIONS, tenant, session.key)
        return
    for first in [first for first, left in session.chunks.items() if not left]:
        del session.chunks[first], session.stored_seqs[first]
        changes.delete(QUEUES, tenant, _chunk_key(session.key, first))
    fresh = iter([item for item in session.fresh if not item.done])
    session.fresh = []
    while items := list(islice(fresh, CHUNK_ITEMS)):
        first = items[0].seq
        session.chunks[first] = {item.seq: item for item in items}
        session.stored_seqs[first] = tuple(session.chunks[first])
        for item in items:
            item.chunk = first
        stored = StoredChunk(session.key, tuple(_store_item(item) for item in items))
        changes.put(QUEUES, tenant, _chunk_key(session.key, first), stored)
    session.stored = True
    changes.put(SESSIONS, tenant, session.key, _store_session(session, due))


def _store_item(item: Item) -> StoredItem:
    message = StoredMessage.of(item.message)
    return StoredItem(item.seq, message, item.qos, item.retain, item.subscription_ids, item.share)


def _store_session(session: Session, due: DueWill | None) -> StoredSession:
    principal = session.principal
    return StoredSession(
        key=session.key,
        principal_kind=principal.kind,
        principal_id=principal.id,
        principal_uid=principal.uid,
        client_id=session.client_id,
        created_at=session.created_at,
        detached_at=session.detached_at,
        expiry_s=session.expiry_s,
        subscriptions=tuple(one.request for one in session.subscriptions.values()),
        next_seq=session.next_seq,
        next_packet_id=session.next_packet_id,
        inflight=tuple(
            (item.seq, item.packet_id, item.released) for item in session.inflight.values()
        ),
        gone=tuple(sorted(session.gone())),
        will=due.will if due is not None else session.will,
        will_due_at=due.due_at if due is not None else 0,
    )


class Restored(Struct, eq=False):
    """A session as it was kept, with the subscriptions that the broker has to make again."""

    session: Session
    requests: tuple[SubscriptionRequest, ...]
    will_due_at: int


def load_sessions(reader: Reader, common: Common) -> list[Restored]:
    """Read all sessions with their queues."""
    restored: list[Restored] = []
    for tenant in sorted({*reader.tenants(SESSIONS), *reader.tenants(QUEUES)}):
        found = {
            record.key: _restore_session(record.value, tenant, common)
            for record in pages(reader, SESSIONS, tenant)
        }
        gone = {key: set(stored.gone) for key, (_, stored) in found.items()}
        for record in pages(reader, QUEUES, tenant):
            chunk = record.value
            if chunk.session not in found:
                raise Damaged(
                    f"The queue {record.key!r} of tenant {tenant!r} belongs to no stored session.",
                    remedy="Restore the data folder from a backup.",
                )
            _restore_chunk(found[chunk.session][0], chunk, gone[chunk.session])
        for session, stored in found.values():
            session.restore_window(stored.inflight)
            restored.append(Restored(session, stored.subscriptions, stored.will_due_at))
    return restored


def pages(reader: Reader, kind: Kind[Any], tenant: TenantId) -> Iterator[Record[Any]]:
    """Yield all records of a kind, in key order."""
    after = ""
    while records := reader.list(kind, tenant, after=after, limit=PAGE):
        yield from records
        after = records[-1].key


def _restore_session(
    stored: StoredSession, tenant: TenantId, common: Common
) -> tuple[Session, StoredSession]:
    principal = Principal(tenant, stored.principal_kind, stored.principal_id, stored.principal_uid)
    session = Session(common, principal, stored.client_id, at=stored.created_at)
    session.key = stored.key
    session.stored = True
    session.detached_at = stored.detached_at or common.clock.now()
    session.expiry_s = stored.expiry_s
    session.next_seq = stored.next_seq
    session.next_packet_id = stored.next_packet_id
    session.inbound_qos_two = True  # perhaps; to forget what is not there harms nobody
    session.will = stored.will
    return session, stored


def _restore_chunk(session: Session, chunk: StoredChunk, gone: set[int]) -> None:
    first = chunk.items[0].seq
    left: dict[int, Item] = {}
    for stored in chunk.items:
        if stored.seq not in gone:
            item = Item(
                stored.seq,
                stored.message.thawed(),
                stored.qos,
                stored.retain,
                stored.subscription_ids,
                stored.share,
                chunk=first,
            )
            left[stored.seq] = item
            session.restore(item)
    session.chunks[first] = left
    session.stored_seqs[first] = tuple(item.seq for item in chunk.items)
