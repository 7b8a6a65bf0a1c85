"""Metrics of the broker: who is connected, what waits, what was lost."""

from prometheus_client import Counter, Gauge

SESSIONS = Gauge("weft_broker_sessions", "Sessions, live or stored", ["state"])
QUEUED = Gauge("weft_broker_queued_messages", "Messages that wait in sessions' queues")
RETAINED = Gauge("weft_broker_retained_messages", "Retained messages")
DELIVERED = Counter("weft_broker_delivered_messages", "Messages handed to subscribers")
DROPPED = Counter(
    "weft_broker_dropped_messages",
    "Messages that a subscriber did not get (queue_full, expired, forbidden, refused)",
    ["reason"],
)
