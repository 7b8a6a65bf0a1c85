"""Caps on what one connection may ask for, each with the reason code it is refused by."""

from msgspec import Struct


class Limits(Struct, frozen=True, forbid_unknown_fields=True):
    """What the server grants one connection. Beyond a cap the connection ends."""

    max_packet_bytes: int = 256 * 1024  # 0x95; one firmware chunk fits, a flood does not
    connect_bytes: int = 64 * 1024  # 0x95; all that is buffered for a stranger
    connect_wait_s: float = 10.0  # a stranger who says nothing is let go
    topic_bytes: int = 1024  # 0x90, in a filter 0x8F
    topic_levels: int = 32  # 0x90, in a filter 0x8F: matching costs per level
    client_id_bytes: int = 128  # 0x85
    user_properties: int = 32  # 0x97
    user_property_bytes: int = 4096  # 0x97
    filters: int = 32  # 0x97, per SUBSCRIBE or UNSUBSCRIBE
    topic_aliases: int = 32  # 0x94; in each direction
    receive_maximum: int = 100  # 0x93; QoS 1 and 2 messages not yet acknowledged
    unreleased: int = 1000  # 0x93; QoS 2 over v3.1.1, which has no receive maximum
    release_wait_s: float = 60.0  # 0x97; how long a QoS 2 message may wait for its PUBREL
    session_expiry_s: int = 86_400  # longer wishes are cut to this, and the client is told
    keep_alive_s: int = 1200  # longer or absent keep-alives are cut to this; 0: as the client asks
    max_qos: int = 2  # 0x9B
    retain_available: bool = True  # 0x9A
    wildcard_available: bool = True  # 0xA2
    subscription_ids_available: bool = True  # 0xA1
    shared_available: bool = True  # 0x9E


DEFAULT_LIMITS = Limits()
# What a client grants the server: nothing but sizes, since it chose the server.
CLIENT_LIMITS = Limits(
    max_packet_bytes=268_435_460,
    topic_bytes=65_535,
    topic_levels=65_535,
    client_id_bytes=65_535,
    user_properties=65_535,
    user_property_bytes=268_435_455,
    filters=65_535,
    topic_aliases=0,
    receive_maximum=65_535,
)
