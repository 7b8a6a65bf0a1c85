"""Refusals: how a message that is not admitted goes on, to the rejection inbox."""

from weft.errors import PayloadInvalid, PeerError
from weft.ingest.gate_session import GateSession, Incoming
from weft.model.ids import DeviceId
from weft.model.message import Envelope, Operation, PublishProperties, RejectionReason, Route
from weft.wire.payload.formats import STATED_MAX_CHARACTERS

TEXT_MAX_CHARACTERS = 2_000  # of a reason: it may quote what was sent


def stated(error: PeerError) -> RejectionReason:
    """Return an error in words that are kept, cut where it quotes too much of what was sent."""
    return RejectionReason(
        error.code, error.detail[:TEXT_MAX_CHARACTERS], error.remedy[:TEXT_MAX_CHARACTERS]
    )


def refused(
    session: GateSession,
    message: Incoming,
    now: int,
    reason: RejectionReason,
    properties: PublishProperties | None = None,
) -> Envelope:
    """Return a refused message with its reason, as the journal keeps it.

    Of its properties the content type is kept: without it, nobody could read it later.
    """
    principal = session.principal
    route = Route(
        principal.tenant,
        principal.kind.value,
        principal.id,
        message.topic,
        Operation.REJECTED,
        session.device_id or _device_in(message.topic),
        principal_uid=principal.uid,
    )
    return Envelope(
        route,
        now,
        message.payload,
        message.qos,
        packet_id=message.packet_id,
        session=session.key,
        properties=_content_type_of(properties),
        rejection=reason,
    )


def unread() -> PayloadInvalid:
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
