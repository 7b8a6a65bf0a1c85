"""Metrics of CoAP: what came in, how it was answered, and what is held."""

from prometheus_client import Counter, Gauge

REQUESTS = Counter("weft_coap_requests", "Requests answered, by code.", ["code"])
REFUSED = Gauge("weft_coap_refused_datagrams", "Datagrams that broke the protocol.", ["listener"])
SESSIONS = Gauge("weft_coap_sessions", "Live sessions.", ["listener"])
HELD = Gauge("weft_coap_held", "What is held for peers, by kind.", ["listener", "kind"])
