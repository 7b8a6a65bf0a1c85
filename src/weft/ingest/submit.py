"""Submitting: one message by a caller that waits for its commit (HTTP, wills, weft itself)."""

from weft.errors import (
    Conflict,
    Forbidden,
    Invalid,
    NotFound,
    PayloadInvalid,
    PeerError,
    QuotaExceeded,
    Unavailable,
)
from weft.ingest.dialects.dialect import UnknownChildren
from weft.ingest.feeding import Feed
from weft.ingest.gate import Gate, GateSession
from weft.ingest.gate_session import Message
from weft.ingest.pipeline import CommitFuture, Pipeline
from weft.model.ids import DeviceId, TenantId
from weft.model.message import (
    REDRIVEN,
    Decoded,
    Envelope,
    Operation,
    PublishProperties,
    RejectionReason,
    Route,
)
from weft.model.principal import Principal, PrincipalKind
from weft.ports import Clock
from weft.registry.children import Children
from weft.security.enrolment import DevicePending

NOWHERE = 0  # the journal numbers from 1

_BY_CODE: dict[str, type[PeerError]] = {
    error.code: error
    for error in (
        Conflict,
        DevicePending,
        Forbidden,
        Invalid,
        NotFound,
        PayloadInvalid,
        QuotaExceeded,
    )
}


class Ingest:
    """The gate and the pipeline as one call."""

    def __init__(
        self, gate: Gate, pipeline: Pipeline, clock: Clock, children: Children | None = None
    ) -> None:
        """Without `children`, no gateway can add devices."""
        self._children = children
        self._gate = gate
        self._pipeline = pipeline
        self._clock = clock

    async def submit(
        self,
        principal: Principal,
        topic: str,
        payload: bytes,
        *,
        address: str,
        content_type: str = "",
    ) -> int:
        """Admit one message and return its journal position once it is on disk.

        Raises the reason of a refusal, when the refused message is kept in the inbox,
        `StorageError` when nothing could be kept, and `Unavailable` when too much waits for
        the disk already: a caller, unlike a connection, cannot be read more slowly.
        """
        if self._pipeline.full:
            raise Unavailable(
                "The journal cannot keep up just now.", remedy="Send it again in a few seconds."
            )
        properties = PublishProperties(content_type=content_type) if content_type else None
        return await self.send(principal, Message(topic, payload), properties, address=address)

    async def send(
        self,
        principal: Principal,
        message: Message,
        properties: PublishProperties | None = None,
        *,
        address: str,
        client_id: str = "",
    ) -> int:
        """The same with all that a message can have (a will).

        With a client id, what was sent before (QoS 1, DUP) is known, also over a restart.
        A message that nothing was kept of has no position: 0 is returned for one that says
        nothing in its dialect, and for one that was sent before.
        """
        session = self._gate.open(principal, address, client_id)
        try:
            reason, is_kept = self._admit(session, message, properties)
        except UnknownChildren as unknown:
            reason, is_kept = await self._introduce(session, message, unknown, properties)
        position = await self._committed()  # also of what it repeats, perhaps still on its way
        if reason is not None:
            raise refusal(reason)
        return position if is_kept else NOWHERE

    def _admit(
        self, session: GateSession, message: Message, properties: PublishProperties | None
    ) -> tuple[RejectionReason | None, bool]:
        """Admit a message; return why it was refused, if it was, and whether anything is kept."""
        before = self._pipeline.newest
        reason = self._gate.admit(session, message, self._clock.now(), properties)
        return reason, self._pipeline.newest != before

    def feed(self, principal: Principal, topic: str, *, address: str) -> Feed:
        """Open a way in for many messages on one topic."""
        return Feed((self._gate, self._pipeline, self._clock), principal, topic, address)

    async def publish(
        self, tenant: TenantId, topic: str, payload: bytes, operation: Operation, *, retain: bool
    ) -> int:
        """Publish in Weft's own name (the delta of a twin); return the position."""
        device_id = DeviceId(topic.split("/")[1] if topic.startswith("devices/") else "")
        kind = PrincipalKind.SYSTEM.value
        route = Route(tenant, kind, "weft", topic, operation, device_id)
        envelope = Envelope(route, self._clock.now(), payload, qos=1, retain=retain)
        self._pipeline.add(envelope, None)
        return await self._committed()

    async def put(self, envelope: Envelope, decoded: Decoded = None) -> int:
        """Publish a message that Weft itself has made (a command); return its position."""
        self._pipeline.add(envelope, decoded)
        return await self._committed()

    async def admit_again(
        self,
        session: GateSession,
        message: Message,
        received_at: int,
        content_type: str | None = None,
    ) -> int:
        """Admit a message that was refused before, at its first moment of receipt.

        Raises the new reason when it, or a part of it, is refused again; then nothing of it
        is kept.
        """
        dialect = self._gate.dialects.of_topic(message.topic)
        name = "" if dialect is None else dialect.name
        taken: list[tuple[Envelope, Decoded]] = []
        for part in self._gate.in_native_words(session, message, content_type or ""):
            stated = part.content_type or None
            route, decode = self._gate.admission(session, part.topic, name, stated)
            decoded = None if decode is None else decode(part.payload, received_at)
            envelope = Envelope(
                route, received_at, part.payload, message.qos, message.retain, session=REDRIVEN,
                properties=PublishProperties(content_type=stated) if stated else None,
            )  # fmt: skip
            taken.append((envelope, decoded))
        for envelope, decoded in taken:
            self._pipeline.add(envelope, decoded)
        return await self._committed()

    async def _introduce(
        self,
        session: GateSession,
        message: Message,
        unknown: UnknownChildren,
        properties: PublishProperties | None,
    ) -> tuple[RejectionReason | None, bool]:
        """Add a gateway's devices and admit its message again, or keep it as refused."""
        try:
            await self.introduce(session.principal, unknown)
            self._gate.refresh(session)
            return self._admit(session, message, properties)
        except PeerError as error:
            now = self._clock.now()
            return self._gate.reject(session, message, now, error, properties), True

    async def introduce(self, gateway: Principal, unknown: UnknownChildren) -> None:
        """Add the devices that a gateway speaks of; raises the reason why it may not."""
        if self._children is None:
            raise unknown
        for alias, type_name in zip(unknown.names, unknown.types, strict=True):
            await self._children.introduce(gateway, alias, type_name)

    async def _committed(self) -> int:
        done = CommitFuture()
        self._pipeline.acknowledge(done, self._pipeline.newest)
        return await done.wait()


def refusal(reason: RejectionReason) -> PeerError:
    """Return the error that a kept reason stands for."""
    return _BY_CODE.get(reason.code, Invalid)(reason.detail, remedy=reason.remedy)


__all__ = ["Ingest", "Message", "refusal"]
