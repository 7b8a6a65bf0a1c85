"""The backlog of one session: what waits for its subscriber, and what is out with it.

Bounded in messages and bytes: a full queue loses QoS 0 first, then the oldest (MQ-8). It
knows what of it is on disk, and comes back from there in order. How it moves is the
session's (`sessions.py`).
"""

from collections import deque
from collections.abc import Iterable

from weft.broker import metrics
from weft.broker.delivery import Message
from weft.broker.items import Common, Item
from weft.broker.subscriptions import Subscription
from weft.broker.wills import Will
from weft.errors import Damaged
from weft.model.ids import new_id
from weft.model.principal import Principal, PrincipalKind, client_key
from weft.observability.log import get_logger

log = get_logger(__name__)

PACKET_IDS = 65_535
RIGHTS_CACHED = 4_096


class Backlog:
    """Whose it is, and all that it is owed."""

    def __init__(self, common: Common, principal: Principal, client_id: str, *, at: int) -> None:
        self.key = new_id()  # of this session; a clean start makes another one
        self.client_key = client_key(principal, client_id)  # as envelopes name their sender
        self.common = common
        self.principal = principal
        self.client_id = client_id
        self.created_at = at
        self.detached_at = 0
        self.expiry_s = 0
        self.subscriptions: dict[str, Subscription] = {}
        self.will: Will | None = None
        self.inbound_qos_two = False  # set by the transport: the journal knows ids of it
        self.stored = False
        self.ended = False
        self.queue: deque[Item] = deque()
        self.queue_bytes = 0
        self.inflight: dict[int, Item] = {}
        self.dropped = 0
        self.next_seq = 1
        self.next_packet_id = 1
        self.window = common.settings.inflight_max  # at most so many are out
        self.fresh: list[Item] = []  # QoS 1 and 2 since the last checkpoint, in order
        self.chunks: dict[int, dict[int, Item]] = {}  # stored queue: what is left of each chunk
        self.stored_seqs: dict[int, tuple[int, ...]] = {}  # all that each chunk was written with
        self._queued_qos_zero = 0
        self._outstanding = 0
        self._rights: dict[str, bool] = {}
        self._rights_version = -1
        self.is_device = principal.kind is PrincipalKind.DEVICE

    @property
    def identity(self) -> tuple[str, str, str]:
        """What the session belongs to (MQ-2)."""
        return (self.principal.tenant, self.principal.uid, self.client_id)

    @property
    def durable(self) -> bool:
        """Whether it outlives its connection, and so a restart."""
        return self.expiry_s > 0

    def may_receive(self, topic: str) -> bool:
        """Decide whether its principal may be told of a topic, as of now."""
        policy = self.common.policy
        if self._rights_version != policy.version or len(self._rights) >= RIGHTS_CACHED:
            self._rights.clear()
            self._rights_version = policy.version
        allowed = self._rights.get(topic)
        if allowed is None:
            target = f"topic:{topic}"
            allowed = policy.decide(self.principal, "topic.receive", target).allowed
            self._rights[topic] = allowed
        return allowed

    # --- what waits ---

    def _new_item(self, item: Item) -> Item:
        item.seq = self.next_seq
        self.next_seq += 1
        if item.qos and self.durable:
            self.fresh.append(item)
            self.common.dirty.add(self)
            if len(self.fresh) > 4 * (len(self.queue) + len(self.inflight)) + 1024:
                self.fresh = [one for one in self.fresh if not one.done]
        return item

    def enqueue(
        self,
        message: Message,
        qos: int,
        subscription_ids: tuple[int, ...],
        *,
        retain: bool,
        share: str = "",
    ) -> None:
        """Queue a message; a full queue loses QoS 0 first, then the oldest (MQ-8)."""
        settings = self.common.settings
        size = message.size_bytes
        if self._is_full(size) and self._queued_qos_zero:
            self._overflowed(self._drop_qos_zero())
        if self._is_full(size) and (qos == 0 or size > settings.queue_bytes_max):
            self._overflowed(1)
            return
        while self._is_full(size):
            oldest = self.queue.popleft()
            self._take(oldest)
            self._finish(oldest)
            self._overflowed(1)
        item = Item(0, message, qos, retain, subscription_ids, share)
        self.queue.append(self._new_item(item))
        self.queue_bytes += size
        if qos == 0:
            self._queued_qos_zero += 1

    def topics_held(self) -> set[str]:
        """Return the topics of what waits and of what is under way."""
        return {item.message.topic for item in (*self.queue, *self.inflight.values())}

    def withdraw(self, topic: str) -> None:
        """Drop what waits on a topic."""
        for item in [item for item in self.queue if item.message.topic == topic]:
            self.queue.remove(item)
            self._take(item)
            self._finish(item)

    def _is_full(self, size: int) -> bool:
        settings = self.common.settings
        return (
            len(self.queue) >= settings.queue_messages_max
            or self.queue_bytes + size > settings.queue_bytes_max
        )

    def _take(self, item: Item) -> None:
        self.queue_bytes -= item.message.size_bytes
        if item.qos == 0:
            self._queued_qos_zero -= 1

    def _drop_qos_zero(self) -> int:
        """Drop all that was promised to nobody; return how many."""
        count = self._queued_qos_zero
        if count:
            kept = deque(item for item in self.queue if item.qos)
            self.queue_bytes = sum(item.message.size_bytes for item in kept)
            self.queue = kept
            self._queued_qos_zero = 0
        return count

    def _overflowed(self, count: int) -> None:
        if not self.dropped:
            log.error(
                "session_queue_full",
                tenant=self.principal.tenant,
                principal=str(self.principal),
                client_id=self.client_id,
                queued=len(self.queue),
                remedy="The subscriber is too slow or away too long; the oldest are dropped.",
            )
        self.dropped += count
        metrics.DROPPED.labels("queue_full").inc(count)

    # --- what is out ---

    def _has_room(self) -> bool:
        return self._outstanding < self.window and len(self.inflight) < PACKET_IDS

    def _free_packet_id(self) -> int:
        packet_id = self.next_packet_id
        while packet_id in self.inflight:
            packet_id = packet_id % PACKET_IDS + 1
        self.next_packet_id = packet_id % PACKET_IDS + 1
        return packet_id

    def _finish(self, item: Item) -> None:
        item.done = True
        if item.packet_id:
            self.inflight.pop(item.packet_id, None)
            if item.counted:
                item.counted = False
                self._outstanding -= 1
        if item.chunk >= 0:
            self.chunks[item.chunk].pop(item.seq, None)
            self.common.dirty.add(self)

    def shared_items(self) -> list[Item]:
        """Return what another member of a group may do instead (MQTT 5, 4.8.2).

        Not at QoS 2 once it was sent: nobody else may have it then.
        """
        return [
            item
            for item in (*self.inflight.values(), *self.queue)
            if item.share and (item.qos == 1 or not item.packet_id)
        ]

    # --- on disk ---

    def gone(self) -> list[int]:
        """Return what is done of the chunks that are still stored."""
        return [
            seq
            for first, seqs in self.stored_seqs.items()
            if len(self.chunks[first]) < len(seqs)
            for seq in seqs
            if seq not in self.chunks[first]
        ]

    def restore(self, item: Item) -> None:
        """Take back a queued item after a restart, in order."""
        self.queue.append(item)
        self.queue_bytes += item.message.size_bytes

    def restore_window(self, inflight: Iterable[tuple[int, int, bool]]) -> None:
        """Take out of the queue what was in the window, in the order in which it was sent."""
        by_seq = {item.seq: item for item in self.queue}
        for seq, packet_id, released in inflight:
            if seq not in by_seq:
                raise Damaged(
                    f"Message {seq} of session {self.key} is under way and is not in its queue.",
                    remedy="Restore the data folder from a backup.",
                )
            item = by_seq.pop(seq)
            item.packet_id = packet_id
            item.released = released
            item.sent = True
            item.saved = 2 if released else 1
            self.inflight[packet_id] = item
            self.queue_bytes -= item.message.size_bytes
        self.queue = deque(by_seq.values())
