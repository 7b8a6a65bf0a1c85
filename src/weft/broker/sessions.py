"""Sessions: what a subscriber is owed, kept while it is away, in order, and never twice at QoS 2.

A session belongs to (tenant, principal uid, client id), so that nobody takes over another
principal's by naming its client id (MQ-2). It moves a message from its queue into the
window of the peer (receive maximum), and out of there when the peer has answered. Every
message is decided on again when it leaves the queue (AZ-4).

What must be on disk before the peer may see it (the packet id of a QoS 2 message, the
step from PUBREC to PUBREL) waits in `unsaved` and `unreleased` for the next checkpoint.
"""

from collections import deque
from collections.abc import Callable, Iterable

from msgspec import Struct

from weft.broker import metrics
from weft.broker.delivery import Delivery, Link, Message
from weft.broker.settings import BrokerSettings
from weft.broker.subscriptions import Subscription
from weft.broker.wills import Will
from weft.errors import Damaged
from weft.model.ids import new_id
from weft.model.principal import Principal, PrincipalKind, client_key
from weft.observability.log import get_logger
from weft.ports import Clock, Deciding

log = get_logger(__name__)

PACKET_IDS = 65_535
RIGHTS_CACHED = 4_096
BURST = 256  # handed to a link before it is asked again whether it keeps up
BURST_BYTES = 256 * 1024  # of payload, likewise: one message of the largest, or all small ones


# In the topics of what a device is asked to do: that it has the message is told.
COMMANDS = "/commands/"
DIALECTS = "/dialects/"

Acknowledged = Callable[[Principal, str], None]


def unheard(_principal: Principal, _topic: str) -> None:
    """Tell nobody."""


class Common(Struct, eq=False):
    """What all sessions of one broker share."""

    settings: BrokerSettings
    policy: Deciding
    clock: Clock
    dirty: "set[Session]"  # to be written at the next checkpoint
    wake: Callable[[], None]  # asks for a checkpoint now
    acknowledged: Acknowledged = unheard  # a device has a command on this topic
    refused: Acknowledged = unheard  # a device does not take a command on this topic


class Item(Struct, eq=False):
    """One message on its way to one subscriber."""

    seq: int
    message: Message
    qos: int
    retain: bool
    subscription_ids: tuple[int, ...]
    share: str = ""  # the shared subscription by which it came
    packet_id: int = 0
    sent: bool = False  # at least once: a second time carries DUP
    counted: bool = False  # takes a place in the window of the present link
    released: bool = False  # QoS 2: the peer has it (PUBREC)
    saved: int = 0  # what is on disk: 0 nothing, 1 the packet id, 2 that it is released
    done: bool = False
    chunk: int = -1  # of the stored queue; -1 when it is not stored


class Session:
    """One subscriber's state. All of it is touched on the loop only."""

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
        self.link: Link | None = None
        self.flowing = False
        self.outgoing: list[Delivery] = []
        self.queue: deque[Item] = deque()
        self.queue_bytes = 0
        self.inflight: dict[int, Item] = {}
        self.dropped = 0
        self.next_seq = 1
        self.next_packet_id = 1
        self.window = common.settings.inflight_max
        self.fresh: list[Item] = []  # QoS 1 and 2 since the last checkpoint, in order
        self.chunks: dict[int, dict[int, Item]] = {}  # stored queue: what is left of each chunk
        self.stored_seqs: dict[int, tuple[int, ...]] = {}  # all that each chunk was written with
        self.unsaved: list[Item] = []
        self.unreleased: list[Item] = []
        self._saving: list[Item] = []
        self._releasing: list[Item] = []
        self._queued_qos_zero = 0
        self._outstanding = 0
        self._resend: deque[Item] = deque()
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

    # --- the link -------------------------------------------------------------------------

    def connect(self, link: Link, *, receive_maximum: int) -> None:
        """Take a link; nothing flows before `resume`."""
        self.link = link
        self.flowing = False
        self.detached_at = 0
        self.window = max(1, min(receive_maximum, self.common.settings.inflight_max))

    def disconnect(self, at: int) -> None:
        """Lose the link; what it had not acknowledged is sent again on the next one."""
        self.link = None
        self.flowing = False
        self.detached_at = at
        self.outgoing = []
        self.unsaved.clear()
        self.unreleased.clear()
        self._saving.clear()
        self._releasing.clear()
        self._resend.clear()
        self._outstanding = 0
        for item in self.inflight.values():
            item.counted = False
        self._drop_qos_zero()

    def resume(self) -> None:
        """Let it flow: first what was sent before and not answered, in its order [MQTT-4.6.0-1]."""
        link = self.link
        if link is None:
            return
        if not self.flowing:
            self.flowing = True
            releases: list[int] = []
            for item in self.inflight.values():
                if not item.released:
                    self._resend.append(item)
                elif self.durable and item.saved < 2:
                    self._want_release(item)
                else:
                    releases.append(item.packet_id)
            if releases:
                link.release(releases)
        self.drain()

    def flush(self) -> None:
        """Hand the link what has gathered for it, as one list."""
        if self.queue:
            self.drain()
        elif self.outgoing:
            self._hand_over()

    def drain(self) -> None:
        """Move from the queue into the window as far as the peer keeps up."""
        link = self.link
        if link is None or not self.flowing:
            return
        now = self.common.clock.now()
        while self._fill(now, link) or self.outgoing:
            self._hand_over()

    def _hand_over(self) -> None:
        outgoing = self.outgoing
        self.outgoing = []
        if self.link is not None:
            metrics.DELIVERED.inc(len(outgoing))
            self.link.send(outgoing)

    def _fill(self, now: int, link: Link) -> bool:
        """Gather one burst; return whether there is something to hand over."""
        outgoing = self.outgoing
        while self._resend and self._outstanding < self.window and len(outgoing) < BURST:
            item = self._resend.popleft()
            if item.done:
                continue
            if self.may_receive(item.message.topic):
                self._launch(item, now)
            else:
                self._finish(item)
        if self._resend:
            return bool(outgoing)
        queue = self.queue
        size = 0
        while queue and len(outgoing) < BURST and size < BURST_BYTES and link.writable:
            item = queue[0]
            size += len(item.message.payload)
            if item.qos and not self._has_room():
                break
            self._take(queue.popleft())
            if item.message.has_expired(now):
                metrics.DROPPED.labels("expired").inc()
                self._finish(item)
            elif not self.may_receive(item.message.topic):
                metrics.DROPPED.labels("forbidden").inc()
                self._finish(item)
            else:
                self._launch(item, now)
        return bool(outgoing)

    def _has_room(self) -> bool:
        return self._outstanding < self.window and len(self.inflight) < PACKET_IDS

    # --- in -------------------------------------------------------------------------------

    def offer(
        self,
        message: Message,
        qos: int,
        subscription_ids: tuple[int, ...],
        *,
        retain: bool,
        share: str = "",
    ) -> None:
        """Send a message that its principal may receive, or queue it behind what waits."""
        link = self.link
        if self.flowing and not self.queue and link is not None and link.writable:
            if qos == 0:
                properties = message.properties
                if message.expires_at:
                    properties = message.properties_at(self.common.clock.now())
                self.outgoing.append(
                    Delivery(
                        message.topic,
                        message.payload,
                        0,
                        retain,
                        subscription_ids=subscription_ids,
                        properties=properties,
                    )
                )
                return
            if not self._resend and self._has_room():
                item = self._new_item(Item(0, message, qos, retain, subscription_ids, share))
                self._launch(item, self.common.clock.now())
                return
        if qos or link is not None:  # QoS 0 is for who is there
            self.enqueue(message, qos, subscription_ids, retain=retain, share=share)

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

    # --- the window -----------------------------------------------------------------------

    def _launch(self, item: Item, now: int) -> None:
        """Send an item, or let it wait for its packet id to be on disk."""
        if item.qos:
            if not item.packet_id:
                item.packet_id = self._free_packet_id()
                self.inflight[item.packet_id] = item
            item.counted = True
            self._outstanding += 1
            if item.qos == 2 and self.durable and not item.saved:
                self.unsaved.append(item)
                self.common.dirty.add(self)
                self.common.wake()
                return
        self._put_out(item, now)

    def _put_out(self, item: Item, now: int) -> None:
        message = item.message
        self.outgoing.append(
            Delivery(
                message.topic,
                message.payload,
                item.qos,
                item.retain,
                item.sent,
                item.packet_id,
                item.subscription_ids,
                message.properties_at(now),
            )
        )
        item.sent = item.qos > 0

    def _free_packet_id(self) -> int:
        packet_id = self.next_packet_id
        while packet_id in self.inflight:
            packet_id = packet_id % PACKET_IDS + 1
        self.next_packet_id = packet_id % PACKET_IDS + 1
        return packet_id

    def acknowledged(self, packet_id: int) -> bool:
        """PUBACK: a QoS 1 message is done. False when none was out with this id."""
        item = self.inflight.get(packet_id)
        if item is None or item.qos != 1:
            return False
        self._answered(item)
        self._tell_acknowledged(item.message.topic)
        return True

    def _tell_acknowledged(self, topic: str) -> None:
        if self.is_device and (COMMANDS in topic or DIALECTS in topic):
            self.common.acknowledged(self.principal, topic)

    def received(self, packet_id: int) -> bool:
        """PUBREC: the peer has a QoS 2 message; PUBREL follows once that is on disk."""
        item = self.inflight.get(packet_id)
        if item is None or item.qos != 2:
            return False
        item.released = True
        if self.durable and item.saved < 2:
            self._want_release(item)
        elif self.link is not None:
            self.link.release([packet_id])
        return True

    def completed(self, packet_id: int) -> bool:
        """PUBCOMP: a QoS 2 message is done. False when none was released with this id."""
        item = self.inflight.get(packet_id)
        if item is None or not item.released:
            return False
        self._answered(item)
        self._tell_acknowledged(item.message.topic)
        return True

    def discarded(self, packet_id: int) -> bool:
        """The peer refused it, or it is too large for the peer: done as if delivered."""
        item = self.inflight.get(packet_id)
        if item is None:
            return False
        metrics.DROPPED.labels("refused").inc()
        self._answered(item)
        if self.is_device and COMMANDS in item.message.topic:
            self.common.refused(self.principal, item.message.topic)
        return True

    def _want_release(self, item: Item) -> None:
        self.unreleased.append(item)
        self.common.dirty.add(self)
        self.common.wake()

    def _answered(self, item: Item) -> None:
        self._finish(item)
        # Half a window at once, so that a busy subscriber gets lists and not single messages.
        if (self.queue or self._resend) and self._outstanding <= self.window // 2:
            self.drain()

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

    # --- checkpoints ----------------------------------------------------------------------

    def saving(self) -> None:
        """A checkpoint begins: what waits for one is covered by it."""
        self._saving, self.unsaved = self.unsaved, []
        self._releasing, self.unreleased = self.unreleased, []

    def saved(self) -> None:
        """The checkpoint is on disk: send what waited for it."""
        saving, self._saving = self._saving, []
        releasing, self._releasing = self._releasing, []
        if self.ended:
            return
        now = self.common.clock.now()
        for item in saving:
            item.saved = max(item.saved, 1)
            if not item.done:
                self._put_out(item, now)
        for item in releasing:
            item.saved = 2
        packet_ids = [item.packet_id for item in releasing if not item.done]
        if packet_ids and self.link is not None:
            self.link.release(packet_ids)
        if self.flowing:
            self.flush()

    def not_saved(self) -> None:
        """The checkpoint failed: what waited for it waits for the next one."""
        self.unsaved[:0] = self._saving
        self.unreleased[:0] = self._releasing
        self._saving = []
        self._releasing = []
        self.common.dirty.add(self)

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
