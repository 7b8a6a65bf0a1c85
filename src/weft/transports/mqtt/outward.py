"""What a connection says: acknowledgements for the pipeline, deliveries for the broker.

Acknowledgements leave when the journal has the batch, those of one connection in one write,
in the order of the messages; deliveries leave as lists.
"""

from collections.abc import Sequence
from typing import Any, cast

from msgspec.structs import replace

from weft.broker.delivery import Delivery
from weft.broker.delivery import Reason as BrokerReason
from weft.broker.sessions import Session
from weft.errors import StorageError
from weft.ingest.gate import GateSession
from weft.model.message import QosTwo, RejectionReason
from weft.observability.log import get_logger
from weft.transports.mqtt.line import Host, Line, Work
from weft.transports.mqtt.owed import PUBCOMP_OWED, PUBREC_OWED, Refusal, acknowledgement
from weft.transports.mqtt.settings import Given
from weft.transports.mqtt.translate import publish_of, reason_of
from weft.wire.mqtt.kinds import V5
from weft.wire.mqtt.packets import Publish
from weft.wire.mqtt.reasons import Reason
from weft.wire.mqtt.stream import State

log = get_logger(__name__)

DIALECT_MARK = "/dialects/"  # in topics that a client knows by another name

NOT_KEPT = "The message could not be kept; send it again."  # why is for our own log


class Outward(Line):
    """A `Link` to the broker, a `Sender` to the pipeline."""

    def __init__(self, given: Given, host: Host) -> None:
        super().__init__(given, host)
        self.session: Session | None = None
        self.sent = 0
        self._gate_session: GateSession | None = None
        self._only_pubacks = True  # nothing else was ever owed
        self._held = False  # deliveries wait for the answer to a request

    @property
    def _session(self) -> Session:
        assert self.session is not None
        return self.session

    def resume_writing(self) -> None:
        """The peer keeps up again: what was queued for it flows."""
        super().resume_writing()
        self._let_flow()

    async def _hold_for(self, work: Work) -> None:
        """Answer a request; what the broker has meanwhile waits in its queue, behind the answer.

        Nothing is read until then. A peer that took a message, acknowledged it and left would
        not be heard: our next write would end the connection with its PUBACK unread.
        """
        self._held, self.writable = True, False
        await work
        self._held = False
        self._let_flow()

    def _let_flow(self) -> None:
        self.writable = not self._held and not self.stalled_at
        if self.writable and self.session is not None and not self._is_over:
            self._given.broker.resume(self.session, self)

    # --- what is owed ---

    def _note_owed(self, packet: Publish, rejection: RejectionReason | None) -> None:
        """Have the sender told once the message is on disk."""
        given = self._given
        qos = packet.qos
        if qos == 1 and rejection is None:
            given.pipeline.acknowledge(self, packet.packet_id)
        elif qos:
            self._owe(packet, rejection)

    def _owe(self, packet: Publish, rejection: RejectionReason | None) -> None:
        """Note what is to be said of a message that is no plain QoS 1 one."""
        packet_id, qos = packet.packet_id, packet.qos
        token: int | Refusal = packet_id if qos == 1 else packet_id | PUBREC_OWED
        if rejection is not None and self._machine.version == V5:
            token = Refusal((packet_id, qos, reason_of(rejection), rejection.detail))
        elif qos == 2 and not packet.repeated:
            session = self._session
            session.inbound_qos_two = True
            self._given.pipeline.add_qos_two(QosTwo(session.key, packet_id, released=False))
        self._only_pubacks = False
        self._given.pipeline.acknowledge(self, token)

    def _owe_pubcomp(self, packet_id: int) -> None:
        """Note that the peer has let go of a QoS 2 id; PUBCOMP leaves when that is on disk."""
        pipeline = self._given.pipeline
        pipeline.add_qos_two(QosTwo(self._session.key, packet_id, released=True))
        self._only_pubacks = False
        pipeline.acknowledge(self, packet_id | PUBCOMP_OWED)

    # --- what the pipeline says ---

    def committed(self, tokens: list[Any], _first: int) -> None:
        """What these tokens stand for is on disk: say so."""
        machine = self._machine
        if self._closed or machine.state is not State.OPEN:
            return
        if self._only_pubacks:
            self._transport.write(machine.pubacks(tokens))
        else:
            parts = [acknowledgement(machine, token) for token in tokens]  # [MQTT-4.6.0-2]
            self._transport.write(b"".join(parts))

    def commit_failed(self, _tokens: list[Any], error: StorageError) -> None:
        """Nothing was kept: end the connection, so that the peer sends again."""
        log.debug("mqtt_not_kept", peer=self.address, error=error.detail)
        self._end_for_now(NOT_KEPT)

    # --- what the broker says ---

    def send(self, deliveries: Sequence[Delivery]) -> None:
        """Write deliveries, in order; one that the peer cannot take counts as sent."""
        if self._is_over:  # behind DISCONNECT nothing is sent [MQTT-3.14.4-1]
            return
        publish = self._machine.publish
        own_topic = self._given.gate.dialects.own_topic
        parts = []
        for delivery in deliveries:
            if DIALECT_MARK in delivery.topic:
                device_id = cast("GateSession", self._gate_session).device_id
                delivery = replace(delivery, topic=own_topic(delivery.topic, device_id))  # noqa: PLW2901
            data = publish(publish_of(delivery))
            if data is not None:
                parts.append(data)
            elif delivery.qos:
                # [MQTT-3.1.2-25]; not from within the broker's own call
                self._loop.call_soon(self._discard, delivery.packet_id)
        self.sent += len(parts)
        self._transport.write(b"".join(parts))

    def _discard(self, packet_id: int) -> None:
        if self.session is not None and not self._closed:
            self._given.broker.discarded(self.session, packet_id)

    def release(self, packet_ids: Sequence[int]) -> None:
        """Write PUBRELs, in order."""
        if self._is_over:
            return
        pubrel = self._machine.pubrel
        self._transport.write(b"".join([pubrel(packet_id) for packet_id in packet_ids]))

    def close(self, reason: BrokerReason) -> None:
        """End the connection for the broker: taken over, or revoked."""
        self._end(Reason(int(reason)))
