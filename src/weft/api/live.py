"""Live: what happens now, to whoever is watching and may.

Messages are taken from committed batches, so what is seen is on disk; changes of alarms,
twins and work orders are told by their stations. Each event is authorised when it is sent.
Ids are journal positions: a reader that comes back with its last one is sent what it missed
of the journal, and told what else to read again. Nothing here is durable.
"""

import base64
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from typing import Any

import msgspec
from msgspec import Struct

from weft.api import metrics
from weft.api.settings import ApiSettings
from weft.api.streams import JOURNALED, KIND_OF, Filter, Gap, Stream, frame, gap_frame
from weft.errors import QuotaExceeded, Unavailable
from weft.model.ids import TenantId
from weft.model.message import DERIVED, Committed, Envelope, RejectionReason
from weft.model.moments import to_rfc3339
from weft.model.principal import Principal
from weft.ports import Deciding, Journal
from weft.rules.derived.deriver import position_of
from weft.security.connections import Connection, Connections

RESUME_MAX = 100_000  # messages sent again at most; beyond that history is the better source


class LiveMessage(Struct, frozen=True, omit_defaults=True):
    """A device's message as readers of `live` see it."""

    position: int
    received_at: str
    device_id: str
    topic: str
    data: msgspec.Raw | None = None  # the payload, where it is JSON
    data_base64: str | None = None  # the payload, where it is not
    rejection: RejectionReason | None = None
    derived_from: int | None = None  # the position of the message that it was computed of


class LiveChange(Struct, frozen=True):
    """A change of one of our own records, as readers of `live` see it."""

    device_id: str
    change: str
    record: Any


_encode = msgspec.json.Encoder().encode


class Live:
    """All open streams; a `Projection` without a durable state."""

    name = "live"
    backlog = 0

    def __init__(
        self, journal: Journal, policy: Deciding, connections: Connections, settings: ApiSettings
    ) -> None:
        self._journal = journal
        self._policy = policy
        self._connections = connections
        self._settings = settings
        self._streams: dict[Stream, Connection] = {}
        self._closed = False

    @property
    def position(self) -> int:
        """The journal's head: nothing is ever replayed to live."""
        return self._journal.head

    async def checkpoint(self) -> None:
        """Keep nothing."""

    def apply(self, batch: Committed) -> None:
        """Send a batch's messages to whoever asked for them."""
        if not self._streams:
            return
        position = batch.first
        for envelope in batch.envelopes:
            data: bytes | None = None
            for stream in self._streams:
                if position > stream.after and stream.wants_route(envelope.route):
                    data = data or _frame_of(position, envelope)
                    stream.put(position, data)
            position += 1

    def tell(
        self,
        tenant: TenantId,
        kind: str,
        device_id: str,
        change: str,
        record: Callable[[], Any],
    ) -> None:
        """Send a change of a record to whoever asked for it; called on the loop.

        `record` is called once, and only when somebody is watching.
        """
        data: bytes | None = None
        position = self._journal.head
        for stream in self._streams:
            if stream.principal.tenant == tenant and stream.wants(kind, device_id):
                if data is None:
                    told = LiveChange(device_id, change, record())
                    data = frame(kind, position, _encode(told))
                stream.put(position, data)

    def close(self) -> None:
        """End all streams and take no more."""
        self._closed = True
        for stream in self._streams:
            stream.close("Weft is stopping.")

    def open(
        self,
        principal: Principal,
        wanted: Filter,
        address: str,
        *,
        expires_at: int | None = None,
        credential_id: str = "",
    ) -> Stream:
        """Register a reader; raise `QuotaExceeded` for one that has too many streams open."""
        if self._closed:
            raise Unavailable("Weft is stopping.", remedy="Connect again in a few seconds.")
        held = sum(1 for stream in self._streams if stream.principal.uid == principal.uid)
        if held >= self._settings.streams_per_principal:
            raise QuotaExceeded(
                f"{principal} has {held} streams open, as many as one may have.",
                remedy="Close one, or widen the filter of one that is open.",
            )
        stream = Stream(principal, wanted, self._policy, queue=self._settings.stream_queue)
        stream.after = self._journal.head
        connection = Connection(principal, "sse", address, stream.close, expires_at=expires_at)
        connection.credential_id = credential_id
        self._streams[stream] = self._connections.register(connection)
        metrics.STREAMS.inc()
        return stream

    def leave(self, stream: Stream) -> None:
        """Forget a reader."""
        connection = self._streams.pop(stream, None)
        if connection is not None:
            self._connections.unregister(connection)
            metrics.STREAMS.dec()

    async def events(self, stream: Stream, last_id: int | None) -> AsyncGenerator[bytes, None]:
        """Yield a stream's events, first those behind `last_id`; forget it at the end."""
        try:
            yield b"retry: 2000\n: weft live\n\n"
            if last_id is not None:
                async for chunk in self._missed(stream, last_id):
                    yield chunk
            async for chunk in stream.events(self._settings.heartbeat_s):
                yield chunk
        finally:
            self.leave(stream)

    async def _missed(self, stream: Stream, last_id: int) -> AsyncGenerator[bytes, None]:
        until = stream.after
        after = max(min(last_id, until), self._journal.tail - 1, until - RESUME_MAX)
        if after > last_id:
            reason = "These messages are no longer sent again."
            gap = Gap(reason, after - last_id, last_id + 1, after, "Read /api/v1/history.")
            yield gap_frame(gap)
        others = sorted(stream.wanted.kinds - JOURNALED)
        if others and last_id < until:
            reason = f"Changes of kind {', '.join(others)} are not sent again."
            remedy = "Read the records again: /api/v1/alarms, /api/v1/work-orders, the twins."
            yield gap_frame(Gap(reason, 0, last_id + 1, max(after, last_id), remedy))
        if after >= until:
            return
        async for batch in self._journal.read(after, until=until):
            for position, envelope in enumerate(batch.envelopes, batch.first):
                if after < position <= until and stream.wants_route(envelope.route):
                    yield _frame_of(position, envelope)


def _frame_of(position: int, envelope: Envelope) -> bytes:
    route = envelope.route
    message = LiveMessage(
        position=position,
        received_at=to_rfc3339(envelope.received_at),
        device_id=route.device_id,
        topic=route.topic,
        rejection=envelope.rejection,
        derived_from=position_of(envelope) if envelope.session == DERIVED else None,
    )
    if envelope.rejection is None:
        message = _with_payload(message, envelope.payload)
    return frame(KIND_OF[route.operation], position, _encode(message))


def _with_payload(message: LiveMessage, payload: bytes) -> LiveMessage:
    with suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        value = msgspec.Raw(msgspec.json.format(payload, indent=-1))
        return msgspec.structs.replace(message, data=value)
    return msgspec.structs.replace(message, data_base64=base64.b64encode(payload).decode())
