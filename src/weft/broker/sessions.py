"""Sessions: what a subscriber is owed, kept while it is away, in order, and never twice at QoS 2.

A session belongs to (tenant, principal uid, client id), so that nobody takes over another
principal's by naming its client id (MQ-2). It moves a message from its queue into the
window of the peer (receive maximum), and out of there when the peer has answered. Every
message is decided on again when it leaves the queue (AZ-4).

What must be on disk before the peer may see it (the packet id of a QoS 2 message, the
step from PUBREC to PUBREL) waits in `unsaved` and `unreleased` for the next checkpoint.
"""

from collections import deque

from weft.broker import metrics
from weft.broker.backlog import Backlog
from weft.broker.delivery import Delivery, Link, Message
from weft.broker.items import Common, Item
from weft.model.principal import Principal

BURST = 256  # handed to a link before it is asked again whether it keeps up
BURST_BYTES = 256 * 1024  # of payload, likewise: one message of the largest, or all small ones

# In the topics of what a device is asked to do: that it has the message is told.
COMMANDS = "/commands/"
DIALECTS = "/dialects/"


class Session(Backlog):
    """One subscriber's state. All of it is touched on the loop only."""

    def __init__(self, common: Common, principal: Principal, client_id: str, *, at: int) -> None:
        super().__init__(common, principal, client_id, at=at)
        self.link: Link | None = None
        self.flowing = False
        self.outgoing: list[Delivery] = []
        self.unsaved: list[Item] = []
        self.unreleased: list[Item] = []
        self._saving: list[Item] = []
        self._releasing: list[Item] = []
        self._resend: deque[Item] = deque()

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
