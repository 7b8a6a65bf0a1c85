"""Between the words of the wire and those of the stations: properties and reasons."""

from collections.abc import Sequence

from weft.broker.broker import NEVER_S, Opening
from weft.broker.delivery import Delivery
from weft.broker.subscriptions import SubscriptionRequest
from weft.broker.wills import Will
from weft.errors import Forbidden, PeerError
from weft.ingest.dialects.table import NATIVE_ONLY, Dialects
from weft.model.message import PublishProperties, RejectionReason
from weft.wire.mqtt import packets
from weft.wire.mqtt.kinds import V5
from weft.wire.mqtt.packets import NO_PROPERTIES, Connect, Properties, Publish, Subscribe
from weft.wire.mqtt.reasons import Reason

NOTHING = PublishProperties()
FILTER_MAX_CHARACTERS = 200

_REASONS = {
    "forbidden": Reason.NOT_AUTHORIZED,
    "not_found": Reason.NOT_AUTHORIZED,
    "conflict": Reason.NOT_AUTHORIZED,
    "device_pending": Reason.NOT_AUTHORIZED,
    "invalid": Reason.TOPIC_NAME_INVALID,
    "payload_invalid": Reason.PAYLOAD_FORMAT_INVALID,
    "quota_exceeded": Reason.QUOTA_EXCEEDED,
    "rate_limited": Reason.QUOTA_EXCEEDED,
    "too_large": Reason.QUOTA_EXCEEDED,  # PUBACK has no 0x95 (MQTT 5, 3.4.2.1)
}

_REMEDIES = {
    Reason.NOT_AUTHORIZED: "not allowed; an administrator can grant it",
    Reason.TOPIC_FILTER_INVALID: "no valid filter",
    Reason.QUOTA_EXCEEDED: "one subscription too many",
}


def reason_of(rejection: RejectionReason) -> Reason:
    """Return the reason code for a refused message."""
    return _REASONS.get(rejection.code, Reason.IMPLEMENTATION_SPECIFIC_ERROR)


def explained(subscribe: Subscribe, reasons: Sequence[Reason]) -> str:
    """Say which filters were refused and why; empty when none was."""
    return "; ".join(
        f"{one.filter!r}: {_REMEDIES.get(reason, reason.name.lower())}"
        for one, reason in zip(subscribe.filters, reasons, strict=True)
        if reason >= Reason.UNSPECIFIED_ERROR
    )


def refused_filters(subscribe: Subscribe, reasons: Sequence[Reason]) -> list[PeerError]:
    """Return what the owner reads of each filter that was refused."""
    return [
        Forbidden(
            f"Wrong topic: {one.filter[:FILTER_MAX_CHARACTERS]!r} cannot be subscribed to: "
            f"{_REMEDIES.get(reason, reason.name.lower())}.",
            remedy="A device subscribes to what is its own: devices/me/# holds it all.",
        )
        for one, reason in zip(subscribe.filters, reasons, strict=True)
        if reason >= Reason.UNSPECIFIED_ERROR
    ]


def relayed(properties: Properties) -> PublishProperties | None:
    """Return what of a PUBLISH travels on to subscribers (MQTT 5, 3.3.2.3)."""
    if properties is NO_PROPERTIES:
        return None
    found = PublishProperties(
        properties.payload_format,
        properties.message_expiry_s,
        properties.content_type,
        properties.response_topic,
        properties.correlation_data,
        properties.user_properties,
    )
    return None if found == NOTHING else found  # a topic alias is of one hop


def publish_of(delivery: Delivery) -> Publish:
    """Return the PUBLISH of a delivery."""
    relay = delivery.properties
    properties = NO_PROPERTIES
    if relay is not None or delivery.subscription_ids:
        relay = relay or NOTHING
        properties = Properties(
            payload_format=relay.payload_format,
            message_expiry_s=relay.message_expiry_s,
            content_type=relay.content_type,
            response_topic=relay.response_topic,
            correlation_data=relay.correlation_data,
            user_properties=relay.user_properties,
            subscription_ids=delivery.subscription_ids,
        )
    return Publish(
        delivery.topic,
        delivery.payload,
        delivery.qos,
        delivery.retain,
        delivery.dup,
        delivery.packet_id,
        properties,
    )


def opening_of(connect: Connect, client_id: str, session_expiry_s: int, window: int) -> Opening:
    """Return what a CONNECT asks of the broker."""
    expiry_s = session_expiry_s
    if connect.version != V5:
        expiry_s = 0 if connect.clean_start else NEVER_S  # [v3.1.1 MQTT-3.1.2-4]
    return Opening(client_id, connect.clean_start, expiry_s, window, will_of(connect.will))


def will_of(will: packets.Will | None) -> Will | None:
    """Return the broker's will."""
    if will is None:
        return None
    properties = will.properties
    return Will(
        will.topic,
        will.payload,
        will.qos,
        will.retain,
        properties.will_delay_s or 0,
        relayed(properties),
    )


def requests_of(
    subscribe: Subscribe, device_id: str, dialects: Dialects = NATIVE_ONLY
) -> list[SubscriptionRequest]:
    """Return the filters of a SUBSCRIBE in native words; `me` stands for the device itself."""
    identifier = subscribe.subscription_id or 0
    return [
        SubscriptionRequest(
            dialects.native_filter(one.filter, device_id),
            one.qos,
            one.no_local,
            one.retain_as_published,
            one.retain_handling,
            identifier,
        )
        for one in subscribe.filters
    ]
