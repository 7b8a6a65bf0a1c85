"""Metrics of connectors: how deliveries end, and how long the queues are."""

from prometheus_client import Counter, Gauge

DELIVERIES = Counter(
    "weft_connectors_deliveries",
    "Attempts to deliver an action to a business system, by how they ended.",
    ["connector", "outcome"],  # delivered, retried, dead
)
QUEUE = Gauge(
    "weft_connectors_queue",
    "Actions that wait for a business system.",
    ["connector"],
)
POLLS = Counter(
    "weft_connectors_polls",
    "Requests for the state of open work orders, by how they ended.",
    ["connector", "outcome"],  # answered, failed
)
