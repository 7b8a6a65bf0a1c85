"""What server and client agree on in CONNECT and CONNACK, and what follows from it."""

from typing import Protocol

from msgspec import Struct
from msgspec.structs import replace

from weft.wire.mqtt.encode import encode_connack
from weft.wire.mqtt.kinds import V5
from weft.wire.mqtt.kinds import PacketType as P
from weft.wire.mqtt.limits import Limits
from weft.wire.mqtt.packets import Connack, Connect, Properties, Publish, Subscribe
from weft.wire.mqtt.reasons import LEGAL, MqttError, Reason
from weft.wire.mqtt.strings import SHARE_PREFIX


class Agreed(Protocol):
    """What a connection knows once CONNECT has been read."""

    version: int
    limits: Limits
    keep_alive_s: int
    session_expiry_s: int
    peer_max_packet_bytes: int


class Acceptance(Struct, frozen=True, kw_only=True):
    """What the server decided about a CONNECT that it accepts."""

    session_present: bool = False
    assigned_client_id: str = ""  # needed if the client named none
    unreleased: tuple[int, ...] = ()  # of the resumed session
    response_information: str = ""  # told if the client asked
    reason_string: str = ""


NEW_SESSION = Acceptance()


def agree_session_expiry(packet: Connect, limits: Limits) -> int:
    """How long the session is kept: as asked, up to the cap (MQ-8)."""
    if packet.version == V5:
        return min(packet.properties.session_expiry_s or 0, limits.session_expiry_s)
    # [v3.1.1 MQTT-3.1.2-4] [v3.1.1 MQTT-3.1.2-6]
    return 0 if packet.clean_start else limits.session_expiry_s


def agree_keep_alive(packet: Connect, limits: Limits) -> int:
    """The keep-alive: as asked, or the server's if that is shorter and can be told."""
    asked = packet.keep_alive_s
    if packet.version == V5 and limits.keep_alive_s and not 0 < asked <= limits.keep_alive_s:
        return limits.keep_alive_s  # [MQTT-3.2.2-21]
    return asked  # [MQTT-3.2.2-22]


def check_connect(packet: Connect, limits: Limits) -> None:
    """Refuse what this server does not do."""
    if packet.properties.authentication_method is not None:
        # [MQTT-4.12.0-1]
        raise MqttError(
            "enhanced authentication is not offered",
            Reason.BAD_AUTHENTICATION_METHOD,
            "MQTT-4.12.0-1",
        )
    will = packet.will
    if will is not None and will.qos > limits.max_qos:
        # [MQTT-3.2.2-12]
        raise MqttError(f"the will has QoS {will.qos}", Reason.QOS_NOT_SUPPORTED, "MQTT-3.2.2-12")
    if will is not None and will.retain and not limits.retain_available:
        # [MQTT-3.2.2-13]
        raise MqttError("the will is to be retained", Reason.RETAIN_NOT_SUPPORTED, "MQTT-3.2.2-13")


def check_publish(packet: Publish, limits: Limits) -> None:
    """Refuse a QoS or a retain flag that CONNACK ruled out."""
    if packet.qos > limits.max_qos:
        # [MQTT-3.2.2-11]
        raise MqttError(
            f"QoS {packet.qos} is not offered", Reason.QOS_NOT_SUPPORTED, "MQTT-3.2.2-11"
        )
    if packet.retain and not limits.retain_available:
        # [MQTT-3.2.2-14]
        raise MqttError("retain is not offered", Reason.RETAIN_NOT_SUPPORTED, "MQTT-3.2.2-14")


def check_subscribe(packet: Subscribe, limits: Limits) -> None:
    """Refuse a kind of subscription that CONNACK ruled out (3.2.2.3.11 to 13)."""
    if packet.subscription_id is not None and not limits.subscription_ids_available:
        raise MqttError(
            "subscription identifiers are not offered",
            Reason.SUBSCRIPTION_IDENTIFIERS_NOT_SUPPORTED,
            "MQTT 3.2.2.3.12",
        )
    names = [one.filter for one in packet.filters]
    if not limits.shared_available and any(name.startswith(SHARE_PREFIX) for name in names):
        raise MqttError(
            "shared subscriptions are not offered",
            Reason.SHARED_SUBSCRIPTIONS_NOT_SUPPORTED,
            "MQTT 3.2.2.3.13",
        )
    if not limits.wildcard_available and any("+" in name or "#" in name for name in names):
        raise MqttError(
            "wildcard subscriptions are not offered",
            Reason.WILDCARD_SUBSCRIPTIONS_NOT_SUPPORTED,
            "MQTT 3.2.2.3.11",
        )


def encode_acceptance(agreed: Agreed, asked: Properties, accepted: Acceptance) -> bytes:
    """CONNACK with what the server grants; what is at its default is not said."""
    limits = agreed.limits
    if agreed.version != V5:
        return encode_connack(Connack(accepted.session_present), agreed.version)
    expiry_s = agreed.session_expiry_s
    properties = Properties(
        session_expiry_s=expiry_s if expiry_s != (asked.session_expiry_s or 0) else None,
        receive_maximum=limits.receive_maximum,
        maximum_qos=limits.max_qos if limits.max_qos < 2 else None,  # [MQTT-3.2.2-9]
        retain_available=None if limits.retain_available else 0,
        maximum_packet_bytes=limits.max_packet_bytes,
        assigned_client_id=accepted.assigned_client_id or None,  # [MQTT-3.2.2-16]
        topic_alias_maximum=limits.topic_aliases or None,
        wildcard_available=None if limits.wildcard_available else 0,
        subscription_ids_available=None if limits.subscription_ids_available else 0,
        shared_available=None if limits.shared_available else 0,
        server_keep_alive_s=agreed.keep_alive_s if limits.keep_alive_s else None,
        response_information=(
            accepted.response_information or None  # [MQTT-3.1.2-28]
            if asked.request_response_information == 1
            else None
        ),
    )
    packet = Connack(accepted.session_present, properties=properties)
    return _with_reason(packet, accepted.reason_string, asked, agreed.peer_max_packet_bytes)


def encode_refusal(version: int, reason: Reason, reason_string: str, largest: int) -> bytes:
    """CONNACK with a failure, as far as the version can say it."""
    if version == 0:
        return b""
    if reason not in LEGAL[P.CONNACK] or reason is Reason.SUCCESS:
        reason = Reason.UNSPECIFIED_ERROR  # [MQTT-3.2.2-8]
    packet = Connack(reason=reason)  # [MQTT-3.2.2-6] [v3.1.1 MQTT-3.2.2-4]
    if version != V5:
        return encode_connack(packet, version)
    return _with_reason(packet, reason_string, Properties(), largest)


def _with_reason(packet: Connack, reason_string: str, asked: Properties, largest: int) -> bytes:
    if reason_string and asked.request_problem_information != 0:  # [MQTT-3.1.2-29]
        properties = replace(packet.properties, reason_string=reason_string)
        data = encode_connack(replace(packet, properties=properties), V5)
        if len(data) <= largest:  # [MQTT-3.2.2-19]
            return data
    return encode_connack(packet, V5)
