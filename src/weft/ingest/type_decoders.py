"""Decoders by type: how messages are read, now and when they are read again.

A message is read by the version of the type that it was admitted with. One that was right
then stays readable: rules that have changed since keep nobody's journal from being read.
"""

from weft.errors import PayloadInvalid
from weft.ingest.decode import Decode, Decoders
from weft.ingest.gate_session import KnownTypes
from weft.model.ids import TenantId, TypeName
from weft.model.message import DERIVED, RECOMPUTED, Decoded, Envelope, Operation, Route
from weft.observability.log import get_logger
from weft.wire.payload.formats import JSON

log = get_logger(__name__)

DECODERS_MAX = 10_000
EVERY_BYTES: Decode | None = None


class TypeDecoders:
    """The decoders of all types and versions that are met."""

    def __init__(self, types: KnownTypes) -> None:
        self._types = types
        self._decoders: dict[tuple[str, str, int], Decoders] = {}

    def decode_again(self, envelope: Envelope) -> Decoded:
        """Decode a message read from the journal, by the type version it was admitted with.

        What Weft has computed itself is of no type: the device never sends it.
        """
        if envelope.session in (DERIVED, RECOMPUTED):
            return self._decode_freely(envelope)
        try:
            decode = self.for_route(envelope.route)
            if decode is None:
                return None
            return decode(envelope.payload, envelope.received_at)
        except PayloadInvalid:
            return self._decode_freely(envelope)

    def _decode_freely(self, envelope: Envelope) -> Decoded:
        """Decode what was admitted by rules that have changed since: it was right then."""
        free = self._of(envelope.route.tenant, "", 0)
        route = envelope.route
        try:
            decode = free.for_operation(route.operation, route.name, route.format or JSON)
            return decode(envelope.payload, envelope.received_at) if decode else None
        except PayloadInvalid as error:  # one message must not keep all others from being read
            log.warning("message_unreadable", topic=envelope.route.topic, error=error.detail)
            return None

    def for_route(self, route: Route) -> Decode | None:
        """Return what reads the messages of a route; None for what is taken as it comes."""
        if route.operation in (Operation.PLAIN, Operation.REJECTED, Operation.DIALECT):
            return EVERY_BYTES
        decoders = self._of(route.tenant, route.type_name, route.type_version)
        return decoders.for_operation(route.operation, route.name, route.format or JSON)

    def _of(self, tenant: TenantId, type_name: str, version: int) -> Decoders:
        key = (tenant, type_name, version)
        decoders = self._decoders.get(key)
        if decoders is None:
            type_ = self._types.find(tenant, TypeName(type_name), version) if type_name else None
            if len(self._decoders) >= DECODERS_MAX:
                self._decoders.clear()
            decoders = self._decoders[key] = Decoders(type_)
        return decoders
