"""The gate: every message's one way in, whatever the protocol.

A session is opened for an authenticated principal; then each message is mapped to an
operation, decided by the policy, decoded and checked. What is looked up once for a topic
is kept in the session until any right, device or type changes. A refused message is kept
too, with its reason, for the rejection inbox.
"""

from collections.abc import Callable, Sequence
from hashlib import blake2b

from weft.errors import Conflict, Forbidden, NotFound, PayloadInvalid, PeerError
from weft.ingest import metrics
from weft.ingest.decode import Decode, Decoders, route_format
from weft.ingest.dialects import native
from weft.ingest.dialects.dialect import (
    PARTS_MAX,
    Dialect,
    Speaker,
    UnknownChildren,
)
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
from weft.model.device import Device, DeviceType, Lifecycle
from weft.model.ids import DeviceId, TenantId, TypeName
from weft.model.message import (
    Decoded,
    Envelope,
    Operation,
    PublishProperties,
    RejectionReason,
    Route,
)
from weft.model.principal import Principal, client_key
from weft.model.twin import Properties
from weft.observability.log import get_logger
from weft.ports import Deciding
from weft.security.enrolment import DevicePending
from weft.wire.payload.formats import JSON, STATED_MAX_CHARACTERS

log = get_logger(__name__)

ADMISSIONS_MAX = 1_000  # topics remembered per session; a gateway's children fit
DECODERS_MAX = 10_000
TEXT_MAX_CHARACTERS = 2_000  # of a reason: it may quote what was sent
EVERY_BYTES: Decode | None = None
_FIRST_WORDS = frozenset({Operation.TELEMETRY, Operation.REPORTED, Operation.EVENT})

CheckReported = Callable[[TenantId, DeviceId, Properties], None]


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
        self._types = types
        self._check_retained = check_retained
        self.dialects = dialects
        self._check_reported: CheckReported | None = None
        self._registry_version = 0
        self._decoders: dict[tuple[str, str, int], Decoders] = {}

    def open(self, principal: Principal, address: str, client_id: str = "") -> GateSession:
        """Open a session; one with a client id knows what was sent before."""
        key = client_key(principal, client_id) if client_id else ""
        recent = self._pipeline.duplicates.of(key) if key else Recent(maxlen=0)
        return GateSession(principal, address, key, recent)

    def check_reported_with(self, check: CheckReported) -> None:
        """Have `check(tenant, device, patch)` raise `QuotaExceeded` for a report too many."""
        self._check_reported = check

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
            return self.reject(session, message, now, _unread(), properties)
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
        """
        try:
            parts = self._parts_of(session, message, dialect)
        except UnknownChildren as error:
            if self._may_introduce(session):
                raise
            return self.reject(session, message, self._moment(session, now), error)
        except PeerError as error:
            return self.reject(session, message, self._moment(session, now), error)
        except Exception:  # as in `admit`
            log.exception("message_broke", topic=message.topic)
            return self.reject(session, message, self._moment(session, now), _unread())
        origin = blake2b(message.payload, digest_size=8).digest()
        if message.qos == 1:
            sent = (message.packet_id, hash(origin))
            if message.dup and sent in session.recent:
                metrics.DUPLICATES.inc()
                return None
            session.recent.append(sent)
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
            return self.reject(session, part, now, _unread(), properties)
        envelope = Envelope(
            route, now, part.payload, part.qos, packet_id=part.packet_id,
            session=session.key, properties=properties, origin=origin,
        )  # fmt: skip
        self._pipeline.add(envelope, decoded)
        return None

    def _parts_of(
        self, session: GateSession, message: Incoming, dialect: Dialect, *, again: bool = False
    ) -> Sequence[Part]:
        """Return a message in native words."""
        principal = session.principal
        device = self._devices.find(principal.tenant, session.device_id)
        speaker = Speaker(principal, device, self._devices, self._types, again)
        said = dialect.read(speaker, message.topic, message.payload)
        if len(said) > PARTS_MAX:
            raise PayloadInvalid(
                f"The message holds {len(said)} messages; at most {PARTS_MAX} are taken at once.",
                remedy="Send them in several messages.",
            )
        return [
            Part(
                one.topic,
                one.payload,
                message.qos,
                message.packet_id,
                content_type=one.content_type,
                refused=one.refused,
            )
            for one in said
        ]

    def require_admission(self, session: GateSession, message: Incoming) -> None:
        """Raise the reason why a message would be refused now, as far as its topic tells."""
        for part in self.in_native_words(session, message):
            self.admission(session, part.topic)  # a will may say what nothing has said yet

    def in_native_words(
        self, session: GateSession, message: Incoming, content_type: str = ""
    ) -> Sequence[Part]:
        """Return the native messages that a message stands for: mostly itself.

        For one that is redriven, or judged before it is sent: a dialect learns nothing from it.
        """
        dialect = self.dialects.of_topic(message.topic)
        if dialect is not None:
            parts = self._parts_of(session, message, dialect, again=True)
            for part in parts:
                if part.refused is not None:
                    raise part.refused
            return parts
        return [
            Part(
                message.topic,
                message.payload,
                message.qos,
                message.packet_id,
                message.retain,
                message.dup,
                content_type,
            )
        ]

    def _may_introduce(self, session: GateSession) -> bool:
        principal = session.principal
        device = self._devices.find(principal.tenant, session.device_id)
        target = f"device:{principal.id}"
        may = self._policy.decide(principal, "device.introduce", target).allowed
        return may and device is not None and device.adds_children

    def admission(
        self,
        session: GateSession,
        topic: str,
        dialect: str = "",
        content_type: str | None = None,
    ) -> Admission:
        """Look up what a session may do on a native topic; raises the reason why not."""
        mapped = native.map_topic(topic)
        principal = session.principal
        device_id = self._addressed(session, mapped)
        canonical = native.canonical_topic(topic, mapped, device_id)
        decision = self._policy.decide(principal, "topic.publish", f"topic:{canonical}")
        if not decision.allowed:
            self._require_no_quarantine(session, device_id, mapped.operation)
            raise Forbidden(
                f"{principal} may not publish to {canonical!r}: {decision.reason}",
                remedy="Publish to the principal's own topics, or have an administrator grant it.",
            )
        device = self._require_active(principal.tenant, device_id) if device_id else None
        type_ = self._type_of(device)
        route = Route(
            principal.tenant,
            principal.kind.value,
            principal.id,
            canonical,
            mapped.operation,
            device_id,
            type_.name if type_ else "",
            type_.version if type_ else 0,
            mapped.name,
            principal.uid,
            route_format(mapped.operation, content_type, None if dialect else type_),
            dialect,
        )
        found = Admission(route, self._checked(route, self._decode_for(route)))
        if len(session.admissions) + len(session.translated) >= ADMISSIONS_MAX:
            session.admissions.clear()
            session.translated.clear()
        if dialect:
            session.translated[topic, dialect, content_type or ""] = found
        else:
            session.admissions[topic if content_type is None else (topic, content_type)] = found
        return found

    def reject(
        self,
        session: GateSession,
        message: Incoming,
        now: int,
        error: PeerError,
        properties: PublishProperties | None = None,
    ) -> RejectionReason:
        """Keep a refused message for the rejection inbox, with its reason.

        Of its properties the content type is kept: without it, nobody could read it later.
        """
        principal = session.principal
        reason = RejectionReason(
            error.code, error.detail[:TEXT_MAX_CHARACTERS], error.remedy[:TEXT_MAX_CHARACTERS]
        )
        route = Route(
            principal.tenant,
            principal.kind.value,
            principal.id,
            message.topic,
            Operation.REJECTED,
            session.device_id or _device_in(message.topic),
            principal_uid=principal.uid,
        )
        metrics.REJECTED.labels(error.code).inc()
        self._pipeline.add(
            Envelope(
                route,
                now,
                message.payload,
                message.qos,
                packet_id=message.packet_id,
                session=session.key,
                properties=_content_type_of(properties),
                rejection=reason,
            ),
            None,
        )
        return reason

    def decode_again(self, envelope: Envelope) -> Decoded:
        """Decode a message read from the journal, by the type version it was admitted with."""
        try:
            decode = self._decode_for(envelope.route)
            if decode is None:
                return None
            return decode(envelope.payload, envelope.received_at)
        except PayloadInvalid:
            return self._decode_freely(envelope)

    def _decode_freely(self, envelope: Envelope) -> Decoded:
        """Decode what was admitted by rules that have changed since: it was right then."""
        free = self._decoders_of(envelope.route.tenant, "", 0)
        route = envelope.route
        try:
            decode = free.for_operation(route.operation, route.name, route.format or JSON)
            return decode(envelope.payload, envelope.received_at) if decode else None
        except PayloadInvalid as error:  # one message must not keep all others from being read
            log.warning("message_unreadable", topic=envelope.route.topic, error=error.detail)
            return None

    def _addressed(self, session: GateSession, mapped: native.Mapped) -> DeviceId:
        if mapped.device != native.ME:
            return DeviceId(mapped.device)
        if not session.device_id:
            raise Forbidden(
                f"{session.principal} is no device, so 'me' names nothing.",
                remedy="Write the device's id.",
            )
        return session.device_id

    def _require_no_quarantine(
        self, session: GateSession, device_id: DeviceId, operation: Operation
    ) -> None:
        """Raise `DevicePending` for what a device that waits says of itself, and only for that."""
        device = self._devices.find(session.principal.tenant, device_id) if device_id else None
        own = device is not None and device.uid == session.principal.uid
        if own and device is not None and device.waits and operation in _FIRST_WORDS:
            raise DevicePending(
                device_id,
                detail=f"Device {device_id!r} waits for approval; its message is kept.",
                remedy=f"Let it in: weft quarantine approve {device_id}",
            )

    def _require_active(self, tenant: TenantId, device_id: DeviceId) -> Device:
        device = self._devices.find(tenant, device_id)
        if device is None:
            raise NotFound(
                f"There is no device {device_id!r}.",
                remedy=f"Add it: weft device add {device_id} --type TYPE",
            )
        if device.lifecycle is not Lifecycle.ACTIVE:
            raise Conflict(
                f"Device {device_id!r} is {device.lifecycle}.",
                remedy="Make it active before it sends.",
            )
        return device

    def _type_of(self, device: Device | None) -> DeviceType | None:
        if device is None or device.type_name is None:
            return None
        type_ = self._types.followed_by(device)
        if type_ is None:
            raise NotFound(
                f"Device {device.device_id!r} follows type {device.type_name!r}, which is gone.",
                remedy="Save the type again, or give the device another one.",
            )
        return type_

    def _decode_for(self, route: Route) -> Decode | None:
        if route.operation in (Operation.PLAIN, Operation.REJECTED, Operation.DIALECT):
            return EVERY_BYTES
        decoders = self._decoders_of(route.tenant, route.type_name, route.type_version)
        return decoders.for_operation(route.operation, route.name, route.format or JSON)

    def _checked(self, route: Route, decode: Decode | None) -> Decode | None:
        """Add what is asked of a report at the door, and not of an old one that is read again."""
        check = self._check_reported
        if decode is None or check is None or route.operation is not Operation.REPORTED:
            return decode

        def checked(payload: bytes, received_at: int) -> Decoded:
            patch = decode(payload, received_at)
            check(route.tenant, route.device_id, patch)
            return patch

        return checked

    def _decoders_of(self, tenant: TenantId, type_name: str, version: int) -> Decoders:
        key = (tenant, type_name, version)
        decoders = self._decoders.get(key)
        if decoders is None:
            type_ = self._types.find(tenant, TypeName(type_name), version) if type_name else None
            if len(self._decoders) >= DECODERS_MAX:
                self._decoders.clear()
            decoders = self._decoders[key] = Decoders(type_)
        return decoders


def _unread() -> PayloadInvalid:
    """Return what the sender of a message is told that we broke over."""
    return PayloadInvalid(
        "Weft broke over this message: a fault of its own, which its log describes.",
        remedy="Report it with the payload; redrive the message when Weft is mended.",
    )


def _content_type_of(properties: PublishProperties | None) -> PublishProperties | None:
    if properties is None or properties.content_type is None:
        return None
    return PublishProperties(content_type=properties.content_type[:STATED_MAX_CHARACTERS])


def _device_in(topic: str) -> DeviceId:
    """Return the device that a refused topic seems to name, so that it is found in the inbox."""
    parts = topic.split("/", 2)
    return DeviceId(parts[1] if len(parts) > 2 and parts[0] == "devices" else "")


__all__ = [
    "Admission",
    "Gate",
    "GateSession",
    "Incoming",
]
