"""Metrics of the API: what is asked of it, how it answers and how long that takes."""

from prometheus_client import Counter, Gauge, Histogram

REQUESTS = Counter("weft_api_requests", "Requests answered.", ["operation", "status"])
SECONDS = Histogram(
    "weft_api_request_seconds",
    "Time from a complete header to the answer, streams left out.",
    buckets=(0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10.0),
)
STREAMS = Gauge("weft_api_streams", "Live streams that are open.")
STREAM_GAPS = Counter("weft_api_stream_gaps", "Events that slow readers of streams have missed.")
