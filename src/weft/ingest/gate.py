"""The gate: every message's one way in, whatever the protocol.

A session is opened for an authenticated principal; then each message is mapped to an
operation, decided by the policy, decoded and checked. What is looked up once for a topic
is kept in the session until any right, device or type changes. A refused message is kept
too, with its reason, for the rejection inbox.
"""

from collections.abc import Callable, Sequence
from hashlib import blake2b

from weft.errors import PeerError
from weft.ingest import metrics
from weft.ingest.admissions import Admissions, CheckReported
from weft.ingest.dialects.dialect import Dialect, UnknownChildren
from weft.ingest.dialects.table import NATIVE_ONLY, Dialects
from weft.ingest.duplicates import Recent
from weft.ingest.gate_session import (
    Admission,
    GateSession,
    Incoming,
    KnownDevices,
    KnownTypes,
    Part,
)
from weft.ingest.pipeline import Pipeline
from weft.ingest.refusals import refused, stated, unread
from weft.ingest.translation import Translation
from weft.ingest.type_decoders import TypeDecoders
from weft.model.ids import TenantId
from weft.model.message import Decoded, Envelope, PublishProperties, RejectionReason
from weft.model.principal import Principal, client_key
from weft.observability.log import get_logger
from weft.ports import Deciding

log = get_logger(__name__)


class Gate:
    """Admits messages into the pipeline."""

    def __init__(
        self,
        pipeline: Pipeline,
        policy: Deciding,
        devices: KnownDevices,
        types: KnownTypes,
        check_retained: Callable[[TenantId, str, bytes], None],
        dialects: Dialects = NATIVE_ONLY,
    ) -> None:
        """`check_retained(tenant, topic, payload)` raises `QuotaExceeded` when full (MQ-7)."""
        self._pipeline = pipeline
        self._policy = policy
        self._devices = devices
        self._check_retained = check_retained
        self.dialects = dialects
        self._registry_version = 0
        self._translation = Translation(dialects, devices, types)
        self._decoders = TypeDecoders(types)
        self._admissions = Admissions(policy, devices, types, self._decoders)

    def open(self, principal: Principal, address: str, client_id: str = "") -> GateSession:
        """Open a session; one with a client id knows what was sent before."""
        key = client_key(principal, client_id) if client_id else ""
        recent = self._pipeline.duplicates.of(key) if key else Recent(maxlen=0)
        return GateSession(principal, address, key, recent)

    def check_reported_with(self, check: CheckReported) -> None:
        """Have `check(tenant, device, patch)` raise `QuotaExceeded` for a report too many."""
        self._admissions.check_reported_with(check)

    def registry_changed(self) -> None:
        """Forget what was looked up: a device or type is not what it was."""
        self._registry_version += 1

    def refresh(self, session: GateSession) -> None:
        """Drop a session's admissions if any right, device or type changed since.

        Transports call it once per read, before `admit`.
        """
        stamp = (self._policy.version, self._registry_version)
        if session.stamp != stamp:
            session.admissions.clear()
            session.translated.clear()
            session.stamp = stamp

    def admit(
        self,
        session: GateSession,
        message: Incoming,
        now: int,
        properties: PublishProperties | None = None,
    ) -> RejectionReason | None:
        """Put a message into the batch; return the reason where it goes to the inbox instead.

        Either way it is in the batch: the caller acknowledges after the commit. A message
        that was sent before (DUP) is in the journal already and not added again. Messages
        that were read at the same moment are a nanosecond apart: history keeps one value
        per device, key and moment, and a reading without a time of its own has this one.
        """
        topic = message.topic
        content_type = None if properties is None else properties.content_type
        admission = session.admissions.get(topic if content_type is None else (topic, content_type))
        if admission is None and (dialect := self.dialects.of_topic(topic)) is not None:
            return self._admit_parts(session, message, now, dialect)
        if now == session.read_at:  # as `_moment`, without the call: once for every message
            session.read_with += 1
            now += session.read_with
        else:
            session.read_at, session.read_with = now, 0
        try:
            if admission is None:
                admission = self.admission(session, topic, content_type=content_type)
            route, decode = admission
            payload = message.payload
            if message.retain:
                self._check_retained(route.tenant, route.topic, payload)
            decoded = None if decode is None else decode(payload, now)
        except PeerError as error:
            return self.reject(session, message, now, error, properties)
        except Exception:  # a bug of ours: it ends no connection, and the message is kept
            log.exception("message_broke", topic=topic)
            return self.reject(session, message, now, unread(), properties)
        if message.qos == 1:
            sent = (message.packet_id, hash(payload))
            if message.dup and sent in session.recent:
                metrics.DUPLICATES.inc()
                return None
            session.recent.append(sent)
        self._pipeline.add(
            Envelope(
                route,
                now,
                payload,
                message.qos,
                message.retain,
                message.packet_id,
                session.key,
                properties,
            ),
            decoded,
        )
        return None

    @staticmethod
    def _moment(session: GateSession, now: int) -> int:
        """Return a moment that no other message of the session has."""
        if now == session.read_at:
            session.read_with += 1
            return now + session.read_with
        session.read_at, session.read_with = now, 0
        return now

    def _admit_parts(
        self, session: GateSession, message: Incoming, now: int, dialect: Dialect
    ) -> RejectionReason | None:
        """Put a message into native words and admit each part of it.

        A part that is refused lies in the inbox by itself, in native words, and the others
        are kept; the reason is returned when nothing was. Raises `UnknownChildren` where the
        gateway may add devices: the caller does, and admits the message again.
        One that was sent before is not even read: a dialect counts what it reads.
        """
        origin = blake2b(message.payload, digest_size=8).digest()
        if message.dup and message.qos == 1 and (message.packet_id, hash(origin)) in session.recent:
            metrics.DUPLICATES.inc()
            return None
        try:
            parts = self._translation.parts_of(session, message, dialect)
        except UnknownChildren as error:
            if self._may_introduce(session):
                raise
            return self.reject(session, message, self._moment(session, now), error)
        except PeerError as error:
            return self.reject(session, message, self._moment(session, now), error)
        except Exception:  # as in `admit`
            log.exception("message_broke", topic=message.topic)
            return self.reject(session, message, self._moment(session, now), unread())
        if message.qos == 1:
            session.recent.append((message.packet_id, hash(origin)))
        reasons = [
            self._admit_part(session, part, self._moment(session, now), origin, dialect)
            for part in parts
        ]
        return reasons[0] if reasons and all(reasons) else None

    def _admit_part(
        self, session: GateSession, part: Part, now: int, origin: bytes, dialect: Dialect
    ) -> RejectionReason | None:
        stated = part.content_type
        properties = PublishProperties(content_type=stated) if stated else None
        try:
            if part.refused is not None:
                raise part.refused
            admission = session.translated.get((part.topic, dialect.name, stated))
            if admission is None:
                admission = self.admission(session, part.topic, dialect.name, stated)
            route, decode = admission
            decoded = None if decode is None else decode(part.payload, now)
        except PeerError as error:
            return self.reject(session, part, now, error, properties)
        except Exception:  # as in `admit`
            log.exception("message_broke", topic=part.topic)
            return self.reject(session, part, now, unread(), properties)
        envelope = Envelope(
            route, now, part.payload, part.qos, packet_id=part.packet_id,
            session=session.key, properties=properties, origin=origin,
        )  # fmt: skip
        self._pipeline.add(envelope, decoded)
        return None

    def require_admission(self, session: GateSession, message: Incoming) -> None:
        """Raise the reason why a message would be refused now, as far as its topic tells."""
        for part in self.in_native_words(session, message):
            self.admission(session, part.topic)  # a will may say what nothing has said yet

    def in_native_words(
        self, session: GateSession, message: Incoming, content_type: str = ""
    ) -> Sequence[Part]:
        """Return the native messages that a message stands for (`Translation`)."""
        return self._translation.in_native_words(session, message, content_type)

    def admission(
        self,
        session: GateSession,
        topic: str,
        dialect: str = "",
        content_type: str | None = None,
    ) -> Admission:
        """Look up what a session may do on a native topic; raises the reason why not."""
        return self._admissions.look_up(session, topic, dialect, content_type)

    def decode_again(self, envelope: Envelope) -> Decoded:
        """Decode a message read from the journal, by the type version it was admitted with."""
        return self._decoders.decode_again(envelope)

    def _may_introduce(self, session: GateSession) -> bool:
        principal = session.principal
        device = self._devices.find(principal.tenant, session.device_id)
        target = f"device:{principal.id}"
        may = self._policy.decide(principal, "device.introduce", target).allowed
        return may and device is not None and device.adds_children

    def reject(
        self,
        session: GateSession,
        message: Incoming,
        now: int,
        error: PeerError,
        properties: PublishProperties | None = None,
    ) -> RejectionReason:
        """Keep a refused message for the rejection inbox, with its reason."""
        reason = stated(error)
        metrics.REJECTED.labels(error.code).inc()
        self._pipeline.add(refused(session, message, now, reason, properties), None)
        return reason


__all__ = [
    "Admission",
    "Gate",
    "GateSession",
    "Incoming",
]
