"""Settings of the broker: what one subscriber, principal and tenant may take up (MQ-7, MQ-8)."""

from msgspec import Struct


class BrokerSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """`[broker]`: sessions, queues and retained messages."""

    session_expiry_max_s: int = 24 * 3600  # a device that is away longer subscribes anew
    sessions_per_principal: int = 4  # stored ones; a random client id each time fills no disk
    subscriptions_per_session: int = 100
    queue_messages_max: int = 10_000  # ten seconds of a busy subscriber
    queue_bytes_max: int = 8 * 1024 * 1024
    inflight_max: int = 1024  # below the peer's own receive maximum, where it names one
    retained_messages_max: int = 10_000  # per tenant
    retained_bytes_max: int = 32 * 1024 * 1024  # per tenant
    routes_cached: int = 65_536  # pairs of sender and topic with subscribers looked up
